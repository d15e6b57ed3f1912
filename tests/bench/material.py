"""Sounds to make benchmarks of, and libraries of what was made."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

import qbe
from qbe.audio.finding import find_audio
from qbe.audio.reading import read_blocks
from qbe.library import Library
from qbe.streams.records import Audio
from qbe.support.errors import AudioError, raise_error

RATE = 16_000
DATA = Path(__file__).parents[1] / "data" / "library"


@dataclass(frozen=True)
class Sound:
    """name : a word; kind : the folder it is in; audio : float32 [n], mono at RATE"""

    name: str
    kind: str
    audio: Audio

    @property
    def seconds(self) -> float:
        return len(self.audio) / RATE

    @property
    def level(self) -> float:
        """RMS, dBFS."""
        return decibels(self.audio)


def decibels(audio: Audio) -> float:
    """RMS, dBFS."""
    return 10 * float(np.log10(np.mean(audio.astype(np.float64) ** 2) + 1e-20))


def sounds_of(folder: Path, shortest: float = 0.0, longest: float = 10.0) -> list[Sound]:
    """All of a folder that last so many seconds, by name; what cannot be read is left out."""
    found = []
    for number, path in enumerate(find_audio([os.fsencode(folder)], raise_error)):
        name = Path(os.fsdecode(path))
        try:
            if not shortest <= soundfile.info(path).duration <= longest:
                continue
            audio = np.concatenate(list(read_blocks(path, RATE)))
        except (AudioError, soundfile.LibsndfileError):
            continue
        found.append(Sound(f"{number}-{name.stem}", name.parent.name, audio))
    return found


def spread(sounds: list[Sound], count: int) -> list[Sound]:
    """So many of them, evenly among all."""
    return [sounds[at * len(sounds) // count] for at in range(min(count, len(sounds)))]


def library_of(folder: Path, sounds: Iterable[tuple[str, Audio]]) -> Library:
    """A library of sounds in a new folder, each a file NAME.wav there."""
    folder.mkdir()
    for name, audio in sounds:
        soundfile.write(folder / f"{name}.wav", audio, RATE, "FLOAT")
    qbe.build_library(folder / "lib.idx", folder)
    return qbe.open_library(folder / "lib.idx")


def sounds_asked_for(what: str | None, longest: float) -> list[Sound]:
    """As many sounds, none longer than so many seconds, as the command line says, of a folder that it names."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--sounds", type=int, default=40)
    arguments = parser.parse_args()
    return spread(sounds_of(arguments.folder, longest=longest), arguments.sounds)
