"""The nearest of all, exactly: vectors by vectors in products of matrices.

Half the time of asking a library's index as carefully, for as many as a map is made of; and what is placed on one asks
for the nearest of these alone, which no index has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Numbers, Vector

BLOCK = 512  # vectors compared with all others at a time
GROUPS = 64  # that the others are taken in: the best of each tell how good a neighbour must be
NEVER = -2.0  # no cosine is so low


def nearest_others(vectors: Vector, count: int, on_block: Callable[[int], None] = lambda _: None) -> Numbers:
    """The `count` nearest others of each of unit vectors [n, D], n > count, nearest first: [n, count].

    on_block : called with how many are through
    """
    total = len(vectors)
    width = -(-max(total, GROUPS * count) // GROUPS)  # groups enough that `count` of them have a best
    others = np.zeros((vectors.shape[1], width * GROUPS), np.float32)
    others[:, :total] = vectors.T
    found = np.empty((total, count), np.int64)
    for first in range(0, total, BLOCK):
        part = vectors[first : first + BLOCK]
        scores = part @ others
        scores[:, total:] = NEVER
        scores[np.arange(len(part)), first + np.arange(len(part))] = NEVER
        found[first : first + len(part)] = _best(scores, count)
        on_block(first + len(part))
    return found


def _best(scores: Vector, count: int) -> NDArray[np.intp]:
    """Where the `count` highest of each row of scores are, highest first.

    Columns are grouped by what is left of their number: as many scores as groups, at least, reach the count-th best of
    the groups' best. So few are put in order.
    """
    best = scores.reshape(len(scores), GROUPS, -1).max(1)
    least = np.partition(best, -count, axis=1)[:, -count]
    row, column = np.divmod(np.flatnonzero(scores >= least[:, None]), scores.shape[1])
    order = np.lexsort((column, -scores[row, column], row))
    begin = row.searchsorted(np.arange(len(scores)))
    first: NDArray[np.intp] = column[order][begin[:, None] + np.arange(count)]
    return first


def nearest_of(vectors: Vector, others: Vector) -> Numbers:
    """The nearest of unit vectors `others` [m, D] to each of `vectors` [n, D], [n]."""
    nearest = np.empty(len(vectors), np.int64)
    for first in range(0, len(vectors), BLOCK):
        nearest[first : first + BLOCK] = (vectors[first : first + BLOCK] @ others.T).argmax(1)
    return nearest
