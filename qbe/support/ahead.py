"""Work that is begun before its turn: by threads, in order, and no farther ahead than memory allows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from queue import Full, Queue
from threading import Event
from typing import Generic, TypeVar

Source = TypeVar("Source")
Piece = TypeVar("Piece")

TOGETHER = 16  # pieces, handed over at a time
WAITING = 4  # times as many, that may wait to be taken of each source
PATIENCE = 0.1  # s, between looks at whether anybody still takes them


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    sources: Iterable[Source], work: Callable[[Source], Iterable[Piece]], jobs: int | None = None
) -> Iterator[Piece]:
    """What `work` makes of each source, one after the other, as if it were called in turn.

    jobs : how many sources are worked on at a time, each in a thread of its own; with one there is none; None: one for
        each core. An exception comes where it would without threads, and ends all.
    """
    jobs = jobs or cores()
    if jobs == 1:
        for source in sources:
            yield from work(source)
        return
    from concurrent.futures import ThreadPoolExecutor  # here: it takes long to load, and not all have threads

    left, gone = iter(sources), Event()
    begun: deque[_Line[Piece]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while True:
                for source in islice(left, 2 * jobs - len(begun)):  # so that no thread waits for the next
                    begun.append(_Line(gone))
                    pool.submit(begun[-1].fill, work, source)
                if not begun:
                    return
                yield from begun[0].taken()
                begun.popleft()
        finally:
            gone.set()


class _Line(Generic[Piece]):
    """The pieces of one source, from the thread that makes them to the one that takes them. gone : nobody takes any"""

    def __init__(self, gone: Event) -> None:
        self.gone = gone
        self.waiting: Queue[list[Piece] | BaseException | None] = Queue(WAITING)  # None: there are no more

    def fill(self, work: Callable[[Source], Iterable[Piece]], source: Source) -> None:
        some: list[Piece] = []
        last = None
        try:
            for piece in work(source):
                some.append(piece)
                if len(some) == TOGETHER:
                    if not self._put(some):
                        return
                    some = []
        except BaseException as error:  # it is raised where the pieces are taken
            last = error
        self._put(some)
        self._put(last)

    def _put(self, pieces: list[Piece] | BaseException | None) -> bool:
        """Whether there is room, or will be before all is gone."""
        while not self.gone.is_set():
            try:
                self.waiting.put(pieces, timeout=PATIENCE)
            except Full:
                continue
            return True
        return False

    def taken(self) -> Iterator[Piece]:
        while (pieces := self.waiting.get()) is not None:
            if isinstance(pieces, BaseException):
                raise pieces
            yield from pieces
