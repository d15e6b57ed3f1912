"""How many rows a search must score to find what an exact one finds: measured on the library itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qbe.index.file import Budget
from qbe.index.library import Library
from qbe.index.searching import search
from qbe.streams.records import Vector

RECALLS = (0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)
K = 10
QUERIES = 256
SMALLEST = 256  # rows; every budget is half as large again as the one before
LARGEST = 0.5  # of the rows: beyond that, comparing all of them is as good
TIED = 1e-6


@dataclass(frozen=True)
class _Trial:
    """query : a stored segment, float32 [1, D]; path : its file, which does not count; worst : the K-th best score"""

    query: Vector
    path: bytes
    worst: float

    def recall(self, library: Library, budget: int) -> float:
        """The share of the K best that are found; those tied with the last of them count."""
        matches = search(library, self.query, K, segments=True, skip=self.path.__eq__, budget=budget)
        return sum(match.score >= self.worst - TIED for match in matches) / K


def _trials(library: Library, seed: int) -> Iterator[_Trial]:
    """Queries with K answers in files other than their own: the query of `qbe search` comes from none of them."""
    rng = np.random.default_rng(seed)
    for row in np.sort(rng.choice(library.rows, min(QUERIES, library.rows), replace=False)):
        query = library.frame.given(library.vectors(row[None]))
        (path,) = library.file_paths(library.segments_of(row[None])[:, 0].astype(np.int64))
        best = search(library, query, K, segments=True, skip=path.__eq__)
        if len(best) == K:
            yield _Trial(query, path, best[-1].score)


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
