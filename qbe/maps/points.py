"""What a map shows of a library: a point for every file, or for every segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qbe.search.store import Store
from qbe.streams.records import Numbers, Vector

READ = 1 << 14  # rows at a time
SHORTEST = 1e-12  # no vector is divided by less than this


@dataclass(frozen=True)
class Points:
    """store : whose files or segments they are
    rows : their segments, point by point; first : where in these each begins, and the last ends, [n + 1]
    names : of all files; files : the number of each point's among these, [n]
    starts, lengths : of their places, seconds, [n]
    """

    store: Store
    rows: Numbers
    first: Numbers
    names: list[bytes]
    files: Numbers
    starts: NDArray[np.float64]
    lengths: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def paths(self) -> list[bytes]:
        """The file of each."""
        return [self.names[file] for file in self.files.tolist()]

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        """How loud the loudest segment of each is, dBFS, [n]; NaN where that is not known."""
        return np.maximum.reduceat(self.store.levels(self.rows), self.first[:-1]).astype(np.float64)

    def vectors(self, points: Numbers) -> Vector:
        """Of some of them, float32 [n, D]: unit vectors as the store sees them; of a file, the mean of its segments."""
        return np.concatenate([np.zeros((0, self.store.about.dimension), np.float32), *self._parts(points)])

    def _parts(self, points: Numbers) -> Iterator[Vector]:
        """As many segments are read at a time as READ, or a file's."""
        ends = (self.first[points + 1] - self.first[points]).cumsum()
        last = np.unique(ends.searchsorted(np.arange(READ, ends[-1:].sum(), READ)))
        for part in np.split(points, last + 1):
            begin, counts = self.first[part], self.first[part + 1] - self.first[part]
            starts = counts.cumsum() - counts
            within = np.arange(counts.sum()) - np.repeat(starts, counts)
            sums = np.add.reduceat(self.store.vectors(self.rows[np.repeat(begin, counts) + within]), starts)
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            yield (sums / np.maximum(lengths, SHORTEST)).astype(np.float32)


def files_of(store: Store) -> Points:
    """A point for every file that holds sound."""
    names, ends, rows, first = _rows_of_files(store)
    files, lengths = np.arange(len(names)), np.array(ends) / store.about.sample_rate
    return Points(store, rows, first, names, files, np.zeros(len(names)), lengths)


def segments_of(store: Store) -> Points:
    """A point for every segment, file by file."""
    names, _, rows, first = _rows_of_files(store)
    places = store.places(rows)[:, 1:] / store.about.sample_rate
    files = np.repeat(np.arange(len(names)), np.diff(first))
    return Points(store, rows, np.arange(len(rows) + 1), names, files, *places.T)


def _rows_of_files(store: Store) -> tuple[list[bytes], list[int], Numbers, Numbers]:
    """Of all files that hold sound their names, where they end, samples; their rows, and where in these each begins,
    and the last ends."""
    files = [entry for entry in store.files() if entry.segments]
    rows, first = store.rows_of(np.array([entry.number for entry in files]))
    return [entry.path for entry in files], [entry.end for entry in files], rows, np.append(first, len(rows))
