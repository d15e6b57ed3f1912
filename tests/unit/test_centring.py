"""Vectors seen from the middle of a collection."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qbe.search.centring import PRIOR, centred, middle, restored


def units(count: int, seed: int, dimension: int = 24, common: float = 0.0) -> NDArray[np.float32]:
    """With `common` they have that much of a direction in common."""
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    vectors[:, 0] += common
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_of_many_the_middle_is_the_mean_and_of_few_it_is_near_zero() -> None:
    many, few = units(100_000, 0, common=9), units(3, 0, common=9)
    np.testing.assert_allclose(middle(many.sum(0), len(many)), many.mean(0), rtol=0.01, atol=1e-3)
    assert np.linalg.norm(middle(few.sum(0), len(few))) < 3 / PRIOR


def test_centred_vectors_have_unit_length_and_the_direction_from_the_middle() -> None:
    vectors = units(500, 1, common=5)
    origin = middle(vectors.sum(0), len(vectors))
    seen = centred(vectors, origin)
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-12)
    lengths = ((vectors - origin) * seen).sum(1)
    np.testing.assert_allclose(origin + lengths[:, None] * seen, vectors, atol=1e-6)
    assert (lengths > 0).all()


@given(seed=st.integers(0, 10**6), common=st.floats(0, 50), count=st.integers(1, 3000))
def test_what_was_centred_is_restored(seed: int, common: float, count: int) -> None:
    vectors = units(count, seed, common=common)
    origin = middle(vectors.sum(0), count)
    assert np.linalg.norm(origin) < 1
    np.testing.assert_allclose(restored(centred(vectors, origin), origin), vectors, atol=1e-5)


def test_what_all_have_in_common_no_longer_counts() -> None:
    vectors = units(5000, 2, common=20)
    seen = centred(vectors, middle(vectors.sum(0), len(vectors)))
    assert (vectors @ vectors.T).mean() > 0.9
    assert abs((seen @ seen.T).mean()) < 0.1


def test_a_vector_at_the_middle_is_like_none() -> None:
    vector = units(1, 3)
    seen = centred(vector, vector[0])
    assert not seen.any()
    assert restored(seen, 0.5 * vector[0]) == pytest.approx(vector, abs=1e-6)
