"""Answer queries from a library: from the cells near the query, or exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.library import Library
from qbe.index.near.candidates import nearest
from qbe.index.near.scores import Near, best_allowed
from qbe.streams.records import Vector

ROWS = 1 << 15  # compared at a time
COSINES = 1 << 22  # held at a time
QUERY_SEGMENTS = 64  # compared with ROWS rows at a time
SPARE = 16  # rows compared exactly beyond the results, as rounding may have moved them down
LISTED = 100  # rows whose files are compared whole, for every segment of a query, or
LISTED_PER_RESULT = 2  # or
LISTED_SHARE = 1 / 32  # of the rows that are compared
COMPARED = 16  # files at a time
SEEDS = 2048  # rows scored to learn how good an answer must be
WIDENED = 4
ROUNDING = 1e-5  # more than float32 can be wrong in a cosine

Rows = NDArray[np.int64]
Skip = Callable[[bytes], bool]


class Match(NamedTuple):
    """A place in a library, samples at the library's rate, and how well it answers: 1 is identical.

    row : of its segment
    """

    path: bytes
    score: float
    start: int
    length: int
    row: int


class _Question:
    """query : float32 [Q, D], in the library's frame; k : results wanted; skip : as for `search`"""

    def __init__(self, library: Library, query: Vector, k: int, skip: Skip | None) -> None:
        self.library, self.query, self.k, self.skip = library, query, k, skip
        self._known = np.zeros(library.files if skip else 0, np.int8)  # 1: counts, -1: does not

    def allowed(self, files: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Which of them count."""
        if self.skip is None:
            return np.ones(len(files), bool)
        unknown = files[self._known[files] == 0]
        if len(unknown):
            asked = np.unique(unknown).astype(np.int64)
            self._known[asked] = [-1 if self.skip(path) else 1 for path in self.library.file_paths(asked)]
        may: NDArray[np.bool_] = self._known[files] > 0
        return may

    def matches(self, rows: Rows, scores: list[float]) -> list[Match]:
        segments = self.library.segments_of(rows)
        paths = self.library.file_paths(segments[:, 0].astype(np.int64))
        places = segments[:, 1:].T.tolist()
        return [Match(*fields) for fields in zip(paths, scores, *places, rows.tolist(), strict=True)]

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
    skip: Skip | None = None,
    budget: int | None = None,
) -> list[Match]:
    """The k best matches of a sound, best first; ties by file and place in it.

    query : float32 [Q, D], the embeddings of the sound's segments, Q >= 1
    segments : matches are single segments, scored by their best cosine, instead of files
    skip : says of a file's name whether it does not count; None: all count
    budget : how many rows to score for each segment of the query; None: all, exactly

    A file's score is the mean over the query's segments of the best cosine with any of the file's; its place is the one
    segment of all with the best. With a budget, the files that are ranked are those with a segment among the best rows
    found for any segment of the query, as if these were all that are near it; their scores are exact. Where a budget
    yields fewer than k, it is widened.

    LibraryError where something that had to be read is damaged.
    """
    return search_all(library, [query], k, segments=segments, skips=[skip], budget=budget)[0]


def search_all(
    library: Library,
    queries: Sequence[Vector],
    k: int,
    *,
    segments: bool = False,
    skips: Sequence[Skip | None],
    budget: int | None = None,
) -> list[list[Match]]:
    """As `search`, of many sounds: quicker than one by one. skips : one for each"""
    asked = [_Question(library, library.frame.seen(query), k, skip) for query, skip in zip(queries, skips, strict=True)]
    found: list[list[Match]] = [[] for _ in asked]
    left = list(range(len(asked)))
    near, everywhere = (_near_segments, _all_segments) if segments else (_near_files, _all_files)
    while left and budget is not None and budget < library.rows:
        for number, matches in zip(left, near([asked[number] for number in left], budget), strict=True):
            found[number] = matches
        left = [number for number in left if len(found[number]) < k]
        budget *= WIDENED
    for number in left:
        found[number] = everywhere(asked[number])
    return found


def _near(questions: Sequence[_Question], budget: int, count: int, needed: int) -> Iterator[list[Near]]:
    """For each segment of each query its `count` best rows among those that a budget meets, less those of files that do
    not count if `needed` are left."""
    queries = np.concatenate([question.query for question in questions])
    found = nearest(questions[0].library, queries, budget, count)
    for question in questions:
        lists = list(islice(found, len(question.query)))
        yield lists if question.skip is None else list(_allowed(question, lists, budget, count, needed))


def _allowed(question: _Question, lists: list[Near], budget: int, count: int, needed: int) -> Iterator[Near]:
    library, ends = question.library, np.cumsum([len(near.rows) for near in lists])
    files = library.segments_of(np.concatenate([near.rows for near in lists]))[:, 0]
    for query, near, may in zip(question.query, lists, np.split(question.allowed(files), ends[:-1]), strict=True):
        if may.all() or np.count_nonzero(may) >= needed:
            yield near[may]
        else:
            yield from nearest(library, query[None], budget, count, question.allowed)


def _near_segments(questions: Sequence[_Question], budget: int) -> Iterator[list[Match]]:
    k = questions[0].k
    for question, lists in zip(questions, _near(questions, budget, k + SPARE, k), strict=True):
        yield _best_segments(question, np.unique(np.concatenate([near.rows for near in lists])))


def _all_segments(question: _Question) -> list[Match]:
    """Every row whose bound reaches the k-th best of a few is compared whole."""
    (seeds,) = _near_segments([question], max(SEEDS, WIDENED * question.k))
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
    best, _ = best_allowed(library, Near(rows[order], scores[order]), question.k, question.skip and question.allowed)
    return question.matches(best.rows, best.scores.tolist())


def _step(query: Vector) -> int:
    """How many rows to compare at a time."""
    return min(ROWS, max(1, COSINES // len(query)))


def _cosines(library: Library, query: Vector, rows: Rows) -> Iterator[Vector]:
    """Of rows with the segments of a query [Q, D], in one array [n, Q] or several."""
    parts = query.T.astype(np.float64)
    step = _step(query)
    for first in range(0, max(1, len(rows)), step):
        cosines = (library.vectors(rows[first : first + step]) @ parts).astype(np.float32)
        if not np.isfinite(cosines).all():
            raise library.block("heads").nonsense()
        yield cosines


def _near_files(questions: Sequence[_Question], budget: int) -> Iterator[list[Match]]:
    """What a list lacks is taken to be no better than the last in it: so the lists bound the files' scores."""
    count = max(LISTED, LISTED_PER_RESULT * questions[0].k, int(LISTED_SHARE * budget))
    for question, lists in zip(questions, _near(questions, budget, count, count // 2), strict=True):
        segments = question.library.segments_of(np.concatenate([near.rows for near in lists]))
        files, number = np.unique(segments[:, 0], return_inverse=True)
        bounds = np.tile([near.scores.min(initial=1) for near in lists], (len(files), 1))
        asked = np.repeat(np.arange(len(lists)), [len(near.rows) for near in lists])
        np.maximum.at(bounds, (number, asked), np.concatenate([near.scores for near in lists]))
        yield _best_files(question, files, bounds.mean(1))


def _all_files(question: _Question) -> list[Match]:
    library = question.library
    rows, first = library.rows_by_file()
    bounds = np.zeros(len(first))
    for part in question.parts(max(1, COSINES // library.rows)):
        of_rows = np.concatenate([question.bounds(*span, part) for span in library.spans(ROWS)])
        bounds += np.maximum.reduceat(of_rows[rows], first).sum(1, dtype=np.float64)
    files = library.segments_of(rows[first])[:, 0]
    there = library.are_there(files)
    return _best_files(question, files[there], bounds[there] / len(question.query))


def _best_files(question: _Question, files: NDArray[np.integer[Any]], bounds: NDArray[np.floating[Any]]) -> list[Match]:
    """Files are compared whole in the order of what their scores can be at most, until none that is left can be better
    than the k-th best (the threshold algorithm of Fagin, Lotem and Naor, 2001)."""
    found: list[tuple[float, int, int]] = []  # of each: its score, negative; its number; its best row
    order = np.argsort(-bounds, kind="stable")
    for first in range(0, len(order), COMPARED):
        if len(found) == question.k and bounds[order[first]] + ROUNDING < -found[-1][0]:
            break
        batch = files[order[first : first + COMPARED]].astype(np.int64)
        batch = batch[question.allowed(batch)]
        if len(batch):
            scores, rows = _compare_files(question, batch)
            found = sorted([*found, *zip((-scores).tolist(), batch.tolist(), rows.tolist(), strict=True)])[: question.k]
    return question.matches(np.array([row for _, _, row in found], np.int64), [-score for score, _, _ in found])


def _compare_files(question: _Question, files: Rows) -> tuple[NDArray[np.float64], Rows]:
    """Of each file its score and its best row, [n]."""
    rows, first = question.library.rows_of_files(files)
    lengths = np.diff(np.append(first, len(rows)))
    if not lengths.all():
        raise question.library.block("file_first").nonsense()
    if len(files) > 1 and len(rows) > _step(question.query):
        parts = [_compare_files(question, file[None]) for file in files]
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([row for _, row in parts])
    best, of_rows = np.full((len(files), len(question.query)), -2, np.float32), []
    for cosines in _cosines(question.library, question.query, rows):  # several of one file only
        np.maximum(best, np.maximum.reduceat(cosines, first), out=best)
        of_rows.append(cosines.max(1))
    highest = np.concatenate(of_rows)
    where = (highest == np.repeat(np.maximum.reduceat(highest, first), lengths)).nonzero()[0]
    return best.mean(1, dtype=np.float64), rows[where[where.searchsorted(first)]]
