"""Cut sounds into overlapping windows that cover every sample."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from qbe.audio.reading import read_blocks
from qbe.streams.records import Audio, File, Segment
from qbe.support.errors import AudioError, OnError, UsageError

SAMPLE_RATE = 16_000
WINDOW = 16_384  # 1.024 s
HOP = WINDOW // 2

# The least step of 24-bit audio: what never exceeds it is digital silence.
SILENCE = 2.0**-24


def window_hop(seconds: float | None, sample_rate: int, window: int) -> int:
    """The hop in samples. UsageError where windows would leave gaps or stand still."""
    if seconds is None:
        return window // 2
    if not 0.5 < seconds * sample_rate < window + 0.5:
        raise UsageError(f"--hop {seconds:g}: must be over 0 and at most the window, {window / sample_rate:g} s")
    return round(seconds * sample_rate)


def cut(
    blocks: Iterable[Audio], path: bytes, *, window: int = WINDOW, hop: int = HOP, keep_silence: bool = False
) -> Iterator[Segment]:
    """Windows at 0, hop, 2 hop ... until every sample is covered; the last one is padded with zeros.

    blocks : float32 [n] each, the consecutive samples of one sound
    window, hop : samples, 0 < hop <= window

    Of a sound of L samples come 1 + ceil(max(0, L - window) / hop) segments, less those that are digital silence.
    """
    pending = np.zeros(0, np.float32)
    start, covered = 0, 0
    fault = None
    try:
        for block in blocks:
            pending = np.concatenate([pending, block])
            offset = 0
            while len(pending) - offset >= window:
                yield from _unless_silent(Segment(path, start, window, pending[offset : offset + window]), keep_silence)
                covered = start + window
                start += hop
                offset += hop
            pending = pending[offset:]
    except AudioError as error:  # what was decoded before a fault still counts
        fault = error
    if start + len(pending) > covered:
        padded = np.zeros(window, np.float32)
        padded[: len(pending)] = pending
        yield from _unless_silent(Segment(path, start, len(pending), padded), keep_silence)
    if fault:
        raise fault


def _unless_silent(segment: Segment, keep_silence: bool) -> Iterator[Segment]:
    if keep_silence or np.abs(segment.audio).max() > SILENCE:
        yield segment


def segments(
    paths: Iterable[bytes],
    on_error: OnError,
    *,
    sample_rate: int = SAMPLE_RATE,
    window: int = WINDOW,
    hop: int = HOP,
    keep_silence: bool = False,
    on_end: Callable[[File], None] = lambda _: None,
) -> Iterator[Segment]:
    """The segments of many files, in order. A file that fails goes to `on_error`; what was read of it stays.

    on_end : called with every file that was read to its end, as it was before it was read
    """
    for path in paths:
        before = file_state(path)
        try:
            yield from cut(read_blocks(path, sample_rate), path, window=window, hop=hop, keep_silence=keep_silence)
        except AudioError as error:
            on_error(error)
        else:
            if before:
                on_end(before)


def file_state(path: bytes) -> File | None:
    """By what to see whether a file changes. None where there is none, or something else, such as a pipe."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return File(path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
