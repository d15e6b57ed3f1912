"""How points that all push each other away are pushed, through a grid: in a time that grows with their number, not its
square (Linderman et al., "Fast interpolation-based t-SNE", Nature Methods 2019).

Of a pair at distance r, 1 / (1 + r^2) is how near it is. The grid tells how near all are to any place, as the points
spread over its nodes, convolved with that kernel; what pushes a point is how steeply this falls there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

SPACING = 0.3  # of nodes: of a kernel that falls to a half at 1
LEAST_NODES, MOST_NODES = 50, {2: 640, 3: 48}  # on a side, as many as there may be; the most by dimensions
LEAST_SPAN = 1e-2  # of points: nearer ones are told apart no better, as sums are made in float32
NODES = 4  # on a line around a point that it is spread over: interpolation is cubic
BORDER = NODES  # nodes on a side that no point lies between
FACTORS = (2, 3, 5)  # a Fourier transform is quick where the length has no others


def repulsion(points: Points) -> tuple[Points, float]:
    """What pushes each of points [n, d] in all: the sum over the others of difference / (1 + distance^2)^2, [n, d]; and
    the sum of how near they are over all pairs, in both orders."""
    grid = Grid.over(points)
    near, slope = grid.gathered(grid.convolved(grid.spread()))
    return -slope / 2, float(near.sum()) - len(points)


@dataclass(frozen=True)
class Grid:
    """at : [n, d], where points lie, counted in nodes; spacing : from one node to the next; nodes : on a side"""

    at: Points
    spacing: float
    nodes: int

    @classmethod
    def over(cls, points: Points) -> Grid:
        """A grid that covers points, as fine as SPACING or finer if that takes no more than MOST_NODES."""
        low, span = points.min(0), max(float(np.ptp(points, axis=0).max()), LEAST_SPAN)
        nodes = min(MOST_NODES[points.shape[1]], max(LEAST_NODES, int(np.ceil(span / SPACING)) + BORDER))
        spacing = span / (nodes - BORDER)
        return cls((points - low) / spacing + 1, spacing, nodes)

    @cached_property
    def _weights(self) -> tuple[NDArray[np.intp], Points, Points]:
        """The first node that each point is spread over, [n, d]; the shares of it and the next ones, and how these
        change along the axis, both [NODES, n, d]: Lagrange's polynomials on -1, 0, 1, 2."""
        first = self.at.astype(np.intp)
        t = self.at - first
        shares = [-t * (t - 1) * (t - 2) / 6, (t + 1) * (t - 1) * (t - 2) / 2,
                  -(t + 1) * t * (t - 2) / 2, (t + 1) * t * (t - 1) / 6]  # fmt: skip
        changes = [-(3 * t * t - 6 * t + 2) / 6, (3 * t * t - 4 * t - 1) / 2,
                   -(3 * t * t - 2 * t - 2) / 2, (3 * t * t - 1) / 6]  # fmt: skip
        return first - 1, np.array(shares), np.array(changes)

    @cached_property
    def _corners(self) -> list[tuple[tuple[int, ...], NDArray[np.intp], Points]]:
        """Of all nodes around a point: the steps to each along the axes, its number, the point's share, both [n]."""
        first, shares, _ = self._weights
        dimensions = self.at.shape[1]
        numbers = first @ (self.nodes ** np.arange(dimensions)[::-1])
        corners = []
        for steps in product(range(NODES), repeat=dimensions):
            offset = sum(step * self.nodes**power for power, step in enumerate(reversed(steps)))
            share = np.prod([shares[step, :, axis] for axis, step in enumerate(steps)], axis=0)
            corners.append((steps, numbers + offset, share))
        return corners

    def spread(self) -> Points:
        """How much of the points lies at each node, [nodes^d]."""
        total = self.nodes ** self.at.shape[1]
        spread = np.zeros(total)
        for _, nodes, share in self._corners:
            spread += np.bincount(nodes, share, total)
        return spread

    def convolved(self, spread: Points) -> NDArray[np.floating[Any]]:
        """How near all is to each node, [nodes^d]."""
        dimensions, size = self.at.shape[1], _quick(2 * self.nodes)  # as much again is empty: a circle would close
        steps, axes = np.arange(size), range(dimensions)
        squared = np.square(np.minimum(steps, size - steps) * self.spacing)
        distance = np.zeros((size,) * dimensions)
        for axis in axes:
            distance += squared.reshape([-1 if axis == other else 1 for other in axes])
        inside = (slice(self.nodes),) * dimensions
        padded = np.zeros_like(distance, np.float32)
        padded[inside] = spread.reshape((self.nodes,) * dimensions)
        spectrum = np.fft.rfftn(padded, axes=axes)
        spectrum *= np.fft.rfftn((1 / (1 + distance)).astype(np.float32), axes=axes)
        near: NDArray[np.floating[Any]] = np.fft.irfftn(spectrum, padded.shape, axes)[inside].ravel()
        return near

    def gathered(self, values: NDArray[np.floating[Any]]) -> tuple[Points, Points]:
        """What the values at the nodes are at the points, [n], and how steeply they rise there, [n, d]."""
        _, shares, changes = self._weights
        near, slope = np.zeros(len(self.at)), np.zeros_like(self.at)
        for steps, nodes, share in self._corners:
            value = values[nodes]
            near += value * share
            for axis in range(len(steps)):
                factors = [(changes if other == axis else shares)[step, :, other] for other, step in enumerate(steps)]
                slope[:, axis] += value * np.prod(factors, axis=0)
        return near, slope / self.spacing


def _quick(size: int) -> int:
    """The least number from `size` on that has no prime factors but FACTORS."""
    rest = size
    for factor in FACTORS:
        while rest % factor == 0:
            rest //= factor
    return size if rest == 1 else _quick(size + 1)
