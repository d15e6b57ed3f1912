"""The formats in which results leave the terminal: each makes bytes of rows, and remembers what it has written."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Protocol

from qbe.cli.times import clock
from qbe.support.errors import OnError, UsageError, display

Cell = str | float | int | bytes  # bytes: the name of a file
Row = Mapping[str, Cell]

DIGITS, TIME_DIGITS = 4, 6  # after the point, of what is no whole number; of times in other programs' formats
HEARD = (50, 7600)  # Hz, the band that a model hears


class FilesAs(StrEnum):
    """What files can be written as, beside tab-separated lines and JSON."""

    CSV = "csv"
    M3U = "m3u"


class PlacesAs(StrEnum):
    """What places in files can be written as."""

    CSV = "csv"
    M3U = "m3u"
    AUDACITY = "audacity"
    RAVEN = "raven"


class Format(Protocol):
    """How results are written, one after the other."""

    def written(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """The bytes of some more rows, all of the same columns."""
        ...


class Lines:
    """A line a result.

    line : of a row; end : of every line
    """

    def __init__(self, line: Callable[[Row], bytes], end: bytes = b"\n") -> None:
        self._line, self._end = line, end

    def written(self, rows: Iterable[Row]) -> Iterator[bytes]:
        return (self._line(row) + self._end for row in rows)


def fields(row: Row) -> bytes:
    """Parted by tabs; names of files as their own bytes."""
    return b"\t".join(_bytes(cell) for cell in row.values())


def json_object(row: Row) -> bytes:
    """The name of a file that is not UTF-8 comes in base64, and under another key."""
    return json.dumps(dict(_member(name, cell) for name, cell in row.items()), ensure_ascii=False).encode()


def _member(name: str, cell: Cell) -> tuple[str, object]:
    if not isinstance(cell, bytes):
        return name, _number(cell) if isinstance(cell, float) else cell
    try:
        return name, cell.decode()
    except UnicodeDecodeError:
        return f"{name}_base64", base64.b64encode(cell).decode()


def _number(cell: float) -> float | None:
    """JSON has no word for what is not known."""
    return None if math.isnan(cell) else round(cell, DIGITS)


class Csv:
    """RFC 4180: a header, commas, CRLF, quotes where they are needed; so any name of a file can stand in it."""

    def __init__(self) -> None:
        self._has_header = False

    def written(self, rows: Iterable[Row]) -> Iterator[bytes]:
        for row in rows:
            if not self._has_header:
                self._has_header = True
                yield _csv_line(name.encode() for name in row)
            yield _csv_line(map(_bytes, row.values()))


def _csv_line(cells: Iterable[bytes]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cell.decode(errors="surrogateescape") for cell in cells)
    return line.getvalue().encode(errors="surrogateescape")


class Audacity:
    """A label track of Audacity: start, end and label, parted by tabs; seconds.

    A track lies beside one sound, so labels name the file they are of; `warn` is told where there are several.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._file: bytes | None = None
        self._has_warned = False

    def written(self, rows: Iterable[Row]) -> Iterator[bytes]:
        for row in rows:
            label = f"{_title(row['query'])} {text(row['score'], 3)} {text(row['path'])}"
            yield f"{text(row['start'], TIME_DIGITS)}\t{text(row['end'], TIME_DIGITS)}\t{label}\n".encode()
            self._file = self._file or _path(row)
            if _path(row) != self._file and not self._has_warned:
                self._has_warned = True
                self._warn(
                    "a label track is of one sound, and these are of several: labels name theirs; --in picks one"
                )


class Raven:
    """A selection table of Raven: a header, fields parted by tabs, a line a selection.

    Times are within the file in `Begin Path`. What cannot stand between tabs goes to `report` and is left out.
    """

    COLUMNS = (
        "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
        "Begin Path", "File Offset (s)", "Score", "Query",
    )  # fmt: skip

    def __init__(self, report: OnError) -> None:
        self._report = report
        self._count = 0
        self._has_header = False

    def written(self, rows: Iterable[Row]) -> Iterator[bytes]:
        if not self._has_header:
            self._has_header = True
            yield "\t".join(self.COLUMNS).encode() + b"\n"
        for row in _of_one_line(rows, b"\t\r\n", "a selection table", self._report):
            self._count += 1
            start, end = text(row["start"], TIME_DIGITS), text(row["end"], TIME_DIGITS)
            place = (self._count, "Spectrogram 1", 1, start, end, *HEARD, _path(row), start)
            yield b"\t".join(map(_bytes, [*place, row["score"], _title(row["query"])])) + b"\n"


class M3u:
    """A playlist, extended M3U: names of files as their own bytes, each after a line of what it is.

    of_places : play the places, by options that VLC knows, and not the whole files
    """

    def __init__(self, report: OnError, *, of_places: bool) -> None:
        self._report, self._of_places = report, of_places
        self._has_header = False

    def written(self, rows: Iterable[Row]) -> Iterator[bytes]:
        if not self._has_header:
            self._has_header = True
            yield b"#EXTM3U\n"
        for row in _of_one_line(rows, b"\r\n", "a playlist", self._report):
            yield from (line + b"\n" for line in self._entry(row))

    def _entry(self, row: Row) -> Iterator[bytes]:
        group = [f"{text(row['group'])}."] if "group" in row else []
        title = " ".join([*group, _title(row["path"]), text(row["score"], 3)])
        if self._of_places:
            start, end = float(row["start"]), float(row["end"])
            yield f"#EXTINF:{max(1, round(end - start))},{title} {clock(start)}".encode()
            yield f"#EXTVLCOPT:start-time={start:.3f}".encode()
            yield f"#EXTVLCOPT:stop-time={end:.3f}".encode()
        else:
            yield f"#EXTINF:-1,{title}".encode()  # of unknown length
        path = _path(row)
        yield b"./" + path if path[:1] in (b"#", b" ", b"\t") else path  # else it were a comment, or another name


def _of_one_line(rows: Iterable[Row], forbidden: bytes, what: str, report: OnError) -> Iterator[Row]:
    """Those whose path can stand in a line."""
    for row in rows:
        if set(_path(row)) & set(forbidden):
            report(UsageError(f"{text(row['path'])}: {what} cannot hold this name; --json and --as csv can"))
        else:
            yield row


def _path(row: Row) -> bytes:
    path = row["path"]
    assert isinstance(path, bytes)
    return path


def _title(cell: Cell) -> str:
    """The name of a file without its folders."""
    return text(os.path.basename(cell) if isinstance(cell, bytes) else cell)


def _bytes(cell: Cell) -> bytes:
    return cell if isinstance(cell, bytes) else text(cell).encode()


def text(cell: Cell, digits: int = DIGITS) -> str:
    """A cell for people."""
    if isinstance(cell, bytes):
        return display(cell)
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"{cell:.{digits}f}" if isinstance(cell, float) else str(cell)
