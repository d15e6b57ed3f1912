"""Compare one query with the rows of some cells: with all their heads, then with the tails of those that do best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.library import Library
from qbe.index.near.scores import WIDENED, Allowed, best_allowed, cells_to_order, nearness, tail_scores
from qbe.search.highest import highest
from qbe.search.store import Near
from qbe.streams.records import Vector

RESCORED = 1 / 6  # of the places, those whose heads score best get their tails compared too, but
LEAST_RESCORED = 200  # at least, and
RESCORED_PER_ROW = 4  # times as many as rows are wanted
COPIED = 1 << 15  # rows at a time: one product of all takes less than one of each cell's where it lies
SAMPLE = 256  # scores, to learn about how much must be reached
PASSED = 1 / 8  # as large a share of these may belong to files that do not count


class Scan:
    """The places in some cells, and their heads' scores: contiguous float32, cell by cell.

    query : float32 [D], in the library's frame; budget : how many places to compare, at least, or all
    """

    def __init__(self, library: Library, query: Vector, budget: int) -> None:
        self._library = library
        head, self._tail = query[: library.head_dimensions], query[library.head_dimensions :]
        cells, heads = _nearest_cells(library, query, budget), library.block("heads")
        self._places = library.cells.places(cells)
        self.scores = np.empty(len(self._places), np.float32)
        for first in range(0, len(self.scores), COPIED):
            part = slice(first, first + COPIED)
            np.dot(heads.rows(self._places[part]), head, out=self.scores[part])

    def best(self, count: int, allowed: Allowed | None) -> Near:
        """The `count` best rows that are allowed, or all there are, best first. allowed : as for `best_allowed`"""
        most = max(int(RESCORED * len(self.scores)), LEAST_RESCORED, RESCORED_PER_ROW * count * self._library.trees)
        while True:
            best, passed = best_allowed(self._library, self._rescored(_about(self.scores, most)), count, allowed)
            if (len(best.rows) == count and passed <= PASSED * most) or most >= len(self.scores):
                return best
            most *= WIDENED

    def _rescored(self, places: NDArray[np.intp]) -> Near:
        rows, scores = self._library.rows_at(self._places.take(places)), self.scores.take(places)
        if self._library.trees > 1:
            rows, first = np.unique(rows, return_index=True)
            scores = scores[first]
        scores += tail_scores(self._library.block("tails").rows(rows), self._tail)
        return Near(rows, scores)


def _nearest_cells(library: Library, query: Vector, budget: int) -> NDArray[np.intp]:
    """Those that together hold `budget` places, or all."""
    near, sizes = nearness(library, query), library.cells.sizes
    for count in (cells_to_order(library, budget), len(sizes)):
        cells = highest(near, count).nonzero()[0]
        cells = cells[np.argsort(-near[cells])]
        held = sizes[cells].cumsum()
        if held[-1] >= budget:
            break
    return cells[: held.searchsorted(budget) + 1]


def _about(scores: Vector, count: int) -> NDArray[np.intp]:
    """Where about the `count` highest are, or all: those that reach what a sample tells."""
    sample = scores[:: max(1, len(scores) // SAMPLE)]
    wanted = -(-count * len(sample) // len(scores))
    if wanted >= len(sample):
        return np.arange(len(scores))
    is_high: NDArray[np.bool_] = scores >= np.partition(sample, -wanted)[-wanted]
    return is_high.nonzero()[0]
