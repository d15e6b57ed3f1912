"""Compare many queries with the rows of their cells: each cell once, with all queries that ask for it, in one product
of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qbe.index.library import Library
from qbe.index.near import Near, best_allowed, cells_to_order, nearness, tail_scores
from qbe.index.pages import Numbers
from qbe.index.scanning import Scan
from qbe.streams.records import Vector

ROUNDING = 1e-6  # more than float32's products of the same vectors differ by from one product of matrices to the next


def sweep(library: Library, queries: Vector, budget: int, count: int) -> Iterator[Near]:
    """For each query the `count` best rows of the nearest cells that together hold `budget`, or all; best first.

    queries : float32 [Q, D], in the library's frame
    """
    cells, is_asked = _nearest_cells(library, queries, budget)
    least = _least(library, queries, cells[:, 0], count)
    asked, of_cells = is_asked.nonzero()[0], cells[is_asked]
    hits = []
    for of, rows, scores in _products(library, queries, asked, of_cells):
        at, by = (scores >= least[of]).nonzero()
        hits.append((of[by], rows[at], scores[at, by]))
    for query, own in zip(queries, _by_query(library, hits, len(queries)), strict=True):
        best, _ = best_allowed(library, own, count, None)
        if len(best.rows) < count:  # what is removed was kept in the place of others
            best = Scan(library, query, budget).best(count, None)
        yield best


def _nearest_cells(library: Library, queries: Vector, budget: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Of each query, the nearest first, and which of them hold the budget: both [Q, n]."""
    near, sizes, count = nearness(library, queries), library.cells.sizes, cells_to_order(library, budget)
    while True:
        cells = np.argpartition(near, -count, axis=1)[:, -count:]
        order = np.argsort(-np.take_along_axis(near, cells, 1), axis=1)
        cells = np.take_along_axis(cells, order, 1)
        held = sizes[cells].cumsum(axis=1)
        if count == len(sizes) or held[:, -1].min() >= budget:
            return cells, held - sizes[cells] < budget
        count = min(len(sizes), 2 * count)


def _least(library: Library, queries: Vector, cell: NDArray[np.intp], count: int) -> Vector:
    """What a row must score at least to be among the `count` best of each query, as far as one cell tells, [Q]."""
    least = np.full(len(queries), -np.inf, np.float32)
    for of, rows, scores in _products(library, queries, np.arange(len(queries)), cell):
        if len(rows) >= count:
            least[of] = np.maximum(least[of], np.partition(scores, -count, axis=0)[-count])
    return least - np.float32(ROUNDING)


def _products(
    library: Library, queries: Vector, asked: NDArray[np.intp], cells: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], Numbers, Vector]]:
    """Cell by cell, the numbers of the queries that ask for it [q], its rows [n], and their cosines [n, q].

    asked, cells : [n], the number of a query and of a cell that it asks for
    """
    heads, (head, tail) = library.block("heads"), np.split(queries.T, [library.head_dimensions])
    order = np.argsort(cells, kind="stable")
    wanted, first = np.unique(cells[order], return_index=True)
    for cell, of in zip(wanted, np.split(asked[order], first[1:]), strict=True):
        of_head, of_tail = head[:, of], tail[:, of]
        for begin, end in zip(library.cells.begin[:, cell].tolist(), library.cells.end[:, cell].tolist(), strict=True):
            if begin < end:
                rows = library.rows_at(np.arange(begin, end))
                scores = heads.span(begin, end) @ of_head
                scores += tail_scores(library, rows, of_tail)
                yield of, rows, scores


def _by_query(library: Library, hits: list[tuple[NDArray[np.intp], Numbers, Vector]], queries: int) -> Iterator[Near]:
    """The rows of each query, each once. hits : the query of each, its row, and its cosine"""
    asked, rows, scores = (np.concatenate(column) for column in zip(*hits, strict=True))
    if library.trees > 1:
        _, once = np.unique(asked * library.rows + rows, return_index=True)
        asked, rows, scores = asked[once], rows[once], scores[once]
    order = np.argsort(asked, kind="stable")
    ordered = Near(rows[order], scores[order])
    bounds = asked[order].searchsorted(np.arange(queries + 1)).tolist()
    for begin, end in pairwise(bounds):
        yield ordered[begin:end]
