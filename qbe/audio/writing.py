"""Write sounds: WAV down a pipe, any libsndfile format into a file."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from qbe.audio.sound import Sound
from qbe.streams.records import Audio
from qbe.support.errors import AudioError, UsageError, display
from qbe.support.saving import save_file

FRAMES = 4096  # written at a time: libsndfile's Vorbis encoder has crashed on whole minutes
INTEGER, FLOAT = 1, 3  # WAVE_FORMAT_PCM, WAVE_FORMAT_IEEE_FLOAT
SYSTEM_ERROR = 2  # SF_ERR_SYSTEM

# What keeps the most of a float sound, by format; others have one that libsndfile picks.
SUBTYPES = {
    "WAV": "FLOAT",
    "RF64": "FLOAT",
    "W64": "FLOAT",
    "CAF": "FLOAT",
    "AIFF": "FLOAT",
    "AU": "FLOAT",
    "FLAC": "PCM_24",
}
# How samples are kept that lose nothing, as they were; all else as the floats that its decoder gives.
KEPT = {
    "PCM_S8": "PCM_U8", "PCM_U8": "PCM_U8", "PCM_16": "PCM_16", "PCM_24": "PCM_24", "PCM_32": "PCM_32",
    "ALAC_16": "PCM_16", "ALAC_20": "PCM_24", "ALAC_24": "PCM_24", "ALAC_32": "PCM_32", "DOUBLE": "DOUBLE",
}  # fmt: skip
WIDTHS = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4}  # bytes of a sample that is an integer
FORMATS = {"aif": "AIFF", "oga": "OGG", "opus": "OGG", "wave": "WAV", "snd": "AU"}


def sample_format(source: bytes | BinaryIO) -> str:
    """That of a WAV file which holds what a sound file does, as libsndfile calls it."""
    if not isinstance(source, bytes):
        source.seek(0)
    try:
        return KEPT.get(soundfile.info(source).subtype, "FLOAT")
    except soundfile.SoundFileError:  # read by another decoder
        return "FLOAT"


def integers(samples: Audio, bits: int) -> NDArray[np.int32]:
    """The nearest integers of so many bits, of full scale 2^31 as libsndfile takes them; it scales floats by another
    number when it writes than when it reads."""
    most = 2.0 ** (bits - 1)
    scaled = np.clip(np.rint(samples.astype(np.float64) * most), -most, most - 1)
    return (scaled * 2.0 ** (32 - bits)).astype(np.int32)


def _whole(subtype: str | None, samples: Audio) -> Audio | NDArray[np.int32]:
    """Samples as they are given to libsndfile: integers where it keeps such."""
    return integers(samples, 8 * WIDTHS[subtype]) if subtype in WIDTHS else samples


def limited(sound: Sound, on_peak: Callable[[float], None], *, limit: bool) -> Iterator[Audio]:
    """The blocks of a sound. Peaks over full scale: `on_peak` is told the highest at the end; `limit` cuts them."""
    peak = 0.0
    for block in sound.blocks():
        peak = max(peak, float(np.abs(block).max(initial=0)))
        yield np.clip(block, -1, 1) if limit else block
    if peak > 1:
        on_peak(peak)


def write_wav(file: BinaryIO, sound: Sound, blocks: Iterator[Audio], subtype: str = "FLOAT") -> None:
    """WAV, in one go: the length is known beforehand, so that it may go down a pipe.

    subtype : one of WIDTHS; of 32-bit floats where it is none
    """
    width, tag = WIDTHS.get(subtype, 4), INTEGER if subtype in WIDTHS else FLOAT
    frame = sound.channels * width
    size = sound.frames * frame
    # Beyond 4 GB the sizes in a WAV header say nothing; readers of pipes go on to the end.
    data, riff = min(size, 0xFFFFFFFF), min(size + size % 2 + 50, 0xFFFFFFFF)
    head = struct.pack("<4sI4s4sIHHIIHHH", b"RIFF", riff, b"WAVE", b"fmt ", 18, tag, sound.channels,
                       sound.sample_rate, sound.sample_rate * frame, frame, 8 * width, 0)  # fmt: skip
    file.write(head + struct.pack("<4sII4sI", b"fact", 4, min(sound.frames, 0xFFFFFFFF), b"data", data))
    for block in blocks:
        file.write(_packed(block, width) if tag == INTEGER else block.astype("<f4").tobytes())
    file.write(b"\0" * (size % 2))
    file.flush()


def _packed(samples: Audio, width: int) -> bytes:
    """As integers of so many bytes, the lowest first; of one byte, above 0."""
    whole = integers(samples, 8 * width).astype("<i4")
    highest = whole.reshape(-1, 1).view(np.uint8)[:, 4 - width :]
    return (highest + np.uint8(128) if width == 1 else highest).tobytes()


def format_of(path: bytes) -> str:
    """libsndfile's name of the format that a file name's ending asks for. UsageError where there is none."""
    ending = os.fsdecode(path.rpartition(b".")[2]).lower()
    name = FORMATS.get(ending, ending.upper())
    if name not in soundfile.available_formats() or name == "RAW":
        raise UsageError(f"{display(path)}: no format is known by this ending; use .wav, .flac, .ogg, .mp3, ...")
    return name


def write_file(
    path: bytes, sound: Sound, blocks: Iterator[Audio], wanted: str = "FLOAT", *, only: bool = False
) -> None:
    """A sound file in the format of the name's ending. Raises as `encode`.

    wanted : as libsndfile calls it; where the format cannot hold it, it is what keeps the most. only : UsageError then
    """
    form = format_of(path)
    subtype = "OPUS" if path.lower().endswith(b".opus") else SUBTYPES.get(form)
    if soundfile.check_format(form, wanted) and subtype != "OPUS":
        subtype = wanted
    elif only:
        raise UsageError(f"{display(path)}: {form} cannot hold samples of {wanted}: leave out --bits")
    if subtype not in WIDTHS and subtype not in ("FLOAT", "DOUBLE"):
        blocks = (np.clip(block, -1, 1) for block in blocks)  # they would wrap around
    encode(path, sound, blocks, form, subtype)


def encode(path: bytes, sound: Sound, blocks: Iterable[Audio], form: str, subtype: str | None) -> None:
    """A sound file that takes its place when it is whole.

    sound : tells rate and channels; form, subtype : as libsndfile calls them; None: the one that it picks
    AudioError where the format cannot hold the sound's rate or channels; OSError as from the system.
    """
    with save_file(path) as file:
        try:
            # By number: of a file object's errors soundfile would print a traceback, and go on.
            with soundfile.SoundFile(
                file.fileno(), "w", sound.sample_rate, sound.channels, subtype, format=form, closefd=False
            ) as out:
                for block in map(partial(_whole, subtype), blocks):
                    for first in range(0, len(block), FRAMES):
                        out.write(block[first : first + FRAMES])
        except (soundfile.SoundFileError, ValueError) as error:
            if getattr(error, "code", 0) == SYSTEM_ERROR:
                os.write(file.fileno(), b"\0")  # raises what the system has said
            reason = str(getattr(error, "error_string", error)).rstrip(".")
            raise AudioError(
                f"{display(path)}: {form} cannot hold {sound.channels} channels at {sound.sample_rate} Hz ({reason})"
            ) from None
