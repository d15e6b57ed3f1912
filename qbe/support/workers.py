"""Threads that read sources and work on what comes of them; results in order, no farther ahead than memory allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Condition, Thread
from typing import Any, Generic, TypeVar

from qbe.support.ahead import cores

Source = TypeVar("Source")
Piece = TypeVar("Piece")
Result = TypeVar("Result")

WAITING = 1 << 16  # results that may wait for their turn: of embeddings, about 60 MB


def in_order(
    sources: Sequence[Source],
    read: Callable[[Source], Iterable[Piece | Any]],
    kind: type[Piece],
    work: Callable[[list[Piece]], Sequence[Result]],
    size: int,
    jobs: int | None = None,
) -> Iterator[Result | Any]:
    """What `read` gives of each source, one source after the other; pieces of a kind are worked on, `size` at a time.

    work : makes as many results of some pieces, which may come of several sources
    jobs : how many threads read and work; with one there is none; None: one for each core. An exception comes where it
        would without threads, and ends all.

    A thread that has read enough for others works too, and one that has nothing to read works on what others have read:
    so all are busy with many short sources and with a long one, and hardly more pieces than they work on are in memory.
    """
    workers = _Workers(sources, read, kind, work, size, jobs or cores())
    return workers.results() if workers.jobs > 1 else workers.alone()


class _Slot:
    """A piece of a source, then what has been made of it. error : why nothing could be"""

    __slots__ = ("error", "is_done", "value")

    def __init__(self, value: Any, *, is_done: bool) -> None:
        self.value, self.is_done = value, is_done
        self.error: BaseException | None = None


class _Line:
    """The slots of one source that nobody has taken. is_whole : there come no more; error : what ended it"""

    def __init__(self) -> None:
        self.slots: deque[_Slot] = deque()
        self.is_whole = False
        self.error: BaseException | None = None


class _Workers(Generic[Source, Piece, Result]):
    """Threads that all read and work, and what is between them. What they share is looked at under one lock."""

    def __init__(
        self,
        sources: Sequence[Source],
        read: Callable[[Source], Iterable[Piece | Any]],
        kind: type[Piece],
        work: Callable[[list[Piece]], Sequence[Result]],
        size: int,
        jobs: int,
    ) -> None:
        self.jobs = jobs
        self._sources, self._read, self._kind, self._work, self._size = sources, read, kind, work, size
        self._changed = Condition()
        self._lines: deque[_Line] = deque()  # of the sources that have been begun
        self._begun = 0  # sources
        self._unread = 0  # of these, those that are not whole
        self._reading = 0  # threads that read them and do not wait
        self._waiting = 0  # slots in all lines
        self._filling: list[_Slot] = []  # fewer than are worked on at a time
        self._ready: deque[list[_Slot]] = deque()
        self._is_over = False  # nobody takes any more

    def alone(self) -> Iterator[Result | Any]:
        """The results without any thread."""
        held: list[Any] = []
        count = 0

        def done() -> Iterator[Result | Any]:
            results = iter(self._work([piece for piece in held if isinstance(piece, self._kind)]) if count else ())
            return iter([next(results) if isinstance(piece, self._kind) else piece for piece in held])

        for source in self._sources:
            try:
                for piece in self._read(source):
                    held.append(piece)
                    count += isinstance(piece, self._kind)
                    if count == self._size:
                        yield from done()
                        held, count = [], 0
            except Exception:
                yield from done()
                raise
        yield from done()

    def results(self) -> Iterator[Result | Any]:
        threads = [Thread(target=self._run, name=f"qbe-{number}") for number in range(self.jobs)]
        for thread in threads:
            thread.start()
        try:
            while (slots := self._taken()) is not None:
                for slot in slots:
                    if slot.error:
                        raise slot.error
                    yield slot.value
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()
            for thread in threads:
                thread.join()

    def _taken(self) -> list[_Slot] | None:
        """What is done of the first line, once there is some; None after the last."""
        with self._changed:
            while self._lines or self._begun < len(self._sources):
                line = self._lines[0] if self._lines else None
                some = []
                while line and line.slots and line.slots[0].is_done:
                    some.append(line.slots.popleft())
                if some:
                    self._waiting -= len(some)
                    self._changed.notify_all()
                    return some
                if line and line.is_whole and not line.slots:
                    self._lines.popleft()
                    self._changed.notify_all()
                    if line.error:
                        raise line.error
                else:
                    self._changed.wait()
        return None

    def _run(self) -> None:
        """What one thread does."""
        while True:
            with self._changed:
                while not (batch := self._batch()) and not self._may_begin():
                    if self._is_over or (self._begun == len(self._sources) and not self._unread):
                        return
                    self._changed.wait()
                if self._is_over:
                    return
                if not batch:
                    source, line = self._sources[self._begun], _Line()
                    self._lines.append(line)
                    self._begun += 1
                    self._unread += 1
                    self._reading += 1
            if batch:
                self._work_on(batch)
            else:
                self._read_all(source, line)

    def _may_begin(self) -> bool:
        return self._begun < len(self._sources) and (self._waiting < WAITING or not self._lines)

    def _batch(self) -> list[_Slot] | None:
        """What there is to be worked on: fewer pieces than at a time only where none are coming."""
        if self._ready:
            return self._ready.popleft()
        if self._reading or self._may_begin() or not self._filling:
            return None
        batch, self._filling = self._filling, []
        return batch

    def _work_on(self, batch: list[_Slot]) -> None:
        try:
            results = self._work([slot.value for slot in batch])
            for slot, result in zip(batch, results, strict=True):
                slot.value = result
        except BaseException as error:  # it is raised where the results are taken
            for slot in batch:
                slot.error = error
        with self._changed:
            for slot in batch:
                slot.is_done = True
            self._changed.notify_all()

    def _read_all(self, source: Source, line: _Line) -> None:
        try:
            for piece in self._read(source):
                self._put(line, piece)
                while batch := self._to_help_with(line):
                    self._work_on(batch)
                if self._is_over:
                    break
        except BaseException as error:  # as above
            line.error = error
        with self._changed:
            line.is_whole = True
            self._unread -= 1
            self._reading -= 1
            self._changed.notify_all()

    def _put(self, line: _Line, piece: Piece | Any) -> None:
        slot = _Slot(piece, is_done=not isinstance(piece, self._kind))
        with self._changed:
            line.slots.append(slot)
            self._waiting += 1
            if slot.is_done:
                return
            self._filling.append(slot)
            if len(self._filling) == self._size:
                self._ready.append(self._filling)
                self._filling = []
                self._changed.notify_all()

    def _to_help_with(self, line: _Line) -> list[_Slot] | None:
        """What a thread that reads is to work on first, as others have enough of it, or too much waits for its turn."""
        with self._changed:
            if len(self._ready) > self.jobs:
                return self._ready.popleft()
            while (len(line.slots) if line is self._lines[0] else self._waiting) > WAITING and not self._is_over:
                self._reading -= 1
                batch = self._batch()
                if not batch:
                    self._changed.wait()
                self._reading += 1
                if batch:
                    return batch
        return None
