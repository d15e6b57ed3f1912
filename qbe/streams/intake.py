"""A whole stream of embeddings, taken in before a library is touched, in memory that hardly grows with it.

The vectors are spilled to a nameless file as they come, and read back in pieces, in any order and as often as the one
who writes a library needs them. A stream that is cut has so changed nothing.
"""

from __future__ import annotations

import math
import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Embedding, File, Numbers, Vector
from qbe.streams.spelling import Spelling

BUFFERED_ROWS = 4096
UNKNOWN = -1  # the size of a file that was not read to its end
LARGEST_U4 = (1 << 32) - 1


class Frame(Protocol):
    """What vectors are looked at from."""

    def seen(self, vectors: Vector) -> Vector:
        """Unit vectors [n, D] as they lie in it, [n, K]."""
        ...


class Intake:
    """The rows and files that came, in their order. To be used in a `with` block: the nameless file goes with it.

    folder : where the nameless file lies; None: among temporary files
    spelling : of the names that come
    files : their numbers by the keys of their names; names : of each; file_columns : of each the end of the last
        segment, size, mtime, checksum of the content, and whether it could not be read
    moved : files that a library has under another name
    repeated : how many segments were left out because they had come before
    total, moment : float64 [D] and [D, D], the sums of all vectors and of their outer products
    """

    def __init__(self, folder: str | None, dimension: int, spelling: Spelling = Spelling()) -> None:
        self.spelling = spelling
        self.files: dict[bytes, int] = {}
        self.names: list[bytes] = []
        self.moved: list[File] = []
        self.file_columns = [array("q") for _ in range(5)]
        self._end, self._size, self._mtime, self._content, self._failed = self.file_columns
        self.row_file, self.row_start, self.row_length = array("I"), array("q"), array("q")
        self.row_level = array("f")  # dBFS, NaN where not known
        self.repeated = 0
        self.total, self.moment = np.zeros(dimension), np.zeros((dimension, dimension))
        self._last_start = array("q")
        self._path, self._number = b"", 0  # of the last row: mostly that of the next one, too
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def count(self) -> int:
        """Of rows."""
        return len(self.row_file)

    @property
    def hop(self) -> int:
        """Samples from one segment of a file to the next, as most have it; half a segment where there is no next."""
        files, starts = np.asarray(self.row_file), np.asarray(self.row_start)
        steps = np.diff(starts)[np.diff(files.astype(np.int64)) == 0]
        return int(np.median(steps)) if len(steps) else max(1, max(self.row_length, default=2) // 2)

    @property
    def is_wide(self) -> bool:
        """Whether places need more than 32 bits."""
        return max(max(self.row_start, default=0), max(self.row_length, default=0)) > LARGEST_U4

    def add_stream(self, embeddings: Iterable[Embedding], files: Iterable[File]) -> None:
        """files : those that were read to their end; looked at after the embeddings"""
        rows: list[Vector] = []
        for embedding in embeddings:
            if self._enter(embedding):
                rows.append(embedding.vector)
            if len(rows) == BUFFERED_ROWS:
                self.spill(np.stack(rows))
                rows = []
        if rows:
            self.spill(np.stack(rows))
        for file in files:
            if file.was:
                self.moved.append(file)
                continue
            number = self.number(file.path)
            if self._size[number] == UNKNOWN:
                self._size[number], self._mtime[number] = file.size, file.mtime
                self._end[number] = max(self._end[number], file.end)
                self._content[number], self._failed[number] = file.content, file.failed | file.by_ffmpeg << 1

    def number(self, path: bytes) -> int:
        """Of the file that a stream calls so; it is entered where it is not known."""
        number = self.files.get(self.spelling.key(path))
        return self.add(self.spelling.key(path), self.spelling.kept(path)) if number is None else number

    def add(self, key: bytes, name: bytes) -> int:
        """The number of a file that was not here."""
        number = self.files[key] = len(self.files)
        self.names.append(name)
        self._last_start.append(-1)
        for column in self.file_columns:
            column.append(UNKNOWN if column is self._size else 0)
        return number

    def _enter(self, embedding: Embedding) -> bool:
        """Enter a row; False when it is a repeat. The segments of a file come in order: one that does not lie after the
        last one of its file has come before (the file was named twice, or two streams hold it)."""
        if embedding.path != self._path:
            self._path, self._number = embedding.path, self.number(embedding.path)
        file = self._number
        if embedding.start <= self._last_start[file]:
            self.repeated += 1
            return False
        self._last_start[file] = embedding.start
        self._end[file] = max(self._end[file], embedding.start + embedding.length)
        self.row_file.append(file)
        self.row_start.append(embedding.start)
        self.row_length.append(embedding.length)
        self.row_level.append(math.nan if embedding.level is None else embedding.level)
        return True

    def spill(self, vectors: Vector) -> None:
        """Keep the vectors of rows that have been entered, [n, D]."""
        self.total += vectors.sum(0, dtype=np.float64)
        self.moment += (vectors.T @ vectors).astype(np.float64)
        self._file.write(np.ascontiguousarray(vectors, "<f4").data)

    def enter_rows(
        self,
        files: Numbers,
        starts: NDArray[np.integer],
        lengths: NDArray[np.integer],
        levels: NDArray[np.floating],
        vectors: Iterable[Vector],
    ) -> None:
        """Rows of files that are here, in their order, [n] each; vectors : in arrays [m, D], n in all"""
        self.row_file.frombytes(files.astype(np.uint32).tobytes())
        self.row_start.frombytes(starts.astype(np.int64).tobytes())
        self.row_length.frombytes(lengths.astype(np.int64).tobytes())
        self.row_level.frombytes(levels.astype(np.float32).tobytes())
        for some in vectors:
            self.spill(some)

    def add_moved(self, moved: list[File]) -> list[int]:
        """Files that a library has under other names. Gives their numbers; their rows are to be entered."""
        return [self.add(self.spelling.key(file.path), self.spelling.kept(file.path)) for file in moved]

    def set_facts(self, number: int, end: int, state: int, file: File) -> None:
        """What is known of a file. end, state : as a library has them; file : the rest, as it is now"""
        facts = (end, file.size, file.mtime, file.content, state)
        for column, fact in zip(self.file_columns, facts, strict=True):
            column[number] = fact

    def seen(self, frame: Frame, rows: NDArray[np.intp] | None = None) -> Iterator[Vector]:
        """The vectors in a frame, in arrays [n, K]: those of the given rows, or all. Nothing is added after this."""
        self._file.flush()
        for first in range(0, self.count if rows is None else len(rows), BUFFERED_ROWS):
            part = slice(first, first + BUFFERED_ROWS)
            yield frame.seen(self._read(range(*part.indices(self.count)) if rows is None else rows[part]))

    def _read(self, rows: range | NDArray[np.intp]) -> Vector:
        """Not through a map: of a large file, the memory of all that rows far apart lie in would count as this
        program's."""
        dimension = len(self.total)
        size = 4 * dimension
        if isinstance(rows, range):
            content = os.pread(self._file.fileno(), size * len(rows), size * rows.start)
        else:
            content = b"".join([os.pread(self._file.fileno(), size, size * row) for row in rows.tolist()])
        return np.frombuffer(content, "<f4").reshape(len(rows), dimension)
