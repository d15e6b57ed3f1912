"""What is told as silence, and how long a record waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from qbe.audio.silence import BELOW, FULL_SCALE, without_silence


@dataclass(frozen=True)
class Heard:
    path: bytes
    level: float | None


levels = st.lists(st.one_of(st.none(), st.floats(-200, FULL_SCALE)), max_size=30)


@given(st.lists(levels, max_size=4))
def test_those_go_that_are_far_under_the_loudest_of_their_file(files: list[list[float | None]]) -> None:
    records = [Heard(b"%d" % file, level) for file, own in enumerate(files) for level in own]

    def stays(record: Heard) -> bool:
        loudest = max((one.level for one in records if one.path == record.path and one.level is not None), default=0.0)
        return record.level is None or record.level >= loudest - BELOW

    assert list(without_silence(records)) == list(filter(stays, records))


def told(given: list[float]) -> Iterator[tuple[int, float | None]]:
    """How many records were taken when each came out."""
    taken = 0

    def count() -> Iterator[Heard]:
        nonlocal taken
        for level in given:
            taken += 1
            yield Heard(b"a", level)

    for record in without_silence(count(), most=3):
        yield taken, record.level


def test_only_what_something_louder_may_silence_waits() -> None:
    assert list(told([-10, -30, -50])) == [(1, -10), (2, -30), (3, -50)]


def test_no_more_wait_than_may() -> None:
    assert list(told([-70, -71, -72, -73, -74])) == [(3, -70), (4, -71), (5, -72), (5, -73), (5, -74)]


def test_what_waits_goes_when_something_louder_comes() -> None:
    assert list(told([-80, -70, -15])) == [(3, -70), (3, -15)]
