"""Compare a query with all that there is, exactly: rows by bounds first, then whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.library import Library
from qbe.search.windows import LEAST, Windows
from qbe.streams.records import Numbers, Vector

ROWS = 1 << 15  # compared at a time
COSINES = 1 << 22  # held at a time
QUERY_SEGMENTS = 64  # compared with ROWS rows at a time
ROUNDING = 1e-5  # more than float32 can be wrong in a cosine


def rows_reaching(library: Library, query: Vector, least: float) -> Numbers:
    """The rows, removed ones too, whose bound with a segment of a query [Q, D] is `least` or more."""
    parts = [query[first : first + QUERY_SEGMENTS] for first in range(0, len(query), QUERY_SEGMENTS)]
    found = []
    for span in library.spans(ROWS):
        reaches = np.logical_or.reduce([(_bounds(library, *span, part) >= least).any(1) for part in parts])
        found.append(span[0] + np.flatnonzero(reaches))
    return np.concatenate(found)


def file_bounds(library: Library, query: Windows) -> tuple[Numbers, NDArray[np.float64]]:
    """All files that are there and have rows, and what their scores for a query, in the library's frame, can be at
    most."""
    rows, first = library.rows_by_file()
    bounds = np.zeros(len(first))
    for part in query.parts(max(1, COSINES // (library.rows * query.laid.shape[1]))):
        of_rows = np.concatenate([_bounds(library, *span, part.vectors) for span in library.spans(ROWS)])
        bounds += part.score(np.maximum.reduceat(of_rows[rows], first))
    files = library.segments_of(rows[first])[:, 0].astype(np.int64)
    there = library.are_there(files)
    return files[there], bounds[there]


def _bounds(library: Library, first: int, last: int, place: int, part: Vector) -> Vector:
    """No cosine of a span of rows with some segments of a query is over these: [rows, segments].

    What the heads leave open is, by Cauchy and Schwarz, at most the product of the tails' lengths.
    """
    head, tail = np.split(part, [library.head_dimensions], axis=1)
    bounds: Vector = library.block("heads").span(place, place + last - first) @ np.ascontiguousarray(head.T)
    bounds += library.block("tail_norms").span(first, last)[:, None] * np.linalg.norm(tail, axis=1)
    bounds += np.float32(ROUNDING)
    return bounds


def cosines(library: Library, query: Vector, rows: Numbers) -> Vector:
    """Of each row with each vector of a query [Q, D]: float32 [n, Q]."""
    return np.concatenate(list(_cosines(library, query, rows)))


def best_of_files(library: Library, query: Vector, files: Numbers) -> tuple[Vector, Numbers]:
    """The best cosine of each file with each vector of a query [Q, D], float32 [F, Q], and the rows that have it."""
    rows, first = library.rows_of_files(files)
    lengths = np.diff(np.append(first, len(rows)))
    if not lengths.all():
        raise library.block("file_first").nonsense()
    if len(files) > 1 and len(rows) > _step(query):
        parts = [best_of_files(library, query, file[None]) for file in files]
        return np.concatenate([best for best, _ in parts]), np.concatenate([row for _, row in parts])
    best, at = np.full((len(files), len(query)), LEAST, np.float32), np.zeros((len(files), len(query)), np.int64)
    begin = 0
    for some in _cosines(library, query, rows):  # several of one file only
        reached = np.maximum.reduceat(some, first)
        is_highest = some == np.repeat(reached, lengths if len(files) > 1 else len(some), axis=0)
        highest = np.minimum.reduceat(np.where(is_highest, np.arange(len(some))[:, None], len(some)), first)
        at = np.where(reached > best, begin + highest, at)
        best = np.maximum(best, reached)
        begin += len(some)
    return best, rows[at]


def _step(query: Vector) -> int:
    """How many rows to compare at a time."""
    return min(ROWS, max(1, COSINES // len(query)))


def _cosines(library: Library, query: Vector, rows: Numbers) -> Iterator[Vector]:
    """Of rows with the segments of a query [Q, D], in one array [n, Q] or several."""
    parts = query.T.astype(np.float64)
    step = _step(query)
    for first in range(0, max(1, len(rows)), step):
        cosines = (library.vectors(rows[first : first + step]) @ parts).astype(np.float32)
        if not np.isfinite(cosines).all():
            raise library.block("heads").nonsense()
        yield cosines
