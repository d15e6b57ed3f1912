"""Isotonic regression against its definition, and what a curve promises of chances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qbe.tags.calibration import Curve, fit, isotonic

Values = NDArray[np.float64]


def slow_isotonic(values: Values, weights: Values) -> Values:
    """By the minimax formula (Robertson, Wright and Dykstra, "Order restricted statistical inference", 1988): at each
    place the largest, over beginnings before it, of the smallest weighted mean up to ends after it."""

    def mean(begin: int, end: int) -> float:
        return float(np.average(values[begin : end + 1], weights=weights[begin : end + 1]))

    n = len(values)
    return np.array([max(min(mean(b, e) for e in range(at, n)) for b in range(at + 1)) for at in range(n)])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 10)), min_size=1, max_size=12))
def test_the_regression_is_that_of_the_definition(pairs: list[tuple[float, float]]) -> None:
    values, weights = np.array(pairs).T
    levels, counts = isotonic(values, weights)
    np.testing.assert_allclose(np.repeat(levels, counts), slow_isotonic(values, weights), atol=1e-9)


def test_what_rises_already_stays() -> None:
    values = np.array([0.1, 0.2, 0.7])
    levels, counts = isotonic(values, np.ones(3))
    assert levels.tolist() == values.tolist()
    assert counts.tolist() == [1, 1, 1]


def test_many_trials_give_back_the_chance_they_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    votes = rng.random(100_000)
    curve = fit(votes, rng.random(len(votes)) < votes**2, np.ones(len(votes)))
    at = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(curve(at), at**2, atol=0.05)


def test_chances_never_fall_and_are_never_certain() -> None:
    rng = np.random.default_rng(1)
    for size in (1, 2, 5, 50):
        votes = rng.random(size).round(1)
        curve = fit(votes, rng.random(size) < 0.5, np.ones(size))
        chances = curve(np.linspace(0, 1, 101))
        assert (np.diff(chances) >= 0).all()
        assert chances[0] == 0
        assert 0 < chances.max() < 1


def test_few_trials_are_believed_less_than_many() -> None:
    few, many = (fit(np.full(n, 0.9), np.ones(n, bool), np.ones(n)) for n in (2, 200))
    assert few(np.array([0.9]))[0] < many(np.array([0.9]))[0]


def test_fewer_votes_than_any_that_was_tried_are_worth_less() -> None:
    curve = fit(np.full(50, 0.9), np.ones(50, bool), np.ones(50))
    assert curve(np.array([0.09]))[0] == pytest.approx(curve(np.array([0.9]))[0] / 10)


def test_a_trial_that_counts_twice_is_two() -> None:
    votes, right = np.array([0.2, 0.5, 0.8]), np.array([False, True, True])
    one = fit(votes, right, np.array([2.0, 1.0, 1.0]))
    two = fit(votes[[0, 0, 1, 2]], right[[0, 0, 1, 2]], np.ones(4))
    at = np.linspace(0, 1, 11)
    np.testing.assert_allclose(one(at), two(at))


@pytest.mark.parametrize(("votes", "chance"), [(0.0, 0.2), (0.1, 0.2), (0.3, 0.4), (0.5, 0.6), (1.0, 0.6)])
def test_a_curve_is_straight_between_its_points_and_level_beyond(votes: float, chance: float) -> None:
    curve = Curve(np.array([0.1, 0.5]), np.array([0.2, 0.6]))
    assert curve(np.array([votes]))[0] == pytest.approx(chance)
