"""Which places of a library answer a query, beyond sounding like it: under some paths, well enough, each sound once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qbe.search.queries import Query
from qbe.search.ranking import search, search_all
from qbe.search.store import EXACT, Effort, Filter, Match, Store
from qbe.support.errors import UsageError

NEAR_IDENTICAL = 0.98  # cosine of two segments
WIDENED = 4
AT_ONCE = 256  # queries


@dataclass(frozen=True)
class Wanted:
    """What may answer.

    k : how many
    segments : single segments instead of files
    min_score : of an answer
    unique : leave out what is near-identical to a better answer: the cosine of the two places is 0.98 or more
    inside : globs; a file counts that matches one, or lies in a folder that does. Without any, all count
    include_self : the query's own files count
    among : names of files, of which alone some count; None: all
    """

    k: int
    segments: bool = False
    min_score: float = -1.0
    unique: bool = False
    inside: Sequence[bytes] = ()
    include_self: bool = False
    among: frozenset[bytes] | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"-k {self.k}: must be 1 or more")

    def admitting(self, query: Query) -> Filter:
        """Which files may answer a query."""
        return Filter(tuple(self.inside), () if self.include_self else query.files, among=self.among)


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
    """The best answers to each query, best first: k of them, if there are so many.

    Quicker for many queries at once than one by one.
    """
    for first in range(0, len(queries), AT_ONCE):
        yield from _answers_at_once(store, queries[first : first + AT_ONCE], wanted, effort)


def _answers_at_once(
    store: Store, queries: Sequence[Query], wanted: Wanted, effort: Effort
) -> Iterator[tuple[Query, list[Match]]]:
    filters = [wanted.admitting(query) for query in queries]
    vectors = [query.vectors for query in queries]
    found = search_all(store, vectors, wanted.k, segments=wanted.segments, only=filters, effort=effort)
    for query, matches, only in zip(queries, found, filters, strict=True):
        fetched = wanted.k
        while True:
            good = [match for match in matches if match.score >= wanted.min_score]
            best = _unique(store, good)[: wanted.k] if wanted.unique else good
            if len(best) == wanted.k or len(good) < fetched:
                break
            fetched *= WIDENED
            matches = search(store, query.vectors, fetched, segments=wanted.segments, only=only, effort=effort)
        yield query, best


def _unique(store: Store, matches: list[Match]) -> list[Match]:
    """Without those that are near-identical to an earlier one that stays."""
    if not matches:
        return []
    vectors = store.vectors(np.array([match.row for match in matches]))
    kept: list[int] = []
    for at, vector in enumerate(vectors):
        if not kept or (vectors[kept] @ vector).max() < NEAR_IDENTICAL:
            kept.append(at)
    return [matches[at] for at in kept]
