"""Work by threads, in order: the same as without threads, whatever they take, and bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbe.support import ahead
from qbe.support.ahead import cores, in_order


class BrokenError(Exception):
    """What work may end in."""


def counted(source: tuple[int, bool]) -> Iterator[int]:
    """So many pieces; some end badly."""
    count, breaks = source
    yield from range(count)
    if breaks:
        raise BrokenError(count)


def all_of(sources: list[tuple[int, bool]], jobs: int) -> list[object]:
    """The pieces, and in the end the exception."""
    found: list[object] = []
    try:
        for piece in in_order(sources, counted, jobs):
            found.append(piece)
    except BrokenError as error:
        found.append(("broken", *error.args))
    return found


@settings(deadline=None)
@given(
    sources=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 9).map(lambda at: not at)), max_size=12),
    jobs=st.integers(2, 5),
)
def test_as_one_after_the_other(sources: list[tuple[int, bool]], jobs: int) -> None:
    assert all_of(sources, jobs) == all_of(sources, 1)


def test_the_next_ones_are_worked_on_meanwhile() -> None:
    """Two that wait for each other come to an end: they run at the same time."""
    together = threading.Barrier(2, timeout=10)

    def work(source: int) -> Iterator[int]:
        together.wait()
        yield source

    assert list(in_order(range(6), work, 2)) == list(range(6))


def test_no_more_are_worked_on_than_jobs() -> None:
    lock, working, most = threading.Lock(), 0, 0

    def work(source: int) -> Iterator[int]:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.002)
        with lock:
            working -= 1
        yield source

    assert list(in_order(range(40), work, 3)) == list(range(40))
    assert 2 <= most <= 3


def test_what_is_not_taken_is_not_made() -> None:
    """Of an endless source no more than may wait, and of sources no more than are begun."""
    made, drawn = [0], [0]

    def endless(source: int) -> Iterator[int]:
        while True:
            made[0] += source == 1
            yield source

    def sources() -> Iterator[int]:
        for number in range(10**6):
            drawn[0] += 1
            yield number

    pieces = in_order(sources(), endless, 2)
    assert [next(pieces) for _ in range(1000)] == [0] * 1000
    time.sleep(0.2)
    assert made[0] <= ahead.TOGETHER * (ahead.WAITING + 1)
    assert drawn[0] <= 4
    pieces.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_an_exception_of_a_later_source_waits_for_its_turn() -> None:
    pieces = in_order([(50, False), (0, True)], counted, 2)
    assert [next(pieces) for _ in range(50)] == list(range(50))
    with pytest.raises(BrokenError):
        next(pieces)


def test_there_is_a_core() -> None:
    assert cores() >= 1
