"""What a map shows of a library: a point for every file, or for every segment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qbe.search.means import mean_vectors
from qbe.search.store import Store
from qbe.streams.records import Numbers, Vector


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
        counts = self.first[points + 1] - self.first[points]
        first = np.append(0, counts.cumsum())
        within = np.arange(first[-1]) - np.repeat(first[:-1], counts)
        return mean_vectors(self.store, self.rows[np.repeat(self.first[points], counts) + within], first)


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
