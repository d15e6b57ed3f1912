"""Deform whole sounds for ears: to files, down a pipe, or out of the loudspeaker."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from qbe.audio import studio
from qbe.audio.chain import Step, Tell, describe, drawn
from qbe.audio.deformation import apply
from qbe.audio.playing import Key, play
from qbe.audio.sound import Sound, open_sound
from qbe.audio.writing import WIDTHS, limited, sample_format, write_file, write_wav
from qbe.streams.records import Audio, Deformation
from qbe.support.errors import AudioError, OnError, UsageError, display
from qbe.support.names import same_file

Source = bytes | BinaryIO
FLOATS = 32  # bits


@dataclass(frozen=True)
class Deformed:
    """A sound with what is done to it, still to be computed. subtype : its sample format, as libsndfile calls it"""

    path: bytes
    sound: Sound
    deformations: list[Deformation]
    subtype: str


@dataclass(frozen=True)
class Audition:
    """One chain for many sounds.

    start, duration : the part of each that is taken, seconds; None: to its end
    limit : cut peaks over full scale
    bits : of the samples that are written, 32 for floats; None: as each sound has them
    report, warn : told of every sound that fails, and of peaks over full scale
    tell : told what is done to each sound, or None
    """

    steps: list[Step]
    seed: int
    start: float
    duration: float | None
    limit: bool
    bits: int | None
    report: OnError
    warn: Callable[[str], None]
    tell: Tell | None

    def _deformed(self, sources: list[Source], on_turn: Callable[[int], None] = lambda _: None) -> Iterator[Deformed]:
        for index, source in enumerate(sources):
            on_turn(index)
            path = source if isinstance(source, bytes) else b"-"
            try:
                sound = open_sound(source, self.start, self.duration)
            except AudioError as error:
                self.report(error)
                continue
            rng = np.random.default_rng([self.seed, index])
            deformations = drawn(self.steps, rng, sound.frames / sound.sample_rate)
            if self.tell:
                self.tell(path, deformations)
            yield Deformed(path, apply(sound, deformations, studio), deformations, self._subtype(source))

    def _subtype(self, source: Source) -> str:
        return sample_format(source) if self.bits is None else "FLOAT" if self.bits == FLOATS else f"PCM_{self.bits}"

    def _blocks(self, item: Deformed) -> Iterator[Audio]:
        def loud(peak: float) -> None:
            what = f"{display(item.path)}: peaks reach {20 * math.log10(peak):+.1f} dB over full scale"
            if item.subtype in WIDTHS:
                self.warn(f"{what} and are cut; --gain avoids them, --bits 32 holds them")
            else:
                self.warn(f"{what}; --limit cuts them, --gain avoids them")

        return limited(item.sound, loud, limit=self.limit)

    def play(self, sources: list[Source], key: Key | None = None) -> None:
        """Play one after the other. key : as of `qbe.audio.playing.play`"""
        for item in self._deformed(sources):
            play(item.sound, key)

    def pipe(self, sources: list[Source], out: BinaryIO) -> None:
        """Write the one sound as WAV. UsageError where there are several: a pipe has room for one."""
        if len(sources) > 1:
            raise UsageError(f"{len(sources)} sounds do not go into one pipe: name a folder for them (-o FOLDER)")
        for item in self._deformed(sources):
            write_wav(out, item.sound, self._blocks(item), item.subtype)

    def write(self, sources: list[Source], output: str, on_turn: Callable[[int, float], None]) -> None:
        """Write to a file, or into a folder (one that is there, or a name that ends in a slash) under telling names.

        on_turn : called when a source's turn comes, with how many are through and how many seconds were written, and
            in the end
        UsageError where an input would be overwritten, or several sounds would go into one file.
        """
        is_folder = os.path.isdir(output) or output.endswith("/")
        if not is_folder and len(sources) > 1:
            raise UsageError(
                f"{output}: not a folder, and there are {len(sources)} sounds: make it a folder, or add a /"
            )
        if is_folder:
            os.makedirs(output, exist_ok=True)
        taken: set[bytes] = set()
        seconds = 0.0

        def turn(through: int) -> None:
            on_turn(through, seconds)

        for item in self._deformed(sources, turn):
            path = self._name(item, os.fsencode(output), taken) if is_folder else os.fsencode(output)
            is_there = os.path.exists(path)
            if is_there and any(isinstance(source, bytes) and same_file(source, path) for source in sources):
                raise UsageError(f"{display(path)}: is an input: choose another name")
            write_file(path, item.sound, self._blocks(item), item.subtype, only=self.bits is not None)
            taken.add(path)
            seconds += item.sound.frames / item.sound.sample_rate
        turn(len(sources))

    def _name(self, item: Deformed, folder: bytes, taken: set[bytes]) -> bytes:
        """In the folder: the sound's name and what was done to it. Of a.wav and a.mp3, the second keeps its ending."""
        name = os.path.basename(item.path)
        changes = ["", *describe(item.deformations).replace("/", "_").split()]
        done = os.fsencode(".".join(changes) + ".wav")
        path = os.path.join(folder, name.rpartition(b".")[0] or name) + done
        return os.path.join(folder, name) + done if path in taken else path
