"""Write sounds: WAV down a pipe, any libsndfile format into a file."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from qbe.audio.sound import Sound
from qbe.streams.records import Audio
from qbe.support.errors import AudioError, UsageError, display
from qbe.support.saving import save_file

FRAMES = 4096  # written at a time: libsndfile's Vorbis encoder has crashed on whole minutes
FLOAT = 3  # WAVE_FORMAT_IEEE_FLOAT
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
FORMATS = {"aif": "AIFF", "oga": "OGG", "opus": "OGG", "wave": "WAV", "snd": "AU"}


def limited(sound: Sound, on_peak: Callable[[float], None], *, limit: bool) -> Iterator[Audio]:
    """The blocks of a sound. Peaks over full scale: `on_peak` is told the highest at the end; `limit` cuts them."""
    peak = 0.0
    for block in sound.blocks():
        peak = max(peak, float(np.abs(block).max(initial=0)))
        yield np.clip(block, -1, 1) if limit else block
    if peak > 1:
        on_peak(peak)


def write_wav(file: BinaryIO, sound: Sound, blocks: Iterator[Audio]) -> None:
    """32-bit float WAV, in one go: the length is known beforehand, so that it may go down a pipe."""
    size = sound.frames * sound.channels * 4
    frame = sound.channels * 4
    # Beyond 4 GB the sizes in a WAV header say nothing; readers of pipes go on to the end.
    data, riff = min(size, 0xFFFFFFFF), min(size + 50, 0xFFFFFFFF)
    head = struct.pack("<4sI4s4sIHHIIHHH", b"RIFF", riff, b"WAVE", b"fmt ", 18, FLOAT, sound.channels,
                       sound.sample_rate, sound.sample_rate * frame, frame, 32, 0)  # fmt: skip
    file.write(head + struct.pack("<4sII4sI", b"fact", 4, min(sound.frames, 0xFFFFFFFF), b"data", data))
    for block in blocks:
        file.write(block.astype("<f4").tobytes())
    file.flush()


def format_of(path: bytes) -> str:
    """libsndfile's name of the format that a file name's ending asks for. UsageError where there is none."""
    ending = os.fsdecode(path.rpartition(b".")[2]).lower()
    name = FORMATS.get(ending, ending.upper())
    if name not in soundfile.available_formats() or name == "RAW":
        raise UsageError(f"{display(path)}: no format is known by this ending; use .wav, .flac, .ogg, .mp3, ...")
    return name


def write_file(path: bytes, sound: Sound, blocks: Iterator[Audio]) -> None:
    """A sound file in the format of the name's ending. Raises as `encode`."""
    form = format_of(path)
    subtype = "OPUS" if path.lower().endswith(b".opus") else SUBTYPES.get(form)
    if subtype != "FLOAT":
        blocks = (np.clip(block, -1, 1) for block in blocks)  # integers would wrap around
    encode(path, sound, blocks, form, subtype)


def encode(
    path: bytes, sound: Sound, blocks: Iterable[Audio | NDArray[np.int32]], form: str, subtype: str | None
) -> None:
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
                for block in blocks:
                    for first in range(0, len(block), FRAMES):
                        out.write(block[first : first + FRAMES])
        except (soundfile.SoundFileError, ValueError) as error:
            if getattr(error, "code", 0) == SYSTEM_ERROR:
                os.write(file.fileno(), b"\0")  # raises what the system has said
            reason = str(getattr(error, "error_string", error)).rstrip(".")
            raise AudioError(
                f"{display(path)}: {form} cannot hold {sound.channels} channels at {sound.sample_rate} Hz ({reason})"
            ) from None
