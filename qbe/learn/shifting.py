"""Pitch and tempo by the batch: samples are read faster or slower, then frames of the scalogram are resized.

Resampling by r shifts the pitch by 12 log2 r semitones and makes a sound r times shorter. Its scalogram, resized by
s r, is that of a sound s times as long as the original: so the two are independent.
"""

from __future__ import annotations

import torch
from torch import Tensor

OVERSAMPLING = 4  # then cubic interpolation errs by -45 dB at the highest frequency and less under it
EDGE = 0.05  # of the band, in which the low-pass falls


def resample(sound: Tensor, factor: Tensor, length: int) -> Tensor:
    """Read sounds `factor` times as fast: sample t of the result lies at `factor` t of the sound; zeros after its end.

    sound : [B, M]; factor : [B]

    Shape: -> [B, length]. What would lie over half the sample rate is taken out first.
    """
    size = sound.shape[1]
    frequency = torch.linspace(0, 1, size // 2 + 1, device=sound.device)  # 1: half the sample rate
    band = (1 / factor).clamp_max(1.0)[:, None]
    kept = ((band - frequency) / (EDGE * band)).clamp_(0, 1)
    spectrum = torch.fft.rfft(sound) * kept
    fine = torch.fft.irfft(spectrum, OVERSAMPLING * size) * OVERSAMPLING
    return _cubic(fine, torch.arange(length, device=sound.device) * (OVERSAMPLING * factor)[:, None])


def _cubic(sound: Tensor, position: Tensor) -> Tensor:
    """Catmull-Rom interpolation at positions >= 0, [B, L]; zeros beyond the end."""
    size = sound.shape[1]
    below = position.floor()
    u = position - below
    first = below.long() - 1
    weights = (
        ((-0.5 * u + 1) * u - 0.5) * u,
        (1.5 * u - 2.5) * u * u + 1,
        ((-1.5 * u + 2) * u + 0.5) * u,
        (0.5 * u - 0.5) * u * u,
    )
    out = torch.zeros_like(position)
    for k, weight in enumerate(weights):
        out += weight * sound.gather(1, (first + k).clamp_(0, size - 1))
    return out * (position < size - 1)


def resize_frames(power: Tensor, factor: Tensor, frames: int) -> Tensor:
    """Make scalograms `factor` times as long: every new frame is the mean of the old ones that it covers.

    power : [B, 1, F, T]; factor : [B]

    Shape: -> [B, 1, F, frames]; zeros after the end.
    """
    old = torch.arange(power.shape[3], device=power.device)[None, :, None]
    edges = torch.arange(frames + 1, device=power.device) / factor[:, None]
    covered = torch.minimum(old + 1, edges[:, None, 1:]) - torch.maximum(old, edges[:, None, :-1])
    share = covered.clamp_min_(0) * factor[:, None, None]
    # Sums of a few: matrix units would round the powers to ten bits.
    return torch.bmm(power[:, 0], share)[:, None]
