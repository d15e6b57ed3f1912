"""What a recording does to a sound, by the batch and in the frequency domain: colour, band limits, rooms.

All are drawn apart from being applied: a draw is a response, complex or real, [B, bins], for `bins` = size / 2 + 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from qbe.audio.deformation import EQ_LOWEST, EQ_PIVOT
from qbe.audio.segmentation import SAMPLE_RATE

BENDS = 8  # points of an equaliser's curve, evenly over octaves
CURVE_DB = 4.0  # their standard deviation
TELEPHONE = (300.0, 3400.0)
CEILING = (3400.0, 5000.0)  # of recordings at 8 to 11 kHz
SMALL = (200.0, 600.0)  # where small loudspeakers begin
STEEPNESS = 8, 4  # order of the upper and the lower edge

ROOM = SAMPLE_RATE  # samples of an impulse response, at most
ROOMS = 256  # made from noise
DECAY = (0.1, 1.5)  # s, until a room is 60 dB quieter
DIRECT = (-3.0, 15.0)  # dB, the direct sound against all that follows
BEFORE = 32  # samples kept before the peak of a recorded impulse response


def random(count: int, low: float, high: float, generator: Generator) -> Tensor:
    """Drawn evenly, [count], on the generator's device."""
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


def chosen(count: int, chance: float | Tensor, generator: Generator) -> Tensor:
    """Which ones of `count` are drawn by their chance, bool [count]."""
    return torch.rand(count, generator=generator, device=generator.device) < chance


class Colours:
    """Responses without delay, float32 [B, bins]: tilts and smooth curves, and the limits of a band."""

    def __init__(self, size: int, device: torch.device) -> None:
        self.frequency = torch.fft.rfftfreq(size, 1 / SAMPLE_RATE, device=device).clamp_min_(EQ_LOWEST)
        octaves = torch.log2(self.frequency / EQ_PIVOT)
        bends = torch.linspace(math.log2(60 / EQ_PIVOT), math.log2(7600 / EQ_PIVOT), BENDS, device=device)
        hats = (1 - (octaves - bends[:, None]).abs() / (bends[1] - bends[0])).clamp_min_(0)
        hats[0] += octaves < bends[0]
        hats[-1] += octaves > bends[-1]
        self.basis = torch.cat([octaves[None], hats.clamp_max_(1)])

    def curves(self, tilt: Tensor, bends: Tensor) -> Tensor:
        """tilt : dB per octave [B], as `qbe.audio.deformation.tilt`; bends : dB [B, BENDS]"""
        decibels = torch.cat([tilt[:, None], bends], 1) @ self.basis
        return torch.pow(10.0, decibels / 20)

    def bands(self, lowest: Tensor, highest: Tensor) -> Tensor:
        """lowest, highest : Hz [B], where power has halved"""
        over = (self.frequency / highest[:, None]) ** (2 * STEEPNESS[0])
        under = (lowest[:, None] / self.frequency) ** (2 * STEEPNESS[1])
        return torch.rsqrt((1 + over) * (1 + under))


def draw_band(count: int, chance: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Lowest and highest frequency, Hz [count]: of one in three a telephone's, a slow sample rate's, a small
    loudspeaker's. Without a limit 1 Hz and 1 MHz."""
    which = random(count, 0, 3, generator) / chance.clamp_min(1e-9)
    ceiling = torch.where((which >= 1) & (which < 2), random(count, *CEILING, generator), 1e6)
    small = torch.where((which >= 2) & (which < 3), random(count, *SMALL, generator), 1.0)
    return torch.where(which < 1, TELEPHONE[0], small), torch.where(which < 1, TELEPHONE[1], ceiling)


class Rooms:
    """Spectra of impulse responses, complex64 [1 + R, bins] by transform size. The first one is no room at all."""

    def __init__(self, recorded: Sequence[NDArray[np.float32]], sizes: Sequence[int], device: torch.device) -> None:
        responses = np.zeros((1 + len(recorded) + ROOMS, ROOM), np.float32)
        responses[0, 0] = 1
        for row, room in zip(responses[1:], recorded, strict=False):
            begin = max(0, int(np.abs(room).argmax()) - BEFORE)
            part = room[begin : begin + ROOM]
            row[: len(part)] = part
        responses[1 + len(recorded) :] = made_rooms(ROOMS)
        responses /= np.linalg.norm(responses, axis=1, keepdims=True)
        self.count = len(responses) - 1
        there = torch.from_numpy(responses).to(device)
        self.spectra = {size: torch.fft.rfft(there, size) for size in sizes}

    def draw(self, count: int, chance: Tensor | float, size: int, generator: Generator) -> Tensor:
        """Which spectrum for each of `count` sounds: complex64 [count, size / 2 + 1]."""
        room = 1 + (random(count, 0, self.count, generator)).long().clamp_max(self.count - 1)
        drawn: Tensor = self.spectra[size][room * chosen(count, chance, generator)]
        return drawn


def made_rooms(count: int) -> NDArray[np.float32]:
    """Impulse responses of a direct sound and noise that decays exponentially, [count, ROOM]. The same ones always."""
    rng = np.random.default_rng(0)
    t = np.arange(ROOM) / SAMPLE_RATE
    decay = np.exp(rng.uniform(math.log(DECAY[0]), math.log(DECAY[1]), (count, 1)))
    tail = rng.standard_normal((count, ROOM)) * 10 ** (-3 * t / decay)
    tail[:, 0] = 0
    tail /= np.linalg.norm(tail, axis=1, keepdims=True)
    tail[:, 0] = 10 ** (rng.uniform(*DIRECT, count) / 20)
    made: NDArray[np.float32] = tail.astype(np.float32)
    return made
