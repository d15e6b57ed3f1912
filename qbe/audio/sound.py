"""A sound of any length that can be read again and again, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np

from qbe.audio.reading import decode
from qbe.streams.records import Audio


@dataclass(frozen=True)
class Sound:
    """frames : its length; blocks : called to read it from the beginning, float32 [n, channels] each"""

    sample_rate: int
    channels: int
    frames: int
    blocks: Callable[[], Iterator[Audio]]

    def samples(self) -> Audio:
        """The whole of it, float32 [frames, channels]."""
        return np.concatenate([np.zeros((0, self.channels), np.float32), *self.blocks()])

    @cached_property
    def power(self) -> float:
        """Mean square over all samples. Reads all of it the first time: a chain of operations would else read again and
        again."""
        total = sum(float(np.sum(np.square(block, dtype=np.float64))) for block in self.blocks())
        return total / max(1, self.frames * self.channels)


def from_samples(samples: Audio, sample_rate: int) -> Sound:
    """A sound in memory, float32 [frames, channels]."""
    return Sound(sample_rate, samples.shape[1], len(samples), lambda: iter([samples]))


def open_sound(source: bytes | BinaryIO, start: float = 0.0, duration: float | None = None) -> Sound:
    """A sound file (a name, or an open seekable file) at its own rate and channels, or a part of it (seconds).

    It is decoded once before anything is done with it, so that its length is known to the frame (headers of compressed
    files may be a little off) and a broken file raises AudioError here.
    """

    sound = decode(source, start=start, duration=duration)
    frames = sum(len(block) for block in sound.blocks)
    return Sound(
        sound.sample_rate, sound.channels, frames, lambda: decode(source, start=start, duration=duration).blocks
    )


def fitted(blocks: Iterator[Audio], frames: int, channels: int) -> Iterator[Audio]:
    """Blocks that add up to exactly so many frames: cut, or followed by zeros."""
    left = frames
    for block in blocks:
        yield block[:left]
        left -= len(block[:left])
    if left:
        yield np.zeros((left, channels), np.float32)


def part(sound: Sound, start: float, seconds: float) -> Sound:
    """What begins at `start` seconds, `seconds` long or up to the end; at least the last frame."""
    first = min(max(0, round(start * sound.sample_rate)), max(0, sound.frames - 1))
    frames = min(round(seconds * sound.sample_rate), sound.frames - first)

    def blocks() -> Iterator[Audio]:
        skip, left = first, frames
        for block in sound.blocks():
            if not left:
                break
            wanted = block[skip : skip + left]
            skip -= min(skip, len(block))
            left -= len(wanted)
            yield wanted

    return Sound(sound.sample_rate, sound.channels, frames, blocks)
