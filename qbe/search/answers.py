"""Which places of a library answer a query, beyond sounding like it: under some paths, well enough, each sound once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qbe.search.places import Place
from qbe.search.queries import Query
from qbe.search.question import Question
from qbe.search.ranking import search
from qbe.search.store import EXACT, Effort, Filter, Match, Store
from qbe.support.errors import UsageError

NEAR_IDENTICAL = 0.98  # mean cosine of two places
WIDENED = 4
AT_ONCE = 256  # queries


@dataclass(frozen=True)
class Wanted:
    """What may answer.

    k : how many; 0: all
    places : places, as long as the query, instead of files
    min_score : of an answer
    unique : leave out what is near-identical to a better answer: the mean cosine of the two places is 0.98 or more
    inside : globs; a file counts that matches one, or lies in a folder that does. Without any, all count
    include_self : what was asked for counts, too: the query's own file, or the part of it
    per_file : how many places of one file; None: all
    among : names of files, of which alone some count; None: all
    """

    k: int
    places: bool = False
    min_score: float = -1.0
    unique: bool = False
    inside: Sequence[bytes] = ()
    include_self: bool = False
    per_file: int | None = None
    among: frozenset[bytes] | None = None

    def __post_init__(self) -> None:
        if self.k < 0:
            raise UsageError(f"-k {self.k}: must be 1 or more, or 0 for all")
        if self.per_file is not None and (self.per_file < 1 or not self.places):
            raise UsageError(f"--max-per-file {self.per_file}: must be 1 or more, and goes with --places")


def effort(candidates: int | None, recall: float | None, exact: bool) -> Effort:
    """How thorough a search is to be, of the three ways to say it, or by default. UsageError where several do."""
    if exact + (candidates is not None) + (recall is not None) > 1:
        raise UsageError(
            "--candidates, --recall and --exact (also --in and --text) each say how much is scored: give one of them"
        )
    if candidates is not None and candidates < 1:
        raise UsageError(f"--candidates {candidates}: must be 1 or more")
    if recall is not None and not 0 < recall <= 1:
        raise UsageError(f"--recall {recall:g}: must be over 0 and at most 1")
    if exact:
        return EXACT
    return Effort(candidates=candidates) if recall is None else Effort(recall)


def answers(
    store: Store, queries: Sequence[Query], wanted: Wanted, effort: Effort
) -> Iterator[tuple[Query, list[Match]]]:
    """The best answers to each query, best first: as many as are wanted, if there are so many.

    Quicker for many queries at once than one by one.
    """
    for first in range(0, len(queries), AT_ONCE):
        some = queries[first : first + AT_ONCE]
        questions = [_question(store, query, wanted) for query in some]
        thorough = effort if wanted.k else EXACT
        found = search(questions, places=wanted.places, effort=thorough)
        for query, question, answered in zip(some, questions, found, strict=True):
            best = _unique(question, answered, wanted, thorough) if wanted.unique else answered
            yield query, _matches(store, best)


def _question(store: Store, query: Query, wanted: Wanted) -> Question:
    windows = (query.line if wanted.places else query.windows).seen(store.seen, store.distances)
    only = Filter(tuple(wanted.inside), () if wanted.include_self else query.files, among=wanted.among)
    return Question(store, windows, wanted.k or store.rows, only, query.part, wanted.min_score, wanted.per_file)


def _unique(question: Question, answered: list[Place], wanted: Wanted, effort: Effort) -> list[Place]:
    """Without those that are near-identical to an earlier one that stays; as many more are asked for as that takes."""
    while True:
        best = _each_once(question, answered)[: wanted.k or None]
        if not wanted.k or len(best) == wanted.k or len(answered) < question.k:
            return best
        question = replace(question, k=question.k * WIDENED)
        [answered] = search([question], places=wanted.places, effort=effort)


def _each_once(question: Question, places: list[Place]) -> list[Place]:
    """Two places are near-identical if, laid over each other, the cosines of their rows have so high a mean."""
    kept: list[Place] = []
    weights = question.windows.weights
    vectors = np.zeros((len(places), len(weights), question.store.about.dimension), np.float32)
    for number, place in enumerate(places):
        under = place.rows >= 0
        of_place = np.zeros_like(vectors[0])
        of_place[under] = question.store.vectors(place.rows[under])
        alike = np.einsum("pqd,qd,q->p", vectors[: len(kept)], of_place, weights)
        if alike.max(initial=-1) < NEAR_IDENTICAL * weights[under].sum():
            vectors[len(kept)] = of_place
            kept.append(places[number])
    return kept


def _matches(store: Store, places: list[Place]) -> list[Match]:
    paths = store.paths(np.array([place.file for place in places], np.int64))
    return [Match(path, *place[1:4]) for path, place in zip(paths, places, strict=True)]
