"""The embedding's last step: principal components of what the network computes of the sounds it has learned from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from qbe.learn.network import Network
from qbe.streams.records import Audio

WHITENING = 0.15  # 0: components keep their variance; 0.5: all have the same
SPARE = 32  # directions that the randomised decomposition follows beyond those that are kept
PASSES = 4
BATCH = 64


def fit_components(network: Network, sounds: Audio) -> None:
    """Set `of_blocks` and `of_projection` of a network's encoder, from segments of sound, float32 [n, WINDOW].

    On the network's device; it is to be in eval mode.
    """
    encoder = network.encoder
    device = encoder.of_blocks.weight.device
    with torch.no_grad():
        parts = (network.decibels(part.to(device)) for part in torch.split(torch.from_numpy(sounds), BATCH))
        features = zip(*(encoder.features(decibels) for decibels in parts), strict=True)
        for layer, of_parts in zip((encoder.of_blocks, encoder.of_projection), features, strict=True):
            layer.weight[:], layer.bias[:] = principal_components(torch.cat(of_parts), layer.out_features)


def principal_components(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Weight [count, D] and bias [count] of the layer that standardises [n, D] and turns it into its components.

    Each component is divided by its variance to the power of WHITENING, so that the first ones do not decide alone.
    Where there are fewer components than `count`, the others are zero.
    """
    mean, scale = x.mean(0), x.std(0)
    used = scale > 1e-2 * scale.max()  # a unit that hardly answers would be noise
    scale = torch.where(used, scale, torch.inf)
    standard = (x - mean) / scale
    # By random projections (Halko et al., arXiv 0909.4061), drawn alike every time.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, singular, directions = torch.svd_lowrank(standard, min(count + SPARE, *x.shape), PASSES)
    variance = (singular**2 / len(x))[:count]
    found = variance > 1e-4 * variance[0]
    factor = torch.where(found, variance, torch.inf) ** -WHITENING
    weight = directions[:, :count].T * torch.where(found, factor, 0)[:, None] / scale
    weight = functional.pad(weight, (0, 0, 0, count - len(weight)))
    return weight, -weight @ mean
