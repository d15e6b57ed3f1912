"""Files that are alike as wholes: found among the neighbours that the index gives, then compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qbe.search.store import Effort, Filter, Store
from qbe.streams.records import Numbers

PROBES = 4  # segments of a file whose neighbours are looked up
NEIGHBOURS, MOST_NEIGHBOURS, WIDENED = 64, 1024, 4
HELD = 1 << 17  # neighbours of a probe of each file, at a time
COSINES = 1 << 21  # held at a time
BLOCK = 256  # segments compared with a whole file at a time

Vectors = NDArray[np.float64]
Alike = list[tuple[int, float]]


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


class Finder:
    """Finds the files of a store that are alike to some: quicker for many at once than one by one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._candidates = store.candidates(Effort()) or store.rows

    def alike(self, files: Sequence[int], least: Sequence[float]) -> Iterator[Alike]:
        """For each file, which has rows, the others that score `least` with it or more, over 0.5: their numbers, in
        order, and the scores."""
        if not files:
            return
        rows, first = self._store.rows_of(np.array(files, np.int64))
        own = np.split(self._store.vectors(rows), first[1:])
        for number, vectors, enough, near in zip(files, own, least, self._near(files, own, least), strict=True):
            yield [found for found in self._scores(vectors, near[near != number], enough) if found[1] >= enough]

    def _near(self, files: Sequence[int], own: Sequence[Vectors], least: Sequence[float]) -> list[Numbers]:
        """The files that have a row near enough to a probe of each.

        Of scores with a mean of s one is s at least, and most are over 2 s - 1: so a file of which all segments are
        probed meets its like at s, and a longer one meets it at 2 s - 1 with one of a few segments, but for bad luck.
        """
        probes = [vectors[np.linspace(0, len(vectors) - 1, min(PROBES, len(vectors))).astype(int)] for vectors in own]
        reached = [s if len(vectors) <= PROBES else 2 * s - 1 for s, vectors in zip(least, own, strict=True)]
        found, left, count = [np.zeros(0, np.int64)] * len(files), list(range(len(files))), NEIGHBOURS
        while left:
            full, step = [], HELD // count
            for part in (left[first : first + step] for first in range(0, len(left), step)):
                queries = [probes[at].astype(np.float32) for at in part]
                only = [self._others(files[at], len(own[at]), count) for at in part]
                for at, near in zip(part, self._store.near(queries, count, self._candidates, only, count), strict=True):
                    hits = [some.rows[some.scores >= reached[at]] for some in near]
                    found[at] = self._files_of(np.concatenate(hits))
                    if any(len(rows) and len(rows) == len(some.rows) for rows, some in zip(hits, near, strict=True)):
                        full.append(at)
            left, count = full if count < MOST_NEIGHBOURS else [], WIDENED * count
        return found

    def _others(self, file: int, segments: int, count: int) -> Filter:
        """Leaves a file out that could fill half a list with its own rows: for others it costs more than it saves."""
        return Filter(without=tuple(self._store.paths(np.array([file])))) if 2 * segments > count else Filter()

    def _files_of(self, rows: Numbers) -> Numbers:
        return np.unique(self._store.places(rows)[:, 0].astype(np.int64))

    def _scores(self, own: Vectors, files: Numbers, least: float) -> Alike:
        found: Alike = []
        if not len(files):
            return found
        rows, first = self._store.rows_of(files)
        ends = np.append(first[1:], len(rows))
        begin = 0
        while begin < len(files):
            end = max(begin + 1, int(np.searchsorted(ends, first[begin] + COSINES // len(own), "right")))
            vectors = self._store.vectors(rows[first[begin] : ends[end - 1]])
            if len(vectors) * len(own) > COSINES:
                scores = np.array([score(own, vectors, least)])
            else:
                cosines, starts = vectors @ own.T, first[begin:end] - first[begin]
                lengths = np.diff(np.append(starts, len(vectors)))
                one = np.maximum.reduceat(cosines, starts).mean(1)
                scores = np.minimum(one, np.add.reduceat(cosines.max(1), starts) / lengths)
            found += zip(files[begin:end].tolist(), scores.tolist(), strict=True)
            begin = end
        return found
