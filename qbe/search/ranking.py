"""Answer queries from a store: from the rows near the query, or exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from qbe.search.store import EXACT, Effort, Filter, Match, Near, Store
from qbe.streams.records import Numbers, Vector

SPARE = 16  # rows compared exactly beyond the results, as rounding may have moved them down
LISTED = 100  # rows whose files are compared whole, for every segment of a query, or
LISTED_PER_RESULT = 2  # or
LISTED_SHARE = 1 / 32  # of the rows that are compared
COMPARED = 16  # files at a time
SEEDS = 2048  # rows scored to learn how good an answer must be
WIDENED = 4
ROUNDING = 1e-5  # more than float32 can be wrong in a cosine

NO_FILTER = Filter()


class _Question:
    """query : float32 [Q, D], as the store sees it; k : results wanted; only : as for `search`"""

    def __init__(self, store: Store, query: Vector, k: int, only: Filter) -> None:
        self.store, self.query, self.k, self.only = store, query, k, only

    def first_admitted(self, files: Numbers, count: int) -> NDArray[np.intp]:
        """Where the first `count` are that may answer, or all. A store may have to look each up: it is asked of few."""
        tried = count
        while True:
            at = self.store.admitted(files[:tried], self.only).nonzero()[0][:count]
            if len(at) == count or tried >= len(files):
                return at
            tried *= WIDENED

    def matches(self, rows: Numbers, scores: list[float]) -> list[Match]:
        places = self.store.places(rows)
        paths = self.store.paths(places[:, 0].astype(np.int64))
        return [Match(*fields) for fields in zip(paths, scores, *places[:, 1:].T.tolist(), rows.tolist(), strict=True)]


def search(
    store: Store,
    query: Vector,
    k: int,
    *,
    segments: bool = False,
    only: Filter = NO_FILTER,
    effort: Effort = EXACT,
) -> list[Match]:
    """The k best matches of a sound, best first; ties by file and place in it.

    query : float32 [Q, D], the embeddings of the sound's segments, Q >= 1
    segments : matches are single segments, scored by their best cosine, instead of files
    only : which files may answer

    A file's score is the mean over the query's segments of the best cosine with any of the file's; its place is the one
    segment of all with the best. With less than exact effort, the files that are ranked are those with a segment among
    the best rows found for any segment of the query, as if these were all that are near it; their scores are exact.
    Where that yields fewer than k, more rows are scored.

    LibraryError where something that had to be read is damaged.
    """
    return search_all(store, [query], k, segments=segments, only=[only], effort=effort)[0]


def search_all(
    store: Store,
    queries: Sequence[Vector],
    k: int,
    *,
    segments: bool = False,
    only: Sequence[Filter] | None = None,
    effort: Effort = EXACT,
) -> list[list[Match]]:
    """As `search`, of many sounds: quicker than one by one. only : one for each"""
    filters = repeat(NO_FILTER, len(queries)) if only is None else only
    asked = [_Question(store, store.seen(query), k, filter) for query, filter in zip(queries, filters, strict=True)]
    found: list[list[Match]] = [[] for _ in asked]
    left, candidates = list(range(len(asked))), store.candidates(effort)
    near, everywhere = (_near_segments, _all_segments) if segments else (_near_files, _all_files)
    while left and candidates is not None and candidates < store.rows:
        for number, matches in zip(left, near([asked[number] for number in left], candidates), strict=True):
            found[number] = matches
        left = [number for number in left if len(found[number]) < k]
        candidates *= WIDENED
    for number in left:
        found[number] = everywhere(asked[number])
    return found


def _near(questions: Sequence[_Question], candidates: int, count: int, enough: int) -> Iterator[list[Near]]:
    """For each segment of each query its `count` best rows, as `Store.near` gives them."""
    queries, only = [question.query for question in questions], [question.only for question in questions]
    return questions[0].store.near(queries, count, candidates, only, enough)


def _near_segments(questions: Sequence[_Question], candidates: int) -> Iterator[list[Match]]:
    k = questions[0].k
    for question, lists in zip(questions, _near(questions, candidates, k + SPARE, k), strict=True):
        yield _best_segments(question, np.unique(np.concatenate([near.rows for near in lists])))


def _all_segments(question: _Question) -> list[Match]:
    """Every row whose bound reaches the k-th best of a few is compared whole."""
    (seeds,) = _near_segments([question], max(SEEDS, WIDENED * question.k))
    least = seeds[-1].score if len(seeds) == question.k else -np.inf
    return _best_segments(question, question.store.reaching(question.query, least))


def _best_segments(question: _Question, rows: Numbers) -> list[Match]:
    store = question.store
    scores = store.best_of_rows(question.query, rows)
    files, starts, _ = store.places(rows).T
    order = np.lexsort((starts, files, -scores))
    best = order[question.first_admitted(files[order], question.k)]
    return question.matches(rows[best], scores[best].tolist())


def _near_files(questions: Sequence[_Question], candidates: int) -> Iterator[list[Match]]:
    """What a list lacks is taken to be no better than the last in it: so the lists bound the files' scores."""
    count = max(LISTED, LISTED_PER_RESULT * questions[0].k, int(LISTED_SHARE * candidates))
    for question, lists in zip(questions, _near(questions, candidates, count, count // 2), strict=True):
        places = question.store.places(np.concatenate([near.rows for near in lists]))
        files, number = np.unique(places[:, 0], return_inverse=True)
        bounds = np.tile([near.scores.min(initial=1) for near in lists], (len(files), 1))
        asked = np.repeat(np.arange(len(lists)), [len(near.rows) for near in lists])
        np.maximum.at(bounds, (number, asked), np.concatenate([near.scores for near in lists]))
        yield _best_files(question, files, bounds.mean(1))


def _all_files(question: _Question) -> list[Match]:
    return _best_files(question, *question.store.bounds(question.query))


def _best_files(question: _Question, files: NDArray[np.integer], bounds: NDArray[np.floating]) -> list[Match]:
    """Files are compared whole in the order of what their scores can be at most, until none that is left can be better
    than the k-th best (the threshold algorithm of Fagin, Lotem and Naor, 2001)."""
    store = question.store
    found: list[tuple[float, int, int]] = []  # of each: its score, negative; its number; its best row
    order = np.argsort(-bounds, kind="stable")
    for first in range(0, len(order), COMPARED):
        if len(found) == question.k and bounds[order[first]] + ROUNDING < -found[-1][0]:
            break
        batch = files[order[first : first + COMPARED]].astype(np.int64)
        batch = batch[store.admitted(batch, question.only)]
        if len(batch):
            best, rows = store.best_of_files(question.query, batch)
            scores = best.mean(1, dtype=np.float64)
            found = sorted([*found, *zip((-scores).tolist(), batch.tolist(), rows.tolist(), strict=True)])[: question.k]
    return question.matches(np.array([row for _, _, row in found], np.int64), [-score for score, _, _ in found])
