"""Points in an order of which any beginning is a fair picture of all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Numbers

COARSEST, FINEST = 8, 1024  # cells on a side


def coarse_to_fine(where: NDArray[np.float64], seed: int = 0) -> Numbers:
    """The numbers of points [n, d], first one of every cell of a coarse grid, then of ever finer ones, [n].

    Of the points in a cell one is drawn that no coarser cell has given; those that are left follow in any order.
    """
    left = np.random.default_rng(seed).permutation(len(where))
    low, span = where.min(0), max(float(np.ptp(where, axis=0).max()), 1e-9)
    side, order = COARSEST, []
    while side <= FINEST and len(left):
        cells = np.minimum(((where[left] - low) * (side / span)).astype(np.int64), side - 1)
        _, first = np.unique(cells @ (side ** np.arange(where.shape[1])), return_index=True)
        order.append(left[np.sort(first)])
        left = np.delete(left, first)
        side *= 2
    return np.concatenate([*order, left])
