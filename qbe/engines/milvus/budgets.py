"""How many rows the server must look at to find what an exact search finds: measured when a library is built."""

from __future__ import annotations

import numpy as np

from qbe.engines.milvus.rows import Rows
from qbe.search.highest import highest_columns
from qbe.streams.intake import Frame, Intake
from qbe.streams.records import Vector

RECALLS = (0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)
K = 10
QUERIES = 64
ALL = 4096  # rows: so few are all compared
SMALLEST = 64  # rows; every budget is half as large again as the one before
LARGEST, SHARE = 16_384, 0.5  # rows, and of all rows: beyond that, comparing all of them is as good
TIED = 2e-6
SEED = 0


def measure_budgets(kept: Rows, intake: Intake, frame: Frame, next: int) -> tuple[tuple[float, int], ...]:
    """For each of RECALLS that is reached: the fewest rows to look at that reach it, on average over some of the rows.

    kept : the rows of the intake, as the server has them, seen from a frame; next : as `Files.next`
    """
    if intake.count <= ALL:
        return ()
    rng = np.random.default_rng(SEED)
    queries = np.concatenate(list(intake.seen(frame, np.sort(rng.choice(intake.count, QUERIES, replace=False)))))
    worst = _worst(intake, frame, queries)
    budgets: list[tuple[float, int]] = []
    budget = SMALLEST
    while len(budgets) < len(RECALLS) and budget < min(LARGEST, SHARE * intake.count):
        found = kept.near(queries, K, budget, next)
        reached = np.mean(
            [np.count_nonzero(near.scores >= least - TIED) / K for near, least in zip(found, worst, strict=True)]
        )
        while len(budgets) < len(RECALLS) and reached >= RECALLS[len(budgets)]:
            budgets.append((RECALLS[len(budgets)], budget))
        budget += budget // 2
    return tuple(budgets)


def _worst(intake: Intake, frame: Frame, queries: Vector) -> Vector:
    """The K-th best cosine of each query with all rows, [Q]."""
    best = np.full((len(queries), K), -np.inf, np.float32)
    for vectors in intake.seen(frame):
        both = np.concatenate([best, queries @ vectors.T], axis=1)
        best = np.take_along_axis(both, highest_columns(both, K), 1)
    worst: Vector = best[:, -1]
    return worst
