"""Decode sounds, block by block: as they are, or to mono at one sample rate."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from qbe.audio import libsndfile
from qbe.audio.band import heard
from qbe.audio.decoding import BLOCK_SECONDS, Decoding, UnknownFormatError
from qbe.audio.mixing import mixed
from qbe.streams.records import LONGEST, MAX_RATE, MIN_RATE, Audio
from qbe.support.bounded import read_whole
from qbe.support.errors import AudioError, FormatError, display


def read_blocks(
    source: bytes | BinaryIO,
    sample_rate: int,
    *,
    start: float = 0.0,
    duration: float | None = None,
    expand: float = 1.0,
) -> Iterator[Audio]:
    """Decode a sound to mono blocks of about two seconds, whatever its length.

    source : a file name, or an open seekable file
    sample_rate : of the result, Hz
    start, duration : the part to read, seconds of the source, LONGEST at most; None: to its end
    expand : how many times as long it is to take, as on a tape that runs slower: all frequencies are divided by it

    Yields float32 [n]. Raises AudioError where the sound cannot be opened, is broken, or holds samples that are not
    numbers; blocks that were good have been yielded by then. An AudioWarning tells what is odd and was mended.
    """
    sound = decode(source, start=start, duration=duration)
    yield from mono_blocks(sound, sample_rate, source_name(source), expand=expand)


def mono_blocks(sound: Decoding, sample_rate: int, name: str, *, expand: float = 1.0) -> Iterator[Audio]:
    """The blocks of a sound that is being decoded, as `read_blocks` gives them. name : for messages"""
    rate = sound.sample_rate / expand
    yield from heard(mixed(sound.blocks, sound.channels, rate), rate, sample_rate, name)


def array_blocks(
    samples: NDArray[Any],
    rate: float,
    sample_rate: int,
    *,
    start: float = 0.0,
    duration: float | None = None,
    expand: float = 1.0,
) -> Iterator[Audio]:
    """As `read_blocks`, of samples in memory, [frames] or [frames, channels] at `rate`: floats, or integers of which
    the largest is full scale. Raises AudioError."""
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi" or not samples.size:
        raise AudioError(
            f"an array of shape {samples.shape} and type {samples.dtype}: a sound is floats or signed integers, "
            "[frames] or [frames, channels]"
        )
    _check_rate("samples", rate)
    _check_part("samples", start, duration)
    first = round(start * rate)
    part = samples[first : None if duration is None else first + round(duration * rate)]
    if not len(part):
        raise AudioError(f"start {start:g} s lies beyond the end at {len(samples) / rate:.3f} s")
    scale = 1.0 if part.dtype.kind == "f" else -1 / float(np.iinfo(part.dtype).min)
    frames = part.reshape(len(part), -1).astype(np.float32) * np.float32(scale)
    if not np.isfinite(frames).all():
        raise AudioError("samples are not numbers (NaN or infinite)")
    size = max(1, round(BLOCK_SECONDS * rate))
    blocks = (frames[at : at + size] for at in range(0, len(frames), size))
    yield from heard(mixed(blocks, frames.shape[1], rate / expand), rate / expand, sample_rate, "samples")


def source_name(source: bytes | BinaryIO) -> str:
    """A source as messages name it."""
    return display(source) if isinstance(source, bytes) else "standard input"


def decode(source: bytes | BinaryIO, *, start: float = 0.0, duration: float | None = None) -> Decoding:
    """A sound as it is, or a part of it (seconds): by libsndfile, or by ffmpeg where libsndfile does not know it.

    Raises as `read_blocks`; FormatError where ffmpeg is needed and not there.
    """
    name = source_name(source)
    _check_part(name, start, duration)
    file = _opened(source)
    try:
        sound = _first_try(file, name, start, duration)
        _check_rate(name, sound.sample_rate)
    except AudioError:
        if isinstance(source, bytes):
            file.close()
        raise
    blocks = _numbers(sound, name, start)
    return replace(sound, blocks=_closing(blocks, file) if isinstance(source, bytes) else blocks)


def _numbers(sound: Decoding, name: str, start: float) -> Iterator[Audio]:
    """The blocks of a sound up to one in which there is something else."""
    position = round(start * sound.sample_rate)
    for block in sound.blocks:
        if not np.isfinite(block).all():
            at = position / sound.sample_rate
            raise AudioError(f"{name}: samples near {at:.3f} s are not numbers (NaN or infinite)")
        position += len(block)
        yield block


def _closing(blocks: Iterator[Audio], file: BinaryIO) -> Iterator[Audio]:
    with file:
        yield from blocks


def _opened(source: bytes | BinaryIO) -> BinaryIO:
    """The file itself, unbuffered, or the whole content of a pipe. AudioError where it is neither, or not there."""
    if not isinstance(source, bytes):
        return source
    name = display(source)
    try:
        file = open(source, "rb", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise AudioError(f"{name}: {error.strerror or error}") from None
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISREG(mode):
        return file
    with file:
        if stat.S_ISFIFO(mode):
            return io.BytesIO(read_whole(file, name, AudioError))
    raise AudioError(f"{name}: neither a file nor a pipe")


def _first_try(file: BinaryIO, name: str, start: float, duration: float | None) -> Decoding:
    try:
        return libsndfile.decode(file, name, start, duration)
    except OSError as error:
        raise AudioError(f"{name}: {error.strerror or error}") from None
    except UnknownFormatError as error:
        return _second_try(file, name, start, duration, str(error))


def _second_try(file: BinaryIO, name: str, start: float, duration: float | None, reason: str) -> Decoding:
    from qbe.audio import ffmpeg  # only here: most sounds need neither
    from qbe.audio.kinds import kind_of

    kind = kind_of(file)
    if kind is None or kind.demuxer is None:
        raise AudioError(f"{name}: not audio: {kind.name if kind else 'of no format that is known'}")
    unread = AudioError(f"{name}: not audio that can be read: {kind.name} ({reason})")
    if not ffmpeg.program():
        needs = FormatError(f"{name}: {kind.name}: needs ffmpeg, which is not there: install it", kind.short)
        raise unread if kind.is_libsndfiles else needs
    try:
        sound = ffmpeg.decode(file, name, kind)
    except AudioError:
        if kind.is_libsndfiles:  # what libsndfile says of it says more
            raise unread from None
        raise
    return replace(sound, blocks=_part(sound, name, start, duration))


def _part(sound: Decoding, name: str, start: float, duration: float | None) -> Iterator[Audio]:
    """Blocks from `start` on, `duration` long, of a sound that can only be read from its beginning."""
    first = round(start * sound.sample_rate)
    last = first + round(duration * sound.sample_rate) if duration is not None else None
    position = 0
    for block in sound.blocks:
        kept = block[max(0, first - position) : None if last is None else max(0, last - position)]
        position += len(block)
        if len(kept):
            yield kept
        if last is not None and position >= last:
            return
    if position <= first:
        end = f"start {start:g} s lies beyond the end at {position / sound.sample_rate:.3f} s"
        raise AudioError(f"{name}: {end if first else 'holds no samples'}")


def _check_rate(name: str, rate: float) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"{name}: sample rate {rate:.12g} Hz is not between {MIN_RATE} and {MAX_RATE} Hz")


def _check_part(name: str, start: float, duration: float | None) -> None:
    for what, seconds in (("start", start), ("duration", duration or 0.0)):
        if not 0 <= seconds <= LONGEST:
            raise AudioError(f"{name}: {what} {seconds:g} is not a number of seconds, 0 or more")
