"""How alike two files are as wholes, against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from qbe.search.duplicates import score
from qbe.streams.records import Vector

DIMENSION = 24


def unit(array: NDArray[np.float64]) -> Vector:
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def test_a_score_that_is_given_up_early_is_under_the_least() -> None:
    rng = np.random.default_rng(0)
    for noise in (0.0, 0.02, 0.05, 0.2):
        one = unit(rng.normal(size=(700, DIMENSION))).astype(np.float64)
        other = unit(one + rng.normal(size=one.shape) * noise).astype(np.float64)
        exact = min((one @ other.T).max(1).mean(), (one @ other.T).max(0).mean())
        assert score(one, other, -1.0) == pytest.approx(exact)
        for least in (0.9, 0.98):
            assert (score(one, other, least) >= least) == (exact >= least)
