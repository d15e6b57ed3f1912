"""Answer queries from a library: from the cells near the query, or exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.index.candidates import best_rows
from qbe.index.library import Library
from qbe.streams.records import Vector

ROWS = 1 << 15  # compared at a time
COSINES = 1 << 22  # held at a time
QUERY_SEGMENTS = 64  # compared with ROWS rows at a time
SPARE = 16  # rows compared exactly beyond the results, as rounding may have moved them down
LISTED = 100  # rows whose files are compared whole, for every segment of a query, or
LISTED_PER_RESULT = 2
COMPARED = 32  # files at a time
SEEDS = 2048  # rows scored to learn how good an answer must be
WIDENED = 4
ROUNDING = 1e-5  # more than float32 can be wrong in a cosine

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Match:
    """A place in a library, samples at the library's rate, and how well it answers: 1 is identical.

    row : of its segment
    """

    path: bytes
    score: float
    start: int
    length: int
    row: int


@dataclass
class _Question:
    """query : float32 [Q, D], in the library's frame; k : results wanted; skip : as for `search`"""

    library: Library
    query: Vector
    k: int
    skip: Callable[[bytes], bool] | None

    def __post_init__(self) -> None:
        self._skipped: dict[int, bool] = {}

    def is_skipped(self, file: int) -> bool:
        if self.library.removed is not None and self.library.removed[file]:
            return True
        if self.skip is None:
            return False
        if file not in self._skipped:
            self._skipped[file] = self.skip(*self.library.file_paths(np.array([file])))
        return self._skipped[file]

    def matches(self, rows: Rows, scores: list[float]) -> list[Match]:
        segments = self.library.segments_of(rows)
        paths = self.library.file_paths(segments[:, 0].astype(np.int64))
        places = segments[:, 1:].T.tolist()
        return [Match(*fields) for fields in zip(paths, scores, *places, rows.tolist(), strict=True)]

    def near(self, budget: int, count: int) -> list[Rows]:
        """For each segment of the query its `count` best rows among those that a budget meets."""
        is_skipped = self.is_skipped if self.skip else None
        return [best_rows(self.library, part, budget, count, is_skipped) for part in self.query]

    def parts(self, count: int) -> list[Vector]:
        """The query, `count` segments at a time."""
        return [self.query[first : first + count] for first in range(0, len(self.query), count)]

    def bounds(self, first: int, last: int, place: int, part: Vector) -> Vector:
        """No cosine of a span of rows with some segments of the query is over these: [rows, segments].

        What the heads leave open is, by Cauchy and Schwarz, at most the product of the tails' lengths.
        """
        head, tail = np.split(part, [self.library.head_dimensions], axis=1)
        bounds: Vector = self.library.block("heads").span(place, place + last - first) @ np.ascontiguousarray(head.T)
        bounds += self.library.block("tail_norms").span(first, last)[:, None] * np.linalg.norm(tail, axis=1)
        bounds += np.float32(ROUNDING)
        return bounds


def search(
    library: Library,
    query: Vector,
    k: int,
    *,
    segments: bool = False,
    skip: Callable[[bytes], bool] | None = None,
    budget: int | None = None,
) -> list[Match]:
    """The k best matches of a sound, best first; ties by file and place in it.

    query : float32 [Q, D], the embeddings of the sound's segments, Q >= 1
    segments : matches are single segments, scored by their best cosine, instead of files
    skip : says of a file's name whether it does not count; None: all count
    budget : how many rows to score for each segment of the query; None: all, exactly

    A file's score is the mean over the query's segments of the best cosine with any of the file's; its place is the one
    segment of all with the best. With a budget, the files that are ranked are those with a segment among the best rows
    found for any segment of the query; their scores are exact. Where a budget yields fewer than k, it is widened.

    LibraryError where something that had to be read is damaged.
    """
    question = _Question(library, library.frame.seen(query), k, skip)
    while budget is not None and budget < library.rows:
        matches = _near_segments(question, budget) if segments else _near_files(question, budget)
        if len(matches) == k:
            return matches
        budget *= WIDENED
    return _all_segments(question) if segments else _all_files(question)


def _near_segments(question: _Question, budget: int) -> list[Match]:
    lists = question.near(budget, question.k + SPARE)
    return _best_segments(question, lists[0] if len(lists) == 1 else np.unique(np.concatenate(lists)))


def _all_segments(question: _Question) -> list[Match]:
    """Every row whose bound reaches the k-th best of a few is compared whole."""
    seeds = _near_segments(question, max(SEEDS, WIDENED * question.k))
    least = seeds[-1].score if len(seeds) == question.k else -np.inf
    parts, found = question.parts(QUERY_SEGMENTS), []
    for span in question.library.spans(ROWS):
        reaches = np.logical_or.reduce([(question.bounds(*span, part) >= least).any(1) for part in parts])
        found.append(span[0] + np.flatnonzero(reaches))
    return _best_segments(question, np.concatenate(found))


def _best_segments(question: _Question, rows: Rows) -> list[Match]:
    library = question.library
    scores = np.concatenate([cosines.max(1) for cosines in _cosines(library, question.query, rows)])
    segments = library.segments_of(rows)
    files, starts, _ = segments.T
    order = np.lexsort((starts, files, -scores))
    kept = list(islice((at for at in order.tolist() if not question.is_skipped(int(files[at]))), question.k))
    return question.matches(rows[kept], scores[kept].tolist())


def _step(query: Vector) -> int:
    """How many rows to compare at a time."""
    return min(ROWS, max(1, COSINES // len(query)))


def _cosines(library: Library, query: Vector, rows: Rows) -> Iterator[Vector]:
    """Of rows with the segments of a query [Q, D], in one array [n, Q] or several."""
    parts = query.T.astype(np.float64)
    step = _step(query)
    for first in range(0, max(1, len(rows)), step):
        yield (library.vectors(rows[first : first + step]) @ parts).astype(np.float32)


def _near_files(question: _Question, budget: int) -> list[Match]:
    """The lists bound no file's score: what they lack may be rows that the budget did not meet."""
    rows = np.concatenate(question.near(budget, max(LISTED, LISTED_PER_RESULT * question.k)))
    files = np.unique(question.library.segments_of(rows)[:, 0])
    return _best_files(question, files, np.full(len(files), np.inf))


def _all_files(question: _Question) -> list[Match]:
    library = question.library
    rows, first = library.rows_by_file()
    bounds = np.zeros(len(first))
    for part in question.parts(max(1, COSINES // library.rows)):
        of_rows = np.concatenate([question.bounds(*span, part) for span in library.spans(ROWS)])
        bounds += np.maximum.reduceat(of_rows[rows], first).sum(1, dtype=np.float64)
    return _best_files(question, library.segments_of(rows[first])[:, 0], bounds / len(question.query))


def _best_files(question: _Question, files: NDArray[np.integer[Any]], bounds: NDArray[np.floating[Any]]) -> list[Match]:
    """Files are compared whole in the order of what their scores can be at most, until none that is left can be better
    than the k-th best (the threshold algorithm of Fagin, Lotem and Naor, 2001)."""
    found: list[tuple[float, int, int]] = []
    order = np.argsort(-bounds, kind="stable")
    for first in range(0, len(order), COMPARED):
        if len(found) == question.k and bounds[order[first]] + ROUNDING < -found[-1][0]:
            break
        batch = [file for file in files[order[first : first + COMPARED]].tolist() if not question.is_skipped(file)]
        found = sorted([*found, *_compare_files(question, batch)])[: question.k]
    return question.matches(np.array([row for _, _, row in found], np.int64), [-score for score, _, _ in found])


def _compare_files(question: _Question, files: list[int]) -> Iterator[tuple[float, int, int]]:
    """For each file: its score, negative; its number; its best row."""
    lists = [question.library.rows_of(file) for file in files]
    if not all(map(len, lists)):
        raise question.library.block("file_first").nonsense()
    if len(files) > 1 and sum(map(len, lists)) > _step(question.query):
        for file in files:
            yield from _compare_files(question, [file])
    elif files:
        first = np.cumsum([0, *map(len, lists[:-1])])
        best, of_rows = np.full((len(files), len(question.query)), -2, np.float32), []
        for cosines in _cosines(question.library, question.query, np.concatenate(lists)):  # several of one file only
            np.maximum(best, np.maximum.reduceat(cosines, first), out=best)
            of_rows.append(cosines.max(1))
        parts = np.split(np.concatenate(of_rows), first[1:])
        for file, rows, scores, part in zip(files, lists, best, parts, strict=True):
            yield -float(scores.mean(dtype=np.float64)), file, int(rows[part.argmax()])
