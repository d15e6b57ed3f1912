"""Work that is begun before its turn, by threads, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from qbe.support.errors import until_fault

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mapped(items: Iterable[Item], work: Callable[[Item], Result], jobs: int | None = None) -> Iterator[Result]:
    """What `work` makes of each item, in order.

    jobs : how many threads work; with one there is none; None: one for each core. Items are drawn by who takes the
        results, a few ahead of them. An exception comes where it would without threads, and ends all.
    """
    jobs = jobs or cores()
    if jobs == 1:
        yield from map(work, items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor  # here: it takes long to load

    faults: list[Exception] = []
    begun: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for item in until_fault(items, Exception, faults.append):  # raised after what came before
                begun.append(pool.submit(work, item))
                if len(begun) > 2 * jobs:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for one in begun:
                one.cancel()
    if faults:
        raise faults[0]
