"""The nearest of all, exactly: vectors by vectors in products of matrices.

Half the time of asking a library's index as carefully, for as many as a map is made of; and what is placed on one asks
for the nearest of these alone, which no index has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qbe.search.highest import highest_columns
from qbe.streams.records import Numbers, Vector

BLOCK = 512  # vectors compared with all others at a time
NEVER = -2.0  # no cosine is so low


def nearest_others(vectors: Vector, count: int, on_block: Callable[[int], None] = lambda _: None) -> Numbers:
    """The `count` nearest others of each of unit vectors [n, D], n > count, nearest first: [n, count].

    on_block : called with how many are through
    """
    found = np.empty((len(vectors), count), np.int64)
    for first in range(0, len(vectors), BLOCK):
        part = vectors[first : first + BLOCK]
        scores = part @ vectors.T
        scores[np.arange(len(part)), first + np.arange(len(part))] = NEVER
        found[first : first + len(part)] = highest_columns(scores, count)
        on_block(first + len(part))
    return found


def nearest_of(vectors: Vector, others: Vector) -> Numbers:
    """The nearest of unit vectors `others` [m, D] to each of `vectors` [n, D], [n]."""
    nearest = np.empty(len(vectors), np.int64)
    for first in range(0, len(vectors), BLOCK):
        nearest[first : first + BLOCK] = (vectors[first : first + BLOCK] @ others.T).argmax(1)
    return nearest
