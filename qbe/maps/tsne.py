"""t-SNE (van der Maaten and Hinton, 2008): points in the plane or in space, near each other where vectors are.

What attracts a pair is only whether one is among the NEIGHBOURS nearest of the other, all alike: this keeps as much of
the neighbourhoods as affinities of a perplexity do. The start is that of Kobak and Berens (Nature Communications 2019),
the rates are after Belkina et al. (the same, 2019).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qbe.maps.neighbours import nearest_others
from qbe.maps.repulsion import Points, repulsion
from qbe.streams.records import Vector

NEIGHBOURS = 15
STEPS, EARLY_STEPS = 250, 50  # in the early ones attraction is EXAGGERATION times as strong
EXAGGERATION = 12
EARLY_RATE, RATE = 1 / 12, 1 / 3  # for every point
EARLY_MOMENTUM, MOMENTUM = 0.5, 0.8
FASTER, SLOWER, LEAST_GAIN = 0.2, 0.8, 0.01  # what is added to the gain of a coordinate, or what it is multiplied by
START, APART = 0.01, 1e-4  # deviation of the start, and of the chance in it, which tells equal vectors apart
NEIGHBOURS_SHARE = 0.4  # of the time

OnShare = Callable[[float], None]  # called with how much of the work is done, of 1


def tsne(vectors: Vector, dimensions: int, rng: np.random.Generator, on_share: OnShare = lambda _: None) -> Points:
    """Where unit vectors [n, D] are to lie: [n, dimensions], around zero."""
    total = len(vectors)
    if total <= dimensions + 1:
        return np.eye(total, dimensions)  # as far from each other as can be
    neighbours = nearest_others(
        vectors, min(NEIGHBOURS, total - 1), lambda done: on_share(NEIGHBOURS_SHARE * done / total)
    )
    points = START * principal(vectors, dimensions) + rng.normal(0, APART, (total, dimensions))
    velocity, gains = np.zeros_like(points), np.ones_like(points)
    for step in range(STEPS):
        is_early = step < EARLY_STEPS
        pushed, pairs = repulsion(points)
        pulled = attraction(points, neighbours) * (EXAGGERATION if is_early else 1)
        gradient = 4 * (pulled - pushed / pairs)
        turns = np.sign(gradient) != np.sign(velocity)  # with a gain of its own, each coordinate keeps its course
        gains = np.where(turns, gains + FASTER, np.maximum(gains * SLOWER, LEAST_GAIN))
        rate = total * (EARLY_RATE if is_early else RATE)
        velocity = (EARLY_MOMENTUM if is_early else MOMENTUM) * velocity - rate * gains * gradient
        points = points + velocity
        points -= points.mean(0)
        on_share(NEIGHBOURS_SHARE + (1 - NEIGHBOURS_SHARE) * (step + 1) / STEPS)
    return points


def principal(vectors: Vector, dimensions: int) -> Points:
    """Along the axes on which vectors [n, D] spread most: [n, dimensions], of deviation 1 along the first."""
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, : -dimensions - 1 : -1]
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(dimensions)])  # which of both ways is up to the library else
    points: Points = centred @ axes
    return points / max(float(points[:, 0].std()), 1e-12)


def attraction(points: Points, neighbours: NDArray[np.integer]) -> Points:
    """What pulls each of points [n, d] to those that it is a neighbour of or that are its own, away from them, [n, d]:
    the sum of difference * affinity / (1 + distance^2), where the affinities of all pairs in both orders add up to 1.

    neighbours : of each point, [n, k]
    """
    total, count = neighbours.shape
    pulls = points[:, None] - points[neighbours]
    pulls /= 1 + np.einsum("nkd,nkd->nk", pulls, pulls)[:, :, None]
    own = pulls.sum(1)
    pulled = neighbours.ravel()
    others = [np.bincount(pulled, pull.ravel(), total) for pull in np.moveaxis(pulls, 2, 0)]
    attracted: Points = (own - np.stack(others, 1)) / (2 * count * total)
    return attracted
