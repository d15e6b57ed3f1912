"""A library file as the store that search stands on (`qbe.search.store.Store`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.library import Library, open_library
from qbe.index.near import exact
from qbe.index.near.candidates import nearest
from qbe.search.centring import distances
from qbe.search.store import About, Effort, Fact, FileEntry, Filter, Near
from qbe.search.windows import Windows
from qbe.streams.records import Numbers, Vector
from qbe.support.distinct import distinct

MOST_FILTERS = 256  # whose verdicts are kept


class FileStore:
    """A library file that is open."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._place: bytes | None = None  # where names begin, as seen from here, if they travel
        if (folder := library.footer.folder) and not os.path.isabs(folder):
            self._place = os.path.normpath(os.path.join(os.path.dirname(os.fsencode(library.path)), folder))
        self._verdicts: dict[Filter, NDArray[np.int8]] = {}  # of every file: 1 it may answer, -1 not, 0 not yet asked

    @property
    def name(self) -> str:
        return self.library.path

    @property
    def about(self) -> About:
        footer = self.library.footer
        folder, travels = self.library.folder, self._place is not None
        return About(footer.model, footer.name, footer.sample_rate, footer.dimension, footer.hop, folder, travels)

    def _told(self, path: bytes) -> bytes:
        """A name as it is told."""
        return path if self._place is None else os.path.normpath(os.path.join(self._place, path))

    @property
    def rows(self) -> int:
        return self.library.rows

    def seen(self, vectors: Vector) -> Vector:
        return self.library.frame.seen(vectors)

    def distances(self, vectors: Vector) -> Vector:
        return distances(vectors, self.library.frame.middle)

    def given(self, seen: NDArray[np.floating[Any]]) -> Vector:
        return self.library.frame.given(seen)

    def candidates(self, effort: Effort) -> int | None:
        if effort.candidates is not None or effort.recall is None:
            return effort.candidates
        return self.library.budget(effort.recall)

    def near(
        self, queries: Sequence[Vector], count: int, candidates: int, only: Sequence[Filter], enough: int
    ) -> Iterator[list[Near]]:
        found = nearest(self.library, np.concatenate(list(queries)), candidates, count)
        for query, filter in zip(queries, only, strict=True):
            lists = list(islice(found, len(query)))
            yield list(self._admitted(query, lists, count, candidates, filter, enough)) if filter else lists

    def _admitted(
        self, query: Vector, lists: list[Near], count: int, candidates: int, only: Filter, enough: int
    ) -> Iterator[Near]:
        """The lists less what may not answer; where too few are left, those that a search for nothing else finds."""
        ends = np.cumsum([len(near.rows) for near in lists])
        files = self.places(np.concatenate([near.rows for near in lists]))[:, 0]
        for vector, near, may in zip(query, lists, np.split(self.admitted(files, only), ends[:-1]), strict=True):
            if may.all() or np.count_nonzero(may) >= enough:
                yield near[may]
            else:
                yield from nearest(
                    self.library, vector[None], candidates, count, lambda files: self.admitted(files, only)
                )

    def reaching(self, query: Vector, least: float) -> Numbers:
        rows = exact.rows_reaching(self.library, query, least)
        return rows if self.library.removed is None else rows[self.library.are_there(self.places(rows)[:, 0])]

    def bounds(self, query: Windows, only: Filter) -> tuple[Numbers, NDArray[np.float64]]:  # noqa: ARG002
        return exact.file_bounds(self.library, query)

    def cosines(self, query: Vector, rows: Numbers) -> Vector:
        return exact.cosines(self.library, query, rows)

    def best_of_files(self, query: Vector, files: Numbers) -> tuple[Vector, Numbers]:
        return exact.best_of_files(self.library, query, files)

    def ends(self, files: Numbers) -> Numbers:
        ends: Numbers = self.library.block("files").rows(files)[:, 0]
        return ends

    def admitted(self, files: NDArray[np.integer[Any]], only: Filter) -> NDArray[np.bool_]:
        """Every file is asked about once: the answer may be on disk."""
        if not only:
            return np.ones(len(files), bool)
        verdicts = self._verdicts.get(only)
        if verdicts is None:
            if len(self._verdicts) >= MOST_FILTERS:
                self._verdicts.clear()
            verdicts = self._verdicts[only] = np.zeros(self.library.files, np.int8)
        unknown = files[verdicts[files] == 0]
        if len(unknown):
            asked = distinct(unknown).astype(np.int64)
            folder, files_asked = self.about.folder, self.library.identities(asked)
            told = (replace(file, path=self._told(file.path)) if self._place else file for file in files_asked)
            verdicts[asked] = [1 if only.admits(file, folder) else -1 for file in told]
        may: NDArray[np.bool_] = verdicts[files] > 0
        return may

    def places(self, rows: Numbers) -> NDArray[np.integer[Any]]:
        return self.library.segments_of(rows)

    def paths(self, files: Numbers) -> list[bytes]:
        paths = self.library.file_paths(files)
        return paths if self._place is None else [self._told(path) for path in paths]

    def vectors(self, rows: Numbers) -> NDArray[np.float64]:
        return self.library.vectors(rows)

    def levels(self, rows: Numbers) -> Vector:
        return self.library.levels(rows)

    def rows_of(self, files: Numbers) -> tuple[Numbers, Numbers]:
        return self.library.rows_of_files(files)

    def sounding(self) -> Numbers:
        files = np.flatnonzero(self.library.segment_counts())
        return files[self.library.are_there(files)]

    def files(self) -> Iterator[FileEntry]:
        entries = self.library.entries()
        return entries if self._place is None else (e._replace(path=self._told(e.path)) for e in entries)

    def held(self) -> tuple[int, int]:
        return self.library.held()

    def facts(self) -> dict[str, Fact]:
        library, footer, (files, segments) = self.library, self.library.footer, self.held()
        return {
            "files": files,
            **library.told(),
            "segments": segments,
            "hours": library.hours(),
            "model": footer.name,
            "model_sha256": footer.model,
            "sample_rate": footer.sample_rate,
            "dimension": footer.dimension,
            "bytes": len(library.data),
            "trees": library.trees,
            "cells": sum(part.cells for part in library.parts),
            **{f"candidates_{recall:g}": library.budget(recall) or segments for recall, _ in footer.budgets},
        }

    def check(self, on_piece: Callable[[int, int], None]) -> list[str]:
        size, done = len(self.library.data), 0

        def read(more: int) -> None:
            nonlocal done
            done = min(size, done + more)  # the last page of a block may be shorter
            on_piece(done, size)

        return self.library.damaged_blocks(read)


def open_file(path: str) -> FileStore:
    """The store in a library file. LibraryError where it is missing, cut, damaged, or of another version."""
    return FileStore(open_library(path))
