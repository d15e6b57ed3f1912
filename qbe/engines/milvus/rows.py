"""The segments of a library on a Milvus server: a row each, whose key is the number of its file and its place in that.

So which rows a file has is known without being asked for, no two rows have one key, and rows of numbers that are not
yet given out are those that a writer has not finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType

from qbe.engines.milvus.server import Row, Server
from qbe.search.store import FileEntry, Near
from qbe.streams.records import Numbers, Vector
from qbe.support.errors import LibraryError

BITS = 28  # of a key, for the place in the file; what is above is the file's number
MOST = 1 << BITS  # segments of a file
PAGE = 4096  # rows in one answer: some megabytes
LISTED = 1024  # keys asked for one by one, at a time
RANGES = 32  # of keys, at most: of more, all keys are listed
KEPT = 1 << 16  # rows that are not asked for again

PLACES, VECTOR = ("start", "length", "level"), "vector"


def fields(dimension: int) -> list[tuple[str, DataType, dict[str, Any]]]:
    """Of the collection of segments."""
    places: list[tuple[str, DataType, dict[str, Any]]] = [
        ("start", DataType.INT64, {}),
        ("length", DataType.INT64, {}),
        ("level", DataType.FLOAT, {}),
    ]
    return [("key", DataType.INT64, {}), (VECTOR, DataType.FLOAT_VECTOR, {"dim": dimension}), *places]


# A graph (Malkov and Yashunin, arXiv 1603.09320). What less care costs in recall, a search makes up by looking at more.
INDEX = {"index_type": "HNSW", "metric_type": "IP", "params": {"M": 16, "efConstruction": 128}}


def keys_of(entry: FileEntry) -> range:
    """Of the rows of a file."""
    return range(entry.number << BITS, (entry.number << BITS) + entry.segments)


def files_of(keys: Numbers) -> Numbers:
    """The file of each."""
    numbers: Numbers = np.right_shift(keys, BITS)
    return numbers


class Rows:
    """name : of their collection; since : as of a catalog. Those that were asked for lately are kept."""

    def __init__(self, server: Server, name: str, dimension: int, since: int | None = None) -> None:
        self.server, self.name, self.dimension, self.since = server, name, dimension, since
        self._places: dict[int, tuple[int, int, float]] = {}
        self._vectors: dict[int, Vector] = {}

    def places(self, keys: Numbers) -> NDArray[np.float64]:
        """Start, length and level of each, [n, 3]."""
        self._ask([key for key in keys.tolist() if key not in self._places], PLACES)
        return np.array([self._places[key] for key in keys.tolist()], np.float64).reshape(-1, 3)

    def vectors(self, keys: Numbers) -> Vector:
        """As they are kept, [n, D]."""
        self._ask([key for key in keys.tolist() if key not in self._vectors], (*PLACES, VECTOR))
        kept = [self._vectors[key] for key in keys.tolist()]
        return np.stack(kept) if kept else np.zeros((0, self.dimension), np.float32)

    def keep(self, keys: Iterable[int], rows: Iterable[Row]) -> None:
        """Remember what an answer tells of rows."""
        if len(self._places) > KEPT:
            self._places.clear()
            self._vectors.clear()
        for key, row in zip(keys, rows, strict=True):
            self._places[key] = row["start"], row["length"], row["level"]
            if VECTOR in row:
                self._vectors[key] = row[VECTOR]

    def _ask(self, keys: list[int], fields: tuple[str, ...]) -> None:
        if not keys:
            return
        keys = sorted(set(keys))
        rows: list[Row] = []
        for first in range(0, len(keys), LISTED):
            rows += self._query(f"key in {keys[first : first + LISTED]}", ["key", *fields])
        if len(rows) != len(keys):
            raise self.missing()
        self.keep((row["key"] for row in rows), rows)

    def _query(self, filter: str, fields: list[str]) -> list[Row]:
        return self.server.query(self.name, filter, fields, since=self.since)

    def missing(self) -> LibraryError:
        return LibraryError(f"{self.server.address.name}: segments are missing: it was written since: open it again")

    def scan(self, files: Iterable[FileEntry]) -> Iterator[tuple[Numbers, Vector]]:
        """All rows of files, which come by their numbers, in order, and their vectors: whole files, if these are not
        over PAGE rows."""
        for spans in _pages(files):
            rows = self._query(_within(spans), ["key", VECTOR])
            rows.sort(key=lambda row: int(row["key"]))
            keys = np.concatenate([np.arange(span.start, span.stop) for span in spans])
            if [row["key"] for row in rows] != keys.tolist():
                raise self.missing()
            yield keys, np.stack([row[VECTOR] for row in rows])

    def near(self, vectors: Vector, limit: int, candidates: int, next: int) -> list[Near]:
        """For each vector, about the `limit` rows nearest to it, best first. next : as `Files.next`"""
        filter = f"key < {next << BITS}"
        found = self.server.search(self.name, VECTOR, vectors, limit, filter, candidates, PLACES, since=self.since)
        for keys, _, rows in found:
            self.keep(keys.tolist(), rows)
        return [Near(keys, scores) for keys, scores, _ in found]


def _within(spans: list[range]) -> str:
    """A filter that lets these keys through, and no others that there are."""
    ranges: list[tuple[int, int]] = []
    for span in spans:
        if ranges and ranges[-1][1] >> BITS == (span.start >> BITS) - 1 and span.start % MOST == 0:
            ranges[-1] = ranges[-1][0], span.stop
        else:
            ranges.append((span.start, span.stop))
    if len(ranges) > RANGES:
        return f"key in {[key for span in spans for key in span]}"
    return " or ".join(f"(key >= {first} and key < {last})" for first, last in ranges)


def _pages(files: Iterable[FileEntry]) -> Iterator[list[range]]:
    """The keys of the rows of files, PAGE of them at most at a time."""
    page: list[range] = []
    count = 0
    for keys in map(keys_of, files):
        if page and count + len(keys) > PAGE:
            yield page
            page, count = [], 0
        for first in range(0, len(keys), PAGE):
            if page and count + len(keys) - first > PAGE:
                yield page
                page, count = [], 0
            part = keys[first : first + PAGE]
            page.append(part)
            count += len(part)
    if any(page):
        yield page
