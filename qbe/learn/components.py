"""The embedding's last step: components of what the network computes of the sounds it has learned from.

Principal components, but of numbers that were made smaller in the directions in which two places of one file, or two
files side by side, differ: what changes there is not what a sound is. With classes in the place of pairs this is known
as within-class covariance normalisation (Hatch, Kajarekar and Stolcke, Interspeech 2006); pairs need no labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from qbe.learn.network import Network
from qbe.streams.records import Audio

WHITENING = 0.15  # 0: components keep their variance; 0.5: all have the same
WITHIN = 0.35  # 0: what differs within pairs counts like the rest; 0.5: it varies as much in all directions
LEAST_WITHIN = 0.05  # of the mean variance is added to that within pairs: few pairs say little of most directions
DIRECTIONS = 384  # of the most variance, among which components are found
SPARE = 32  # directions that the randomised decomposition follows beyond those that are kept
PASSES = 4
BATCH = 64


def fit_components(network: Network, sounds: Audio, others: Audio, counts: NDArray[np.float32]) -> None:
    """Set `of_blocks` and `of_projection` of a network's encoder, from segments of sound.

    sounds, others : float32 [n, WINDOW], and as many segments, each from near the first or from a file beside it
    counts : how much each pair counts [n], some over 0
    The network is to be in eval mode.
    """
    encoder = network.encoder
    with torch.no_grad():
        features = zip(_features(network, sounds), _features(network, others), strict=True)
        for layer, (x, y) in zip((encoder.of_blocks, encoder.of_projection), features, strict=True):
            layer.weight[:], layer.bias[:] = components(x, y, layer.out_features, torch.from_numpy(counts).to(x.device))


def _features(network: Network, sounds: Audio) -> Iterator[Tensor]:
    """What components are of: one [n, in_features] for each layer."""
    device = network.encoder.of_blocks.weight.device
    parts = (network.decibels(part.to(device)) for part in torch.split(torch.from_numpy(sounds), BATCH))
    found: Iterable[tuple[Tensor, Tensor]] = [network.encoder.features(decibels) for decibels in parts]
    return (torch.cat(of_layer) for of_layer in zip(*found, strict=True))


def components(x: Tensor, y: Tensor, count: int, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Weight [count, D] and bias [count] of the layer that turns x [n, D] into its components.

    y : [n, D], of each row of x something that counts as the same; counts : how much each of these pairs counts, [n]

    With z the standardised x, W the mean of d d' / 2 over the differences d = z - z' within pairs, which count as
    `counts` says, and M = W^-WITHIN,
    they are the principal components of M z, each divided by its variance^WHITENING so that the first ones do not
    decide alone. Where there are fewer components than `count`, the others are zero.
    """
    mean, scale = x.mean(0), x.std(0)
    used = scale > 1e-2 * scale.max()  # a unit that hardly answers would be noise
    scale = torch.where(used, scale, torch.inf)
    standard = (x - mean) / scale
    kept = _directions(standard)
    z, d = standard @ kept, ((x - y) / scale) @ kept
    total, within = z.T @ z / len(z), (d * counts[:, None]).T @ d / (2 * counts.sum())
    within += LEAST_WITHIN * total.diagonal().mean() * torch.eye(len(within), device=x.device)
    smaller = _power(within, -WITHIN)
    variance, directions = torch.linalg.eigh(smaller @ total @ smaller)
    variance, directions = variance.flip(0)[:count], directions.flip(1)[:, :count]
    found = variance > 1e-4 * variance[0]
    factor = torch.where(found, variance, torch.inf) ** -WHITENING
    weight = (kept @ smaller @ directions).T * torch.where(found, factor, 0)[:, None] / scale
    weight = functional.pad(weight, (0, 0, 0, count - len(weight)))
    return weight, -weight @ mean


def _directions(z: Tensor) -> Tensor:
    """Orthonormal directions [D, K] along which rows [n, D] vary most."""
    # By random projections (Halko et al., arXiv 0909.4061), drawn alike every time.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, _, directions = torch.svd_lowrank(z, min(DIRECTIONS + SPARE, *z.shape), PASSES)
    return directions[:, :DIRECTIONS]


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Of a symmetric matrix with positive eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = (vectors * values**exponent) @ vectors.T
    return power
