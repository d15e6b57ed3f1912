"""Lay a query along files, each of its windows over the row at its offset, and score what lies over each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qbe.search.question import Question
from qbe.streams.records import Numbers
from qbe.support.errors import LibraryError

COMPARED = 1 << 12  # pairs of a window and a row at a time
FILES = 1 << 12  # at a time
LONGEST = 1 << 23  # hops that a file may have: seven weeks of half seconds
POSITIONS = 1 << 18  # on a grid of hops, at a time
COSINES = 1 << 22  # at a time
ROWS = 1 << 14  # compared at a time
LEAST_WEIGHT = 1e-9
SPAN = 1 << 49  # samples, more than there are in a file and before it


@dataclass(frozen=True)
class Layings:
    """Ways to lay a query, [L] each: over which file, where in it the query would begin (samples, before 0 too), and by
    which of its shifts."""

    files: Numbers
    starts: Numbers
    shifts: Numbers

    def __len__(self) -> int:
        return len(self.files)

    def __add__(self, more: Layings) -> Layings:
        both = ((self.files, more.files), (self.starts, more.starts), (self.shifts, more.shifts))
        return Layings(*map(np.concatenate, both))

    def __getitem__(self, at: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Layings:
        return Layings(self.files[at], self.starts[at], self.shifts[at])


def compared(question: Question, layings: Layings) -> tuple[NDArray[np.float64], Numbers]:
    """The score of each way to lay a query, [L], and the rows that come under its slots, [L, Q].

    The weighted mean of the cosines of what lies over each other; 0 where a window has no row under it, but for one
    that leads the sound: that does not count there.
    """
    windows, store = question.windows, question.store
    at = windows.laid[:, layings.shifts].T
    rows = _rows_under(question, layings, windows.starts[at])
    rows[at < 0] = -1
    scores, step = np.zeros(len(layings)), max(1, COMPARED // len(windows.laid))
    for first in range(0, len(layings), step):
        some = slice(first, first + step)
        needed, where = np.unique(rows[some], return_inverse=True)
        vectors = np.zeros((len(needed), store.about.dimension))
        vectors[needed >= 0] = store.vectors(needed[needed >= 0])
        cosines = np.einsum("lqd,lqd->lq", vectors[where.reshape(rows[some].shape)], windows.vectors[at[some]])
        weights = windows.shifted_weights.T[layings.shifts[some]]
        counting = (rows[some] >= 0) | ~windows.leads
        scores[some] = (cosines * weights).sum(1) / np.maximum((weights * counting).sum(1), LEAST_WEIGHT)
    return scores, rows


def _rows_under(question: Question, layings: Layings, offsets: Numbers) -> Numbers:
    """The row that begins nearest to each offset from a laying's start, [L, Q]; -1 where none is within half a hop."""
    files, number = np.unique(layings.files, return_inverse=True)
    rows, first = question.store.rows_of(files)
    begins = question.store.places(rows)[:, 1].astype(np.int64)
    lined = _of_each(first, len(rows)) * SPAN + begins
    wanted = (number * SPAN + layings.starts)[:, None] + offsets
    after = lined.searchsorted(wanted).clip(0, len(rows) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(lined[after] - wanted) < np.abs(lined[before] - wanted), after, before)
    return np.where(np.abs(lined[nearest] - wanted) <= question.store.about.hop // 2, rows[nearest], -1)


def _of_each(first: Numbers, count: int) -> Numbers:
    """Of `count` rows, file by file, the number of the file, [count]. first : where each begins"""
    return np.repeat(np.arange(len(first)), np.diff(np.append(first, count)))


def everywhere(question: Question, files: Numbers) -> Iterator[tuple[Layings, NDArray[np.float64]]]:
    """All ways to lay a query over some files, and their scores, as `compared` scores them, some at a time.

    Rows stand on a grid of hops, with as much room between files as the query is long: so a slot after the other is
    compared with all rows, and what it scores is added where the query would begin.
    """
    windows, hop = question.windows, question.store.about.hop
    offsets = np.rint(windows.starts[windows.laid[:, 0]] / hop).astype(np.int64)
    before = int(offsets.max())  # a file's first row the query may begin, and after its last, where a slot leads
    room = before - min(0, int(offsets.min()))
    for some in _in_parts(question, files, room):
        rows, first = question.store.rows_of(some)
        number = _of_each(first, len(rows))
        on_grid = np.rint(question.store.places(rows)[:, 1] / hop).astype(np.int64)
        last = np.maximum.reduceat(on_grid, first)
        if not 0 <= last.max(initial=0) < LONGEST or on_grid.min(initial=0) < 0:
            raise LibraryError(f"{question.store.name}: damaged: a segment lies too far behind the one before it")
        begin = before + np.cumsum(np.append(0, last[:-1] + 1 + room))  # of each file
        scores = _added(question, rows, begin[number] + on_grid, int(begin[-1] + last[-1] + 1 + room), offsets)
        lengths = last + 1 + room
        file = np.repeat(np.arange(len(some)), lengths)
        starts = (np.arange(len(file)) - begin[file]) * hop
        shifts = np.repeat(np.arange(len(scores)), len(file))
        begins = (starts - windows.shifts[:, None]).ravel()
        yield Layings(np.tile(some[file], len(scores)), begins, shifts), scores[:, : len(file)].ravel()


def _in_parts(question: Question, files: Numbers, room: int) -> Iterator[Numbers]:
    """So many files at a time that they and the room between them take about POSITIONS."""
    for first in range(0, len(files), FILES):
        some = files[first : first + FILES]
        hops = np.clip(question.store.ends(some) // question.store.about.hop, 0, LONGEST)
        part = (hops + room).cumsum() // POSITIONS
        yield from np.split(some, np.flatnonzero(np.diff(part)) + 1)


def _added(question: Question, rows: Numbers, positions: Numbers, count: int, offsets: Numbers) -> NDArray[np.float64]:
    """By shift and position where the query begins, its score, [O, count]; minus infinity where no row is under it."""
    windows = question.windows
    scores = np.full((windows.laid.shape[1], count), -np.inf)
    weights = np.ones_like(scores)
    for slot, offset in enumerate(offsets.tolist()):
        under = positions[(positions >= offset) & (positions - offset < count)] - offset
        scores[:, under] = 0
        if windows.leads[slot]:
            weights -= windows.shifted_weights[slot][:, None]
            weights[:, under] += windows.shifted_weights[slot][:, None]
    step = max(1, COSINES // count)
    for first in range(0, len(windows.vectors), step):
        grid = np.zeros((min(step, len(windows.vectors) - first), count), np.float32)
        for begin in range(0, len(rows), ROWS):
            some = slice(begin, begin + ROWS)
            grid[:, positions[some]] = question.store.cosines(windows.vectors[first : first + step], rows[some]).T
        for slot, shift in np.argwhere((windows.laid >= first) & (windows.laid < first + step)).tolist():
            offset = int(offsets[slot])
            of_window = grid[windows.laid[slot, shift] - first, max(0, offset) : count + min(0, offset)]
            where = slice(max(0, -offset), max(0, -offset) + len(of_window))
            scores[shift, where] += windows.shifted_weights[slot, shift] * of_window
    return scores / np.maximum(weights, LEAST_WEIGHT)
