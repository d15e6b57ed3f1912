"""Any sound that can be read, as a WAV file that is decoded where it is asked for and nowhere else."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from qbe.audio.reading import decode
from qbe.streams.records import Audio
from qbe.support.errors import AudioError, display

HEAD = 44  # bytes
MOST_SECONDS = 3600  # of one file; a browser plays no longer ones
GLANCE = 0.01  # seconds that are decoded to know what a sound is
PEAKS = 400
PEAKS_SECONDS = 120  # looked at for a waveform


@lru_cache(maxsize=1024)
def _kind(path: bytes, mtime: int) -> tuple[int, int]:  # noqa: ARG001
    """Sample rate and channels of a file as it was at some time; asked again and again while a sound plays."""
    sound = decode(path, duration=GLANCE)
    next(sound.blocks, None)  # so that a decoder that has begun is ended
    return sound.sample_rate, sound.channels if sound.channels <= 2 else 1


@dataclass(frozen=True)
class Wav:
    """A part of a sound as 16-bit WAV, in one channel or two; mono where there are more.

    first : of its frames in the sound; frames : how many
    """

    path: bytes
    sample_rate: int
    channels: int
    first: int
    frames: int

    @classmethod
    def of(cls, path: bytes, start: float, seconds: float) -> Wav:
        """The part that begins at `start`. AudioError where there is none."""
        try:
            rate, channels = _kind(path, os.stat(path).st_mtime_ns)
        except OSError as error:
            raise AudioError(f"{display(path)}: {error.strerror}") from None
        return cls(path, rate, channels, round(start * rate), round(min(seconds, MOST_SECONDS) * rate))

    def cut(self, seconds: float) -> Wav:
        """Its beginning."""
        return replace(self, frames=min(self.frames, round(seconds * self.sample_rate)))

    @property
    def frame(self) -> int:
        """Bytes."""
        return 2 * self.channels

    def __len__(self) -> int:
        """Bytes."""
        return HEAD + self.frames * self.frame

    def bytes_from(self, begin: int, end: int) -> Iterator[bytes]:
        """What a file of it holds from one byte to another: silence where the sound ends before it says."""
        head, left = self._head()[begin:end], end - begin
        yield head
        left -= len(head)
        skip, offset = divmod(max(0, begin - HEAD), self.frame)
        for block in self._blocks(skip, -(-(left + offset) // self.frame)):
            piece = block[offset : offset + left]
            yield piece
            left, offset = left - len(piece), 0
        yield bytes(left)

    def _head(self) -> bytes:
        size = self.frames * self.frame
        return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, self.channels,
                           self.sample_rate, self.sample_rate * self.frame, self.frame, 16, b"data", size)  # fmt: skip

    def _blocks(self, skip: int, frames: int) -> Iterator[bytes]:
        if frames <= 0:
            return
        for block in self.samples(skip, frames):
            yield np.rint(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes()

    def samples(self, skip: int, frames: int) -> Iterator[Audio]:
        """Blocks of the frames after the first `skip`, float32 [n, channels]."""
        start, duration = (self.first + skip) / self.sample_rate, frames / self.sample_rate
        for block in decode(self.path, start=start, duration=duration).blocks:
            yield block if block.shape[1] == self.channels else block.mean(1, keepdims=True)

    def peaks(self, begin: float = 0.0) -> list[float]:
        """The highest absolute sample of each of up to PEAKS equal stretches of PEAKS_SECONDS from there on, of 1."""
        skip = min(round(begin * self.sample_rate), max(0, self.frames - 1))
        frames = min(self.frames - skip, PEAKS_SECONDS * self.sample_rate)
        highest = np.concatenate([np.abs(block).max(1) for block in self.samples(skip, frames)])
        bounds = np.linspace(0, len(highest), min(PEAKS, len(highest)) + 1)[:-1].astype(int)
        return [round(float(peak), 3) for peak in np.maximum.reduceat(highest, bounds)]
