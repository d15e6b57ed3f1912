"""What a query is compared by, against its definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vertices import VERTICES, windows

from qbe.search.windows import ALIKENESS, LOUDNESS, UNUSUALNESS, Windows, loudness
from qbe.streams.records import Vector

levels = st.lists(st.floats(-100, 0), min_size=1, max_size=9)


def at_one_distance(vectors: Vector) -> Vector:
    return np.ones(len(vectors), np.float32)


def cosines_of(windows: Windows, seed: int, rows: int = 7) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    drawn = np.random.default_rng(seed).choice([-1, -0.5, 0, 0.5, 1], (rows, len(windows.vectors)))
    return drawn.astype(np.float32)


@settings(deadline=None)
@given(windows(), st.integers(0, 99))
def test_a_score_is_the_weighted_mean_of_the_best_in_each_slot(windows: Windows, seed: int) -> None:
    cosines = cosines_of(windows, seed)
    for row, score in zip(cosines, windows.score(cosines).tolist(), strict=True):
        best = [max(row[window] for window in slot if window >= 0) for slot in windows.laid.tolist()]
        assert score == sum(weight * of for weight, of in zip(windows.weights.tolist(), best, strict=True))
        assert windows.score(row) == score


@settings(deadline=None)
@given(windows(), st.integers(0, 99), st.integers(1, 5))
def test_scores_of_its_parts_add_up_to_its_own(windows: Windows, seed: int, slots: int) -> None:
    cosines = cosines_of(windows, seed)
    parts = windows.parts(slots)
    assert all(len(part.laid) <= slots for part in parts)
    which = [[int(np.flatnonzero(windows.starts == start)[0]) for start in part.starts] for part in parts]
    scores = sum(part.score(cosines[:, of]) for part, of in zip(parts, which, strict=True))
    np.testing.assert_allclose(scores, windows.score(cosines), atol=1e-12)
    for part, of in zip(parts, which, strict=True):
        np.testing.assert_array_equal(part.vectors, windows.vectors[of])


def test_equal_rows_score_the_same_bit_for_bit_whatever_is_beside_them() -> None:
    rng = np.random.default_rng(0)
    query = Windows.of(VERTICES[rng.integers(24, size=37)], levels=rng.uniform(-60, 0, 37).astype(np.float32))
    cosines = rng.uniform(-1, 1, (50, 37)).astype(np.float32)
    together = query.score(cosines)
    assert together.tolist() == [float(query.score(row[None])[0]) for row in cosines]
    assert (query.score(cosines[::-1])[::-1] == together).all()


@settings(deadline=None)
@given(windows())
def test_of_slots_that_are_shifted_alike_the_weights_keep_their_ratios(windows: Windows) -> None:
    for shift, weights in enumerate(windows.shifted_weights.T):
        heard = windows.laid[:, shift] >= 0
        assert (weights[~heard] == 0).all()
        if heard.any():
            np.testing.assert_allclose(weights[heard], windows.weights[heard] / windows.weights[heard].sum())


@settings(deadline=None)
@given(windows())
def test_shifts_are_how_much_later_windows_begin_than_their_slots(windows: Windows) -> None:
    for shift, later in enumerate(windows.shifts.tolist()):
        heard = windows.laid[:, shift] >= 0
        own, first = (windows.starts[windows.laid[heard, at]] for at in (shift, 0))
        assert (own - first == later).all()
        assert heard.any() or later == 0


@settings(deadline=None)
@given(levels)
def test_a_slot_counts_by_its_amplitude(decibels: list[float]) -> None:
    weights = loudness(np.array(decibels))
    assert weights.sum() == pytest.approx(1)
    amplitudes = np.array([10 ** (level / 20) for level in decibels])
    np.testing.assert_allclose(weights, amplitudes**LOUDNESS / (amplitudes**LOUDNESS).sum())
    np.testing.assert_allclose(
        loudness(np.array(decibels) - 30), weights, rtol=1e-9
    )  # how loud the whole is: no matter


@settings(deadline=None)
@given(levels)
def test_where_a_level_is_not_known_all_slots_count_alike(decibels: list[float]) -> None:
    weights = loudness(np.array([*decibels, np.nan]))
    np.testing.assert_allclose(weights, 1 / (len(decibels) + 1))


@settings(deadline=None)
@given(st.lists(st.integers(0, 23), min_size=1, max_size=9), levels)
def test_what_comes_again_shares_its_weight(of: list[int], decibels: list[float]) -> None:
    given_levels = np.resize(np.array(decibels, np.float32), len(of))
    plain = Windows.of(VERTICES[of], levels=given_levels)
    seen = plain.seen(lambda vectors: vectors, at_one_distance)
    often = [sum(max(0.0, float(VERTICES[one] @ VERTICES[other])) ** ALIKENESS for other in of) for one in of]
    np.testing.assert_allclose(seen.weights, plain.weights / often / (plain.weights / often).sum(), rtol=1e-6)


def test_a_sound_and_its_long_tail_count_alike() -> None:
    seen = Windows.of(VERTICES[[0, *[2] * 99]]).seen(lambda vectors: vectors, at_one_distance)
    assert seen.weights[0] == pytest.approx(0.5)


def test_what_is_far_from_the_middle_of_a_library_counts_more() -> None:
    seen = Windows.of(VERTICES[[0, 2]]).seen(lambda vectors: vectors, lambda _: np.array([0.5, 1.5], np.float32))
    assert seen.weights[1] / seen.weights[0] == pytest.approx(3**UNUSUALNESS)
    at_it = Windows.of(VERTICES[[0]]).seen(lambda vectors: vectors, lambda _: np.zeros(1, np.float32))
    assert at_it.weights.tolist() == [1]


@settings(deadline=None)
@given(windows())
def test_a_store_sees_all_vectors_and_nothing_else_changes(windows: Windows) -> None:
    seen = windows.seen(lambda vectors: -vectors, at_one_distance)
    np.testing.assert_array_equal(seen.vectors, -windows.vectors)
    assert seen.weights.sum() == pytest.approx(1)
    for name in ("starts", "laid", "length"):
        assert np.array_equal(getattr(seen, name), getattr(windows, name))


def test_vectors_are_slots_in_their_order_or_all_at_once() -> None:
    at_once, in_order = Windows.of(VERTICES[:3]), Windows.of(VERTICES[:3], np.array([0, 5, 10]))
    assert (at_once.starts.tolist(), at_once.length) == ([0, 0, 0], 0)
    assert (in_order.starts.tolist(), in_order.length) == ([0, 5, 10], 10)
    assert Windows.of(VERTICES[:3], np.array([0, 5, 10]), length=99).length == 99
    assert at_once.laid.tolist() == [[0], [1], [2]]
    np.testing.assert_allclose(at_once.centre, VERTICES[:3].mean(0))


@settings(deadline=None)
@given(windows())
def test_the_centre_is_the_weighted_mean_of_what_is_not_shifted(windows: Windows) -> None:
    mean = sum(w * windows.vectors[slot[0]] for w, slot in zip(windows.weights, windows.laid, strict=True))
    np.testing.assert_allclose(windows.centre, mean)
