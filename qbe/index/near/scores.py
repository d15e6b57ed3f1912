"""What scans and sweeps share: how near cells are, and which of the rows that were compared answer best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.library import Library
from qbe.index.file.parts import UNIT
from qbe.search.highest import highest
from qbe.search.store import Near
from qbe.streams.records import Numbers, Vector

WIDENED = 4
SPARE_CELLS, SPARE = 8, 1.25  # more are put in order than cells of average size would be needed

Allowed = Callable[[NDArray[np.integer[Any]]], NDArray[np.bool_]]


def nearness(library: Library, queries: Vector) -> Vector:
    """Of the centres of cells to queries [..., D], [..., C]: half the squared distance, negative, but for what all have
    in common."""
    near: Vector = queries[..., : library.head_dimensions] @ library.cells.centres.T
    near -= library.cells.offsets
    return near


def cells_to_order(library: Library, budget: int) -> int:
    """How many cells hold `budget` places unless they are rather small."""
    cells = len(library.cells.sizes)
    return min(cells, SPARE_CELLS + int(SPARE * budget * cells / (library.rows * library.trees)))


def tail_scores(kept: NDArray[np.int16], tails: Vector) -> Vector:
    """What tails that are kept so [n, D - H] add to the cosines with queries of these tails, [D - H] or [D - H, Q]."""
    scores: Vector = kept.astype(np.float32) @ (tails * np.float32(UNIT))
    return scores


def best_allowed(library: Library, near: Near, count: int, allowed: Allowed | None) -> tuple[Near, int]:
    """The `count` best that are allowed, best first, and how many of the better ones are not.

    allowed : says of file numbers [n] which may answer; it may look at them on disk, so it is asked of few. None: all
        may that are not removed.
    """
    tried = count
    while True:
        at = highest(near.scores, tried).nonzero()[0]
        best = near[at.take(np.argsort(-near.scores.take(at), kind="stable"))]
        at = answering(library, best.rows, allowed)[:count]
        if len(at) == count or tried >= len(near.rows):
            return best[at], int(at[-1]) + 1 - len(at) if len(at) else len(best.rows)
        tried *= WIDENED


def answering(library: Library, rows: Numbers, allowed: Allowed | None) -> NDArray[np.intp]:
    """Where rows are that may answer. allowed : as for `best_allowed`"""
    if library.removed is None and allowed is None:
        return np.arange(len(rows))
    files = library.segments_of(rows)[:, 0]
    may = library.are_there(files)
    if allowed is not None:
        may[may] = allowed(files[may])
    return may.nonzero()[0]
