"""The mean of groups of rows, against one group at a time."""

from __future__ import annotations

import numpy as np
import pytest
from dict_store import KEPT, DictStore, Sounds
from hypothesis import given
from hypothesis import strategies as st

from qbe.search import means
from qbe.search.means import mean_vectors
from qbe.search.store import About
from qbe.streams.records import Embedding

DIMENSION, HELD = 4, 30


def store() -> DictStore:
    vectors = np.random.default_rng(0).normal(size=(HELD, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    segments = [Embedding(b"a", at, 1, 16_000, vector) for at, vector in enumerate(vectors)]
    KEPT["means"] = Sounds(About("ab" * 32, "m", 16_000, DIMENSION, 1), {b"a": segments})
    return DictStore("means")


@given(groups=st.lists(st.lists(st.integers(0, HELD - 1), max_size=12), max_size=8), read=st.integers(1, 20))
def test_a_mean_is_that_of_its_rows_however_many_are_read_at_a_time(groups: list[list[int]], read: int) -> None:
    held = store()
    rows = np.array([row for group in groups for row in group], np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(means, "READ", read)
        found = mean_vectors(held, rows, np.cumsum([0, *map(len, groups)]))
    assert found.shape == (len(groups), DIMENSION)
    for group, mean in zip(groups, found, strict=True):
        total = held.vectors(np.array(group, np.int64)).sum(0)
        np.testing.assert_allclose(mean, total / max(1e-9, float(np.linalg.norm(total))), atol=1e-5)
