"""One vector for several: the mean of a file's segments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.search.store import Store
from qbe.streams.records import Numbers, Vector
from qbe.support.distinct import distinct

READ = 1 << 14  # rows at a time, or a group's
LEAST = 1e-9  # no vector is divided by less


def mean_vectors(store: Store, rows: Numbers, first: Numbers) -> Vector:
    """The mean of each group of rows, as the store sees them, at unit length: float32 [n, D]. Zero without any.

    rows : group by group; first : where in these each begins, and the last ends, [n + 1]
    """
    means = np.zeros((len(first) - 1, store.about.dimension), np.float32)
    last = distinct(first[1:].searchsorted(np.arange(READ, len(rows), READ)))
    for groups in np.split(np.arange(len(means)), last + 1):  # whole ones, so that a sum does not depend on the others
        full = groups[first[groups] < first[groups + 1]]
        if len(full):
            begin, end = first[full[0]], first[full[-1] + 1]
            means[full] = unit(np.add.reduceat(store.vectors(rows[begin:end]), first[full] - begin))
    return means


def unit(vectors: NDArray[np.floating[Any]]) -> Vector:
    """At unit length; what is zero stays so."""
    made: Vector = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), LEAST)
    return made
