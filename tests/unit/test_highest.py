"""The highest of scores in order, against a full sort."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qbe.search.highest import highest_columns


@given(
    rows=st.integers(0, 4), columns=st.integers(1, 300), count=st.integers(1, 40), values=st.integers(1, 900),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_the_highest_come_first_and_of_equals_the_first(
    rows: int, columns: int, count: int, values: int, seed: int
) -> None:
    count = min(count, columns)
    scores = np.random.default_rng(seed).integers(0, values, (rows, columns)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(highest_columns(scores, count), expected)
