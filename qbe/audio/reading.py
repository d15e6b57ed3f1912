"""Find audio files and decode them, block by block, to mono at one sample rate."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from qbe.streams.records import LONGEST, MAX_RATE, MIN_RATE, Audio
from qbe.support.bounded import read_whole
from qbe.support.errors import AudioError, OnError, display

BLOCK_SECONDS = 2.0
SHORTFALL_SECONDS = 0.5  # MP3 and Vorbis files may promise a little more than they hold
SIZE_CLAIM = re.compile(r"\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)")
PIPED = 1 << 31  # programs write a multiple of this into a header that goes down a pipe, or
PIPED_LESS = 1 << 16  # up to as much less
OGG_HEADER = 27  # bytes before the lengths of a page's segments
OGG_PAGE = OGG_HEADER + 255 + 255 * 255  # bytes, the longest

# libsndfile's containers under the endings people give them; headerless "raw" cannot be recognised.
EXTENSIONS = frozenset(
    b"8svx aif aifc aiff au avr caf flac htk iff mat mp1 mp2 mp3 nist oga ogg opus paf pvf rf64 sd2 sds sf snd sph "
    b"svx voc w64 wav wave wavex wve xi".split()
)


def find_audio(inputs: Iterable[bytes], on_error: OnError) -> Iterator[bytes]:
    """Files as they are named; folders are walked in order of name for files with a known ending.

    A name that does not exist, and a folder that cannot be listed, go to `on_error`.
    """
    for path in inputs:
        if os.path.isdir(path):
            yield from _walk(path, on_error)
        elif os.path.lexists(path):
            yield path
        else:
            on_error(AudioError(f"{display(path)}: no such file or folder"))


def _walk(folder: bytes, on_error: OnError) -> Iterator[bytes]:
    def unlisted(error: OSError) -> None:
        on_error(AudioError(f"{display(error.filename)}: {error.strerror}"))

    for directory, folders, files in os.walk(folder, onerror=unlisted):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(directory, name)
            if name.rpartition(b".")[2].lower() not in EXTENSIONS:
                continue
            if os.path.isfile(path) or not os.path.exists(path):  # a link to nowhere is told by whoever opens it
                yield path
            else:  # a pipe that no one writes to would keep us waiting
                on_error(AudioError(f"{display(path)}: not a file"))


def read_blocks(
    source: bytes | BinaryIO, sample_rate: int, *, start: float = 0.0, duration: float | None = None
) -> Iterator[Audio]:
    """Decode a sound to mono blocks of about two seconds, whatever its length.

    source : a file name, or an open seekable file
    sample_rate : of the result, Hz
    start, duration : the part to read, seconds of the source, LONGEST at most; None: to its end

    Yields float32 [n]. Raises AudioError where the sound cannot be opened, is broken, or holds samples that are not
    numbers; blocks that were good have been yielded by then.
    """
    with open_file(source) as sound:
        weights = np.full(sound.channels, 1 / sound.channels, np.float32)
        frames = read_frames(sound, source_name(source), start=start, duration=duration)
        yield from resampled((block @ weights for block in frames), sound.samplerate, sample_rate)


def array_blocks(
    samples: NDArray[Any], rate: float, sample_rate: int, *, start: float = 0.0, duration: float | None = None
) -> Iterator[Audio]:
    """As `read_blocks`, of samples in memory, [frames] or [frames, channels] at `rate`: floats, or integers of which
    the largest is full scale. Raises AudioError."""
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi" or not samples.size:
        raise AudioError(
            f"an array of shape {samples.shape} and type {samples.dtype}: a sound is floats or signed integers, "
            "[frames] or [frames, channels]"
        )
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"sample rate {rate:g} Hz is not between {MIN_RATE} and {MAX_RATE} Hz")
    _check_part("samples", start, duration)
    first = round(start * rate)
    part = samples[first : None if duration is None else first + round(duration * rate)]
    if not len(part):
        raise AudioError(f"start {start:g} s lies beyond the end at {len(samples) / rate:.3f} s")
    scale = 1.0 if part.dtype.kind == "f" else -1 / float(np.iinfo(part.dtype).min)
    mono = (part if part.ndim == 1 else part.mean(1)).astype(np.float32) * np.float32(scale)
    if not np.isfinite(mono).all():
        raise AudioError("samples are not numbers (NaN or infinite)")
    block = max(1, round(BLOCK_SECONDS * rate))
    yield from resampled((mono[at : at + block] for at in range(0, len(mono), block)), rate, sample_rate)


def source_name(source: bytes | BinaryIO) -> str:
    """A source as messages name it."""
    return display(source) if isinstance(source, bytes) else "standard input"


def open_file(source: bytes | BinaryIO) -> soundfile.SoundFile:
    """An open sound. AudioError where there is none, or where its sample rate makes no sense."""
    name = source_name(source)
    try:
        sound = soundfile.SoundFile(_seekable(source) if isinstance(source, bytes) else source)
    except OSError as error:
        raise AudioError(f"{name}: {error.strerror or error}") from None
    except (soundfile.SoundFileError, TypeError) as error:
        raise AudioError(f"{name}: not audio that can be read ({_reason(error)})") from None
    if not MIN_RATE <= sound.samplerate <= MAX_RATE:
        sound.close()
        raise AudioError(f"{name}: sample rate {sound.samplerate} Hz is not between {MIN_RATE} and {MAX_RATE} Hz")
    return sound


def _seekable(path: bytes) -> bytes | BinaryIO:
    """The path itself, or the whole content of a pipe. Its OSError says why; AudioError for what is neither."""
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode):
            return path
        if stat.S_ISFIFO(mode):
            return io.BytesIO(read_whole(file, display(path), AudioError))
    raise AudioError(f"{display(path)}: neither a file nor a pipe")


def _reason(error: Exception) -> str:
    text = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _promised_frames(sound: soundfile.SoundFile) -> int:
    """How many frames the header speaks of. libsndfile counts those that are there; its log tells the difference."""
    frames: int = sound.frames
    for line in sound.extra_info.splitlines():
        if match := SIZE_CLAIM.match(line):
            claimed, present = int(match[1]), int(match[2])
            if 0 < present < claimed and -claimed % PIPED > PIPED_LESS:
                return round(frames * claimed / present)
    return frames


def read_frames(
    sound: soundfile.SoundFile, name: str, *, start: float = 0.0, duration: float | None = None
) -> Iterator[Audio]:
    """Decode an open sound as it is: blocks of float32 [n, channels]. Raises as `read_blocks`; `name` is for that."""
    _check_part(name, start, duration)
    rate, expected = sound.samplerate, _promised_frames(sound)
    first = round(start * rate)
    if first >= expected > 0 and first > 0:
        raise AudioError(f"{name}: start {start:g} s lies beyond the end at {expected / rate:.3f} s")
    last = expected if duration is None else min(expected, first + round(duration * rate))
    position = first
    try:
        if first:
            sound.seek(first)
        while position < last:
            block = sound.read(min(round(BLOCK_SECONDS * rate), last - position), dtype="float32", always_2d=True)
            if not len(block):
                break
            if not np.isfinite(block).all():
                raise AudioError(f"{name}: samples near {position / rate:.3f} s are not numbers (NaN or infinite)")
            position += len(block)
            yield block
    except soundfile.SoundFileError as error:
        raise AudioError(f"{name}: broken at {position / rate:.3f} s ({_reason(error)})") from None
    if position < last - SHORTFALL_SECONDS * rate:
        raise AudioError(f"{name}: ends at {position / rate:.3f} s of {last / rate:.3f} s; truncated?")
    if duration is None and sound.format == "OGG" and _ends_within_a_page(sound.name):
        raise AudioError(f"{name}: ends at {position / rate:.3f} s in the middle of a page; truncated?")
    if position == 0:
        raise AudioError(f"{name}: holds no samples")


def _check_part(name: str, start: float, duration: float | None) -> None:
    for what, seconds in (("start", start), ("duration", duration or 0.0)):
        if not 0 <= seconds <= LONGEST:
            raise AudioError(f"{name}: {what} {seconds:g} is not a number of seconds, 0 or more")


def _ends_within_a_page(source: bytes | BinaryIO) -> bool:
    """Whether the last page of an Ogg file (RFC 3533) is cut: libsndfile leaves it out without a word."""
    with open(source, "rb") if isinstance(source, bytes) else nullcontext(source) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - OGG_PAGE))
        tail = file.read(OGG_PAGE)
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < OGG_HEADER:
        return True
    body = OGG_HEADER + page[OGG_HEADER - 1]
    return len(page) < body + sum(page[OGG_HEADER:body])


def resampled(blocks: Iterator[Audio], rate: float, wanted: float, channels: int = 1) -> Iterator[Audio]:
    """Blocks [n] or [n, channels] at another rate. What came before an AudioError of theirs is given in full first."""
    if rate == wanted:
        yield from blocks
        return
    import soxr  # only here: a search for a sound that is already at the model's rate starts without it

    resampler = soxr.ResampleStream(rate, wanted, channels, dtype="float32", quality="HQ")
    rest, fault = None, None
    try:
        for block in blocks:
            rest = block[:0]
            yield resampler.resample_chunk(np.ascontiguousarray(block))
    except AudioError as error:
        fault = error
    if rest is not None:
        yield resampler.resample_chunk(rest, last=True)
    if fault:
        raise fault
