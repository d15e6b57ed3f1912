"""The rows of a library that may answer: those in the cells nearest to a query, of all trees in one order.

A cell's nearness is that of its centre, so that on both sides of a border near the query cells come up early, as do
those of whichever tree happens to cut well around it.
"""

from __future__ import annotations

from collections.abc import Iterator

from qbe.index.file.library import Library
from qbe.index.near.scanning import Scan
from qbe.index.near.scores import Allowed
from qbe.index.near.sweeping import sweep
from qbe.search.store import Near
from qbe.streams.records import Vector

SHARED = 3  # queries that ask for a cell, on average, from which on sweeping is quicker
NEARNESSES = 1 << 24  # of queries and cells, at a time
MOST_SWEPT = 4096  # queries at a time


def nearest(
    library: Library, queries: Vector, budget: int, count: int, allowed: Allowed | None = None
) -> Iterator[Near]:
    """For each query the `count` best rows, best first, in the nearest cells that together hold `budget` rows, or all.

    queries : float32 [Q, D], in the library's frame
    allowed : says of file numbers [n] which may answer; None: all that are not removed
    """
    asked_for = budget / (library.rows * library.trees)  # a cell, by one query, on average
    step = min(MOST_SWEPT, max(1, NEARNESSES // len(library.cells.sizes)))
    for first in range(0, len(queries), step):
        part = queries[first : first + step]
        if allowed is None and len(part) > 1 and len(part) * asked_for >= SHARED:
            yield from sweep(library, part, budget, count)
            continue
        for query in part:
            yield Scan(library, query, budget).best(count, allowed)
