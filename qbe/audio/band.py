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
LOW_SECONDS = 0.025  # means over so long leave what lies under LOWEST
LOW_MEANS = 10  # in a row, in which together the share is LOW_SHARE of the power or more: then it is taken away
LOW_SHARE = 0.03
CUTOFF = 35.0  # Hz of the filter: 20 Hz are 70 dB down, LOWEST is as it was
FILTER_SECONDS = 0.18
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
    half = round(FILTER_SECONDS * rate / 2)
    nothing = history = np.zeros(0, np.float32)
    held, fault = None, None
    try:
        for block in blocks:
            if held is not None:
                yield _passed(history, held, block[:half], half, rate)
                history = np.concatenate([history, held])[-half:]
            held = block
    except AudioError as error:
        fault = error
    if held is not None:
        yield _passed(history, held, nothing, half, rate)
    if fault:
        raise fault


def _passed(before: Audio, block: Audio, after: Audio, half: int, rate: float) -> Audio:
    return _filtered(before, block, after, half, rate) if _is_low(block, rate) else block


def _is_low(block: Audio, rate: float) -> bool:
    """Whether a quarter of a second somewhere in a block is much lower than the band."""
    size = max(1, round(LOW_SECONDS * rate))
    pieces = block[: len(block) // size * size].reshape(-1, size)
    low, power = pieces.mean(1) ** 2, np.einsum("ps,ps->p", pieces, pieces) / size
    return any(
        low[at : at + LOW_MEANS].sum() > LOW_SHARE * power[at : at + LOW_MEANS].sum()
        for at in range(0, len(low), LOW_MEANS)
    )


def _filtered(before: Audio, block: Audio, after: Audio, half: int, rate: float) -> Audio:
    """A block by a filter of 2 half + 1 samples (a sinc under a Blackman window)."""
    samples = np.concatenate([before, block, after])
    samples = _turned(_turned(samples, half - len(before), rate)[::-1], half - len(after), rate)[::-1]
    time = np.arange(-half, half + 1)
    low = np.sinc(2 * CUTOFF / rate * time) * np.blackman(2 * half + 1)
    impulse = -low / low.sum()
    impulse[half] += 1
    size = len(samples)
    spectrum = np.fft.rfft(samples) * np.fft.rfft(impulse, size)
    out: Audio = np.fft.irfft(spectrum, size)[2 * half :].astype(np.float32)
    return out


def _turned(samples: Audio, more: int, rate: float) -> Audio:
    """Samples with so many more before them, as if the sound were turned about the point where it begins: neither a
    constant nor a slope begins there."""
    if not more:
        return samples
    edge = samples[: max(2, round(EDGE_SECONDS * rate))]
    point = np.polyfit(np.arange(len(edge)), edge, 1)[1] if len(edge) > 1 else edge[0]
    mirrored = np.pad(samples, (more, 0), mode="symmetric")[:more]
    return np.concatenate([(2 * point - mirrored).astype(np.float32), samples])
