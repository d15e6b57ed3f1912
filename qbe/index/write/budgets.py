"""How many rows a search must score to find what an exact one finds: measured on the library itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.layout import Budget
from qbe.index.file.library import Library
from qbe.index.near.scores import tail_scores
from qbe.index.store import FileStore
from qbe.search.rows import nearest_rows
from qbe.search.store import Effort, Filter
from qbe.streams.records import Vector
from qbe.support.bounded import forget

RECALLS = (0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)
K = 10
QUERIES = 256
SMALLEST = 256  # rows; every budget is half as large again as the one before
LARGEST = 0.5  # of the rows: beyond that, comparing all of them is as good
TIED = 2e-6
ROWS = 1 << 14  # compared with all queries at a time


@dataclass(frozen=True)
class _Trial:
    """query : a stored segment, float32 [D]; path : its file, which does not count; worst : the K-th best score"""

    query: Vector
    path: bytes
    worst: float

    def recall(self, library: Library, budget: int) -> float:
        """The share of the K best that are found; those tied with the last of them count."""
        others, effort = Filter(without=(self.path,)), Effort(candidates=budget)
        near = nearest_rows(FileStore(library), self.query, K, only=others, effort=effort)
        forget(library.data)
        return np.count_nonzero(near.scores >= self.worst - TIED) / K


def _trials(library: Library, seed: int) -> Iterator[_Trial]:
    """Queries with K answers in files other than their own: the query of `qbe search` comes from none of them."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(library.rows, min(QUERIES, library.rows), replace=False))
    files = library.segments_of(rows)[:, 0].astype(np.int64)
    queries = library.frame.given(library.vectors(rows))
    worst = _worst(library, library.frame.seen(queries), files)
    for query, path, score in zip(queries, library.file_paths(files), worst.tolist(), strict=True):
        if score > -np.inf:
            yield _Trial(query, path, score)


def _worst(library: Library, queries: Vector, files: NDArray[np.int64]) -> Vector:
    """The K-th best cosine of each query, [Q], with rows of other files than its own; -inf where there are fewer.

    queries : float32 [Q, D], in the library's frame
    """
    best = np.full((K, len(queries)), -np.inf, np.float32)
    head, tail = (np.ascontiguousarray(part) for part in np.split(queries.T, [library.head_dimensions]))
    for first, last, place in library.spans(ROWS):
        scores = library.block("heads").span(place, place + last - first) @ head
        scores += tail_scores(library.block("tails").span(first, last), tail)
        scores[library.segments_of(np.arange(first, last))[:, :1] == files] = -np.inf
        for query in (scores.max(0) > best[0]).nonzero()[0]:
            column = scores[:, query]
            better = column[column > best[0, query]]
            best[:, query] = np.sort(np.concatenate([best[:, query], better]))[-K:]
        forget(library.data)
    worst: Vector = best[0]
    return worst


def measure_budgets(library: Library, seed: int) -> tuple[Budget, ...]:
    """For each of RECALLS that is reached: the fewest rows to score that reach it, on average over the queries.

    None for a library of a single cell, or of hardly more than one file.
    """
    trials = list(_trials(library, seed)) if len(library.cells.sizes) > library.trees else []
    budgets: list[Budget] = []
    budget = SMALLEST
    while trials and len(budgets) < len(RECALLS) and budget < LARGEST * library.rows:
        reached = float(np.mean([trial.recall(library, budget) for trial in trials]))
        while len(budgets) < len(RECALLS) and reached >= RECALLS[len(budgets)]:
            budgets.append((RECALLS[len(budgets)], budget))
        budget += budget // 2
    return tuple(budgets)
