"""Synthesised sounds in families, an endless supply: a family is one patch of a synthesiser, and the same a little
turned (after Cherep and Singh, arXiv 2406.05923, whose random patches teach a network as much as real sounds).

All of a batch is rendered at once. A patch is PARAMETERS numbers from 0 to 1 and a few choices.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from qbe.audio.segmentation import SAMPLE_RATE, WINDOW

PARAMETERS = 24
TURNED = 0.12  # standard deviation of what is added to every parameter, within a family
PARTIALS = 6
RESONANCES = 3


def families(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Two members of each of `count` families, float32 [count, WINDOW] each, on the generator's device."""
    patch = torch.rand(count, PARAMETERS, generator=generator, device=generator.device)
    choices = torch.rand(count, 4, generator=generator, device=generator.device)
    turned = patch + TURNED * torch.randn(patch.shape, generator=generator, device=generator.device)
    return render(patch, choices, generator), render(turned.clamp_(0, 1), choices, generator)


def render(patch: Tensor, choices: Tensor, generator: Generator) -> Tensor:
    """patch : [n, PARAMETERS]; choices : [n, 4], repeated or once, waveform, noise only, low or high

    Shape: -> [n, WINDOW]
    """
    p = patch.T[:, :, None]  # parameters of all, each [n, 1]
    t = torch.arange(WINDOW, device=patch.device) / SAMPLE_RATE
    rate = _between(p[0], 1.0, 15.0)
    since = torch.where(choices[:, :1] < 0.4, (t * rate + p[1]) % 1 / rate, t - 0.2 * p[1])
    since = since.clamp_min(0)  # before it begins the envelope is zero
    envelope = (1 - torch.exp(-since / _between(p[2], 0.001, 0.2))) * torch.exp(-since / _between(p[3], 0.02, 3.0))
    wobble = 0.5 * p[4] ** 3 * torch.sin(2 * math.pi * (_between(p[5], 0.5, 15.0) * t + p[6]))
    glide = (p[7] - 0.5) ** 3 * 16 * torch.exp(-since / _between(p[8], 0.01, 0.5))
    phase = torch.cumsum(_between(p[9], 40.0, 4000.0) * torch.exp2(wobble + glide) / SAMPLE_RATE, 1)
    tone = torch.where(choices[:, 1:2] < 0.3, _modulated(phase, p), _partials(phase, p))
    noise = torch.randn(tone.shape, generator=generator, device=patch.device)
    share = torch.where(choices[:, 2:3] < 0.25, 1.0, p[10] ** 2)
    return _filtered(envelope * ((1 - share) * tone + share * noise), p, choices[:, 3:])


def _between(p: Tensor, low: float, high: float) -> Tensor:
    """Evenly over octaves."""
    return torch.exp(p * math.log(high / low)) * low


def _modulated(phase: Tensor, p: Tensor) -> Tensor:
    """A sine whose phase another one moves; in whole ratios or beside them."""
    ratio = torch.where(p[11] < 0.5, (p[11] * 16).floor() / 2 + 0.5, 8 * (p[11] - 0.5) + 0.25)
    return torch.sin(2 * math.pi * phase + 6 * p[12] ** 2 * torch.sin(2 * math.pi * ratio * phase))


def _partials(phase: Tensor, p: Tensor) -> Tensor:
    """Harmonic, or stretched as those of bars and bells; the higher ones weaker."""
    tone = torch.zeros_like(phase)
    for k in range(1, PARTIALS + 1):
        strength = k ** -(3 * p[13]) * (1 + torch.sin(k * 2 * math.pi * p[14]))
        tone += strength * torch.sin(2 * math.pi * k ** (1 + 0.5 * p[15] ** 3) * phase)
    return tone / 2


def _filtered(sound: Tensor, p: Tensor, choice: Tensor) -> Tensor:
    """Low-pass, high-pass, and three resonances."""
    size = 2 * WINDOW
    frequency = torch.fft.rfftfreq(size, 1 / SAMPLE_RATE, device=sound.device).clamp_min(20.0)
    octaves = torch.log2(frequency / _between(p[16], 60.0, 7000.0))
    gain = torch.exp2(-functional.relu(octaves * torch.where(choice < 0.6, 1.0, -1.0)) * (1 + 3 * p[17]))
    for k in range(RESONANCES):
        distance = torch.log2(frequency / _between(p[18 + 2 * k], 100.0, 6000.0))
        gain = gain * (1 + 8 * p[19 + 2 * k] ** 2 * torch.exp(-((distance * 6) ** 2)))
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(sound, size) * gain, size)
    return filtered[:, :WINDOW]
