"""A library on a Milvus server as the store that search stands on (`qbe.search.store.Store`).

The server finds the rows near a query; all that is compared exactly is compared here, so that a score is the same
whoever keeps the library. The files and rows that were there when it was opened are all that it knows of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.engines.milvus.address import parse_address
from qbe.engines.milvus.catalog import Catalog, read_catalog
from qbe.engines.milvus.rows import Rows, files_of, keys_of
from qbe.engines.milvus.server import Server
from qbe.engines.milvus.whole import open_files, wait_for_all
from qbe.search.centring import centred, distances, restored
from qbe.search.store import About, Effort, Fact, FileEntry, Filter, Near
from qbe.search.windows import LEAST, Windows
from qbe.streams.records import Numbers, Vector
from qbe.support.errors import LibraryError
from qbe.support.names import where_begun

LARGEST_ANSWER = 16_384  # rows for one vector
MOST_CANDIDATES = 32_768  # that the server looks at for one vector: of more, all are
ANSWERS = 1 << 16  # rows in one answer, for all vectors
KNOWN = 1 << 18  # files that are not asked for again
ROUNDING = 1e-5  # more than float32 can be wrong in a cosine


class MilvusStore:
    """A library that is open."""

    def __init__(self, server: Server, catalog: Catalog) -> None:
        self.name, self.server, self.catalog = server.address.name, server, catalog
        self.table = open_files(server, catalog)
        self.kept = Rows(server, catalog.segments, catalog.about.dimension, catalog.since)
        self._middle = catalog.centre
        self._known: dict[int, FileEntry] = {}

    @property
    def about(self) -> About:
        about = self.catalog.about
        return replace(about, folder=where_begun(about.folder))

    @property
    def rows(self) -> int:
        return self.catalog.rows

    def seen(self, vectors: Vector) -> Vector:
        return centred(vectors, self._middle).astype(np.float32)

    def distances(self, vectors: Vector) -> Vector:
        return distances(vectors, self._middle)

    def given(self, seen: NDArray[np.floating[Any]]) -> Vector:
        return restored(seen, self._middle).astype(np.float32)

    def candidates(self, effort: Effort) -> int | None:
        if effort.candidates is not None or effort.recall is None:
            return effort.candidates
        return next((rows for reached, rows in self.catalog.budgets if reached >= effort.recall), None)

    def near(
        self, queries: Sequence[Vector], count: int, candidates: int, only: Sequence[Filter], enough: int
    ) -> Iterator[list[Near]]:
        wait_for_all(self.table, self.catalog)
        if min(candidates, self.rows) > MOST_CANDIDATES or candidates >= self.rows:
            return (self._nearest(query, count, filter) for query, filter in zip(queries, only, strict=True))
        return self._found(queries, min(count, LARGEST_ANSWER), candidates, only, enough)

    def _found(
        self, queries: Sequence[Vector], count: int, candidates: int, only: Sequence[Filter], enough: int
    ) -> Iterator[list[Near]]:
        """What the server finds, less what is gone or may not answer; where too little is left, what there is."""
        vectors = np.concatenate(list(queries))
        step, found = max(1, ANSWERS // count), []
        for first in range(0, len(vectors), step):
            some = vectors[first : first + step]
            found += self.kept.near(some, count, max(count, candidates), self.table.next)
        lists = iter(found)
        for query, filter in zip(queries, only, strict=True):
            own = [next(lists) for _ in query]
            may = self._may(np.concatenate([near.rows for near in own]), filter)
            ends = np.cumsum([len(near.rows) for near in own])
            admitted = [near[of_one] for near, of_one in zip(own, np.split(may, ends[:-1]), strict=True)]
            too_few = any(
                len(near.rows) < min(enough, len(all_of.rows)) for near, all_of in zip(admitted, own, strict=True)
            )
            yield list(self._nearest(query, count, filter)) if too_few else admitted

    def _may(self, rows: Numbers, only: Filter) -> NDArray[np.bool_]:
        files = files_of(rows)
        may = ~np.isin(files, list(self.table.gone)) if self.table.gone else np.ones(len(rows), bool)
        may[may] = self.admitted(files[may], only)
        return may

    def _nearest(self, query: Vector, count: int, only: Filter) -> list[Near]:
        """The best rows of all, compared one by one."""
        best = [Near(np.zeros(0, np.int64), np.zeros(0, np.float32)) for _ in query]
        for rows, vectors in self._scan(only):
            for number, scores in enumerate(_cosines(query, vectors).T):
                near = best[number]
                both = Near(np.concatenate([near.rows, rows]), np.concatenate([near.scores, scores]))
                best[number] = both[np.argsort(-both.scores, kind="stable")[:count]]
        return best

    def _scan(self, only: Filter = Filter()) -> Iterator[tuple[Numbers, Vector]]:
        """All rows of the files that may answer, and their vectors."""
        wait_for_all(self.table, self.catalog)
        folder = self.about.folder
        entries = (entry for entry in self.table.all(only.inside) if entry.segments)
        return self.kept.scan(entry for entry in entries if only.admits(entry, folder))

    def reaching(self, query: Vector, least: float) -> Numbers:
        parts = [rows[_cosines(query, vectors).max(1) >= least - ROUNDING] for rows, vectors in self._scan()]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def bounds(self, query: Windows, only: Filter) -> tuple[Numbers, NDArray[np.float64]]:
        """As what they score: so few files are compared once more."""
        files: list[Numbers] = []
        best: list[Vector] = []
        for rows, vectors in self._scan(only):
            numbers, first = np.unique(files_of(rows), return_index=True)
            highest = np.maximum.reduceat(_cosines(query.vectors, vectors), first)
            if files and files[-1][-1] == numbers[0]:  # its rows came in several answers
                best[-1][-1] = np.maximum(best[-1][-1], highest[0])
                numbers, highest = numbers[1:], highest[1:]
            if len(numbers):
                files.append(numbers)
                best.append(highest)
        if not files:
            return np.zeros(0, np.int64), np.zeros(0)
        return np.concatenate(files), np.concatenate([query.score(some) for some in best]) + ROUNDING

    def cosines(self, query: Vector, rows: Numbers) -> Vector:
        return _cosines(query, self.kept.vectors(rows))

    def best_of_files(self, query: Vector, files: Numbers) -> tuple[Vector, Numbers]:
        best = np.full((len(files), len(query)), LEAST, np.float32)
        nearest = np.zeros((len(files), len(query)), np.int64)
        place = {file: number for number, file in enumerate(files.tolist())}
        for rows, vectors in self._read(files):
            cosines = _cosines(query, vectors)
            numbers, first = np.unique(files_of(rows), return_index=True)
            for file, some, keys in zip(
                numbers.tolist(), np.split(cosines, first[1:]), np.split(rows, first[1:]), strict=True
            ):
                at = place[file]
                reached = some.max(0)
                better = reached > best[at]
                nearest[at, better] = keys[some.argmax(0)][better]
                best[at, better] = reached[better]
        return best, nearest

    def _read(self, files: Numbers) -> Iterator[tuple[Numbers, Vector]]:
        entries = sorted(self._entries(files))
        rows = np.concatenate(
            [np.zeros(0, np.int64), *(np.arange(keys.start, keys.stop) for keys in map(keys_of, entries))]
        )
        if len(rows) > ANSWERS // 16:
            yield from self.kept.scan(entries)
        elif len(rows):
            yield rows, self.kept.vectors(rows)

    def _entries(self, files: Numbers) -> list[FileEntry]:
        unknown = sorted({file for file in files.tolist() if file not in self._known})
        if unknown:
            if len(self._known) + len(unknown) > KNOWN:
                self._known.clear()
                unknown = sorted(set(files.tolist()))
            self._known |= {entry.number: entry for entry in self.table.entries(unknown)}
        return [self._known[file] for file in files.tolist()]

    def ends(self, files: Numbers) -> Numbers:
        return np.array([entry.end for entry in self._entries(files)], np.int64)

    def admitted(self, files: NDArray[np.integer[Any]], only: Filter) -> NDArray[np.bool_]:
        if not only:
            return np.ones(len(files), bool)
        asked, number = np.unique(files.astype(np.int64), return_inverse=True)
        folder = self.about.folder
        may: NDArray[np.bool_] = np.array([only.admits(entry, folder) for entry in self._entries(asked)], bool)
        return may[number]

    def places(self, rows: Numbers) -> NDArray[np.integer[Any]]:
        return np.column_stack([files_of(rows), self.kept.places(rows)[:, :2].astype(np.int64)])

    def paths(self, files: Numbers) -> list[bytes]:
        return [entry.path for entry in self._entries(files)]

    def vectors(self, rows: Numbers) -> NDArray[np.float64]:
        return self.kept.vectors(rows).astype(np.float64)

    def levels(self, rows: Numbers) -> Vector:
        levels: Vector = self.kept.places(rows)[:, 2].astype(np.float32)
        return levels

    def rows_of(self, files: Numbers) -> tuple[Numbers, Numbers]:
        spans = [np.arange(keys.start, keys.stop) for keys in map(keys_of, self._entries(files))]
        lengths = [0, *map(len, spans[:-1])]
        return np.concatenate([np.zeros(0, np.int64), *spans]), np.cumsum(lengths)[: len(spans)]

    def sounding(self) -> Numbers:
        return np.array([entry.number for entry in self.files() if entry.segments], np.int64)

    def files(self) -> Iterator[FileEntry]:
        wait_for_all(self.table, self.catalog)
        for entry in self.table.all():
            if len(self._known) < KNOWN:
                self._known[entry.number] = entry
            yield entry

    def held(self) -> tuple[int, int]:
        return self.catalog.files, self.catalog.rows

    def facts(self) -> dict[str, Fact]:
        catalog, about = self.catalog, self.about
        return {
            "files": catalog.files,
            "unread": catalog.unread,
            "by_ffmpeg": catalog.by_ffmpeg,
            "segments": catalog.rows,
            "hours": catalog.samples / about.sample_rate / 3600,
            "model": about.name,
            "model_sha256": about.model,
            "sample_rate": about.sample_rate,
            "dimension": about.dimension,
            "server": f"Milvus {self.server.version} at {self.server.address.host}",
            "generation": catalog.generation,
            **{f"candidates_{recall:g}": rows for recall, rows in catalog.budgets},
        }

    def check(self, on_piece: Callable[[int, int], None]) -> list[str]:
        """All rows are read; that none is missing, and each is of unit length or zero."""
        size = max(1, self.rows) * 4 * self.about.dimension
        done, damaged = 0, []
        for rows, vectors in self._scan():
            lengths = np.linalg.norm(vectors, axis=1)
            wrong = np.unique(files_of(rows[(np.abs(lengths - 1) > 1e-3) & (lengths > 1e-3)]))
            damaged += [path.decode(errors="replace") for path in self.paths(wrong)]
            done += vectors.nbytes
            on_piece(min(done, size), size)
        on_piece(size, size)
        return damaged


def _cosines(query: Vector, vectors: Vector) -> Vector:
    """Of each of some vectors with each of a query's, [n, Q]."""
    products: Vector = (vectors.astype(np.float64) @ query.T.astype(np.float64)).astype(np.float32)
    return products


def state_of_library(name: str) -> tuple[str, int] | None:
    """Which collection its files are in, and how often it has been written; None where there is no library."""
    found = read_catalog(Server(parse_address(name)))
    return (found.table, found.generation) if found else None


def open_milvus(name: str) -> MilvusStore:
    """The library at an address. LibraryError where there is none, or the server cannot be reached."""
    server = Server(parse_address(name))
    found = read_catalog(server)
    if found is None:
        raise LibraryError(f"{server.address.name}: no such library: make one with `qbe index -o`")
    return MilvusStore(server, found)
