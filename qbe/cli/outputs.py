"""What goes out: streams, messages, tables for people and lines for programs."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from qbe.errors import QbeError, UsageError, display

Cell = str | float | int | bytes  # bytes: a path, written as it came


def say(message: object) -> None:
    """One line for people, on stderr."""
    print(f"qbe: {message}", file=sys.stderr)


class Report:
    """Says what was skipped, one line each on stderr, and counts it."""

    def __init__(self) -> None:
        self.failed = 0

    def __call__(self, error: QbeError) -> None:
        say(error)
        self.failed += 1

    @property
    def exit_code(self) -> int:
        return 2 if self.failed else 0


def stdout_stream() -> BinaryIO:
    """Standard output for a stream. UsageError where it is a terminal."""
    if sys.stdout.isatty():
        raise UsageError(
            "a stream is not written to a terminal: pipe it into the next command, or redirect it (> FILE)"
        )
    return sys.stdout.buffer


def is_terminal() -> bool:
    return sys.stdout.isatty()


def write_lines(rows: Iterable[Sequence[Cell]], end: bytes = b"\n") -> None:
    """Rows for programs: fields parted by tabs, paths as their own bytes, every row ended by `end`."""
    for row in rows:
        sys.stdout.buffer.write(b"\t".join(_field(cell) for cell in row) + end)
    sys.stdout.buffer.flush()


def _field(cell: Cell) -> bytes:
    return cell if isinstance(cell, bytes) else str(cell).encode()


def write_json(rows: Iterable[dict[str, Cell]]) -> None:
    """One JSON object a line. A path that is not UTF-8 becomes {"base64": ...}."""
    for row in rows:
        print(json.dumps({key: _json_value(value) for key, value in row.items()}, ensure_ascii=False))


def _json_value(value: Cell) -> object:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """A table for people, on stdout. A column named with a space in front is right-aligned."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=None, header_style="bold", pad_edge=False)
    table.show_header = any(columns)
    for column in columns:
        is_number = column.startswith(" ")
        table.add_column(column.strip(), justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    for row in rows:
        table.add_row(*(Text(display(cell) if isinstance(cell, bytes) else str(cell)) for cell in row))
    Console().print(table)


def clock(seconds: float) -> str:
    """Seconds as a person reads them: 0:01.5, 12:03.0, 1:00:00.0."""
    minutes, rest = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02d}" if hours else f"{minutes}") + f":{rest / 10:04.1f}"


Update = Callable[[float, str], None]


@contextmanager
def progress(label: str, total: float | None, quiet: bool) -> Iterator[Update]:
    """A progress bar on stderr, only on a terminal. Call what it gives with how much is done and a note."""
    if quiet or not os.isatty(sys.stderr.fileno()):
        yield lambda _done, _note: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}", markup=False))
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bars:
        task = bars.add_task(label, total=total, note="")
        yield lambda done, note: bars.update(task, completed=done, note=note)
