"""Deformations: what may be done to a sound.

A Deformation record says what was done in full: applied again to the same sound it gives the same samples (those that
training uses are drawn by `qbe.audio.recipe`). Operations work on a `Sound` of any rate, channels and length; pitch and
tempo come from an engine, the fast one for training or the studio one for ears.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qbe.audio import wsola
from qbe.audio.resampling import resampled
from qbe.audio.segmentation import SAMPLE_RATE, WINDOW
from qbe.audio.sound import Sound, fitted, from_samples, open_sound, part
from qbe.streams.records import Audio, Deformation
from qbe.support.errors import AudioError, UsageError, display

SEGMENT_SECONDS = WINDOW / SAMPLE_RATE

EQ_PIVOT = 1000.0  # Hz, where a tilt changes nothing
EQ_LOWEST = 20.0
EQ_SECONDS = 0.05  # of the filter

# What an operation takes at most: beyond lies a slip of the keyboard, and hours of output.
LIMITS = {
    "semitones": (-48.0, 48.0),
    "factor": (0.1, 10.0),
    "snr_db": (-100.0, 200.0),
    "db": (-200.0, 200.0),
    "db_per_octave": (-24.0, 24.0),
    "offset": (-1e6, 1e6),
}


class Engine(Protocol):
    """How pitch and tempo are changed: `qbe.audio.studio`, or FAST."""

    def stretch(self, sound: Sound, factor: float) -> Sound: ...
    def shift_pitch(self, sound: Sound, semitones: float) -> Sound: ...


class _Fast:
    """WSOLA on the whole sound at once: for mono segments."""

    def stretch(self, sound: Sound, factor: float) -> Sound:
        return from_samples(wsola.stretch(sound.samples()[:, 0], factor)[:, None], sound.sample_rate)

    def shift_pitch(self, sound: Sound, semitones: float) -> Sound:
        return from_samples(wsola.shift_pitch(sound.samples()[:, 0], semitones)[:, None], sound.sample_rate)


FAST: Engine = _Fast()


def add_noise(sound: Sound, snr_db: float, seed: int) -> Sound:
    """White Gaussian noise at `snr_db` under the sound's own mean power. Silence stays silence."""

    def blocks() -> Iterator[Audio]:
        rng = np.random.default_rng(seed)
        scale = np.float32(math.sqrt(sound.power) * 10 ** (-snr_db / 20))
        for block in sound.blocks():
            yield block + scale * rng.standard_normal(block.shape, np.float32)

    return _like(sound, blocks)


def gain(sound: Sound, db: float) -> Sound:
    """Louder by `db`."""
    factor = np.float32(10 ** (db / 20))
    return _like(sound, lambda: (block * factor for block in sound.blocks()))


def tilt(sound: Sound, db_per_octave: float) -> Sound:
    """A straight line in dB over octaves, 0 dB at EQ_PIVOT, flat under EQ_LOWEST; without delay."""
    half = round(EQ_SECONDS * sound.sample_rate / 2)
    frequency = np.fft.rfftfreq(2 * half, 1 / sound.sample_rate)
    octaves = np.log2(np.maximum(frequency, EQ_LOWEST) / EQ_PIVOT)
    response = np.fft.fftshift(np.fft.irfft(10 ** (db_per_octave * octaves / 20)))
    impulse = (response * np.hanning(2 * half + 1)[:-1]).astype(np.float32)
    return _like(sound, lambda: _filtered(sound, impulse, half))


def _filtered(sound: Sound, impulse: NDArray[np.float32], delay: int) -> Iterator[Audio]:
    """Blocks convolved with an impulse response [m], by overlap-save, without the response's delay."""
    history = np.zeros((len(impulse) - 1, sound.channels), np.float32)
    skip = delay
    for block in chain(sound.blocks(), [np.zeros((delay, sound.channels), np.float32)]):
        samples = np.concatenate([history, block])
        spectrum = np.fft.rfft(samples, axis=0) * np.fft.rfft(impulse, len(samples))[:, None]
        out = np.fft.irfft(spectrum, len(samples), axis=0)[len(history) :].astype(np.float32)
        history = samples[len(block) :]
        yield out[skip:]
        skip -= min(skip, len(out))


def mix(sound: Sound, other: Sound, db: float) -> Sound:
    """Another sound under this one, `db` against its mean power, repeated where it is shorter, at this one's rate and
    channels (mono spreads to all; others are averaged where the numbers differ). Of silence nothing is to be heard."""
    under = _at_rate(other, sound.sample_rate)
    level = np.float32(math.sqrt(sound.power / under.power) * 10 ** (db / 20)) if under.power else np.float32(0)

    def blocks() -> Iterator[Audio]:
        repeated = _Repeated(under)
        for block in sound.blocks():
            yield block + level * _in_channels(repeated.read(len(block)), sound.channels)

    return _like(sound, blocks)


def _mix_file(sound: Sound, path: bytes, db: float) -> Sound:
    other = open_sound(path)
    if not other.power:
        raise AudioError(f"{display(path)}: only digital silence: nothing to mix in")
    return mix(sound, other, db)


class _Repeated:
    """A sound that begins again when it ends."""

    def __init__(self, sound: Sound) -> None:
        self.blocks = (block for _ in count() for block in sound.blocks())
        self.held = np.zeros((0, sound.channels), np.float32)

    def read(self, frames: int) -> Audio:
        while len(self.held) < frames:
            self.held = np.concatenate([self.held, next(self.blocks)])
        out, self.held = self.held[:frames], self.held[frames:]
        return out


def _in_channels(samples: Audio, channels: int) -> Audio:
    if samples.shape[1] == channels:
        return samples
    return np.repeat(samples.mean(1, keepdims=True), channels, axis=1)


def _at_rate(sound: Sound, sample_rate: int) -> Sound:
    if sound.sample_rate == sample_rate:
        return sound
    frames = round(sound.frames * sample_rate / sound.sample_rate)

    def blocks() -> Iterator[Audio]:
        at_rate = resampled(sound.blocks(), sound.sample_rate, sample_rate, sound.channels)
        return fitted(at_rate, frames, sound.channels)

    return Sound(sample_rate, sound.channels, frames, blocks)


def near(sound: Sound, offset: float) -> Sound:
    """The segment of 1.024 s that begins at `offset` seconds, or what there is of it."""
    return part(sound, offset, SEGMENT_SECONDS)


def _like(sound: Sound, blocks: Callable[[], Iterator[Audio]]) -> Sound:
    return Sound(sound.sample_rate, sound.channels, sound.frames, blocks)


def apply(sound: Sound, deformations: Iterable[Deformation], engine: Engine) -> Sound:
    """Do one deformation after the other. UsageError where one is unknown or its parameters are out of LIMITS."""
    for deformation in deformations:
        check(deformation)
        sound = OPERATIONS[deformation.name](sound, engine, **deformation.parameters)
    return sound


OPERATIONS: dict[str, Callable[..., Sound]] = {
    "pitch": lambda sound, engine, semitones: engine.shift_pitch(sound, semitones),
    "stretch": lambda sound, engine, factor: engine.stretch(sound, factor),
    "noise": lambda sound, _, snr_db, seed: add_noise(sound, snr_db, seed),
    "gain": lambda sound, _, db: gain(sound, db),
    "eq": lambda sound, _, db_per_octave: tilt(sound, db_per_octave),
    "mix": lambda sound, _, path, db: _mix_file(sound, path, db),
    "near": lambda sound, _, offset: near(sound, offset),
}


def check(deformation: Deformation) -> None:
    """UsageError where a deformation cannot be done."""
    if deformation.name not in OPERATIONS:
        raise UsageError(f"{deformation.name}: no such deformation; there are {', '.join(OPERATIONS)}")
    for name, (low, high) in LIMITS.items():
        value = deformation.parameters.get(name, low)
        if not low <= value <= high:
            raise UsageError(f"--{deformation.name} {value:g}: must be from {low:g} to {high:g}")


def deformed(audio: Audio, sample_rate: int, deformations: Iterable[Deformation]) -> Audio:
    """A mono segment, float32 [n], by the fast engine: float32 [m]."""
    return apply(from_samples(audio[:, None], sample_rate), deformations, FAST).samples()[:, 0]


def duration_factor(deformations: Iterable[Deformation]) -> float:
    """How many times longer the deformations make a sound."""
    return math.prod(float(d.parameters["factor"]) for d in deformations if d.name == "stretch")
