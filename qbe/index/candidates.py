"""The rows of a library that may answer: the cells nearest to a query, of all trees in one order.

A cell's nearness is that of its centre, so that on both sides of a border near the query cells come up early, as do
those of whichever tree happens to cut well around it. Only heads are compared: contiguous float32, cell by cell.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.index.library import Library
from qbe.streams.records import Vector

RESCORED = 400  # places whose heads score best get their tails compared too, or
RESCORED_PER_ROW = 4  # times as many as rows are wanted
SPARE_CELLS = 8  # looked at beyond those that cells of average size would need


class Scan:
    """The places in the cells nearest to one segment of a query, at least `budget` or all, and their heads' scores.

    query : float32 [D], rotated
    """

    def __init__(self, library: Library, query: Vector, budget: int) -> None:
        self._library = library
        head, self._tail = query[: library.head_dimensions], query[library.head_dimensions :]
        cells = _nearest(library, head, budget)
        begin, end = library.cells.begin[:, cells], library.cells.end[:, cells]
        if len(begin) > 1:  # what all parts have of a cell, cell by cell
            filled = (end > begin).T
            begin, end = begin.T[filled][None], end.T[filled][None]
        self._begin, sizes = begin[0], end[0] - begin[0]
        self._shift = self._begin - (sizes.cumsum() - sizes)  # from a place in the scores to one in the heads
        self._last = sizes.cumsum()
        self.scores = np.empty(int(sizes.sum()), np.float32)
        self._compare(head)
        if library.removed is not None:
            self.scores[library.removed[self._files]] = -np.inf

    def _compare(self, head: Vector) -> None:
        heads, done = self._library.block("heads"), 0
        for begin, last in zip(self._begin.tolist(), self._last.tolist(), strict=True):
            np.dot(heads.span(begin, begin + last - done), head, out=self.scores[done:last])
            done = last

    def _rows(self, places: NDArray[np.intp]) -> NDArray[np.int64]:
        """Of places in the scores, [n]."""
        return self._library.rows_at(places + self._shift[self._last.searchsorted(places, "right")])

    @cached_property
    def _files(self) -> NDArray[np.integer[Any]]:
        """Of every score."""
        return self._library.segments_of(self._rows(np.arange(len(self.scores))))[:, 0]

    def drop(self, files: list[int]) -> None:
        """Forget the rows of some files."""
        self.scores[np.isin(self._files, files)] = -np.inf

    def best(self, count: int) -> tuple[NDArray[np.int64], Vector]:
        """The rows that score best, `count` or all there are, each once, and their scores with the tails."""
        most = max(RESCORED, RESCORED_PER_ROW * count) * self._library.trees
        places = _highest(self.scores, most)
        places = places[self.scores[places] > -np.inf]
        rows, scores = self._rows(places), self.scores[places]
        if self._library.trees > 1:
            rows, first = np.unique(rows, return_index=True)
            scores = scores[first]
        scores += _product(self._library.block("tails").rows(rows), self._tail)
        best = _highest(scores, count)
        return rows[best], scores[best]


def _product(halves: NDArray[np.float16], query: Vector) -> Vector:
    """halves @ query in float32, [n], for halves within [-1, 1].

    NumPy converts float16 number by number. Moved into the places of float32's, the bits mean the same number but for
    the exponents' offsets, 15 and 127, so 2^112 times less.
    """
    bits = halves.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= -0x70000001  # all but the three copies of the sign between the sign and the exponent
    product: Vector = bits.view(np.float32) @ (query * np.float32(2.0**112))
    return product


def _highest(scores: Vector, count: int) -> NDArray[np.intp]:
    """Where the `count` highest are, or all."""
    if count >= len(scores):
        return np.arange(len(scores))
    least = np.partition(scores, -count)[-count]  # twice as fast as argpartition
    return np.flatnonzero(scores >= least)[:count]


def _nearest(library: Library, head: Vector, budget: int) -> NDArray[np.intp]:
    """The cells nearest to a query's head, nearest first, that together hold `budget` places, or all."""
    cells = library.cells
    distance = cells.offsets - cells.centres @ head  # half the squared one, less what all share
    few = SPARE_CELLS + int(1.5 * budget * len(distance) / (library.rows * library.trees))
    for count in (few, len(distance)):
        near = np.arange(len(distance)) if count >= len(distance) else np.argpartition(distance, count)[:count]
        near = near[np.argsort(distance[near], kind="stable")]
        held = cells.sizes[near].cumsum()
        if held[-1] >= budget:
            break
    return near[: int(held.searchsorted(budget)) + 1]


def best_rows(
    library: Library, query: Vector, budget: int, count: int, is_skipped: Callable[[int], bool] | None
) -> NDArray[np.int64]:
    """The rows that answer one segment of a query best.

    query : float32 [D], rotated; count : of rows of files that are not skipped, as far as the scan met so many
    """
    scan = Scan(library, query, budget)
    rows, _ = scan.best(count)
    while is_skipped is not None:
        files = np.unique(library.segments_of(rows)[:, 0]).tolist()
        skipped = [file for file in files if is_skipped(file)]
        if not skipped:
            break
        scan.drop(skipped)
        rows, _ = scan.best(count)
    return rows
