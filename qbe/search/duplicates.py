"""Groups of near-duplicate files: found among the neighbours that the index gives, then compared whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.library import RECALL, Library
from qbe.search.ranking import search

PROBES = 4  # segments of a file whose neighbours are looked up
NEIGHBOURS, MOST_NEIGHBOURS = 16, 1024
BLOCK = 256  # segments compared with a whole file at a time

Vectors = NDArray[np.float64]


@dataclass(frozen=True)
class Duplicate:
    """A file of a group, and the score between it and the group's first."""

    path: bytes
    score: float


def score(one: Vectors, other: Vectors, least: float) -> float:
    """The lower of what two files score as queries for each other; some number under `least` where it is under that.

    one, other : their vectors, [n, D] and [m, D]
    """
    return min(_directed(one, other, least), _directed(other, one, least))


def _directed(query: Vectors, file: Vectors, least: float) -> float:
    total, possible = 0.0, float(len(query))
    for first in range(0, len(query), BLOCK):
        part = query[first : first + BLOCK]
        best = float((part @ file.T).max(1).sum())
        total, possible = total + best, possible - len(part) + best
        if possible < least * len(query):  # even if all that is left were the same
            return -1.0
    return total / len(query)


@dataclass
class Finder:
    """Finds the files of a library that are near-duplicates of one.

    min_score : least score between them, over 0.5
    """

    library: Library
    min_score: float

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Of segments, of every file."""
        return self.library.segment_counts()

    @cached_property
    def paths(self) -> dict[int, bytes]:
        """Of the files that are there and hold sound."""
        held = np.flatnonzero((self.counts > 0) & self.library.are_there(np.arange(self.library.files)))
        return dict(zip(held.tolist(), self.library.file_paths(held), strict=True))

    @cached_property
    def _files(self) -> dict[bytes, int]:
        return {path: file for file, path in self.paths.items()}

    def vectors(self, file: int) -> Vectors:
        """In the library's frame, [n, D]."""
        return self.library.vectors(self.library.rows_of(file))

    def duplicates(self, file: int, is_taken: Callable[[int], bool]) -> Iterator[tuple[int, float]]:
        """The files that are not taken, in their order, and their scores."""
        own = self.vectors(file)
        for other in sorted(self._neighbours(file, own)):
            if not is_taken(other):
                reached = score(own, self.vectors(other), self.min_score)
                if reached >= self.min_score:
                    yield other, reached

    def _neighbours(self, file: int, own: Vectors) -> set[int]:
        """Of scores with a mean of s most are over 2 s - 1: so one of a few segments meets a near-duplicate there."""
        probes = own[np.linspace(0, len(own) - 1, min(PROBES, len(own))).astype(int)]
        path, least = self.paths[file], 2 * self.min_score - 1
        return {
            self._files[found]
            for query in self.library.frame.given(probes)
            for found in self._near(query[None], path, least)
        }

    def _near(self, query: NDArray[np.float32], own: bytes, least: float) -> list[bytes]:
        count, budget = NEIGHBOURS, self.library.budget(RECALL)
        while True:
            found = search(self.library, query, count, segments=True, skip=own.__eq__, budget=budget)
            near = [match.path for match in found if match.score >= least]
            if len(near) < count or count >= MOST_NEIGHBOURS:
                return near
            count *= 4


def duplicate_groups(
    library: Library, min_score: float, on_file: Callable[[int], None] = lambda _: None
) -> Iterator[list[Duplicate]]:
    """Groups of files that are near-duplicates of their first: the longest, or of equals the first in the library.

    min_score : least score between the first and every other, over 0.5
    on_file : called with the number of files that are through
    """
    finder, taken = Finder(library, min_score), np.zeros(library.files, bool)
    longest_first = sorted(finder.paths, key=lambda file: -finder.counts[file])
    for done, file in enumerate(longest_first, 1):
        if not taken[file]:
            taken[file] = True
            found = list(finder.duplicates(file, lambda other: bool(taken[other])))
            taken[[other for other, _ in found]] = True
            if found:
                yield [Duplicate(finder.paths[other], reached) for other, reached in [(file, 1.0), *found]]
        on_file(done)
