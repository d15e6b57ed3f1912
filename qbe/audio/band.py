"""The band that models hear: what lies outside of it must not drown, or pass for, what lies in it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from qbe.audio.resampling import resampled
from qbe.streams.records import Audio
from qbe.support.errors import AudioError, AudioWarning

LOWEST, HIGHEST = 50.0, 7600.0  # Hz
NOTHING = 1e-6  # share of the power in the band, under which there is nothing: -60 dB
MEANS_RATE = 400.0  # Hz, of the means by which it is told what lies below the band
LOW_MEANS = 10  # means of so many leave what lies under LOWEST
LOW_PIECES = 10  # of those in a row
LOW_SHARE = 0.2  # of the power in them that is low, from which on it is taken away
CUTOFF = 35.0  # Hz of the filter: 20 Hz are far down, LOWEST is as it was
MEANS_HALF = 36  # means to both sides that it takes
SLOWEST = 1000.0  # Hz; a sound of a lower rate is left as it is
EDGE_SECONDS = 0.005  # by which it is told where a sound begins


def heard(blocks: Iterator[Audio], rate: float, wanted: int, name: str) -> Iterator[Audio]:
    """Mono blocks [n] at the rate that is wanted, without a constant and rumble where they are strong.

    What holds nothing in the band is silence (zeros). Where that is all there is, an AudioWarning tells it.
    """
    meter = _Meter(rate, wanted)
    something = False
    for block in resampled(high_passed(meter.watched(blocks), rate), rate, wanted):
        audible = meter.is_audible(block)
        something = something or audible
        yield block if audible else np.zeros_like(block)
    if meter.met_sound and not something:
        what = f"{name}: nothing within {LOWEST:g} Hz to {HIGHEST / 1000:g} kHz: taken as silence"
        advice = " (--expand 10 reads it slowed down ten times)" if rate > 4 * HIGHEST else ""
        warnings.warn(what + advice, AudioWarning, stacklevel=2)


class _Meter:
    """Compares the power of blocks before and after they are brought to the band."""

    def __init__(self, rate: float, wanted: float) -> None:
        self.rate, self.wanted = rate, wanted
        self.energies: list[float] = []  # of blocks that have gone in, over time, from the one before the next out
        self.met_sound = False

    def watched(self, blocks: Iterator[Audio]) -> Iterator[Audio]:
        for block in blocks:
            self.energies.append(float(np.vdot(block, block)) / self.rate)
            yield block

    def is_audible(self, block: Audio) -> bool:
        """Of the next block that comes out: whether it is silent, or there is something of what went in."""
        before = max(self.energies[:2], default=0.0)
        self.energies = self.energies[1:] if len(self.energies) > 1 else self.energies
        self.met_sound = self.met_sound or before > 0
        return float(np.vdot(block, block)) / self.wanted > NOTHING * before


def high_passed(blocks: Iterator[Audio], rate: float) -> Iterator[Audio]:
    """The blocks, those in which much lies below the band without that. What came before an AudioError of theirs is
    given in full first."""
    if rate < SLOWEST:
        yield from blocks
        return
    reach = (MEANS_HALF + 1) * _mean_size(rate)
    ahead = reach + _mean_size(rate)
    nothing = history = np.zeros(0, np.float32)
    held, fault = None, None
    try:
        for block in blocks:
            if held is not None:
                yield _passed(history, held, block[:ahead], rate)
                history = np.concatenate([history[-reach:], held[-reach:]])
            held = block
    except AudioError as error:
        fault = error
    if held is not None:
        yield _passed(history, held, nothing, rate)
    if fault:
        raise fault


def _passed(before: Audio, block: Audio, after: Audio, rate: float) -> Audio:
    return block - _low(before, block, after, rate) if _is_low(block, rate) else block


def _mean_size(rate: float) -> int:
    """Samples of which a mean is taken; even, so that the middle lies between two."""
    return 2 * round(rate / MEANS_RATE / 2)


def _is_low(block: Audio, rate: float) -> bool:
    """Whether a quarter of a second somewhere in a block is much lower than the band."""
    size = LOW_MEANS * _mean_size(rate)
    pieces = block[: len(block) // size * size].reshape(-1, size)
    low, power = (pieces @ _mean(size)) ** 2, np.einsum("ps,ps->p", pieces, pieces) / size
    begins = np.arange(0, len(low), LOW_PIECES)
    return bool(len(low)) and bool(np.any(np.add.reduceat(low - LOW_SHARE * power, begins) > 0))


def _low(before: Audio, block: Audio, after: Audio, rate: float) -> Audio:
    """What of a block lies below the band: means of 2.5 ms, filtered by a sinc under a Blackman window, and straight
    lines from each to the next. `before`, `after` : the samples around it, turned about its ends where they lack"""
    size = _mean_size(rate)
    reach = (MEANS_HALF + 1) * size
    samples = _turned(np.concatenate([before[-reach:], block, after]), reach - len(before[-reach:]), rate)
    samples = _turned(samples[::-1], reach + -len(block) % size - len(after), rate)[::-1]
    means = samples[: len(samples) // size * size].reshape(-1, size) @ _mean(size)
    time = np.arange(-MEANS_HALF, MEANS_HALF + 1)
    taps = np.sinc(2 * CUTOFF * size / rate * time) * np.blackman(len(time))
    low = np.convolve(means, taps / taps.sum(), "valid").astype(np.float32)
    steps = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    lines: Audio = np.stack([low[:-1], low[1:]], axis=1) @ np.stack([1 - steps, steps])
    return lines.ravel()[size // 2 :][: len(block)]


def _mean(size: int) -> Audio:
    return np.full(size, 1 / size, np.float32)  # a product with it takes a quarter of the time of `mean`


def _turned(samples: Audio, more: int, rate: float) -> Audio:
    """Samples with so many more before them, as if the sound were turned about the point where it begins: neither a
    constant nor a slope begins there."""
    if more <= 0:
        return samples
    edge = samples[: max(2, round(EDGE_SECONDS * rate))]
    point = np.polyfit(np.arange(len(edge)), edge, 1)[1] if len(edge) > 1 else edge[0]
    mirrored = np.pad(samples, (more, 0), mode="symmetric")[:more]
    return np.concatenate([(2 * point - mirrored).astype(np.float32), samples])
