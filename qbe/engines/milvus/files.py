"""The files of a library on a Milvus server: a row each in a collection of their own.

A file that is replaced or removed is not touched: another row tells which number is gone, and what has that number is
deleted when the library is next written, so that who reads the library meanwhile goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pymilvus import DataType

from qbe.engines.milvus.server import Row, Server
from qbe.search.store import FileEntry
from qbe.support.errors import LibraryError, display
from qbe.support.names import spelt

PAGE = 8192  # rows in one answer
NAMES = 512  # asked for at a time
LONGEST = 65_535  # bytes of a text
NONE = -1
FAILED, BY_FFMPEG = 1, 2  # bits of a file's state
PLAIN = "/ !#$&()*+,-.:;<=>?@[]^_`{|}~"  # what stands in kept names as it is, beside letters and digits
# The server cannot do without vectors: these say nothing.
FIELDS: list[tuple[str, DataType, dict[str, Any]]] = [
    ("number", DataType.INT64, {}),
    ("unused", DataType.FLOAT_VECTOR, {"dim": 2}),
    ("path", DataType.VARCHAR, {"max_length": LONGEST}),
    *((name, DataType.INT64, {}) for name in ("size", "mtime", "end", "segments", "content", "state", "gone")),
]
INDEX = {"index_type": "FLAT", "metric_type": "L2", "params": {}}
NUMBERS = ("number", "size", "mtime", "end", "segments", "content")
COLUMNS = [name for name, _, _ in FIELDS if name != "unused"]


def kept_name(path: bytes) -> str:
    """A name as text: bytes that are no plain ASCII are %XX, so that every name is another text, and begins as it does.

    LibraryError where it is longer than the server takes.
    """
    text = quote_from_bytes(path, safe=PLAIN)
    if len(text) > LONGEST:
        raise LibraryError(f"{display(path[:100])}...: a name of {len(path)} bytes is too long for a Milvus server")
    return text


def row_of(entry: FileEntry) -> Row:
    """Of a file."""
    number, path, size, mtime, end, segments, content, failed, by_ffmpeg = entry
    state = FAILED * failed | BY_FFMPEG * by_ffmpeg
    facts = {"size": size, "mtime": mtime, "end": end, "segments": segments, "content": content, "state": state}
    return {"number": number, "path": kept_name(path), **facts, "gone": NONE, "unused": [0.0, 0.0]}


def row_of_gone(number: int, gone: int) -> Row:
    """That a file is gone. number : of what tells so; gone : of the file"""
    return {**row_of(FileEntry(number, b"", -1, 0, 0, 0)), "gone": gone}


def entry_of(row: Row) -> FileEntry:
    state = int(row["state"])
    number, size, mtime, end, segments, content = (int(row[name]) for name in NUMBERS)
    failed, by_ffmpeg = bool(state & FAILED), bool(state & BY_FFMPEG)
    path = unquote_to_bytes(row["path"])
    return FileEntry(number, path, size, mtime, end, segments, content, failed, by_ffmpeg)


class Files:
    """Those of a library that were there at one moment.

    name : of their collection; next : numbers from this on no file has; since : as of a catalog
    """

    def __init__(self, server: Server, name: str, next: int, since: int | None) -> None:
        self.server, self.name, self.next, self.since = server, name, next, since
        self.gone = frozenset(int(row["gone"]) for row in self._rows(f"gone > {NONE}", ["gone"]))

    def _rows(self, filter: str, fields: list[str]) -> list[Row]:
        return self.server.query(self.name, f"{filter} and number < {self.next}", fields, since=self.since)

    def all(self, inside: Iterable[bytes] = ()) -> Iterator[FileEntry]:
        """Those that are there, in the order they came. inside : globs; files that match none may be left out"""
        where = f" and ({' or '.join(map(_beginning, inside))})" if inside else ""
        for first in range(0, self.next, PAGE):
            rows = self._rows(f"number >= {first} and number < {first + PAGE} and gone == {NONE}{where}", COLUMNS)
            yield from sorted(entry for entry in map(entry_of, rows) if entry.number not in self.gone)

    def entries(self, numbers: Iterable[int]) -> Iterator[FileEntry]:
        """Of some numbers, in any order. LibraryError where there is none of a number."""
        left = iter(numbers)
        while some := list(islice(left, PAGE)):
            rows = self._rows(f"number in {some}", COLUMNS)
            if len(rows) != len(some):
                raise LibraryError(f"{self.server.address.name}: it was written since it was opened: open it again")
            yield from map(entry_of, rows)

    def named(self, names: Iterable[bytes]) -> Iterator[FileEntry]:
        """Those with one of some names."""
        left = iter(names)
        while some := list(islice(left, NAMES)):
            yield from self._there(f"path in {json.dumps(list(map(kept_name, some)))}")

    def under(self, folder: bytes) -> Iterator[FileEntry]:
        """Those of that name, and those in the folder of that name."""
        text = kept_name(folder.rstrip(b"/"))
        yield from self._there(f'(path == "{text}" or path == "{text}/" or {_range(text + "/")})')

    def _there(self, where: str) -> Iterator[FileEntry]:
        rows = self._rows(f"{where} and gone == {NONE}", COLUMNS)
        return (entry for entry in map(entry_of, rows) if entry.number not in self.gone)


def _range(beginning: str) -> str:
    """A filter for texts that begin so."""
    return f'(path >= "{beginning}" and path < "{beginning[:-1]}{chr(ord(beginning[-1]) + 1)}")'


def _beginning(glob: bytes) -> str:
    """A filter that lets through what a glob can match: what begins as it does, up to the first letter that may be
    written otherwise, or stands for others."""
    plain = re.match(r"[A-JL-Za-z0-9/ .,=+@_-]*", spelt(glob))
    beginning = plain.group().rstrip("/") if plain else ""
    return _range(beginning) if beginning else 'path >= ""'
