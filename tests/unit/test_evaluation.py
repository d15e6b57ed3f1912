"""Measures of retrieval against their definitions."""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbe.measure.evaluation import (
    Part,
    Retrieval,
    average_precision,
    chance_precision,
    from_middle,
    interval,
    maxsim,
    read_task,
    retrieval,
)
from qbe.search.windows import Windows
from qbe.support.errors import TaskError


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_average_precision_by_definition(relevant: list[bool]) -> None:
    precisions = [sum(relevant[:rank]) / rank for rank in range(1, len(relevant) + 1) if relevant[rank - 1]]
    expected = sum(precisions) / len(precisions) if precisions else 0.0
    assert average_precision(np.array(relevant)) == pytest.approx(expected)


@pytest.mark.parametrize("segments", [1, 3, 64, 150])
def test_maxsim_by_definition(segments: int) -> None:
    rng = np.random.default_rng(0)
    query, sounds = rng.normal(size=(segments, 4)), [rng.normal(size=(n, 4)) for n in (1, 5, 2)]
    expected = [np.mean([max(q @ v for v in sound) for q in query]) for sound in sounds]
    np.testing.assert_allclose(maxsim(Windows.of(query), np.concatenate(sounds), np.array([0, 1, 6])), expected)


def test_maxsim_weighs_what_a_query_weighs() -> None:
    query, sounds = np.eye(2), np.array([[1.0, 0.0], [0.0, 1.0]])
    loud, quiet = 1 / (1 + 10**-0.5), 1 / (1 + 10**0.5)  # 40 dB are 10 dB, at amplitudes to the power of a quarter
    scores = maxsim(Windows.of(query, levels=np.array([-10.0, -50.0])), sounds, np.array([0, 1]))
    np.testing.assert_allclose(scores, [loud, quiet])


def test_a_library_counts_once_what_comes_again_in_a_query() -> None:
    """Of a sound of a, b, b, b: a library that is seen from zero weighs a as much as all of b."""
    a, b = np.eye(2, dtype=np.float32)
    (see,) = from_middle([Windows.of(vector[None]) for vector in (a, -a, b, -b)])
    weights = see(Windows.of(np.stack([a, b, b, b]))).weights
    np.testing.assert_allclose(weights, [1 / 2, 1 / 6, 1 / 6, 1 / 6], atol=1e-6)


def test_a_perfect_ranking_and_groups_that_do_not_count() -> None:
    a, b = np.eye(2, dtype=np.float32)
    sounds = [Windows.of(vector[None]) for vector in (a, a, b, b, a)]
    outcome = retrieval(sounds, ["a", "a", "b", "b", "b"], ["1", "2", "3", "4", "1"])
    # The last sound looks like an "a" and is in the group of the first: it is neither its match nor its miss.
    assert outcome.average_precisions[0] == 1
    assert outcome.average_precisions[1] == pytest.approx(1)  # first and last tie; the first comes first
    assert outcome.average_precisions[2] == pytest.approx((1 / 1 + 2 / 4) / 2)
    assert outcome.mean_average_precision == pytest.approx(outcome.average_precisions.mean())


@pytest.mark.parametrize(("matches", "n"), [(m, n) for n in range(1, 8) for m in range(1, n + 1)])
def test_chance_is_the_mean_over_all_orders(matches: int, n: int) -> None:
    orders = permutations([True] * matches + [False] * (n - matches))
    expected = np.mean([average_precision(np.array(order)) for order in orders])
    assert chance_precision(matches, n) == pytest.approx(expected)


def test_vectors_that_say_nothing_are_at_chance() -> None:
    rng = np.random.default_rng(0)
    sounds = [Windows.of(rng.normal(size=(1, 4)).astype(np.float32)) for _ in range(400)]
    labels = [str(k % 4) for k in range(400)]
    outcome = retrieval(sounds, labels, [str(k) for k in range(400)])
    assert outcome.chance == pytest.approx(chance_precision(99, 399))
    assert outcome.mean_average_precision == pytest.approx(outcome.chance, abs=0.02)
    assert outcome.precision_at_1 == pytest.approx(0.25, abs=0.07)
    assert outcome.items == 400


def outcome_of(precisions: list[float]) -> Retrieval:
    return Retrieval(np.array(precisions), 0.0, 0.0, len(precisions))


def test_the_interval_of_one_task() -> None:
    # Deviation of 0.2, 0.4, 0.6 (of a sample: n - 1) is 0.2.
    half = 1.96 * 0.2 / 3**0.5
    assert interval([outcome_of([0.2, 0.4, 0.6])]) == pytest.approx((0.4 - half, 0.4 + half))
    assert interval([outcome_of([0.0, 1.0])]) == (0.0, 1.0)
    assert interval([outcome_of([0.7])]) == (0.0, 1.0)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        one, other = outcome_of(list(rng.beta(2, 2, 100))), outcome_of(list(rng.beta(2, 6, 50)))
        low, high = interval([one, other])
        covered += low <= (0.5 + 0.25) / 2 <= high
    assert 930 <= covered <= 970


def test_a_sound_without_any_match_is_no_query() -> None:
    sounds = [Windows.of(np.ones((1, 2), np.float32))] * 3
    assert len(retrieval(sounds, ["a", "a", "b"], ["1", "2", "3"]).average_precisions) == 2


def test_task_files(tmp_path: Path) -> None:
    path = tmp_path / "drums.tsv"
    path.write_text("path\tlabel\tgroup\tstart\tduration\na.wav\tx\tg\t1.5\t2\nb.wav\tx\th\t\t\nc.wav\ty\th\n")
    task = read_task(str(path))
    assert task.name == "drums"
    assert [item.part for item in task.items] == [Part(b"a.wav", 1.5, 2.0), Part(b"b.wav"), Part(b"c.wav")]
    assert [(item.label, item.group) for item in task.items] == [("x", "g"), ("x", "h"), ("y", "h")]


def test_task_files_are_plain(tmp_path: Path) -> None:
    """Other columns and another order, names that are not UTF-8, quotes, and what Windows adds."""
    path = tmp_path / "task.tsv"
    path.write_bytes(b'\xef\xbb\xbfgroup\tnote\tlabel\tpath\r\ng\t\tx\t"a b.wav\r\nh\t\tx\tcaf\xe9".wav\r\n')
    assert [item.part.path for item in read_task(str(path)).items] == [b'"a b.wav', b'caf\xe9".wav']


ROW = "path\tlabel\tgroup\tstart\tduration\na\tx\tg\t{}\t{}\nb\tx\th\t\t\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty; a task has the columns path, label, group"),
        ("path\tlabel\na\tx\n", "lacks the column group"),
        ("path,label,group\na,x,g\n", "lacks the column path, label, group"),
        ("path\tlabel\tgroup\n", "no query has a match"),
        ("path\tlabel\tgroup\na\tx\tg\nb\tx\tg\nc\ty\th\n", "no query has a match"),
        ("path\tlabel\tgroup\na\tx\tg\nb\tx\n", "line 3: another number of fields"),
        ("path\tlabel\tgroup\na\tb\tx\tg\n", "line 2: another number of fields"),
        ("path\tlabel\tgroup\n\tx\tg\n", "line 2: path ''"),
        ("path\tlabel\tgroup\na\0b\tx\tg\n", "line 2: path 'a\\x00b'"),
        ("path\tlabel\tgroup\na\t" + "x" * 200_000 + "\tg\n", "not a tab-separated table"),
        (ROW.format("-1", ""), "line 2: start '-1' is not a number of seconds"),
        (ROW.format("one", ""), "line 2: start 'one'"),
        (ROW.format("nan", ""), "line 2: start 'nan'"),
        (ROW.format("", "inf"), "line 2: duration 'inf'"),
        (ROW.format("", "1e308"), "line 2: duration '1e308'"),
    ],
)
def test_a_task_that_makes_no_sense(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "task.tsv").write_text(content)
    with pytest.raises(TaskError) as caught:
        read_task(str(tmp_path / "task.tsv"))
    assert str(caught.value).startswith(f"{tmp_path}/task.tsv")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_task_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.tsv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(TaskError, match=reason):
            read_task(os.fspath(path))
