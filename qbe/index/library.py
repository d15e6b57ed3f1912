"""An open library, and how one is built from a stream."""

from __future__ import annotations

import mmap
import os
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.errors import LibraryError, display
from qbe.index.file import BlockWriter, Footer, map_file, read_footer
from qbe.saving import save_file
from qbe.streams.records import Embedding, Header, Vector

BUFFERED_ROWS = 4096


@dataclass(frozen=True)
class Library:
    """A memory-mapped library of N segments in F files. Opening reads the footer, nothing else.

    vectors : float32 [N, D], unit norm
    row_file, row_start, row_length : [N], the file's number, and the place in it in samples at `footer.sample_rate`
    """

    path: str
    data: mmap.mmap
    footer: Footer

    def block(self, name: str) -> NDArray[Any]:
        """A block as an array over the mapped file."""
        block = self.footer.blocks[name]
        count = block.length // np.dtype(block.dtype).itemsize
        return np.frombuffer(self.data, block.dtype, count, block.offset).reshape(block.shape)

    @property
    def vectors(self) -> Vector:
        return self.block("vectors")

    @property
    def row_file(self) -> NDArray[np.uint32]:
        return self.block("row_file")

    @property
    def files(self) -> int:
        return self.footer.blocks["file_end"].shape[0]

    def file_path(self, file: int) -> bytes:
        """The name of a file, as the bytes it was given in."""
        ends = self.block("path_end")
        return self.block("paths")[int(ends[file - 1]) if file else 0 : int(ends[file])].tobytes()

    def hours(self) -> float:
        """How much sound the files hold, up to the end of each one's last segment."""
        return float(self.block("file_end").sum()) / self.footer.sample_rate / 3600

    def damaged_blocks(self) -> list[str]:
        """The names of the blocks whose checksum is wrong. Reads the whole file."""
        return [
            name
            for name, block in self.footer.blocks.items()
            if zlib.crc32(memoryview(self.data)[block.offset : block.offset + block.length]) != block.crc32
        ]


def open_library(path: str) -> Library:
    """Open a library file. LibraryError where it is missing, cut, damaged, or from a newer version."""
    name = display(os.fsencode(path))
    data = map_file(path)
    library = Library(path, data, read_footer(data, name))
    if not _is_complete(library.footer):
        raise LibraryError(f"{name}: damaged: blocks are missing or of the wrong size; build it again")
    return library


def _is_complete(footer: Footer) -> bool:
    shapes = {name: block.shape for name, block in footer.blocks.items()}
    try:
        rows, files = shapes["row_file"], shapes["file_end"]
        columns = (shapes["row_start"], shapes["row_length"], shapes["path_end"])
        return shapes["vectors"] == (*rows, footer.dimension) and columns == (rows, rows, files) and "paths" in shapes
    except KeyError:
        return False


@dataclass(frozen=True)
class Built:
    """What a build put into a library, and how many segments it left out because they had come before."""

    files: int
    segments: int
    repeated: int


class _Tables:
    """The rows and files of a library that is being built; the vectors go straight to disk."""

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


def build_library(path: str, header: Header, embeddings: Iterable[Embedding]) -> Built:
    """Write a new library; it takes `path`'s place only when all of it is on disk.

    Raises LibraryError when there is nothing to index, and whatever `embeddings` raises; `path` is then as before.
    """
    if header.model is None or header.dimension is None:
        raise LibraryError("the stream does not say which model its embeddings are from; nothing is written")
    embeddings = iter(embeddings)
    first = next(embeddings, None)
    if first is None:
        raise LibraryError(f"{path}: not written: the stream holds no embeddings")
    tables = _Tables()
    with save_file(path) as file:
        writer = BlockWriter(file)
        writer.add("vectors", tables.vectors(chain([first], embeddings)), "<f4", (header.dimension,))
        paths = list(tables.files)
        columns: list[tuple[str, NDArray[Any], str]] = [
            ("row_file", np.asarray(tables.row_file), "<u4"),
            ("row_start", np.asarray(tables.row_start), "<i8"),
            ("row_length", np.asarray(tables.row_length), "<i8"),
            ("file_end", np.asarray(tables.file_end), "<i8"),
            ("paths", np.frombuffer(b"".join(paths), np.uint8), "|u1"),
            ("path_end", np.cumsum([len(p) for p in paths]), "<u8"),
        ]
        for name, column, dtype in columns:
            writer.add(name, iter([column]), dtype)
        writer.commit(
            model=header.model, name=header.name or "", sample_rate=header.sample_rate, dimension=header.dimension
        )
    return Built(len(paths), len(tables.row_file), tables.repeated)
