"""Progress for people, on stderr: how much is done, how fast, how long it will still take."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from qbe.cli.outputs import say
from qbe.cli.times import clock

if TYPE_CHECKING:
    from rich.progress import Progress

    from qbe.streams.records import Embedding, Segment

    Record = TypeVar("Record", Segment, Embedding)

FOR_BARS = 72  # columns of a terminal
EVERY = 0.1  # seconds

Update = Callable[[float, str], None]  # called with how much is done, and a note


@contextmanager
def progress(
    label: str, total: float | None, *, quiet: bool = False, verbose: bool = False, takes: float | None = None
) -> Iterator[Update]:
    """A bar on stderr from the first update to the end of the block: only on a terminal that can rewrite a line.

    total : how much there is to do; None: unknown
    verbose : say the last note and the time in the end, terminal or not
    takes : seconds that all of it takes, where that was decided; else what is left is told by what was done
    """
    began, last = time.monotonic(), "nothing done"
    bars = None if quiet or not _can_show() else _bars(total, takes)

    def update(done: float, note: str) -> None:
        nonlocal last
        last = note
        if bars:
            bars.update(task, completed=done, note=note)
            if not bars.live.is_started:
                bars.start()

    if bars:
        task = bars.add_task(label, total=total, note="")
    try:
        yield update
    finally:
        if bars:
            bars.stop()  # the cursor is shown again
    if verbose:
        say(f"{label}: {last}, in {clock(time.monotonic() - began)}")


def _can_show() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _bars(total: float | None, takes: float | None) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column
    from rich.text import Text

    class Decided(ProgressColumn):
        """The time left of what takes so long."""

        def render(self, task: Task) -> Text:
            return Text(clock((takes or 0.0) * max(0.0, 1 - (task.percentage / 100))), style="progress.remaining")

    note = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}"),
        TextColumn("{task.fields[note]}", markup=False, table_column=note),
        TimeElapsedColumn() if total is None else TimeRemainingColumn() if takes is None else Decided(),
    ]
    if shutil.get_terminal_size().columns >= FOR_BARS:
        columns.insert(1, BarColumn(bar_width=16))
    # Results go to stdout as bytes while the bar is shown: rich is to leave it alone.
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)


def is_fed() -> bool:
    """Whether stdin is a pipe: then the command before this one shows progress, and two would write into one line."""
    return sys.stdin is not None and stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)


def heard(through: int, files: int | None, seconds: float, began: float) -> str:
    """How many files are through, how many hours they are, and how fast they came.

    files : how many there will be; None: unknown; began : on the monotonic clock
    """
    of, speed = "" if files is None else f" of {files}", seconds / max(1e-3, time.monotonic() - began)
    return f"{through}{of} files, {seconds / 3600:.2f} h, {speed:.0f}x real time"


def watched(records: Iterable[Record], sample_rate: int, update: Update, files: int | None = None) -> Iterator[Record]:
    """The same records; on the way, how many files and hours they are, and how fast they come.

    files : how many there will be; None: records of a stream. Of one from a pipe only its end is told.
    """
    began = shown = time.monotonic()
    done, path, reached, samples = 0, None, 0, 0
    every = EVERY if files is not None or not is_fed() else float("inf")

    def tell(through: int) -> None:
        update(through, heard(through, files, samples / sample_rate, began))

    for record in records:
        if record.path != path:
            path, reached, done = record.path, 0, done + 1
        end = record.start + record.length
        samples, reached = samples + max(0, end - reached), max(reached, end)
        if time.monotonic() - shown > every:
            shown = time.monotonic()
            tell(done - 1)
        yield record
    tell(done)
