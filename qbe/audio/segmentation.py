"""Cut sounds into overlapping windows that cover every sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from qbe.audio.identity import identified
from qbe.audio.reading import decode, mono_blocks, source_name
from qbe.audio.silence import FAINT, without_silence
from qbe.streams.framing import Placed
from qbe.streams.records import Audio, File, Segment
from qbe.support.errors import AudioError, OnError, UsageError, until_fault

SAMPLE_RATE = 16_000
WINDOW = 16_384  # 1.024 s
HOP = WINDOW // 2
WAITING = 512  # segments that may wait to be told from silence, 32 MiB


def window_hop(seconds: float | None, sample_rate: int, window: int) -> int:
    """The hop in samples. UsageError where windows would leave gaps or stand still."""
    if seconds is None:
        return window // 2
    if not 0.5 < seconds * sample_rate < window + 0.5:
        raise UsageError(f"--hop {seconds:g}: must be over 0 and at most the window, {window / sample_rate:g} s")
    return round(seconds * sample_rate)


def cut(
    blocks: Iterable[Audio], path: bytes, *, window: int = WINDOW, hop: int = HOP, silence: float | None = FAINT
) -> Iterator[Segment]:
    """Windows at 0, hop, 2 hop ... until every sample is covered; the last one is padded with zeros.

    blocks : float32 [n] each, the consecutive samples of one sound
    window, hop : samples, 0 < hop <= window
    silence : dBFS; segments under it are left out, as are those 60 dB under the loudest (`qbe.audio.silence`).
        None: none is left out

    Of a sound of L samples come 1 + ceil(max(0, L - window) / hop) segments, less those that are silence.
    """
    faults: list[AudioError] = []
    decoded = until_fault(blocks, AudioError, faults.append)  # what comes before a fault counts
    cuts = _windows(decoded, path, window, hop)
    yield from cuts if silence is None else without_silence((cut for cut in cuts if cut.level >= silence), WAITING)
    if faults:
        raise faults[0]


def _windows(blocks: Iterable[Audio], path: bytes, window: int, hop: int) -> Iterator[Segment]:
    pending = np.zeros(0, np.float32)
    start, covered = 0, 0
    for block in blocks:
        pending = np.concatenate([pending, block])
        offset = 0
        while len(pending) - offset >= window:
            yield Segment(path, start, window, pending[offset : offset + window])
            covered = start + window
            start += hop
            offset += hop
        pending = pending[offset:]
    if start + len(pending) > covered:
        padded = np.zeros(window, np.float32)
        padded[: len(pending)] = pending
        yield Segment(path, start, len(pending), padded)


def segments(
    sources: Iterable[bytes | BinaryIO],
    on_error: OnError,
    *,
    sample_rate: int = SAMPLE_RATE,
    window: int = WINDOW,
    hop: int = HOP,
    silence: float | None = FAINT,
    expand: float = 1.0,
    on_end: Callable[[File], None] = lambda _: None,
) -> Iterator[Segment]:
    """The segments of many files, in order. A file that fails goes to `on_error`; what was read of it stays.

    sources : names of files, or open seekable files, which are called "-"
    silence : as for `cut`
    expand : as for `qbe.audio.reading.read_blocks`; places count in the sound as it is then
    on_end : called with every file, as it was before it was read, how long it is, and whether it could be read to its
        end; of a pipe, with no size, time and content
    """

    pieces = (piece for source in sources for piece in read(source, sample_rate, window, hop, silence, expand))
    yield from without_notes(pieces, on_error, on_end)


def without_notes(
    pieces: Iterable[Placed | AudioError | File], on_error: OnError, on_end: Callable[[File], None]
) -> Iterator[Placed]:
    """Segments, or what was made of them, without what `read` tells between them: that is passed on."""
    for piece in pieces:
        if isinstance(piece, File):
            on_end(piece)
        elif isinstance(piece, AudioError):
            on_error(piece)
        else:
            yield piece


def read(
    source: bytes | BinaryIO, sample_rate: int, window: int, hop: int, silence: float | None, expand: float
) -> Iterator[Segment | AudioError | File]:
    """The segments of a file, the fault that ended it where there was one, and what is to be known of the file."""
    path = source if isinstance(source, bytes) else b"-"
    before, by_ffmpeg, failed, samples = identified(path) if path is source else None, False, False, 0

    def heard(count: int) -> None:
        nonlocal samples
        samples += count

    try:
        sound = decode(source)
        by_ffmpeg = sound.by_ffmpeg
        blocks = mono_blocks(sound, sample_rate, source_name(source), expand=expand)
        yield from cut(_told(blocks, heard), path, window=window, hop=hop, silence=silence)
    except AudioError as error:
        failed = True
        yield error
    told = before or File(path, 0, 0)
    yield replace(told, failed=failed, by_ffmpeg=by_ffmpeg, end=round(samples / expand))


def _told(blocks: Iterable[Audio], heard: Callable[[int], None]) -> Iterator[Audio]:
    """The same blocks; on the way, how many samples each has."""
    for block in blocks:
        heard(len(block))
        yield block
