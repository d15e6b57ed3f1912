"""What goes out: streams and results on stdout, messages on stderr."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import BinaryIO

from qbe.cli.formats import Audacity, Csv, Format, Lines, M3u, Raven, Row, fields, json_object, text
from qbe.cli.tables import Shown, write_facts, write_table
from qbe.support.errors import FormatError, QbeError, UsageError
from qbe.support.names import without_token

SHOWN_DIGITS = 3  # after the point, for people


def say(message: object) -> None:
    """One line for people, on stderr. One that cannot be written changes nothing of the work."""
    try:
        print(f"qbe: {without_token(str(message))}", file=sys.stderr)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # what is left in the buffer must not raise again at exit


class Report:
    """Says what was skipped, one line each on stderr, and counts it; of what needs ffmpeg one line in the end."""

    def __init__(self) -> None:
        self.failed = 0
        self.need_ffmpeg: list[FormatError] = []

    def __call__(self, error: QbeError) -> None:
        self.failed += 1
        if isinstance(error, FormatError):
            self.need_ffmpeg.append(error)
        else:
            say(error)

    def end(self) -> int:
        """Say what is left to say; the exit code."""
        if len(self.need_ffmpeg) == 1:
            say(self.need_ffmpeg[0])
        elif self.need_ffmpeg:
            formats = Counter(error.format for error in self.need_ffmpeg).most_common()
            which = ", ".join(f"{name} {count}" for name, count in formats)
            say(f"{len(self.need_ffmpeg)} sounds are in formats that need ffmpeg ({which}): install it")
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


class Output:
    """How results are written, as the options say: for people a table, on a terminal; else in a format.

    as_json : a line is a JSON object, not fields parted by tabs
    null : lines end in NUL, not newline
    named : the name of another format; of_places : its results are places in files, not files
    report : told of what the format cannot hold

    marks_missing : whether there is room to say which files are no longer on disk
    """

    def __init__(
        self,
        as_json: bool = False,
        null: bool = False,
        named: str | None = None,
        *,
        of_places: bool = False,
        report: Callable[[QbeError], None] | None = None,
    ) -> None:
        if named and (as_json or null):
            raise UsageError(f"--as {named} has lines of its own: leave out --json and -0")
        report = report or Report()
        others: dict[str, Callable[[], Format]] = {
            "csv": Csv,
            "audacity": lambda: Audacity(say),
            "raven": lambda: Raven(report),
            "m3u": lambda: M3u(report, of_places=of_places),
        }
        self.is_table = is_terminal() and not (as_json or null or named)
        self.marks_missing = self.is_table or as_json
        self._as_json, self._end = as_json, b"\0" if null else b"\n"
        self._format = others[named]() if named else Lines(json_object if as_json else fields, self._end)

    def write(self, rows: Iterable[Row], title: str = "", shown: Callable[[Row], Shown] | None = None) -> None:
        """Rows of the same columns. shown : gives the row of the table"""
        if self.is_table:
            write_table(title, [(shown or _shown)(row) for row in rows])
        else:
            _put(self._format.written(rows))

    def write_facts(self, facts: Row, title: str = "") -> None:
        """One thing in many columns: name and value a line, or one object."""
        if self.is_table:
            write_facts(title, {name: text(fact) for name, fact in facts.items()})
        elif self._as_json:
            _put([json_object(facts) + self._end])
        else:
            _put(fields({"name": name, "value": fact}) + self._end for name, fact in facts.items())


def _put(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _shown(row: Row) -> Shown:
    return {
        f" {name}" if isinstance(cell, int | float) else name: text(cell, SHOWN_DIGITS) for name, cell in row.items()
    }
