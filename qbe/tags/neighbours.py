"""Which sounds are near a sound, of those that are known? One vector a sound: the mean of its segments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from qbe.search.highest import highest_columns
from qbe.search.means import mean_vectors, unit
from qbe.search.store import Store
from qbe.streams.records import Numbers, Vector

BLOCK = 256  # sounds compared with others at a time
READ = 4096  # segments read at a time
ALL = 16_384  # examples that are all compared; of more, those in the nearest cells
IN_CELL = 256  # examples, on average
CELLS = 16  # that are looked into
ROUNDS = 4  # of k-means


class Neighbours(NamedTuple):
    """Of each sound the nearest examples, best first, int64 [n, k], and their cosines, float32 [n, k]: -1 where there
    are no more."""

    examples: Numbers
    cosines: Vector


def sound_vectors(store: Store, files: Numbers) -> Vector:
    """The mean of each file's segments, as the store sees them, at unit length: float32 [n, D]. Zero without any."""
    rows, begins = store.rows_of(files)
    return mean_vectors(store, rows, np.append(begins, len(rows)))


def nearest(sounds: Vector, examples: Vector, count: int, without: Numbers) -> Neighbours:
    """The `count` nearest examples of each sound, or all; of over ALL examples, about those.

    sounds : [n, D], examples : [m, D], of unit length
    without : the first example that is none of a sound's, and the one after the last, [n, 2]
    """
    shape = len(sounds), min(count, len(examples))
    found = Neighbours(np.zeros(shape, np.int64), np.full(shape, -1, np.float32))
    for asked, compared in _blocks(sounds, examples) if shape[1] else ():
        cosines = sounds[asked] @ examples[compared].T
        spans = np.searchsorted(compared, without[asked])
        for row, (begin, end) in zip(cosines, spans.tolist(), strict=True):
            row[begin:end] = -1
        best = highest_columns(cosines, min(count, len(compared)))
        found.examples[asked, : best.shape[1]] = compared[best]
        found.cosines[asked, : best.shape[1]] = np.take_along_axis(cosines, best, 1)
    return found


def _blocks(sounds: Vector, examples: Vector) -> Iterator[tuple[Numbers, Numbers]]:
    """Sounds by and by, each once, and the examples that they are compared with, in their order."""
    if len(examples) <= ALL:
        everything = np.arange(len(examples))
        for first in range(0, len(sounds), BLOCK):
            yield np.arange(first, min(first + BLOCK, len(sounds))), everything
        return
    centres = _centres(examples)
    cell_of_example, cell_of_sound = (_nearest_centre(vectors, centres) for vectors in (examples, sounds))
    for cell in np.unique(cell_of_sound).tolist():
        near = np.argsort(-(centres @ centres[cell]), kind="stable")[:CELLS]
        compared = np.flatnonzero(np.isin(cell_of_example, near))
        asked = np.flatnonzero(cell_of_sound == cell)
        for first in range(0, len(asked), BLOCK):
            yield asked[first : first + BLOCK], compared


def _centres(examples: Vector) -> Vector:
    """Of cells of like examples, by k-means on the sphere, begun with some examples, evenly spread."""
    centres = examples[::IN_CELL].copy()
    sample = examples[:: max(1, len(examples) // (16 * len(centres)))]
    for _ in range(ROUNDS):
        cell = _nearest_centre(sample, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, cell, sample)
        there = np.bincount(cell, minlength=len(centres)) > 0
        centres[there] = unit(sums[there])
    return centres


def _nearest_centre(vectors: Vector, centres: Vector) -> Numbers:
    blocks = range(0, len(vectors), READ)
    return np.concatenate([(vectors[at : at + READ] @ centres.T).argmax(1) for at in blocks])
