"""Trees of hyperplanes, and the cells that are their leaves.

A node's rows are split by the hyperplane midway between two means (Annoy's rule: https://github.com/spotify/annoy), the
largest leaf first, until there are as many leaves as wanted; a few passes of Lloyd's algorithm (1982) then move the
borders to where they lie midway between the centres of neighbours.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Vector

CELL_ROWS = 64  # on average, at least
CELLS = 6  # times the square root of the rows, at most: with more it takes longer to rank them than rows are saved
MOST_CELLS = 1 << 14
LEAST_ROWS = 4096  # of fewer, all are compared: a single cell
MEANS_ROWS = 512  # a node's means are taken over so many of its rows
MEANS_PASSES = 6
LOPSIDED = 0.9  # a share of rows on one side over this: split through the middle instead
LLOYD_PASSES = 3
PRODUCTS = 1 << 18  # of rows with centres, at a time
LEAST_ASSIGNED = 64  # rows at a time

Rows = NDArray[np.intp]


def cells_for(rows: int) -> int:
    """Into how many cells a tree divides so many rows."""
    return 1 if rows < LEAST_ROWS else min(rows // CELL_ROWS, CELLS * math.isqrt(rows), MOST_CELLS)


def plant(sample: Vector, cells: int, rng: np.random.Generator) -> Vector:
    """The centres of a tree's cells, [cells, H], from a sample of the rows' heads [n, H], n >= cells."""
    leaves = _leaves(sample, cells, rng)
    centres = np.stack([sample[leaf].mean(0) for leaf in leaves])
    for _ in range(LLOYD_PASSES if cells > 1 else 0):
        centres = _means(sample, np.concatenate(list(assign([sample], centres))), centres)
    return centres


def _leaves(sample: Vector, cells: int, rng: np.random.Generator) -> list[Rows]:
    """From one side of the tree to the other, so that those that are near each other mostly lie together."""
    heap = [(-len(sample), "", np.arange(len(sample)))]  # with the way down to each, a turn a letter
    for _ in range(cells - 1):
        _, way, rows = heapq.heappop(heap)
        for side, part in zip("ab", _split(sample, rows, rng), strict=True):
            heapq.heappush(heap, (-len(part), way + side, part))
    return [rows for _, _, rows in sorted(heap, key=lambda leaf: leaf[1])]


def _split(sample: Vector, rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """The rows on both sides of a hyperplane, neither empty."""
    vectors = sample[rows]
    a, b = _two_means(vectors if len(rows) <= MEANS_ROWS else vectors[rng.choice(len(rows), MEANS_ROWS, False)], rng)
    above = vectors @ (a - b) > (a @ a - b @ b) / 2
    if not 1 - LOPSIDED < above.mean() < LOPSIDED:
        above = np.zeros(len(rows), bool)
        above[np.argsort(vectors @ (a - b), kind="stable")[len(rows) // 2 :]] = True
    return rows[above], rows[~above]


def _two_means(vectors: Vector, rng: np.random.Generator) -> tuple[Vector, Vector]:
    a, b = vectors[rng.choice(len(vectors), 2, replace=False)]
    for _ in range(MEANS_PASSES):
        nearer = vectors @ (a - b) > (a @ a - b @ b) / 2
        if nearer.all() or not nearer.any():
            break
        a, b = vectors[nearer].mean(0), vectors[~nearer].mean(0)
    return a, b


def _means(vectors: Vector, cell: Rows, centres: Vector) -> Vector:
    """The mean of the vectors in each cell; the old centre where there are none."""
    order = np.argsort(cell, kind="stable")
    full, first = np.unique(cell[order], return_index=True)
    moved = centres.copy()
    moved[full] = np.add.reduceat(vectors[order], first) / np.diff(np.r_[first, len(order)])[:, None]
    return moved


def assign(heads: Iterable[Vector], centres: Vector) -> Iterator[Rows]:
    """The nearest centre of each row of arrays [n, H] as they come.

    The product with a centre less half its squared length is one product of vectors longer by one; so many of them at a
    time stay in the processor's cache.
    """
    longer = np.concatenate([centres, -(centres * centres).sum(1, keepdims=True) / 2], axis=1).T.copy()
    rows = max(LEAST_ASSIGNED, PRODUCTS // len(centres))
    for array in heads:
        ones = np.concatenate([array, np.ones((len(array), 1), np.float32)], axis=1)
        for first in range(0, len(array), rows):
            yield (ones[first : first + rows] @ longer).argmax(1)
