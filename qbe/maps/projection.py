"""A map of points: of up to MOST of them by t-SNE, of all others beside the nearest of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from qbe.maps import repulsion
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
    share = len(landmarks) / (len(landmarks) + PLACING_SHARE * (len(points) - len(landmarks)))
    found = tsne(points.vectors(landmarks), dimensions, rng, lambda done: on_share(share * done))
    return _placed(points, landmarks, found, rng, lambda done: on_share(share + (1 - share) * done))


def extend(
    points: Points, known: Mapping[int, tuple[float, ...]], seed: int, on_share: OnShare = lambda _: None
) -> Coordinates:
    """A map on which the points of `known` stay where they are, and all others are placed beside these.

    known : where some points are, at least one
    """
    rng = np.random.default_rng(seed)
    numbers = np.array(sorted(known))
    landmarks = _drawn(numbers, rng)
    where = _placed(points, landmarks, np.array([known[number] for number in landmarks.tolist()]), rng, on_share)
    where[numbers] = [known[number] for number in numbers.tolist()]
    return where


def _drawn(numbers: Numbers, rng: np.random.Generator) -> Numbers:
    """MOST of them, or all."""
    return numbers if len(numbers) <= MOST else np.sort(rng.choice(numbers, MOST, replace=False))


def _placed(
    points: Points, landmarks: Numbers, found: repulsion.Points, rng: np.random.Generator, on_share: OnShare
) -> Coordinates:
    """Where all points lie if those that are no landmarks lie beside the nearest one that is, a little apart.

    Between several near ones they would lie where nothing is.
    """
    where = np.empty((len(points), found.shape[1]))
    where[landmarks] = found
    others = np.setdiff1d(np.arange(len(points)), landmarks, assume_unique=True)
    if not len(others):
        return where
    vectors, apart = points.vectors(landmarks), _spacing(found)
    for first in range(0, len(others), PLACED):
        part = others[first : first + PLACED]
        where[part] = found[nearest_of(points.vectors(part), vectors)]
        where[part] += rng.normal(0, apart, (len(part), found.shape[1]))
        on_share((first + len(part)) / len(others))
    return where


def _spacing(found: repulsion.Points) -> float:
    """About a third of what lies between points next to each other, spread evenly."""
    return float(found.std() / len(found) ** (1 / found.shape[1]))
