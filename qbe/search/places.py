"""Where in its files a store answers: the query is laid along them, and of places that are one the best counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qbe.search.laying import COMPARED, LEAST_WEIGHT, SPAN, Layings, compared, everywhere
from qbe.search.question import Question, near_rows
from qbe.search.store import Near
from qbe.streams.records import Numbers

LISTED = 200  # rows near each window that say where the query may be laid, or
LISTED_PER_RESULT = 4
LOOKED_UP = 128  # windows, those that weigh most; of a query that has more,
TRIED, TRIED_PER_RESULT = 64, 4  # ways to lay it are compared whole: those that promise most
UNSURE, LEAST_UNSURE = 0.2, 1e-4  # how much less a score may be and still say where a place begins, of what is to 1
SLOPE = 0.02  # less than a laying within a hop of it, and it is no place of its own
STEPS = 16  # of a hop, that places begin at: whole milliseconds
ROUNDING = 1e-5  # more than float32 can be wrong in a cosine


class Place(NamedTuple):
    """file : its number; start, end : samples
    rows : that come under the slots of the query, [Q]; -1 where there is none
    """

    file: int
    score: float
    start: int
    end: int
    rows: Numbers


def near_places(questions: Sequence[Question], candidates: int) -> Iterator[list[Place]]:
    """The best places among those that the rows near a window of the query suggest, `candidates` scored."""
    count = max(LISTED, LISTED_PER_RESULT * questions[0].k)
    looked_up = [_weightiest(question) for question in questions]
    for at, (question, lists) in zip(looked_up, near_rows(questions, candidates, count, looked_up), strict=True):
        layings, bounds = _suggested(question, at, lists)
        yield _best(question, layings, bounds, holds=len(at) == len(question.windows.vectors))


def _weightiest(question: Question) -> Numbers:
    """The windows that are looked up."""
    windows = question.windows
    weights = np.zeros(len(windows.vectors))
    np.maximum.at(weights, windows.laid.ravel(), np.repeat(windows.weights, windows.laid.shape[1]))
    heaviest = np.argsort(-weights, kind="stable")[:LOOKED_UP]
    return np.sort(heaviest)


def _suggested(question: Question, at: Numbers, lists: list[Near]) -> tuple[Layings, NDArray[np.float64]]:
    """The ways to lay a query that put one of its windows over a row near it, and what of their scores the windows that
    were looked up can add at most: what a list lacks is no better than the last in it.

    at : which windows were looked up; lists : the rows near each
    """
    windows = question.windows
    slots, shifts = np.zeros((2, len(windows.vectors)), np.int64)
    used = windows.laid >= 0
    slots[windows.laid[used]], shifts[windows.laid[used]] = used.nonzero()
    rows, scores = np.concatenate([near.rows for near in lists]), np.concatenate([near.scores for near in lists])
    counts = [len(near.rows) for near in lists]
    least = np.array([max(0, near.scores.min(initial=1)) for near in lists])  # where there is no row it is 0
    weights = windows.shifted_weights[slots[at], shifts[at]]
    window = np.repeat(at, counts)
    places = question.store.places(rows).astype(np.int64)
    layings, number = _distinct(places[:, 0], places[:, 1] - windows.starts[window], shifts[window])
    least_of_shifts = np.bincount(shifts[at], weights * least, minlength=windows.laid.shape[1])
    gain = np.repeat(weights, counts) * np.maximum(0, scores - np.repeat(least, counts))
    bounds: NDArray[np.float64] = least_of_shifts[layings.shifts].astype(np.float64)
    bounds += np.bincount(number, gain, minlength=len(layings))
    return layings, bounds


def _distinct(files: Numbers, starts: Numbers, shifts: Numbers) -> tuple[Layings, Numbers]:
    """Ways to lay a query, each once, and which of them each was."""
    order = np.lexsort((shifts, starts, files))
    is_new = np.ones(len(order), bool)
    is_new[1:] = np.logical_or.reduce([np.diff(column[order]) != 0 for column in (files, starts, shifts)])
    number = np.empty_like(order)
    number[order] = is_new.cumsum() - 1
    return Layings(files, starts, shifts)[order[is_new]], number


def _best(question: Question, layings: Layings, bounds: NDArray[np.float64], *, holds: bool) -> list[Place]:
    """They are compared in the order of what their scores can be at most, until none that is left can be better than
    the k-th best; where these bounds do not hold, as not all windows were looked up, some of them."""
    order = np.argsort(-bounds, kind="stable")
    if not holds:
        order = order[: max(TRIED, TRIED_PER_RESULT * question.k)]
    tried, scores = layings[order[:0]], bounds[:0]
    best, of_best = tried, scores
    first, step = 0, max(1, COMPARED // len(question.windows.laid))
    while first < len(order):
        least = max(question.min_score, of_best[-1] if len(best) == question.k else -np.inf)
        if holds and bounds[order[first]] + ROUNDING < least:
            break
        batch = layings[order[first : first + step]]
        batch = batch[question.admitted(batch.files)]
        tried, scores = tried + batch, np.append(scores, compared(question, batch)[0])
        best, of_best = _picked(question, tried, scores)
        first, step = first + step, 2 * step
    return _placed(question, _settled(question, best, of_best), of_best)


def all_places(question: Question) -> list[Place]:
    """The best of all places."""
    files = question.store.sounding()
    best, scores = Layings(*np.zeros((3, 0), np.int64)), np.zeros(0)
    for layings, found in everywhere(question, files[question.admitted(files)]):
        good = found >= max(question.min_score, scores[-1] if len(scores) == question.k else -np.inf)
        best, scores = _picked(question, best + layings[good], np.append(scores, found[good]))
    return _placed(question, _settled(question, best, scores), scores)


def _picked(question: Question, layings: Layings, scores: NDArray[np.float64]) -> tuple[Layings, NDArray[np.float64]]:
    """The k best of which no two are one, best first, and their scores; ties by file and place in it."""
    starts, ends, are_places = _extents(question, layings)
    good = are_places & (scores >= question.min_score) & ~_are_own(question, layings)
    good &= ~_are_slopes(question, layings, np.where(are_places, scores, -np.inf))
    order = np.lexsort((layings.starts, layings.files, -scores))
    taken: dict[int, list[tuple[int, int]]] = defaultdict(list)
    best: list[int] = []
    for at in order[good[order]].tolist():
        if len(best) == question.k:
            break
        others, start, end = taken[layings.files[at]], int(starts[at]), int(ends[at])
        if len(others) != question.per_file and not any(_are_one(question, start, end, *other) for other in others):
            others.append((start, end))
            best.append(at)
    return layings[np.array(best, np.int64)], scores[best]


def _settled(question: Question, best: Layings, scores: NDArray[np.float64]) -> Layings:
    """Moved by less than a hop to where a sound most likely begins between the rows: the mean of where layings near it
    begin, weighed by their scores. The nearer its own score is to 1 the less do others count: a copy stays in place.
    Layings that are better belong to another place.
    """
    if not len(best) or not question.windows.length:
        return best
    shifts, hop = question.windows.shifts, question.store.about.hop
    moves = shifts[best.shifts, None, None] - shifts[:, None] + hop * np.arange(-1, 2)  # which put windows over rows
    files, starts, by = np.broadcast_arrays(
        best.files[:, None, None], best.starts[:, None, None] + moves, np.arange(len(shifts))[:, None]
    )
    near = Layings(files.ravel(), starts.ravel(), by.ravel())
    may = _extents(question, near)[2] & ~_are_own(question, near)
    counts = (np.abs(moves) <= hop) & may.reshape(moves.shape)
    less = scores[:, None, None] - compared(question, near)[0].reshape(moves.shape)
    counts &= less > -ROUNDING
    likely = counts * np.exp(-np.maximum(less, 0) / np.maximum(UNSURE * (1 - scores), LEAST_UNSURE)[:, None, None])
    moved = (likely * moves).sum((1, 2)) / np.maximum(likely.sum((1, 2)), LEAST_WEIGHT)
    step = max(1, hop // STEPS)
    return replace(best, starts=best.starts + step * np.rint(moved / step).astype(np.int64))


def _are_one(question: Question, start: int, end: int, other_start: int, other_end: int) -> bool:
    """Whether two places in a file begin near each other, or overlap by a quarter of the shorter."""
    overlap = min(end, other_end) - max(start, other_start)
    return abs(start - other_start) < question.apart or 4 * overlap > min(end - start, other_end - other_start)


def _are_slopes(question: Question, layings: Layings, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which have but a part of a better place under their windows: within a hop of them the query fits better, [L]."""
    order = np.lexsort((layings.starts, layings.files))
    along = layings.files[order] * SPAN + layings.starts[order]
    first = along.searchsorted(along - question.store.about.hop)
    last = along.searchsorted(along + question.store.about.hop, side="right")
    highest = np.maximum.reduceat(np.append(scores[order], -np.inf), np.stack([first, last], 1).ravel())[::2]
    slopes = np.empty(len(order), bool)
    slopes[order] = highest > scores[order] + SLOPE
    return slopes


def _are_own(question: Question, layings: Layings) -> NDArray[np.bool_]:
    """Which overlap what was asked for, or are one with it: [L]."""
    own = question.is_own(layings.files)
    if own.any():
        begin, _ = question.part or (0, 0)
        own &= question.overlap(layings.starts, max(1, question.windows.length)) | (
            np.abs(layings.starts - begin) < question.apart
        )
    return own


def _extents(question: Question, layings: Layings) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """Where places begin and end, cut at the ends of their files; and whether they are places: no more than half of the
    query, or of a shorter file, lies beyond these."""
    files, number = np.unique(layings.files, return_inverse=True)
    last, length = question.store.ends(files)[number], question.windows.length
    starts, ends = np.maximum(layings.starts, 0), np.minimum(layings.starts + length, last)
    return starts, ends, (2 * (ends - starts) >= np.minimum(length, last)) & (ends >= starts)


def _placed(question: Question, layings: Layings, scores: NDArray[np.float64]) -> list[Place]:
    """Of a query without a length, places are as long as the row that answers."""
    if not len(layings):
        return []
    starts, ends, _ = _extents(question, layings)
    _, rows = compared(question, layings)
    if not question.windows.length:
        starts, lengths = question.store.places(rows[:, -1])[:, 1:].astype(np.int64).T
        ends = starts + lengths
    columns = (layings.files.tolist(), scores.tolist(), starts.tolist(), np.maximum(starts, ends).tolist(), rows)
    return [Place(*fields) for fields in zip(*columns, strict=True)]


def best_in_files(question: Question, files: Numbers, near: Numbers) -> list[Place]:
    """The best place in each of some files.

    near : int64 [F, n], the row of each that is nearest to each window: one of them is under it
    """
    windows = question.windows
    slots, shifts = (windows.laid >= 0).nonzero()
    of_window = windows.laid[slots, shifts]
    starts = question.store.places(near[:, of_window].ravel())[:, 1].astype(np.int64)
    starts -= np.tile(windows.starts[of_window], len(files))
    layings, _ = _distinct(np.repeat(files, len(slots)), starts, np.tile(shifts, len(files)))
    scores, _ = compared(question, layings)
    _, _, are_places = _extents(question, layings)
    scores[~are_places | _are_own(question, layings)] = -np.inf
    order = np.lexsort((layings.starts, -scores, layings.files))
    best = order[np.unique(layings.files[order], return_index=True)[1]]
    of_file = {place.file: place for place in _placed(question, layings[best], scores[best])}
    return [of_file[file] for file in files.tolist()]
