"""Measures of retrieval against their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbe.evaluation import average_precision, maxsim, read_task, retrieval


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_average_precision_by_definition(relevant: list[bool]) -> None:
    precisions = [sum(relevant[:rank]) / rank for rank in range(1, len(relevant) + 1) if relevant[rank - 1]]
    expected = sum(precisions) / len(precisions) if precisions else 0.0
    assert average_precision(np.array(relevant)) == pytest.approx(expected)


def test_maxsim_by_definition() -> None:
    rng = np.random.default_rng(0)
    query, sounds = rng.normal(size=(3, 4)), [rng.normal(size=(n, 4)) for n in (1, 5, 2)]
    expected = [np.mean([max(q @ v for v in sound) for q in query]) for sound in sounds]
    np.testing.assert_allclose(maxsim(query, np.concatenate(sounds), np.array([0, 1, 6])), expected)


def test_a_perfect_ranking_and_groups_that_do_not_count() -> None:
    a, b = np.eye(2, dtype=np.float32)
    sounds = [a[None], a[None], b[None], b[None], a[None]]
    outcome = retrieval(sounds, ["a", "a", "b", "b", "b"], ["1", "2", "3", "4", "1"])
    # The last sound looks like an "a" and is in the group of the first: it is neither its match nor its miss.
    assert outcome.average_precisions[0] == 1
    assert outcome.average_precisions[1] == pytest.approx(1)  # first and last tie; the first comes first
    assert outcome.average_precisions[2] == pytest.approx((1 / 1 + 2 / 4) / 2)
    assert outcome.mean_average_precision == pytest.approx(outcome.average_precisions.mean())


def test_chance_is_the_share_of_matches_in_the_long_run() -> None:
    rng = np.random.default_rng(0)
    sounds = [rng.normal(size=(1, 4)).astype(np.float32) for _ in range(400)]
    labels = [str(k % 4) for k in range(400)]
    outcome = retrieval(sounds, labels, [str(k) for k in range(400)])
    assert outcome.chance == pytest.approx(0.26, abs=0.02)
    assert outcome.mean_average_precision == pytest.approx(0.26, abs=0.03)
    assert outcome.precision_at_1 == pytest.approx(0.25, abs=0.07)


def test_a_sound_without_any_match_is_no_query() -> None:
    sounds = [np.ones((1, 2), np.float32)] * 3
    assert len(retrieval(sounds, ["a", "a", "b"], ["1", "2", "3"]).average_precisions) == 2


def test_task_files(tmp_path: Path) -> None:
    path = tmp_path / "task.tsv"
    path.write_text("path\tlabel\tgroup\tstart\tduration\na.wav\tx\tg\t1.5\t2\nb.wav\ty\th\t\t\n")
    first, second = read_task(path)
    assert (first.path, first.label, first.group, first.start, first.duration) == ("a.wav", "x", "g", 1.5, 2.0)
    assert (second.start, second.duration) == (0.0, None)
