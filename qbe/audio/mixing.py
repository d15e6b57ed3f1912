"""Many channels to one, without losing what is in them: channels that are the same sound must not cancel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Audio

WEAK = 0.25  # share of the power that independent channels would leave, under which a mix has lost the sound
ALIKE = 0.9  # correlation from which on two channels are one sound, early and late
APART = 0.97  # and from which on it does not matter
CLOSER = 3.0  # times, how much of what they differ by is to vanish where one is moved
LATEST = 0.002  # seconds
LOUD_SECONDS = 0.05  # that are looked at
PAIR = 0.9  # share of the power in the two strongest channels, for the others not to matter
LOUDER = 2.0  # how many times as strong another channel must be, to take the place of one that was taken
FADE_SECONDS = 0.01


def mixed(blocks: Iterator[Audio], channels: int, rate: float) -> Iterator[Audio]:
    """Blocks [n, channels] as one channel, [n]: their mean; where they cancel, or one is the other a little later, the
    strongest alone. What is taken changes at most from block to block, and gradually."""
    if channels == 1:
        yield from (block[:, 0] for block in blocks)
        return
    mixer = _Mixer(channels, rate)
    for block in blocks:
        yield mixer.mix(block)


class _Mixer:
    """weights : of the last block"""

    def __init__(self, channels: int, rate: float) -> None:
        self.rate = rate
        self.mean = np.full(channels, 1 / channels, np.float32)
        self.weights: Audio | None = None

    def mix(self, block: Audio) -> Audio:
        channels = np.ascontiguousarray(block.T)  # twice as fast to go through as samples in turn
        weights = self._chosen(channels)
        out: Audio = weights @ channels
        before, self.weights = self.weights, weights
        if before is not None and not np.array_equal(before, weights):
            fade = np.linspace(1, 0, min(len(block), max(1, round(FADE_SECONDS * self.rate))), dtype=np.float32)
            out[: len(fade)] += fade * ((before - weights) @ channels[:, : len(fade)])
        return out

    def _chosen(self, channels: Audio) -> Audio:
        """The weight of each channel, of [channels, n]."""
        products = np.array([[np.vdot(one, other) for other in channels] for one in channels], np.float64)
        power = products.diagonal()
        if not 0 < power.sum() < np.inf:
            return self.mean if self.weights is None else self.weights
        if products.sum() >= WEAK * power.sum() and not self._are_late(channels, products):
            return self.mean
        strongest = int(power.argmax())
        if self.weights is not None and self.weights is not self.mean:
            taken = int(self.weights.argmax())
            strongest = taken if power[strongest] < LOUDER * power[taken] else strongest
        alone: Audio = np.eye(len(power), dtype=np.float32)[strongest]
        return alone

    def _are_late(self, channels: Audio, products: NDArray[np.float64]) -> bool:
        """Whether the two strongest channels are all there is, and one sound, but not at the same time."""
        power = products.diagonal()
        one, other = np.argsort(power)[-2:]
        energy = np.sqrt(power[one] * power[other])
        if power[one] + power[other] < PAIR * power.sum() or abs(products[one, other]) > APART * energy or not energy:
            return False
        now, best = _correlations(*self._loudest(channels[one], channels[other]), round(LATEST * self.rate))
        return best > ALIKE and 1 - best < (1 - now) / CLOSER

    def _loudest(self, one: Audio, other: Audio) -> tuple[Audio, Audio]:
        size = min(len(one), round(LOUD_SECONDS * self.rate))
        pieces = one[: len(one) // size * size].reshape(-1, size)
        at = int(np.einsum("ps,ps->p", pieces, pieces).argmax()) * size
        return one[at : at + size], other[at : at + size]


def _correlations(one: Audio, other: Audio, latest: int) -> tuple[float, float]:
    """Of two pieces [n], positive or negative: as they are, and the highest where one is moved by up to `latest`."""
    products = np.abs(np.correlate(np.pad(one, latest), other, "valid"))
    energy = max(1e-30, float(np.sqrt(np.vdot(one, one) * float(np.vdot(other, other)))))
    return float(products[latest]) / energy, float(products.max()) / energy
