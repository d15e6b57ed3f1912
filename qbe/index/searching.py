"""Answer queries from a library: exact comparison with every segment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from qbe.index.library import Library
from qbe.streams.records import Vector

ROWS = 1 << 16  # compared at a time
QUERY_SEGMENTS = 64


@dataclass(frozen=True)
class Match:
    """A place in a library, samples at the library's rate, and how well it answers: 1 is identical."""

    path: bytes
    score: float
    start: int
    length: int


@dataclass(frozen=True)
class _Scores:
    """files : [F], mean over query segments of the best cosine in the file; rows : [N], best cosine with any of them"""

    files: NDArray[np.float64]
    rows: NDArray[np.float32]


def _score(library: Library, query: Vector) -> _Scores:
    vectors, row_file = library.vectors, library.row_file
    files = np.zeros(library.files)
    rows = np.full(len(vectors), -2, np.float32)
    for part in np.array_split(query, -(-len(query) // QUERY_SEGMENTS)):
        best = np.full((library.files, len(part)), -2, np.float32)
        for first in range(0, len(vectors), ROWS):
            cosine = vectors[first : first + ROWS] @ part.T
            np.maximum(rows[first : first + ROWS], cosine.max(1), out=rows[first : first + ROWS])
            owner = row_file[first : first + ROWS]
            runs = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])  # rows of one file lie together
            np.maximum.at(best, owner[runs], np.maximum.reduceat(cosine, runs))
        files += best.sum(1, dtype=np.float64)
    return _Scores(files / len(query), rows)


def search(
    library: Library,
    query: Vector,
    k: int,
    *,
    segments: bool = False,
    skip: Callable[[bytes], bool] | None = None,
) -> list[Match]:
    """The k best matches of a sound, best first; ties by place in the library.

    query : float32 [Q, D], the embeddings of the sound's segments, Q >= 1
    segments : matches are single segments, scored by their best cosine, instead of files
    skip : says of a file's name whether it does not count; None: all count

    A file's score is the mean over the query's segments of the best cosine with any of the file's; its place is the one
    segment of all with the best.
    """
    skip = skip or (lambda _: False)
    scores = _score(library, query)
    ranked = _by_segment(library, scores, skip) if segments else _by_file(library, scores, skip)
    return list(islice(ranked, k))


def _by_file(library: Library, scores: _Scores, skip: Callable[[bytes], bool]) -> Iterator[Match]:
    for file in np.argsort(-scores.files, kind="stable"):
        path = library.file_path(int(file))
        if not skip(path):
            rows = np.flatnonzero(library.row_file == file)
            yield _match(library, path, float(scores.files[file]), int(rows[scores.rows[rows].argmax()]))


def _by_segment(library: Library, scores: _Scores, skip: Callable[[bytes], bool]) -> Iterator[Match]:
    skipped: dict[int, bool] = {}
    for row in np.argsort(-scores.rows, kind="stable"):
        file = int(library.row_file[row])
        path = library.file_path(file)
        if file not in skipped:
            skipped[file] = skip(path)
        if not skipped[file]:
            yield _match(library, path, float(scores.rows[row]), int(row))


def _match(library: Library, path: bytes, score: float, row: int) -> Match:
    return Match(path, score, int(library.block("row_start")[row]), int(library.block("row_length")[row]))
