"""Compare many queries with the rows of their cells: each cell once, with all queries that ask for it, in one product
of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.library import Library
from qbe.index.file.parts import UNIT
from qbe.index.near.scanning import Scan
from qbe.index.near.scores import answering, cells_to_order, nearness
from qbe.search.highest import highest
from qbe.search.store import Near
from qbe.streams.records import Numbers, Vector

TOLD_BY = 4  # times as many rows as are wanted tell how good these must be
APART = 4.0  # more than two nearnesses, from -1.5 to 1 for unit vectors, or two cosines differ by: for what is to be
# ordered query by query, in one sort, which takes a fraction of the time of lexsort
COPIED = 64  # cells at a time, so that they stay in the processor's cache
ROUNDING = 1e-6  # more than float32's products of the same vectors differ by from one product of matrices to the next


def sweep(library: Library, queries: Vector, budget: int, count: int) -> Iterator[Near]:
    """For each query the `count` best rows of the nearest cells that together hold `budget`, or all; best first.

    queries : float32 [Q, D], in the library's frame
    """
    asked, cells = _cells_asked_for(library, queries, budget)
    least = _least(library, queries, asked, cells, count)
    hits = []
    for of, rows, scores in _products(library, queries, asked, cells):
        hit = (scores >= least[of]).ravel().nonzero()[0]
        at, by = np.divmod(hit, len(of))
        hits.append((of[by], rows[at], scores.ravel()[hit]))
    for query, near in zip(queries, _by_query(library, hits, len(queries)), strict=True):
        best = near[answering(library, near.rows, None)[:count]]
        if library.removed is not None and len(best.rows) < count:  # what is removed stood in the way of others
            best = Scan(library, query, budget).best(count, None)
        yield best


def _cells_asked_for(library: Library, queries: Vector, budget: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The number of a query and of a cell, [n] each, query by query, the nearest cell first."""
    near, sizes, count = nearness(library, queries), library.cells.sizes, cells_to_order(library, budget)
    while True:
        at = highest(near, count).ravel().nonzero()[0]
        asked, cells = np.divmod(at, len(sizes))
        cells = cells[np.argsort(APART * asked - near.ravel()[at])]
        first = asked.searchsorted(np.arange(len(queries) + 1))
        held = np.concatenate([[0], sizes[cells].cumsum()])
        if count == len(sizes) or np.diff(held[first]).min() >= budget:
            is_asked = held[:-1] - held[first[asked]] < budget  # those before it do not hold the budget
            is_asked &= sizes[cells] > 0
            return asked[is_asked], cells[is_asked]
        count = min(len(sizes), 2 * count)


def _least(library: Library, queries: Vector, asked: NDArray[np.intp], cells: NDArray[np.intp], count: int) -> Vector:
    """What a row must score at least to be among the `count` best of each query, as far as a few cells tell, [Q].

    asked, cells : as for `_products`, the nearest first

    Where a few cells hold n rows, a share of count / n of each reaches the lowest of the scores that end these shares:
    `count` rows in all.
    """
    sizes, count = library.cells.sizes[cells], count * library.trees  # as a row may come up once in every tree
    held = np.concatenate([[0], sizes.cumsum()])
    few = held[:-1] - held[asked.searchsorted(asked)] < TOLD_BY * count
    of_few = np.bincount(asked[few], sizes[few], len(queries))
    least = np.full(len(queries), np.inf, np.float32)
    for of, rows, scores in _products(library, queries, asked[few], cells[few]):
        share = np.minimum(np.ceil(count * len(rows) / of_few[of]), len(rows)).astype(np.intp)
        least[of] = np.minimum(least[of], np.sort(scores, axis=0)[len(rows) - share, np.arange(len(of))])
    least[of_few < count] = -np.inf
    return least - np.float32(ROUNDING)


def _products(
    library: Library, queries: Vector, asked: NDArray[np.intp], cells: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], Numbers, Vector]]:
    """Cell by cell, the numbers of the queries that ask for it [q], its rows [n], and their cosines [n, q].

    asked, cells : [n], the number of a query and of a cell that it asks for
    """
    head, scaled = library.head_dimensions, queries.copy()
    scaled[:, head:] *= np.float32(UNIT)  # not the rows: they are many more
    cells, asked = np.divmod(np.sort(cells * len(queries) + asked), len(queries))
    wanted, first = np.unique(cells, return_index=True)
    bounds = pairwise([*first.tolist(), len(asked)])
    for part in np.split(wanted, range(COPIED, len(wanted), COPIED)):
        places = library.cells.places(part)
        rows, vectors = library.rows_at(places), np.empty((len(places), queries.shape[1]), np.float32)
        vectors[:, :head] = library.block("heads").rows(places)
        vectors[:, head:] = library.block("tails").rows(rows)
        for begin, end in pairwise([0, *library.cells.sizes[part].cumsum().tolist()]):
            of = asked[slice(*next(bounds))]
            yield of, rows[begin:end], vectors[begin:end] @ scaled.take(of, axis=0).T


def _by_query(library: Library, hits: list[tuple[NDArray[np.intp], Numbers, Vector]], queries: int) -> Iterator[Near]:
    """The rows of each query, each once, best first.

    hits : the query of each, its row, and its cosine
    """
    asked, rows, scores = (np.concatenate(column) for column in zip(*hits, strict=True))
    if library.trees > 1:
        _, once = np.unique(asked * library.rows + rows, return_index=True)
        asked, rows, scores = asked[once], rows[once], scores[once]
    order = np.argsort(asked.astype(np.uint16), kind="stable")  # of so few different numbers a radix sort
    ends = np.bincount(asked, minlength=queries).cumsum().tolist()
    for begin, end in pairwise([0, *ends]):
        some = order[begin:end]
        some = some[np.argsort(-scores[some])]
        yield Near(rows[some], scores[some])
