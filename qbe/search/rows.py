"""The rows of a store that are nearest to one vector, whichever files they are of."""

from __future__ import annotations

import numpy as np

from qbe.search.store import EXACT, Effort, Filter, Near, Store
from qbe.streams.records import Numbers, Vector

SPARE = 16  # rows compared exactly beyond the results, as rounding may have moved them down
SEEDS = 2048  # rows scored to learn how good an answer must be
WIDENED = 4

NO_FILTER = Filter()


def nearest_rows(store: Store, vector: Vector, k: int, *, only: Filter = NO_FILTER, effort: Effort = EXACT) -> Near:
    """The k rows whose vectors have the best cosines with one, best first; ties by file and place in it.

    vector : float32 [D], of unit length, as it was given
    only : which files may answer

    With less than exact effort, those among the best that are found by scoring so many rows; more are scored where
    that yields fewer than k. LibraryError where something that had to be read is damaged.
    """
    query, candidates = store.seen(vector[None]), store.candidates(effort)
    while candidates is not None and candidates < store.rows:
        found = _near(store, query, k, candidates, only)
        if len(found.rows) == k:
            return found
        candidates *= WIDENED
    seeds = _near(store, query, k, max(SEEDS, WIDENED * k), only)
    least = float(seeds.scores[-1]) if len(seeds.rows) == k else -np.inf
    return _best(store, query, store.reaching(query, least), k, only)


def _near(store: Store, query: Vector, k: int, candidates: int, only: Filter) -> Near:
    [[near]] = store.near([query], k + SPARE, candidates, [only], k)
    return _best(store, query, near.rows, k, only)


def _best(store: Store, query: Vector, rows: Numbers, k: int, only: Filter) -> Near:
    scores = store.cosines(query, rows)[:, 0]
    files, starts, _ = store.places(rows).T
    order = np.lexsort((starts, files, -scores))
    best, tried = order[:0], k  # a store may have to look each file up: it is asked of few
    while len(best) < k and len(best) < len(order):
        best = order[:tried][store.admitted(files[order[:tried]].astype(np.int64), only)][:k]
        if tried >= len(order):
            break
        tried *= WIDENED
    return Near(rows[best], scores[best])
