"""An open library: its parts, read as one."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.frame import Frame
from qbe.index.file.layout import Block, Footer, map_file, read_commit
from qbe.index.file.pages import Pages, numbers_of
from qbe.index.file.parts import UNIT, Part, is_complete
from qbe.search.store import FileEntry
from qbe.streams.records import File, Numbers, Vector
from qbe.support.bounded import forget
from qbe.support.distinct import distinct
from qbe.support.errors import LibraryError, display
from qbe.support.names import where_begun


@dataclass(frozen=True)
class Cells:
    """Of all trees and parts: centres float32 [C, H], half their squared lengths, how many places each has, [C], and
    where in `heads` what a part has of each begins and ends, [parts, C]."""

    centres: Vector
    offsets: Vector
    sizes: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]

    def places(self, cells: NDArray[np.intp]) -> Numbers:
        """All places in some of them, cell by cell, and part by part."""
        return numbers_of(self.begin.take(cells, axis=1).T.ravel(), self.end.take(cells, axis=1).T.ravel())


@dataclass
class Library:
    """A memory-mapped library. Opening reads the footer, nothing else; a page is checked when it is first touched.

    rows, files : how many are numbered, removed ones too
    """

    path: str
    data: mmap.mmap
    footer: Footer

    def __post_init__(self) -> None:
        self._pages: dict[str, Pages] = {}
        self.parts: list[Part] = []
        self.rows = self.files = places = 0
        for blocks in self.footer.parts:
            part = Part(blocks, self.rows, self.files, places)
            self.parts.append(part)
            self.rows, self.files, places = self.rows + part.rows, self.files + part.files, places + part.places
        self.trees = self.parts[0].places // self.parts[0].rows
        self.head_dimensions = self.parts[0].blocks["heads"].shape[1]
        columns = np.array([(part.row, part.file, part.place, part.rows) for part in self.parts])
        self._first_rows, self._first_files, self._first_places, self._rows = columns.T

    @cached_property
    def folder(self) -> bytes | None:
        """Absolute, where relative names begin; None where that is not known, is gone, or moves with the library."""
        return where_begun(self.footer.folder)

    def block(self, name: str) -> Pages:
        """The blocks of that name of all parts, as one. LibraryError where their page sums are damaged."""
        if name not in self._pages:
            self._pages[name] = self._open(name, [part.blocks[name] for part in self.parts if name in part.blocks])
        return self._pages[name]

    def _open(self, name: str, blocks: list[Block]) -> Pages:
        return Pages(self.data, blocks, display(os.fsencode(self.path)), name)

    @cached_property
    def frame(self) -> Frame:
        frame = Frame(self.block("middle").all(), self.block("rotation").all())
        if not (np.isfinite(frame.middle).all() and np.isfinite(frame.axes).all()):
            raise self.block("rotation").nonsense()
        return frame

    @cached_property
    def cells(self) -> Cells:
        """LibraryError where they are damaged."""
        centres, shared = self.block("centres").all(), self.parts[0].cells
        spans, own = np.zeros((2, len(self.parts), len(centres)), np.int64), shared
        for number, part in enumerate(self.parts):
            stored = self.block("cells").part(number).astype(np.int64).T + part.place
            spans[:, number, :shared] = stored[:, :shared]
            if number:
                spans[:, number, own : own + part.cells] = stored[:, shared:]
                own += part.cells
        bounds = np.array([(part.place, part.place + part.places) for part in self.parts]).T[:, :, None]
        sound = (bounds[0] <= spans[0]) & (spans[0] <= spans[1]) & (spans[1] <= bounds[1])
        sizes = (spans[1] - spans[0]).sum(0)
        places = sum(part.places for part in self.parts)
        if not (sound | (spans == 0).all(0)).all() or sizes.sum() != places or not np.isfinite(centres).all():
            raise self.block("cells").nonsense()
        return Cells(centres, (centres * centres).sum(1) / 2, sizes, *spans)

    @cached_property
    def removed(self) -> NDArray[np.bool_] | None:
        """Of every file, whether it is no longer there; None where all are."""
        blocks = [part.blocks.get("removed") for part in self.parts]
        if not any(blocks):
            return None
        return np.concatenate(
            [
                self._open("removed", [block]).all() == 1 if block else np.zeros(part.files, bool)
                for part, block in zip(self.parts, blocks, strict=True)
            ]
        )

    def are_there(self, files: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Which of them are not removed."""
        return np.ones(len(files), bool) if self.removed is None else ~self.removed[files]

    def held(self) -> tuple[int, int]:
        """How many files there are, and how many segments they have."""
        if self.removed is None:
            return self.files, self.rows
        return int((~self.removed).sum()), int(self.segment_counts()[~self.removed].sum())

    def segment_counts(self) -> NDArray[np.int64]:
        """How many segments each file has, [files], removed ones too."""
        first = self.block("file_first")
        return np.concatenate([np.diff(first.part(n).astype(np.int64)) for n in range(len(self.parts))])

    def file_paths(self, files: Numbers) -> list[bytes]:
        """Their names, as the bytes they were given in."""
        paths = self.block("paths")
        spans = self.block("files").rows(files)[:, 3:5]
        if len(self.parts) > 1:
            spans += np.array(paths.first)[self._parts_at(self._first_files, files)][:, None]
        return [paths.span(begin, end).tobytes() for begin, end in spans.tolist()]

    def identities(self, files: Numbers) -> list[File]:
        """Of some files what they were when they were read."""
        facts = self.block("files").rows(files)
        contents = facts[:, 5] if self.parts[0].has_levels else np.zeros(len(files), np.int64)
        columns = (facts[:, 1].tolist(), facts[:, 2].tolist(), contents.tolist())
        return [File(*fields) for fields in zip(self.file_paths(files), *columns, strict=True)]

    def paths(self, number: int, files: Numbers) -> list[bytes]:
        """The names of files of a part, counted from its first."""
        names = self.block("paths").part(number).tobytes()
        return [names[begin:end] for begin, end in self.block("files").part(number)[files, 3:5].tolist()]

    def facts(self, files: Numbers) -> NDArray[np.int64]:
        """Of some files: end, size, mtime, content, failed, [n, 5]."""
        facts, kept = np.zeros((len(files), 5), np.int64), self.block("files").rows(files)
        facts[:, :3] = kept[:, :3]
        if self.parts[0].has_levels:
            facts[:, 3:] = kept[:, 5:]
        return facts

    def entries(self) -> Iterator[FileEntry]:
        """All files that are there, in their order."""
        counts = self.segment_counts().tolist()
        for number, part in enumerate(self.parts):
            there = np.flatnonzero(self.are_there(np.arange(part.file, part.file + part.files)))
            facts = self.facts(part.file + there).tolist()
            for at, path, of_file in zip(there.tolist(), self.paths(number, there), facts, strict=True):
                end, size, mtime, content, failed = of_file
                count = counts[part.file + at]
                yield FileEntry(
                    part.file + at, path, size, mtime, end, count, content, failed & 1 == 1, failed & 2 == 2
                )

    def told(self) -> dict[str, int]:
        """How many of its files could not be read to their end, and how many ffmpeg decoded."""
        states = self.facts(np.flatnonzero(self.are_there(np.arange(self.files))))[:, 4]
        return {"unread": int((states & 1 > 0).sum()), "by_ffmpeg": int((states & 2 > 0).sum())}

    def rows_of(self, file: int) -> Numbers:
        """The rows of a file, in the order of their starts."""
        return self.rows_of_files(np.array([file]))[0]

    def rows_of_files(self, files: Numbers) -> tuple[Numbers, Numbers]:
        """The rows of some files, file by file, and where in them each file begins."""
        number, table = self._parts_at(self._first_files, files), self.block("file_first")
        begin, end = (table.rows(files + number + after).astype(np.int64) for after in (0, 1))
        if not ((begin >= 0) & (begin <= end) & (end <= self._rows[number])).all():
            raise table.nonsense()
        lengths, part_row = end - begin, self._first_rows[number]
        rows = self.block("file_rows").rows(numbers_of(begin + part_row, end + part_row)).astype(np.int64)
        return rows + np.repeat(part_row, lengths), lengths.cumsum() - lengths

    def rows_by_file(self) -> tuple[Numbers, Numbers]:
        """All rows, file by file, and where in them each file that has any begins."""
        rows = [self.block("file_rows").part(n).astype(np.int64) + part.row for n, part in enumerate(self.parts)]
        first = [self.block("file_first").part(n)[:-1].astype(np.int64) + p.row for n, p in enumerate(self.parts)]
        ends = distinct(np.r_[np.concatenate(first), self.rows])
        if ends[-1] != self.rows or ends[0] != 0 or max(int(part.max(initial=0)) for part in rows) >= self.rows:
            raise self.block("file_rows").nonsense()
        return np.concatenate(rows), ends[:-1]

    def segments_of(self, rows: Numbers) -> NDArray[np.integer[Any]]:
        """The file of each row, and its start and length in samples, [n, 3]."""
        segments: NDArray[np.integer[Any]] = self.block("segments").rows(rows)
        if len(rows) and not 0 <= segments[:, 0].max() < self.files:
            raise self.block("segments").nonsense()
        if len(self.parts) > 1:
            segments[:, 0] += self._first_files[self._parts_at(self._first_rows, rows)].astype(segments.dtype)
        return segments

    def levels(self, rows: Numbers) -> NDArray[np.float32]:
        """dBFS, [n]; NaN where not known."""
        if not self.parts[0].has_levels:
            return np.full(len(rows), np.nan, np.float32)
        levels: NDArray[np.float32] = self.block("levels").rows(rows)
        return levels

    @staticmethod
    def _parts_at(first: Numbers, numbers: Numbers) -> NDArray[np.intp]:
        return first[1:].searchsorted(numbers, "right")

    def rows_at(self, places: Numbers) -> Numbers:
        """The row at each place in `heads`, [n]."""
        if self.trees == 1:
            return places
        part = self._parts_at(self._first_places, places)
        place = places - self._first_places[part]
        rows: Numbers = self._first_rows[part] + place
        later = place >= self._rows[part]  # in the cells of trees after the first
        part, place, tree_rows = part[later], place[later], self.block("tree_rows")
        tree_row = place - self._rows[part] + np.array(tree_rows.first)[part]
        rows[later] = self._first_rows[part] + tree_rows.rows(tree_row)
        return rows

    def vectors(self, rows: Numbers) -> NDArray[np.float64]:
        """As they are kept in the frame, [n, D]. In float64, so that equal rows get equal scores wherever they lie."""
        places = rows
        if self.trees > 1 and len(self.parts) > 1:
            places = rows + (self._first_places - self._first_rows)[self._parts_at(self._first_rows, rows)]
        vectors = np.empty((len(rows), self.footer.dimension))
        vectors[:, : self.head_dimensions] = self.block("heads").rows(places)
        np.multiply(self.block("tails").rows(rows), UNIT, out=vectors[:, self.head_dimensions :])
        return vectors

    def spans(self, rows: int) -> Iterator[tuple[int, int, int]]:
        """All rows, so many at a time: the first, the one after the last, and the place of the first in `heads`."""
        for part in self.parts:
            for first in range(0, part.rows, rows):
                yield part.row + first, part.row + min(first + rows, part.rows), part.place + first

    def hours(self) -> float:
        """How much sound the files hold, up to the end of each one's last segment."""
        ends = self.block("files").all()[:, 0]
        return float((ends if self.removed is None else ends[~self.removed]).sum()) / self.footer.sample_rate / 3600

    def budget(self, recall: float) -> int | None:
        """How many rows to score for a recall: as measured for it or the next higher one. None: only all are enough.

        As many more as the library has grown since: so it is as many cells.
        """
        measured = next((rows for reached, rows in self.footer.budgets if reached >= recall), None)
        return None if measured is None else -(-measured * self.rows // self.parts[0].rows)

    def damaged_blocks(self, on_piece: Callable[[int], None] = lambda _: None) -> list[str]:
        """The names of the blocks whose checksums are wrong. Reads the whole file, piece by piece.

        on_piece : called with how many bytes were read since the last time
        """
        damaged = []
        for name in dict.fromkeys(name for part in self.parts for name in part.blocks):
            try:
                for size in self.block(name).check():
                    forget(self.data)
                    on_piece(size)
            except LibraryError:
                damaged.append(name)
        return damaged


def open_library(path: str) -> Library:
    """Open a library file. LibraryError where it is missing, cut, damaged, or of another version."""
    name = display(os.fsencode(path))
    while True:
        data = map_file(path)
        try:
            footer = read_commit(data, name).footer
            break
        except LibraryError:
            if os.path.getsize(path) <= len(data):  # else it has grown between the mapping and the reading
                raise
    if not is_complete(footer):
        raise LibraryError(f"{name}: damaged: blocks are missing or of the wrong size; build it again")
    return Library(path, data, footer)
