"""What has come, as rows of a library's collections: put there in batches, and counted."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from qbe.engines.milvus import rows
from qbe.engines.milvus.files import BY_FFMPEG, FAILED
from qbe.engines.milvus.lock import Lock
from qbe.engines.milvus.rows import BITS, MOST
from qbe.engines.milvus.server import Row, Server
from qbe.search.centring import centred
from qbe.search.store import FileEntry
from qbe.streams.intake import Intake
from qbe.streams.records import Vector
from qbe.support.errors import LibraryError

BATCH = 4096  # rows in one call: some megabytes, of the 64 that a server takes


class Centre:
    """The point that vectors are seen from."""

    def __init__(self, middle: Vector) -> None:
        self.middle = middle

    def seen(self, vectors: Vector) -> Vector:
        return centred(vectors, self.middle).astype(np.float32)


class Inserter:
    """Puts rows into collections, for the one who has the lock."""

    def __init__(self, server: Server, lock: Lock) -> None:
        self.server, self.lock = server, lock

    def segments(self, name: str, intake: Intake, centre: Centre, first: int) -> None:
        """The rows of what has come. first : the number of its first file"""
        columns = [
            np.asarray(column) for column in (intake.row_file, intake.row_start, intake.row_length, intake.row_level)
        ]
        places = places_in_files(columns[0])
        at = 0
        for vectors in intake.seen(centre):
            part = slice(at, at + len(vectors))
            keys = ((columns[0][part].astype(np.int64) + first) << BITS) + places[part]
            told = (column[part].tolist() for column in columns[1:])
            self.lock.check()
            self.server.insert(
                name,
                [
                    {"key": key, rows.VECTOR: vector, "start": start, "length": length, "level": level}
                    for key, vector, start, length, level in zip(keys.tolist(), vectors, *told, strict=True)
                ],
            )
            at += len(vectors)

    def files(self, name: str, told: Iterable[Row]) -> None:
        """told : of each file, or of one that is gone"""
        every = list(told)
        for first in range(0, len(every), BATCH):
            self.lock.check()
            self.server.insert(name, every[first : first + BATCH])

    def count(self, name: str, filter: str, expected: int) -> None:
        """LibraryError where the server has not all that it said it had taken, or some of it twice."""
        there = self.server.count(name, filter)
        if there != expected:
            raise LibraryError(
                f"{self.server.address.name}: not written: the server has {there} of {expected} rows: try again"
            )


def entries_of(intake: Intake, first: int) -> list[FileEntry]:
    """The files that came. first : the number of the first one"""
    segments = np.bincount(np.asarray(intake.row_file, np.int64), minlength=len(intake.names))
    if segments.max(initial=0) >= MOST:
        raise LibraryError(f"a file of {segments.max()} segments has more than a Milvus server is given")
    ends, sizes, mtimes, contents, states = intake.file_columns
    columns = zip(intake.names, sizes, mtimes, ends, segments.tolist(), contents, states, strict=True)
    return [
        FileEntry(first + number, path, size, mtime, end, rows, content, bool(bits & FAILED), bool(bits & BY_FFMPEG))
        for number, (path, size, mtime, end, rows, content, bits) in enumerate(columns)
    ]


def places_in_files(file: np.ndarray) -> np.ndarray:
    """Of each row, how many of its file came before it. file : of each row"""
    order = np.argsort(file, kind="stable")
    _, begin, counts = np.unique(file[order], return_index=True, return_counts=True)
    places = np.empty(len(file), np.int64)
    places[order] = np.arange(len(file)) - np.repeat(begin, counts)
    return places
