"""Cut places out of sound files: each becomes a WAV file of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import NamedTuple

from qbe.audio.sound import Sound, open_sound
from qbe.audio.writing import encode, sample_format
from qbe.streams.records import LONGEST
from qbe.support.errors import AudioError, UsageError, display

SHORTFALL = 0.5  # seconds that a place may reach over the end: lengths of compressed files are a little off
LONGEST_STEM = 150  # bytes of a source's name in that of a clip: a name has 255 at most
LARGEST_WAV = 1 << 32  # bytes
UNSAFE = frozenset('/\\:*?"<>|')  # in names, on one system or another


class Place(NamedTuple):
    """A part of a sound file, seconds."""

    path: bytes
    start: float
    end: float


@dataclass
class Clipper:
    """Writes places into a folder, each once, and never over a file that is there.

    pad : seconds before and after each that come along, as far as the sound goes
    """

    folder: bytes
    pad: float = 0.0
    written: dict[Place, bytes] = field(default_factory=dict)
    _taken: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not 0 <= self.pad <= LONGEST:
            raise UsageError(f"--pad {self.pad:g}: must be 0 seconds or more")

    def write(self, place: Place) -> bytes:
        """The name of the clip of a place. AudioError where the sound cannot be read, or ends before the place does;
        UsageError where a file of that name is there."""
        if place not in self.written:
            sound, path = padded(place, self.pad), self._free_name(place)
            if os.path.lexists(path):
                raise UsageError(f"{display(path)}: is there already, and is left as it is")
            write_clip(path, sound, sample_format(place.path))
            self.written[place] = path
        return self.written[place]

    def _free_name(self, place: Place) -> bytes:
        """A name of its own: where another place has been given it, with a number."""
        stem = os.path.join(self.folder, clip_stem(place).encode())
        path, number = stem + b".wav", 2
        while path in self._taken:
            path, number = stem + b"-%d.wav" % number, number + 1
        self._taken.add(path)
        return path


def clip_stem(place: Place) -> str:
    """The source's name without what is unsafe in one, and the place: forest_12.500-13.524"""
    name = os.path.basename(place.path)
    letters = (name.rpartition(b".")[0] or name).decode(errors="surrogateescape")
    text = "".join(c if c.isprintable() and c not in UNSAFE else "_" for c in letters)
    if text.startswith((".", "-")):  # hidden, or an option
        text = "_" + text[1:]
    return f"{text.encode()[:LONGEST_STEM].decode(errors='ignore')}_{place.start:.3f}-{place.end:.3f}"


def padded(place: Place, pad: float) -> Sound:
    """The sound at a place, and `pad` seconds on both sides of it where there are so many."""
    start = max(0.0, place.start - pad)
    sound = open_sound(place.path, start, place.end + pad - start)
    end = start + sound.frames / sound.sample_rate
    if end <= place.start or end < place.end - SHORTFALL:
        raise AudioError(
            f"{display(place.path)}: {place.start:g} to {place.end:g} s lies beyond the end at {end:.3f} s"
        )
    return sound


def write_clip(path: bytes, sound: Sound, subtype: str) -> None:
    """A WAV file, of integers to the last bit as long as they have 24 at most. Raises as `qbe.audio.writing.encode`."""
    form = "WAV" if sound.frames * sound.channels * 8 < LARGEST_WAV else "RF64"
    encode(path, sound, sound.blocks(), form, subtype)
