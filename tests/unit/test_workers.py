"""Threads that read and work: the same as without threads, whatever the sources hold, all busy, and bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbe.support import workers
from qbe.support.workers import in_order

SIZE = 4


class BrokenError(Exception):
    """What reading or working may end in."""


@dataclass(frozen=True)
class Raw:
    """What is worked on. breaks : whether that fails"""

    name: str
    breaks: bool = False


Sound = tuple[int, bool]  # how many pieces, and whether it ends badly


def read(source: Sound) -> Iterator[Raw | str]:
    count, breaks = source
    for number in range(count):
        yield Raw(f"{count}.{number}")
        if number % 5 == 4:
            yield f"note {count}.{number}"
    if breaks:
        raise BrokenError(count)
    yield f"end of {count}"


def worked(some: list[Raw]) -> list[str]:
    assert 1 <= len(some) <= SIZE
    if any(one.breaks for one in some):
        raise BrokenError("work")
    return [one.name.upper() for one in some]


def all_of(sources: list[Sound], jobs: int) -> list[object]:
    """The results, and in the end the exception."""
    found: list[object] = []
    try:
        for piece in in_order(sources, read, Raw, worked, SIZE, jobs):
            found.append(piece)
    except BrokenError as error:
        found.append(("broken", *error.args))
    return found


def none_is_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("qbe-")]


def test_one_after_the_other_by_hand() -> None:
    assert all_of([(2, False), (0, False), (1, True)], 1) == [
        "2.0",
        "2.1",
        "end of 2",
        "end of 0",
        "1.0",
        ("broken", 1),
    ]


@settings(deadline=None)
@given(
    sources=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 9).map(lambda at: not at)), max_size=12),
    jobs=st.integers(2, 5),
)
def test_as_one_after_the_other(sources: list[Sound], jobs: int) -> None:
    assert all_of(sources, jobs) == all_of(sources, 1)
    assert none_is_left()


@pytest.mark.parametrize("waiting", [1, 7, 40])
@given(sources=st.lists(st.tuples(st.integers(0, 60), st.just(False)), max_size=12), jobs=st.integers(2, 4))
@settings(deadline=None)
def test_as_one_after_the_other_where_little_may_wait(waiting: int, sources: list[Sound], jobs: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "WAITING", waiting)
        assert all_of(sources, jobs) == all_of(sources, 1)


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_work_that_fails_ends_all(jobs: int) -> None:
    def some(source: int) -> Iterator[Raw]:
        yield Raw(f"{source}", breaks=source == 30)

    found: list[str] = []
    with pytest.raises(BrokenError):
        for one in in_order(range(100), some, Raw, worked, SIZE, jobs):
            found.append(one)
    assert found == [str(number) for number in range(len(found))]
    assert len(found) <= 30
    assert none_is_left()


@pytest.mark.parametrize(
    "sources", [[(400, False)], [(20, False)] * 20, [(1, False)] * 400, [(300, False), *[(1, False)] * 100]]
)
def test_all_are_busy(sources: list[Sound]) -> None:
    """With a long source, or many short ones, that take long to work on: three threads work at the same time."""
    lock, working, most = threading.Lock(), 0, 0

    def slow(some: list[Raw]) -> list[str]:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.002)
        with lock:
            working -= 1
        return worked(some)

    count = sum(1 for one in in_order(sources, read, Raw, slow, SIZE, 3) if "." in one and "note" not in one)
    assert count == sum(length for length, _ in sources)
    assert most == 3


def test_sources_are_read_at_the_same_time_and_no_more_than_jobs() -> None:
    together = threading.Barrier(3, timeout=10)

    def meeting(source: int) -> Iterator[Raw]:
        together.wait()
        yield Raw(str(source))

    assert list(in_order(range(9), meeting, Raw, worked, SIZE, 3)) == [str(number) for number in range(9)]


def test_pieces_of_many_short_sources_are_worked_on_together() -> None:
    sizes: list[int] = []

    def noted(some: list[Raw]) -> list[str]:
        sizes.append(len(some))
        return worked(some)

    assert len(list(in_order([(1, False)] * 400, read, Raw, noted, SIZE, 2))) == 800
    assert sum(sizes) == 400
    assert sizes.count(SIZE) >= 0.9 * len(sizes)


def test_what_is_not_taken_is_not_made() -> None:
    """While the first source goes on for ever, only so much is made of the others; and little is not yet worked on."""
    made, done = [0, 0], [0]

    def endless(source: int) -> Iterator[Raw]:
        while True:
            made[source > 0] += 1
            yield Raw(str(source))

    def counting(some: list[Raw]) -> list[str]:
        done[0] += len(some)
        return worked(some)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "WAITING", 1000)
        pieces = in_order(range(10**6), endless, Raw, counting, SIZE, 3)
        assert [next(pieces) for _ in range(2000)] == ["0"] * 2000
        time.sleep(0.1)
        assert made[1] <= 1000 + 3
        assert made[0] <= 2000 + 2 * 1000 + 3  # the results of one look may still be on their way
        assert sum(made) - done[0] <= SIZE * (2 * 3 + 2)
        pieces.close()  # type: ignore[attr-defined]
    assert none_is_left()


def test_an_exception_of_a_later_source_waits_for_its_turn() -> None:
    pieces = in_order([(50, False), (0, True)], read, Raw, worked, SIZE, 2)
    assert len([next(pieces) for _ in range(61)]) == 61
    with pytest.raises(BrokenError):
        next(pieces)
    assert none_is_left()
