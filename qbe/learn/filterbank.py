"""A bank of log-spaced Morlet wavelets as strided 1-D convolutions: samples -> log-power scalogram.

A wavelet of low frequency is long and its output changes slowly, so it runs on a decimated signal and is sampled
seldom; one of high frequency runs at the full rate. Every group of filters is pooled to one common hop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

SAMPLE_RATE = 16_000
HOP = 128
CHANNELS = 128
LOWEST, HIGHEST = 50.0, 7600.0

CUT = 3.5  # a kernel ends at +-CUT sigma
DECIMATION = 4
DECIMATOR_TAPS = 97
DYNAMIC_RANGE_DB = 80.0


@dataclass(frozen=True)
class Group:
    """Neighbouring filters at one rate: `decimation` input samples a step, an output every `stride` steps."""

    filters: int
    decimation: int
    stride: int


# From the lowest filters to the highest. The power of a filter is sampled at least once in 1.6 of its own sigma.
GROUPS = (
    Group(18, 16, 8), Group(17, 16, 8), Group(17, 16, 8), Group(18, 4, 32),
    Group(17, 4, 16), Group(14, 1, 32), Group(14, 1, 16), Group(13, 1, 16),
)  # fmt: skip


def frequencies() -> NDArray[np.float64]:
    """Centre frequencies in Hz, [CHANNELS], log-spaced."""
    return np.geomspace(LOWEST, HIGHEST, CHANNELS)


def sigmas(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation in seconds of the Gaussian envelopes whose bandwidth (FWHM) is f / 12 + 10 Hz."""
    fwhm = frequency / 12 + 10
    return math.sqrt(8 * math.log(2)) / (2 * math.pi * fwhm)


def morlet(frequency: float, sigma: float, rate: float, half: int) -> NDArray[np.complex128]:
    """A complex Morlet wavelet of unit gain at its frequency, [2 half + 1], cut at +-CUT sigma."""
    t = np.arange(-half, half + 1) / rate
    envelope = np.exp(-0.5 * (t / sigma) ** 2) * (np.abs(t) <= CUT * sigma)
    wave: NDArray[np.complex128] = envelope / envelope.sum() * np.exp(2j * np.pi * frequency * t)
    return wave


class BlockConv(nn.Module):
    """A strided 1-D convolution with long kernels, as a convolution of stride 1 over blocks of `stride` samples.

    kernels : float64 [C, 2 half + 1]; output n is centred on input sample `stride` n + centre.

    Shape: [B, L] -> [B, C, L / stride], `stride` dividing L; zeros beyond both ends.
    """

    def __init__(self, kernels: NDArray[np.float64], stride: int, centre: int) -> None:
        super().__init__()
        half = kernels.shape[1] // 2
        lead = math.ceil(max(0, half - centre) / stride) * stride  # zeros before the first sample, in whole blocks
        offset = lead + centre - half
        blocks = math.ceil((offset + kernels.shape[1]) / stride)
        taps = np.zeros((len(kernels), blocks * stride))
        taps[:, offset : offset + kernels.shape[1]] = kernels
        self.stride = stride
        self.padding = (lead // stride, blocks - 1 - lead // stride)
        weight = taps.reshape(len(kernels), blocks, stride).transpose(0, 2, 1)
        frozen = torch.tensor(weight, dtype=torch.float32).contiguous()
        self.weight = nn.Parameter(frozen, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        blocks = x.reshape(x.shape[0], -1, self.stride).transpose(1, 2)
        return functional.conv1d(functional.pad(blocks, self.padding), self.weight)


class Decimator(nn.Module):
    """Keep every fourth sample of a signal, low-passed by a Kaiser-windowed sinc. Shape: [B, L] -> [B, L / 4].

    Computed eight outputs at a time, so that the convolution has enough channels to be fast.
    """

    OUTPUTS = 8

    def __init__(self) -> None:
        super().__init__()
        half = DECIMATOR_TAPS // 2
        n = np.arange(-half, half + 1)
        low_pass = np.sinc(n * 0.8 / DECIMATION) * np.kaiser(DECIMATOR_TAPS, 8.0)
        low_pass /= low_pass.sum()
        shifted = np.zeros((self.OUTPUTS, DECIMATOR_TAPS + 2 * DECIMATION * self.OUTPUTS))
        for k in range(self.OUTPUTS):  # centred on input sample DECIMATION k
            first = DECIMATION * (self.OUTPUTS + k)
            shifted[k, first : first + DECIMATOR_TAPS] = low_pass
        self.conv = BlockConv(shifted, stride=DECIMATION * self.OUTPUTS, centre=0)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y.transpose(1, 2).reshape(y.shape[0], -1)


def power_filters(group: Group, frequency: NDArray[np.float64]) -> BlockConv:
    """The group's wavelets, real and imaginary parts in turn, sampled in the middle of every stride."""
    rate = SAMPLE_RATE / group.decimation
    sigma = sigmas(frequency)
    half = math.ceil(CUT * sigma.max() * rate)
    waves = [morlet(f, s, rate, half) for f, s in zip(frequency, sigma, strict=True)]
    parts = np.stack([part for wave in waves for part in (wave.real, wave.imag)])
    return BlockConv(parts * math.sqrt(2), group.stride, group.stride // 2)


class FilterBank(nn.Module):
    """Power of every wavelet, averaged over each hop.

    Shape: [B, L] -> [B, 1, CHANNELS, L / HOP], L a multiple of HOP. A tone of amplitude A at a centre frequency gives
    A^2 / 4.
    """

    def __init__(self) -> None:
        super().__init__()
        ends = np.cumsum([group.filters for group in GROUPS])
        parts = np.split(frequencies(), ends[:-1])
        self.decimators = nn.ModuleList([Decimator(), Decimator()])
        self.groups = nn.ModuleList([power_filters(g, f) for g, f in zip(GROUPS, parts, strict=True)])

    def forward(self, x: Tensor) -> Tensor:
        quarter = self.decimators[0](x)
        signals = {1: x, 4: quarter, 16: self.decimators[1](quarter)}
        powers = []
        for group, conv in zip(GROUPS, self.groups, strict=True):
            squares = conv(signals[group.decimation]).square().unsqueeze(1)
            pool = HOP // (group.decimation * group.stride)
            # Twice the mean over (real, imaginary) is their sum; the kernels carry the two.
            powers.append(functional.avg_pool2d(squares, (2, pool)))
        return torch.cat(powers, 2)


def level_normalised(power: Tensor) -> Tensor:
    """Power to decibels under the segment's own maximum, DYNAMIC_RANGE_DB deep: no gain changes it.

    Shape: [B, 1, F, T] -> the same, values in [-DYNAMIC_RANGE_DB, 0]. Silence gives a constant.
    """
    peak = power.amax((1, 2, 3), keepdim=True).clamp_min(1e-20)  # -200 dB: under any recording
    floor = 10.0 ** (-DYNAMIC_RANGE_DB / 10)
    return 10 * (power / peak).clamp_min(floor).log10()
