"""Where in its files a store answers: the query is laid along them, each of its windows over the row at its offset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qbe.search.question import Question, near_rows
from qbe.search.windows import LEAST
from qbe.streams.records import Numbers, Vector

LISTED = 100  # rows near each window that say where the query may be laid, or
LISTED_PER_RESULT = 4
SEEDS = 2048  # rows scored to learn how good an answer must be
WIDENED = 4
COMPARED = 1 << 12  # pairs of a window and a row at a time
ROUNDING = 1e-5  # more than float32 can be wrong in a cosine
SPAN = 1 << 49  # samples, more than there are in a file and before it


class Place(NamedTuple):
    """file : its number; start, end : samples
    rows : that come under the slots of the query, [Q]; -1 where there is none
    """

    file: int
    score: float
    start: int
    end: int
    rows: Numbers


@dataclass(frozen=True)
class Layings:
    """Ways to lay a query, [L] each: over which file, where in it the query would begin (samples, before 0 too), and by
    which of its shifts."""

    files: Numbers
    starts: Numbers
    shifts: Numbers

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, at: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Layings:
        return Layings(self.files[at], self.starts[at], self.shifts[at])


def near_places(questions: Sequence[Question], candidates: int) -> Iterator[list[Place]]:
    """The best places among those that the rows near a window of the query suggest, `candidates` scored."""
    count = max(LISTED, LISTED_PER_RESULT * questions[0].k)
    for question, lists in near_rows(questions, candidates, count):
        rows = np.concatenate([near.rows for near in lists])
        window = np.repeat(np.arange(len(lists)), [len(near.rows) for near in lists])
        least = np.array([near.scores.min(initial=1) for near in lists])
        yield _best(question, *_suggested(question, rows, window, np.concatenate([n.scores for n in lists]), least))


def all_places(question: Question) -> list[Place]:
    """The best of all places."""
    least = max(question.min_score, _worst_of_some(question))
    best = _reaching(replace(question, min_score=least))
    # A place that is better than some that are known may lie too near to several of them, and leave fewer.
    return best if len(best) == question.k or least == question.min_score else _reaching(question)


def _reaching(question: Question) -> list[Place]:
    """The best places. A mean is no more than the best of what it is of: so one of a place's rows has a cosine with the
    query that is as good as its score, if that is not one of those where no row is, which are 0."""
    least = question.min_score if question.min_score > 0 else LEAST
    vectors = question.windows.vectors
    rows = question.store.reaching(vectors, least)
    rows = rows[question.admitted(question.store.places(rows)[:, 0].astype(np.int64))]
    pairs = []
    for first in range(0, len(rows), COMPARED):
        cosines = question.store.cosines(vectors, rows[first : first + COMPARED])
        row, window = (cosines >= least - ROUNDING).nonzero()
        pairs.append((rows[first + row], window, cosines[row, window]))
    if not pairs:
        return []
    row, window, cosines = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return _best(question, *_suggested(question, row, window, cosines, np.full(len(vectors), least)))


def _worst_of_some(question: Question) -> float:
    """No place that is worse is among the k best."""
    if question.k >= question.store.rows:
        return -np.inf
    (seeds,) = near_places([question], max(SEEDS, WIDENED * question.k))
    return seeds[-1].score if len(seeds) == question.k else -np.inf


def _suggested(
    question: Question, rows: Numbers, window: Numbers, cosines: Vector, least: NDArray[np.floating]
) -> tuple[Layings, NDArray[np.float64]]:
    """The ways to lay a query that put one of its windows over a row near it, and what their scores can be at most.

    rows, window, cosines : of each pair that is known, [P]
    least : of each window, [n]: its cosines with other rows are no better
    """
    slot, shift = (question.windows.laid >= 0).nonzero()
    of_window = question.windows.laid[slot, shift]
    order = np.argsort(of_window, kind="stable")
    least = np.maximum(least, 0)  # as much as there is where no row is
    first, count = of_window[order].searchsorted(np.arange(len(least))), np.bincount(of_window, minlength=len(least))
    pair = np.repeat(np.arange(len(rows)), count[window])
    within = np.arange(len(pair)) - np.repeat(count[window].cumsum() - count[window], count[window])
    use = order[first[window[pair]] + within]
    places = question.store.places(rows[pair]).astype(np.int64)
    starts = places[:, 1] - question.windows.starts[window[pair]]
    layings, number = _distinct(places[:, 0], starts, shift[use])
    weights = question.windows.shifted_weights
    gain = weights[slot[use], shift[use]] * np.maximum(0, cosines[pair] - least[window[pair]])
    bounds = (weights * least[question.windows.laid]).sum(0)[layings.shifts]
    return layings, bounds + np.bincount(number, gain, minlength=len(layings))


def _distinct(files: Numbers, starts: Numbers, shifts: Numbers) -> tuple[Layings, Numbers]:
    """Ways to lay a query, each once, and which of them each was."""
    order = np.lexsort((shifts, starts, files))
    is_new = np.ones(len(order), bool)
    is_new[1:] = np.logical_or.reduce([np.diff(column[order]) != 0 for column in (files, starts, shifts)])
    number = np.empty_like(order)
    number[order] = is_new.cumsum() - 1
    return Layings(files, starts, shifts)[order[is_new]], number


def _best(question: Question, layings: Layings, bounds: NDArray[np.float64]) -> list[Place]:
    """They are compared in the order of what their scores can be at most, until none that is left can be better than
    the k-th best."""
    order = np.argsort(-bounds, kind="stable")
    scored: list[tuple[Layings, NDArray[np.float64], Numbers]] = []
    best: list[Place] = []
    first, step = 0, max(1, COMPARED // len(question.windows.laid))
    while first < len(order):
        least = max(question.min_score, best[-1].score if len(best) == question.k else -np.inf)
        if bounds[order[first]] + ROUNDING < least:
            break
        batch = layings[order[first : first + step]]
        batch = batch[question.admitted(batch.files)]
        batch = batch[~_are_own(question, batch)]
        if len(batch):
            scored.append((batch, *compared(question, batch)))
            best = _apart(question, scored)
        first, step = first + step, 2 * step
    return best


def _are_own(question: Question, layings: Layings) -> NDArray[np.bool_]:
    """Which overlap what was asked for, or are one with it: [L]."""
    own = question.is_own(layings.files)
    if own.any():
        begin, _ = question.part or (0, 0)
        own &= question.overlap(layings.starts, max(1, question.windows.length)) | (
            np.abs(layings.starts - begin) < question.apart
        )
    return own


def compared(question: Question, layings: Layings) -> tuple[NDArray[np.float64], Numbers]:
    """The score of each way to lay a query, [L], and the rows that come under its slots, [L, Q].

    The weighted mean of the cosines of what lies over each other; 0 where a window has no row under it. Where half of
    the query or more, or of a shorter file, would lie beyond the ends of the file, that is no place.
    """
    windows, store = question.windows, question.store
    at = windows.laid[:, layings.shifts].T
    rows, ends = _rows_under(question, layings, windows.starts[at])
    rows[at < 0] = -1
    scores = np.zeros(len(layings))
    for first in range(0, len(layings), max(1, COMPARED // len(windows.laid))):
        some = slice(first, first + max(1, COMPARED // len(windows.laid)))
        needed, where = np.unique(rows[some], return_inverse=True)
        vectors = store.vectors(np.maximum(needed, 0))
        vectors[needed < 0] = 0
        cosines = np.einsum("lqd,lqd->lq", vectors[where.reshape(rows[some].shape)], windows.vectors[at[some]])
        scores[some] = (cosines * windows.shifted_weights.T[layings.shifts[some]]).sum(1)
    inside = np.minimum(layings.starts + windows.length, ends) - np.maximum(layings.starts, 0)
    scores[2 * inside < np.minimum(windows.length, ends)] = -np.inf
    return scores, rows


def _rows_under(question: Question, layings: Layings, offsets: Numbers) -> tuple[Numbers, Numbers]:
    """The row that begins nearest to each offset from a laying's start, [L, Q], -1 where none is within half a hop; and
    where the last segment of each laying's file ends, [L]."""
    files, number = np.unique(layings.files, return_inverse=True)
    rows, first = question.store.rows_of(files)
    _, begins, lengths = question.store.places(rows).astype(np.int64).T
    of_file = np.repeat(np.arange(len(files)), np.diff(np.append(first, len(rows))))
    lined = of_file * SPAN + begins
    wanted = (number * SPAN + layings.starts)[:, None] + offsets
    after = lined.searchsorted(wanted).clip(0, len(rows) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(lined[after] - wanted) < np.abs(lined[before] - wanted), after, before)
    is_near = np.abs(lined[nearest] - wanted) <= question.store.about.hop // 2
    return np.where(is_near, rows[nearest], -1), np.maximum.reduceat(begins + lengths, first)[number]


def _apart(question: Question, scored: list[tuple[Layings, NDArray[np.float64], Numbers]]) -> list[Place]:
    """The k best of which no two are one, best first; ties by file and place in it."""
    files, starts = (np.concatenate([getattr(one, name) for one, _, _ in scored]) for name in ("files", "starts"))
    scores, rows = np.concatenate([of for _, of, _ in scored]), np.concatenate([of for _, _, of in scored])
    taken: dict[int, list[int]] = defaultdict(list)
    best: list[int] = []
    for at in np.lexsort((starts, files, -scores)).tolist():
        if scores[at] < question.min_score or len(best) == question.k:
            break
        others, start = taken[files[at]], int(starts[at])
        if len(others) == question.per_file or any(abs(start - other) < question.apart for other in others):
            continue
        others.append(start)
        best.append(at)
    return _ended(question, files[best], scores[best], starts[best], rows[best])


def _ended(
    question: Question, files: Numbers, scores: NDArray[np.float64], starts: Numbers, rows: Numbers
) -> list[Place]:
    """Places as long as the query, cut at the ends of their files; of a query without a length, as their first row."""
    if not len(files):
        return []
    number = np.unique(files, return_inverse=True)
    ends = _ends(question, number[0])[number[1].ravel()]
    length: Numbers | int = question.windows.length
    if not length:
        begins, lengths = question.store.places(np.maximum(rows[:, 0], 0))[:, 1:].astype(np.int64).T
        starts, length = begins, lengths
    begin, end = np.maximum(starts, 0), np.minimum(starts + length, ends)
    columns = (files.tolist(), scores.tolist(), begin.tolist(), np.maximum(begin, end).tolist(), rows)
    return [Place(*fields) for fields in zip(*columns, strict=True)]


def _ends(question: Question, files: Numbers) -> Numbers:
    """Where the last segment of each file ends, samples."""
    rows, first = question.store.rows_of(files)
    _, begins, lengths = question.store.places(rows).astype(np.int64).T
    ends: Numbers = np.maximum.reduceat(begins + lengths, first)
    return ends


def best_in_files(question: Question, files: Numbers, near: Numbers) -> list[Place]:
    """The best place in each of some files.

    near : int64 [F, n], the row of each that is nearest to each window: one of them is under it
    """
    windows = question.windows
    slot, shift = (windows.laid >= 0).nonzero()
    of_window = windows.laid[slot, shift]
    rows = near[:, of_window].ravel()
    starts = question.store.places(rows)[:, 1].astype(np.int64) - np.tile(windows.starts[of_window], len(files))
    layings, _ = _distinct(np.repeat(files, len(slot)), starts, np.tile(shift, len(files)))
    scores, under = compared(question, layings)
    scores[_are_own(question, layings)] = -np.inf
    order = np.lexsort((layings.starts, -scores, layings.files))
    best = order[np.unique(layings.files[order], return_index=True)[1]]
    places = _ended(question, layings.files[best], scores[best], layings.starts[best], under[best])
    of_file = {place.file: place for place in places}
    return [of_file[file] for file in files.tolist()]
