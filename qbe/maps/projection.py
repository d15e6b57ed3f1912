"""A map of points: of up to MOST of them by t-SNE, of all others beside the nearest of these."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qbe.maps.neighbours import nearest_of
from qbe.maps.points import Points
from qbe.maps.tsne import tsne
from qbe.streams.records import Numbers

MOST = 50_000
PLACED = 1 << 14  # points at a time
PLACING_SHARE = 0.2  # of the time of a point that is placed, beside one of the first

Coordinates = NDArray[np.float64]
OnShare = Callable[[float], None]  # called with how much of the work is done, of 1


def project(points: Points, dimensions: int, seed: int, on_share: OnShare = lambda _: None) -> Coordinates:
    """A map, [n, dimensions]: near means alike, axes and distances mean nothing.

    seed : the same one gives the same map on the same machine
    """
    rng = np.random.default_rng(seed)
    landmarks = _drawn(np.arange(len(points)), rng)
    where = np.empty((len(points), dimensions))
    share = len(landmarks) / (len(landmarks) + PLACING_SHARE * (len(points) - len(landmarks)))
    where[landmarks] = tsne(points.vectors(landmarks), dimensions, rng, lambda done: on_share(share * done))
    others = np.setdiff1d(np.arange(len(points)), landmarks, assume_unique=True)
    _place(points, others, landmarks, where, rng, lambda done: on_share(share + (1 - share) * done))
    return where


def extend(
    points: Points, known: Numbers, places: Coordinates, seed: int, on_share: OnShare = lambda _: None
) -> Coordinates:
    """A map on which the points `known` [k], one at least, stay at `places` [k, d], and all others lie beside these."""
    rng = np.random.default_rng(seed)
    where = np.empty((len(points), places.shape[1]))
    where[known] = places
    others = np.setdiff1d(np.arange(len(points)), known, assume_unique=True)
    _place(points, others, _drawn(known, rng), where, rng, on_share)
    return where


def _drawn(numbers: Numbers, rng: np.random.Generator) -> Numbers:
    """MOST of them, or all."""
    return numbers if len(numbers) <= MOST else np.sort(rng.choice(numbers, MOST, replace=False))


def _place(
    points: Points, others: Numbers, landmarks: Numbers, where: Coordinates, rng: np.random.Generator, on_share: OnShare
) -> None:
    """Lay each of the others beside the nearest of the landmarks, which lie on `where` already, a little apart.

    Between several near ones they would lie where nothing is.
    """
    if not len(others):
        return
    vectors, apart = points.vectors(landmarks), _spacing(where[landmarks])
    for first in range(0, len(others), PLACED):
        part = others[first : first + PLACED]
        where[part] = where[landmarks[nearest_of(points.vectors(part), vectors)]]
        where[part] += rng.normal(0, apart, (len(part), where.shape[1]))
        on_share((first + len(part)) / len(others))


def _spacing(found: Coordinates) -> float:
    """About a third of what lies between points next to each other, spread evenly."""
    return float(found.std() / len(found) ** (1 / found.shape[1]))
