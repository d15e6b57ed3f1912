"""Build a library from a stream, in memory that hardly grows with it.

The vectors are spilled to a nameless file in the library's folder as they come, and read back in pieces: a sample to
plant each tree on, all to assign them to cells, and all in the order of the cells to write heads and tails.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from qbe.errors import LibraryError
from qbe.index.file import BlockWriter, Footer
from qbe.index.library import HEAD_DIMENSIONS, Library
from qbe.index.planting import assign, cells_for, plant
from qbe.index.recall import measure_budgets
from qbe.saving import save_file
from qbe.streams.records import Embedding, Header, Vector

BUFFERED_ROWS = 4096
SAMPLE_PER_CELL = 64  # rows to plant a tree on
SMALLEST_SAMPLE = 1 << 18
SEED = 0
LARGEST_U4 = (1 << 32) - 1


@dataclass(frozen=True)
class Built:
    """What a build put into a library, and how many segments it left out because they had come before."""

    files: int
    segments: int
    repeated: int


class _Tables:
    """The rows and files of a library that is being built, in the order of the stream."""

    def __init__(self) -> None:
        self.files: dict[bytes, int] = {}
        self.last_start = array("q")
        self.file_end = array("q")
        self.row_file, self.row_start, self.row_length = array("I"), array("q"), array("q")
        self.repeated = 0

    def add(self, embedding: Embedding) -> bool:
        """Enter a row; False when it is a repeat. The segments of a file come in order: one that does not lie after the
        last one of its file has come before (the file was named twice, or two streams hold it)."""
        file = self.files.setdefault(embedding.path, len(self.files))
        if file == len(self.last_start):
            self.last_start.append(-1)
            self.file_end.append(0)
        if embedding.start <= self.last_start[file]:
            self.repeated += 1
            return False
        self.last_start[file] = embedding.start
        self.file_end[file] = max(self.file_end[file], embedding.start + embedding.length)
        self.row_file.append(file)
        self.row_start.append(embedding.start)
        self.row_length.append(embedding.length)
        return True

    def vectors(self, embeddings: Iterable[Embedding]) -> Iterator[Vector]:
        """The vectors to keep, in arrays [n, D]."""
        rows: list[Vector] = []
        for embedding in embeddings:
            if self.add(embedding):
                rows.append(embedding.vector)
            if len(rows) == BUFFERED_ROWS:
                yield np.stack(rows)
                rows = []
        if rows:
            yield np.stack(rows)


class _Spill:
    """All vectors in a file, in the order they came. moment : float64 [D, D], the sum of their outer products"""

    def __init__(self, file: BinaryIO, vectors: Iterable[Vector], dimension: int) -> None:
        self.moment = np.zeros((dimension, dimension))
        self.count = 0
        for part in vectors:
            self.moment += (part.T @ part).astype(np.float64)
            self.count += len(part)
            file.write(np.ascontiguousarray(part, "<f4").data)
        file.flush()
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._vectors: Vector = np.ndarray((self.count, dimension), "<f4", self._map)

    def rotated(self, axes: Vector, rows: NDArray[np.intp] | None = None) -> Iterator[Vector]:
        """Vectors @ axes, in arrays [n, columns of axes]: those of the given rows, or all.

        By way of float64, so that equal vectors stay equal wherever in an array they lie.
        """
        double = axes.astype(np.float64)
        for first in range(0, self.count if rows is None else len(rows), BUFFERED_ROWS):
            part = slice(first, first + BUFFERED_ROWS)
            vectors = self._vectors[part if rows is None else rows[part]]
            yield (vectors.astype(np.float64) @ double).astype(np.float32)
            if hasattr(mmap, "MADV_DONTNEED"):  # what has been read stays in the system's cache, not in our memory
                self._map.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class _Tree:
    """order : [N], places in the stream, cell by cell; cell_end : [C]; centres : [C, H]"""

    order: NDArray[np.intp]
    cell_end: NDArray[np.intp]
    centres: Vector


def _principal_axes(moment: NDArray[np.float64]) -> Vector:
    """Orthonormal columns, those along which the vectors are longest first."""
    _, axes = np.linalg.eigh(moment)
    return np.ascontiguousarray(axes[:, ::-1], np.float32)


def _grow(spill: _Spill, axes: Vector, rng: np.random.Generator) -> _Tree:
    cells = cells_for(spill.count)
    size = min(spill.count, max(SMALLEST_SAMPLE, SAMPLE_PER_CELL * cells))
    sample = np.concatenate(list(spill.rotated(axes, np.sort(rng.choice(spill.count, size, replace=False)))))
    centres = plant(sample, cells, rng)
    cell = np.concatenate(list(assign(spill.rotated(axes), centres)))
    order = np.argsort(cell, kind="stable")
    return _Tree(order, np.bincount(cell, minlength=cells).cumsum(), centres)


def build_library(path: str, header: Header, embeddings: Iterable[Embedding], trees: int = 1) -> Built:
    """Write a new library; it takes `path`'s place only when all of it is on disk.

    trees : how many, each with cells of its own. Of a library so small that it is one cell there is one.

    Raises LibraryError when there is nothing to index, and whatever `embeddings` raises; `path` is then as before.
    """
    if header.model is None or header.dimension is None:
        raise LibraryError("the stream does not say which model its embeddings are from; nothing is written")
    embeddings = iter(embeddings)
    first = next(embeddings, None)
    if first is None:
        raise LibraryError(f"{path}: not written: the stream holds no embeddings")
    tables = _Tables()
    folder = os.path.dirname(os.path.realpath(path))
    with save_file(path) as file, tempfile.TemporaryFile(dir=folder) as spilled:
        spill = _Spill(spilled, tables.vectors(chain([first], embeddings)), header.dimension)
        writer = BlockWriter(file)
        _write_rows(writer, spill, tables, trees if cells_for(spill.count) > 1 else 1)
        footer = Footer(header.model, header.name or "", header.sample_rate, header.dimension, writer.blocks)
        file.flush()
        library = Library(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), footer)
        writer.commit(replace(footer, budgets=measure_budgets(library, SEED)))
    return Built(len(tables.files), len(tables.row_file), tables.repeated)


def _write_rows(writer: BlockWriter, spill: _Spill, tables: _Tables, trees: int) -> None:
    rng = np.random.default_rng(SEED)
    axes = _principal_axes(spill.moment)
    head, tail = np.array_split(axes, [HEAD_DIMENSIONS], axis=1)
    grown = [_grow(spill, head, rng) for _ in range(trees)]
    order = grown[0].order
    row = np.empty_like(order)  # of each place in the stream
    row[order] = np.arange(len(order))
    writer.add("rotation", [axes], "<f4", axes.shape[1:])
    writer.add("heads", chain(*(spill.rotated(head, tree.order) for tree in grown)), "<f4", head.shape[1:])
    norms: list[Vector] = []
    writer.add("tails", _halved(spill.rotated(tail, order), norms), "<f2", tail.shape[1:])
    writer.add("tail_norms", norms, "<f4")
    writer.add("tree_rows", (row[tree.order] for tree in grown[1:]), "<u4")
    writer.add("centres", (tree.centres for tree in grown), "<f4", head.shape[1:])
    writer.add("cell_end", (tree.cell_end + k * len(order) for k, tree in enumerate(grown)), "<u8")
    _write_tables(writer, tables, order, row)


def _halved(tails: Iterable[Vector], norms: list[Vector]) -> Iterator[NDArray[np.float16]]:
    """In half precision; `norms` takes the lengths of what is kept."""
    for part in tails:
        kept = part.astype(np.float16)
        norms.append(np.linalg.norm(kept.astype(np.float32), axis=1))
        yield kept


def _write_tables(writer: BlockWriter, tables: _Tables, order: NDArray[np.intp], row: NDArray[np.intp]) -> None:
    row_file, start = np.asarray(tables.row_file), np.asarray(tables.row_start)
    paths = list(tables.files)
    columns: list[tuple[str, NDArray[Any], str]] = [
        ("row_file", row_file[order], "<u4"),
        ("row_start", start[order], "<u4" if start.max() <= LARGEST_U4 else "<i8"),
        ("row_length", np.asarray(tables.row_length)[order], "<i8" if max(tables.row_length) > LARGEST_U4 else "<u4"),
        ("file_rows", row[np.argsort(row_file, kind="stable")], "<u4"),
        ("file_first", np.r_[0, np.bincount(row_file).cumsum()], "<u8"),
        ("file_end", np.asarray(tables.file_end), "<i8"),
        ("paths", np.frombuffer(b"".join(paths), np.uint8), "|u1"),
        ("path_end", np.cumsum([len(p) for p in paths]), "<u8"),
    ]
    for name, column, dtype in columns:
        writer.add(name, [column], dtype)
