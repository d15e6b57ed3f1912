"""Files that are alike as wholes: found among the neighbours that the index gives, then compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qbe.search.rows import nearest_rows
from qbe.search.store import Effort, FileEntry, Filter, Store
from qbe.streams.records import Vector

PROBES = 4  # segments of a file whose neighbours are looked up
NEIGHBOURS, MOST_NEIGHBOURS = 16, 1024
BLOCK = 256  # segments compared with a whole file at a time

Vectors = NDArray[np.float64]


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
    """Finds the files of a library that are alike to one.

    min_score : least score between them, over 0.5
    """

    store: Store
    min_score: float

    @cached_property
    def files(self) -> dict[int, FileEntry]:
        """Those that hold sound, by their numbers."""
        return {entry.number: entry for entry in self.store.files() if entry.segments}

    def vectors(self, file: int) -> Vectors:
        """As the store sees them, [n, D]."""
        return self.store.vectors(self.store.rows_of(np.array([file]))[0])

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
        path, least = self.files[file].path, 2 * self.min_score - 1
        return {found for probe in self.store.given(probes) for found in self._near(probe, path, least)}

    def _near(self, probe: Vector, own: bytes, least: float) -> list[int]:
        count, others = NEIGHBOURS, Filter(without=(own,))
        while True:
            found = nearest_rows(self.store, probe, count, only=others, effort=Effort())
            near = found.rows[found.scores >= least]
            if len(near) < count or count >= MOST_NEIGHBOURS:
                files: list[int] = self.store.places(near)[:, 0].tolist()
                return files
            count *= 4
