"""Which places of a library answer a query, beyond sounding like it: under some paths, well enough, each sound once."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from qbe.index.file.library import Library
from qbe.search.queries import Query
from qbe.search.ranking import Match, search, search_all
from qbe.support.saving import same_file

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
    """

    k: int
    segments: bool = False
    min_score: float = -1.0
    unique: bool = False
    inside: Sequence[bytes] = ()
    include_self: bool = False

    def is_skipped(self, query: Query, path: bytes) -> bool:
        """Whether a file can be no answer."""
        if self.inside and not lies_inside(path, self.inside):
            return True
        return not self.include_self and any(same_file(own, path) for own in query.files)


def lies_inside(path: bytes, globs: Sequence[bytes]) -> bool:
    """Whether a name matches a glob, or a folder in it does; * stands for slashes too."""
    plain = [glob.rstrip(b"/") for glob in globs]
    return any(fnmatch.fnmatchcase(path, glob) or fnmatch.fnmatchcase(path, glob + b"/*") for glob in plain)


def answers(
    library: Library, queries: Sequence[Query], wanted: Wanted, budget: int | None
) -> Iterator[tuple[Query, list[Match]]]:
    """The best answers to each query, best first: k of them, if there are so many. budget : as for `search`

    Quicker for many queries at once than one by one.
    """
    for first in range(0, len(queries), AT_ONCE):
        yield from _answers_at_once(library, queries[first : first + AT_ONCE], wanted, budget)


def _answers_at_once(
    library: Library, queries: Sequence[Query], wanted: Wanted, budget: int | None
) -> Iterator[tuple[Query, list[Match]]]:
    everything = wanted.include_self and not wanted.inside
    skips = [None if everything else partial(wanted.is_skipped, query) for query in queries]
    vectors = [query.vectors for query in queries]
    found = search_all(library, vectors, wanted.k, segments=wanted.segments, skips=skips, budget=budget)
    for query, matches, skip in zip(queries, found, skips, strict=True):
        fetched = wanted.k
        while True:
            good = [match for match in matches if match.score >= wanted.min_score]
            best = _unique(library, good)[: wanted.k] if wanted.unique else good
            if len(best) == wanted.k or len(good) < fetched:
                break
            fetched *= WIDENED
            matches = search(library, query.vectors, fetched, segments=wanted.segments, skip=skip, budget=budget)
        yield query, best


def _unique(library: Library, matches: list[Match]) -> list[Match]:
    """Without those that are near-identical to an earlier one that stays."""
    if not matches:
        return []
    vectors = library.vectors(np.array([match.row for match in matches]))
    kept: list[int] = []
    for at, vector in enumerate(vectors):
        if not kept or (vectors[kept] @ vector).max() < NEAR_IDENTICAL:
            kept.append(at)
    return [matches[at] for at in kept]
