"""What goes out: streams and results on stdout, messages on stderr."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from qbe.cli.tables import Shown, write_facts, write_table
from qbe.support.errors import QbeError, UsageError, display

Cell = str | float | int | bytes  # bytes: the name of a file
Row = Mapping[str, Cell]

DIGITS, SHOWN_DIGITS = 4, 3  # after the point, of what is no whole number: for programs, and for people


def say(message: object) -> None:
    """One line for people, on stderr. One that cannot be written changes nothing of the work."""
    try:
        print(f"qbe: {message}", file=sys.stderr)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # what is left in the buffer must not raise again at exit


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


@dataclass(frozen=True)
class Output:
    """How results are written, as the options say: for people a table, on a terminal; else a line each.

    as_json : a line is a JSON object, not fields parted by tabs
    null : lines end in NUL, not newline
    """

    as_json: bool = False
    null: bool = False

    @property
    def is_table(self) -> bool:
        return is_terminal() and not (self.as_json or self.null)

    def write(self, rows: Iterable[Row], title: str = "", shown: Callable[[Row], Shown] | None = None) -> None:
        """Rows of the same columns. shown : gives the row of the table"""
        if self.is_table:
            write_table(title, [(shown or _shown)(row) for row in rows])
        else:
            self._write_lines(_object(row) if self.as_json else _fields(row.values()) for row in rows)

    def write_facts(self, facts: Row, title: str = "") -> None:
        """One thing in many columns: name and value a line, or one object."""
        if self.is_table:
            write_facts(title, {name: _text(fact, DIGITS) for name, fact in facts.items()})
        else:
            self._write_lines([_object(facts)] if self.as_json else map(_fields, facts.items()))

    def _write_lines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            sys.stdout.buffer.write(line + (b"\0" if self.null else b"\n"))
        sys.stdout.buffer.flush()


def _fields(cells: Iterable[Cell]) -> bytes:
    """Names of files as their own bytes."""
    return b"\t".join(cell if isinstance(cell, bytes) else _text(cell, DIGITS).encode() for cell in cells)


def _text(cell: Cell, digits: int) -> str:
    if isinstance(cell, bytes):
        return display(cell)
    return f"{cell:.{digits}f}" if isinstance(cell, float) else str(cell)


def _object(row: Row) -> bytes:
    members = dict(_member(name, cell) for name, cell in row.items())
    return json.dumps(members, ensure_ascii=False).encode()


def _member(name: str, cell: Cell) -> tuple[str, object]:
    """The name of a file that is not UTF-8 comes in base64, and under another key."""
    if not isinstance(cell, bytes):
        return name, round(cell, DIGITS) if isinstance(cell, float) else cell
    try:
        return name, cell.decode()
    except UnicodeDecodeError:
        return f"{name}_base64", base64.b64encode(cell).decode()


def _shown(row: Row) -> Shown:
    return {
        f" {name}" if isinstance(cell, int | float) else name: _text(cell, SHOWN_DIGITS) for name, cell in row.items()
    }
