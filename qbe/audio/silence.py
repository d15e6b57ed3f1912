"""What of a recording is silence: what is far under the loudest of it, or too faint whatever else there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Protocol, TypeVar

FAINT = -100.0  # dBFS; under this nothing is heard, and 16 bits hold nothing
BELOW = 60.0  # dB under the loudest segment of a recording, what is heard is its noise, or the end of a fade
FULL_SCALE = 0.0  # dBFS, of the loudest that there may still come


class Levelled(Protocol):
    """What lies in a file and has a level, dBFS; None where it is not known."""

    @property
    def path(self) -> bytes: ...
    @property
    def level(self) -> float | None: ...


Record = TypeVar("Record", bound=Levelled)


def without_silence(records: Iterable[Record], most: int | None = None) -> Iterator[Record]:
    """Records, less those that are more than BELOW under the loudest of their file. Files come one after the other.

    most : how many may wait until it is certain that nothing so loud follows; None: as many as there are in a file. Of
        those that are over FULL_SCALE - BELOW none waits.
    """
    for _, of_file in groupby(records, lambda record: record.path):
        yield from _sounding(of_file, most)


def _sounding(records: Iterable[Record], most: int | None) -> Iterator[Record]:
    waiting: deque[Record] = deque()
    least = -float("inf")
    for record in records:
        if record.level is not None and record.level - BELOW > least:
            least = record.level - BELOW
            waiting = deque(one for one in waiting if _reaches(one, least))
        if _reaches(record, least):
            waiting.append(record)
        while waiting and (_reaches(waiting[0], FULL_SCALE - BELOW) or len(waiting) == most):
            yield waiting.popleft()
    yield from waiting


def _reaches(record: Levelled, least: float) -> bool:
    return record.level is None or record.level >= least
