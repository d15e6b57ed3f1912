"""Work that is begun ahead, in order: the same as without threads, whatever it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from qbe.support.ahead import cores, mapped


def squared(number: int) -> int:
    if number < 0:
        raise ValueError(number)
    time.sleep(0.001 * (number % 3))
    return number * number


def all_of(pieces: Iterator[int]) -> list[object]:
    """The pieces, and in the end the exception."""
    found: list[object] = []
    try:
        for piece in pieces:
            found.append(piece)
    except ValueError as error:
        found.append(("broken", *error.args))
    return found


@pytest.mark.parametrize("jobs", [2, 3, 8])
@pytest.mark.parametrize("items", [[], [3], list(range(100)), [1, 2, -1, 4], [-1]])
def test_as_one_after_the_other(items: list[int], jobs: int) -> None:
    assert all_of(mapped(items, squared, jobs)) == all_of(mapped(items, squared, 1))


@pytest.mark.parametrize("jobs", [1, 3])
def test_items_that_break_off_end_what_came_before(jobs: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("cut")

    assert all_of(mapped(items(), squared, jobs)) == [0, 1, 4, 9, 16, ("broken", "cut")]


def test_several_are_worked_on_at_a_time() -> None:
    together = threading.Barrier(3, timeout=10)
    assert list(mapped(range(6), lambda item: (together.wait(), item)[1], 3)) == list(range(6))


def test_items_are_drawn_by_who_takes_the_results_and_only_a_few_ahead() -> None:
    drawn: list[str] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            drawn.append(threading.current_thread().name)
            yield number

    results = mapped(items(), squared, 2)
    assert next(results) == 0
    assert set(drawn) == {threading.current_thread().name}
    assert len(drawn) <= 6
    results.close()  # type: ignore[attr-defined]


def test_there_is_a_core() -> None:
    assert cores() >= 1
