"""The highest of many scores, without putting all in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Numbers, Vector

GROUPED = 8  # scores; to put the best of each group in order takes a fraction of the time that all would


def highest(scores: Vector, count: int) -> NDArray[np.bool_]:
    """Whether they are the `count` highest of [..., C] scores or a few more, or all.

    As many scores as there are groups of scores, at least, reach what is, of the best of each group, the count-th.
    """
    groups = scores.shape[-1] // GROUPED
    if count >= groups:
        return np.ones(scores.shape, bool)
    best = scores[..., : groups * GROUPED].reshape(*scores.shape[:-1], GROUPED, groups).max(axis=-2)
    best.partition(groups - count, axis=-1)
    is_high: NDArray[np.bool_] = scores >= best[..., groups - count, None]
    return is_high


def highest_columns(scores: Vector, count: int) -> Numbers:
    """The columns of the `count` highest scores in each row of [n, C], count <= C: [n, count], the highest first, of
    equals the first."""
    row, column = np.divmod(np.flatnonzero(highest(scores, count)), scores.shape[1])
    order = np.lexsort((column, -scores[row, column], row))
    begin = row.searchsorted(np.arange(len(scores)))
    columns: Numbers = column[order][begin[:, None] + np.arange(count)]
    return columns
