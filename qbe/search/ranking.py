"""Answer questions from a store, with files or places in them: from the rows near the query, or exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qbe.search.places import Place, all_places, best_in_files, near_places
from qbe.search.question import Question, near_rows
from qbe.search.store import EXACT, Effort, Near
from qbe.search.windows import LEAST
from qbe.streams.records import Numbers, Vector

LISTED = 100  # rows whose files are compared whole, for every window of a query, or
LISTED_PER_RESULT = 2  # or
LISTED_SHARE = 1 / 32  # of the rows that are compared
COMPARED = 16  # files first, then twice as many at a time
WIDENED = 4
ROUNDING = 1e-5  # more than float32 can be wrong in a cosine


def search(questions: Sequence[Question], *, places: bool = False, effort: Effort = EXACT) -> list[list[Place]]:
    """The k best answers to each question, to one store, best first; ties by file and place in it.

    places : answers are places, each as long as the query, instead of files

    A file's score is the weighted mean over the query's slots of the best cosine that a window there, at any of its
    shifts, has with any of the file's rows; its place is the best one in it. A place's score is the weighted mean of
    the cosines of what lies over each other where the query is laid there; of places that begin nearer to each other
    than `Question.apart` only the best answers.

    With less than exact effort, answers are among the files or places with a row among the best that were found for any
    window of the query; their scores are exact. Where that yields fewer than k, more rows are scored. Quicker for many
    questions at once than one by one.

    LibraryError where something that had to be read is damaged.
    """
    found: list[list[Place]] = [[] for _ in questions]
    if not questions:
        return found
    store = questions[0].store
    left, candidates = list(range(len(questions))), store.candidates(effort)
    near, everywhere = (near_places, all_places) if places else (near_files, all_files)
    any_score = [
        replace(question, min_score=-1.0) for question in questions
    ]  # what is worse is no reason for more rows
    while left and candidates is not None and candidates < store.rows:
        for number, answers in zip(left, near([any_score[number] for number in left], candidates), strict=True):
            found[number] = answers
        left = [number for number in left if len(found[number]) < questions[number].k]
        candidates *= WIDENED
    for number in left:
        found[number] = everywhere(questions[number])
    return [
        [answer for answer in answers if answer.score >= question.min_score]
        for question, answers in zip(questions, found, strict=True)
    ]


def near_files(questions: Sequence[Question], candidates: int) -> Iterator[list[Place]]:
    """The best files among those with one of the rows that are near a window of the query, `candidates` scored.

    What a list lacks is taken to be no better than the last in it: so the lists bound the files' scores.
    """
    count = max(LISTED, LISTED_PER_RESULT * questions[0].k, int(LISTED_SHARE * candidates))
    for question, lists in near_rows(questions, candidates, count):
        yield _best_files(question, *_bounds(question, lists))


def _bounds(question: Question, lists: list[Near]) -> tuple[Numbers, NDArray[np.float64]]:
    places = question.store.places(np.concatenate([near.rows for near in lists]))
    files, number = np.unique(places[:, 0].astype(np.int64), return_inverse=True)
    bounds = np.tile(np.array([near.scores.min(initial=1) for near in lists], np.float32), (len(files), 1))
    window = np.repeat(np.arange(len(lists)), [len(near.rows) for near in lists])
    np.maximum.at(bounds, (number, window), np.concatenate([near.scores for near in lists]))
    return files, question.windows.score(bounds)


def all_files(question: Question) -> list[Place]:
    """The best of all files."""
    return _best_files(question, *question.store.bounds(question.windows, question.others))


def _best_files(question: Question, files: Numbers, bounds: NDArray[np.float64]) -> list[Place]:
    """Files are compared whole in the order of what their scores can be at most, until none that is left can be better
    than the k-th best (the threshold algorithm of Fagin, Lotem and Naor, 2001)."""
    found: list[tuple[float, int]] = []  # of each: its score, negative; its number
    nearest: dict[int, Numbers] = {}  # of each: its row nearest to each window
    order = np.argsort(-bounds, kind="stable")
    first, step = 0, COMPARED
    while first < len(order):
        least = -found[-1][0] if len(found) == question.k else question.min_score
        if bounds[order[first]] + ROUNDING < max(least, question.min_score):
            break
        batch = files[order[first : first + step]]
        batch = batch[question.admitted(batch)]
        first, step = first + step, 2 * step
        if len(batch):
            cosines, rows = _compared(question, batch)
            scores = question.windows.score(cosines)
            nearest.update(zip(batch.tolist(), rows, strict=True))
            found = sorted([*found, *zip((-scores).tolist(), batch.tolist(), strict=True)])[: question.k]
    good = [(file, -score) for score, file in found if -score >= question.min_score]
    return _placed(question, good, nearest)


def _compared(question: Question, files: Numbers) -> tuple[Vector, Numbers]:
    """The best cosine of each file with each window, [F, n], and the row that has it; of the query's own file without
    what was asked for."""
    best, rows = question.store.best_of_files(question.windows.vectors, files)
    for number in np.flatnonzero(question.is_own(files)).tolist():
        best[number], rows[number] = _rest(question, files[number : number + 1])
    return best, rows


def _rest(question: Question, file: Numbers) -> tuple[Vector, Numbers]:
    """Of the query's own file [1] the same, [n], without what was asked for. LEAST where no place is left in it."""
    vectors = question.windows.vectors
    rows, _ = question.store.rows_of(file)
    _, starts, lengths = question.store.places(rows).astype(np.int64).T
    rows = rows[~question.overlap(starts, lengths)]
    if len(rows):
        cosines = question.store.cosines(vectors, rows)
        nearest = rows[cosines.argmax(0)]
        [place] = best_in_files(question, file, nearest[None])
        if place.score > -np.inf:
            return cosines.max(0), nearest
    return np.full(len(vectors), LEAST, np.float32), np.zeros(len(vectors), np.int64)


def _placed(question: Question, found: list[tuple[int, float]], nearest: dict[int, Numbers]) -> list[Place]:
    """Files with the best places in them."""
    if not found:
        return []
    files, rows = np.array([file for file, _ in found]), np.stack([nearest[file] for file, _ in found])
    places = best_in_files(question, files, rows)
    return [place._replace(score=score) for place, (_, score) in zip(places, found, strict=True)]
