"""Compare one query with the rows of some cells: with all their heads, then with the tails of those that do best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbe.index.library import Library
from qbe.index.near import WIDENED, Allowed, Near, best_allowed, cells_to_order, highest, nearness, tail_scores
from qbe.index.pages import Numbers
from qbe.streams.records import Vector

RESCORED = 1 / 6  # of the places, those whose heads score best get their tails compared too, but
LEAST_RESCORED = 200  # at least, and
RESCORED_PER_ROW = 4  # times as many as rows are wanted
GATHERED = 48  # rows: spans of fewer are copied together, as each product takes a microsecond or two
SAMPLE = 512  # scores, to learn about how much must be reached
PASSED = 1 / 8  # as large a share of these may belong to files that do not count


class Scan:
    """The places in some cells, and their heads' scores: contiguous float32, cell by cell.

    query : float32 [D], in the library's frame; budget : how many places to compare, at least, or all
    """

    def __init__(self, library: Library, query: Vector, budget: int) -> None:
        self._library = library
        head, self._tail = query[: library.head_dimensions], query[library.head_dimensions :]
        begin, end = _spans(library, _nearest_cells(library, query, budget))
        is_short = end - begin < GATHERED
        if is_short.any():
            order = np.argsort(is_short, kind="stable")
            begin, end = begin[order], end[order]
        self._last = (end - begin).cumsum()
        self._shift = end - self._last  # from a place in the scores to one in the heads
        whole, heads, last = len(begin) - np.count_nonzero(is_short), library.block("heads"), [0, *self._last.tolist()]
        self.scores = np.empty(last[-1], np.float32)
        for span, first, after in zip(heads.spans(begin[:whole], end[:whole]), last, last[1:], strict=False):
            np.dot(span, head, out=self.scores[first:after])
        if whole < len(begin):
            self.scores[last[whole] :] = heads.copied(begin[whole:], end[whole:]) @ head

    def best(self, count: int, allowed: Allowed | None) -> Near:
        """The `count` best rows that are allowed, or all there are, best first. allowed : as for `best_allowed`"""
        most = max(int(RESCORED * len(self.scores)), LEAST_RESCORED, RESCORED_PER_ROW * count * self._library.trees)
        while True:
            best, passed = best_allowed(self._library, self._rescored(_about(self.scores, most)), count, allowed)
            if (len(best.rows) == count and passed <= PASSED * most) or most >= len(self.scores):
                return best
            most *= WIDENED

    def _rescored(self, places: NDArray[np.intp]) -> Near:
        rows = self._library.rows_at(places + self._shift[self._last.searchsorted(places, "right")])
        scores = self.scores[places]
        if self._library.trees > 1:
            rows, first = np.unique(rows, return_index=True)
            scores = scores[first]
        scores += tail_scores(self._library.block("tails").rows(rows), self._tail)
        return Near(rows, scores)


def _nearest_cells(library: Library, query: Vector, budget: int) -> NDArray[np.intp]:
    """That together hold `budget` places, or all; in their order in the file."""
    near, sizes = nearness(library, query), library.cells.sizes
    for count in (cells_to_order(library, budget), len(sizes)):
        cells = highest(near, count)
        cells = cells[np.argsort(-near[cells])]
        held = sizes[cells].cumsum()
        if held[-1] >= budget:
            break
    return np.sort(cells[: held.searchsorted(budget) + 1])


def _spans(library: Library, cells: NDArray[np.intp]) -> tuple[Numbers, Numbers]:
    """Where in the heads some cells begin and end in all parts. Cells of a part that touch are one span."""
    begin, end = library.cells.begin[:, cells].ravel(), library.cells.end[:, cells].ravel()
    filled = end > begin
    begin, end = begin[filled], end[filled]
    is_first, is_last = np.ones((2, len(begin)), bool)
    np.not_equal(begin[1:], end[:-1], out=is_first[1:])
    first = 0
    for spans in filled.reshape(len(library.parts), -1).sum(axis=1).tolist():
        if first < len(begin):
            is_first[first] = True  # of its part
        first += spans
    is_last[:-1] = is_first[1:]
    return begin[is_first], end[is_last]


def _about(scores: Vector, count: int) -> NDArray[np.intp]:
    """Where about the `count` highest are, or all: those that reach what a sample tells."""
    sample = scores[:: max(1, len(scores) // SAMPLE)]
    wanted = -(-count * len(sample) // len(scores))
    if wanted >= len(sample):
        return np.arange(len(scores))
    return np.flatnonzero(scores >= np.partition(sample, -wanted)[-wanted])
