"""Words over the clusters of a map: where many points of a word lie, and few others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDES = (2, 4, 8, 16, 32, 64)  # cells on a side, coarse to fine
LEAST = 2  # points of a word in a cell
SHARE = 1 / 3  # of the points in a cell


class Placed(NamedTuple):
    """A word in the middle of what bears it in a cell. side : so many such cells are on a side of the map"""

    text: str
    x: float
    y: float
    side: int


def placed_words(where: NDArray[np.float64], words: Sequence[Sequence[str]]) -> list[Placed]:
    """For every cell of ever finer grids the word that tells most of it, if a third of its points bear it.

    Coarse cells come first, and of one grid the words that tell most: count * log(share in the cell / share of all),
    their part in how unlike the cell is to the whole. A word may come again and again.

    where : of points, [n, 2]; words : of each
    """
    vocabulary = sorted({word for own in words for word in own})
    number = {word: at for at, word in enumerate(vocabulary)}
    point = np.repeat(np.arange(len(words)), [len(own) for own in words])
    word = np.array([number[one] for own in words for one in own], np.int64)
    low, span = where.min(0), max(float(np.ptp(where, axis=0).max()), 1e-9)
    placed = []
    for side in SIDES if vocabulary else ():
        cell = np.minimum(((where - low) * (side / span)).astype(np.int64), side - 1) @ np.array([1, side])
        pairs, pair = np.unique(cell[point] * len(vocabulary) + word, return_inverse=True)
        x, y = (np.bincount(pair, axis[point]) / np.bincount(pair) for axis in where.T)
        for at in _best(pairs, np.bincount(pair), np.bincount(cell), np.bincount(word) / len(where)).tolist():
            placed.append(Placed(vocabulary[pairs[at] % len(vocabulary)], float(x[at]), float(y[at]), side))
    return placed


def _best(
    pairs: NDArray[np.int64], counts: NDArray[np.int64], sizes: NDArray[np.int64], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Those pairs of cell and word that tell most of a cell, the most telling first.

    pairs : cell * number of words + word; counts : of the points of each; sizes : of cells; shares : of words among all
    """
    cells, words = np.divmod(pairs, len(shares))
    tell = counts * np.log(counts / sizes[cells] / shares[words])
    good = np.flatnonzero((counts >= LEAST) & (counts >= SHARE * sizes[cells]) & (tell > 0))
    good = good[np.argsort(-tell[good], kind="stable")]
    _, first = np.unique(cells[good], return_index=True)
    return good[np.sort(first)]
