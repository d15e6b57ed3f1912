"""Small libraries whose cosines are multiples of a half, and the answers to questions by their definitions.

The vectors are the 24 vertices of the 24-cell: so sums are exact, and ties are many.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from dict_store import KEPT, DictStore, Sounds
from hypothesis import strategies as st
from numpy.typing import NDArray

from qbe.search.question import Question
from qbe.search.store import About, Filter, Near
from qbe.search.windows import Windows
from qbe.streams.records import Embedding, File, Numbers, Vector

AXES = [[sign * float(at == axis) for at in range(4)] for axis in range(4) for sign in (1, -1)]
VERTICES = np.array([*AXES, *itertools.product((0.5, -0.5), repeat=4)], np.float32)
HOP, LENGTH = 100, 200
WEIGHTS = [(1.0,), (0.5, 0.5), (0.75, 0.25), (0.25, 0.5, 0.25), (0.25,) * 4, (0.5, 0.25, 0.125, 0.125)]

Rows = list[tuple[int, int]]  # of a file: where each begins, and its vertex
Answer = tuple[bytes, float, int, int]  # file, score, start, end


def name_of(file: int) -> bytes:
    """Files lie in three folders."""
    return b"%d/%d.wav" % (file % 3, file)


def own_of(file: int) -> File:
    return File(name_of(file), -1, 0)


def rows_at(hop: int, vertices: Sequence[int | None]) -> Rows:
    """A file of so many vertices; where there is none, silence was left out."""
    return [(at * hop, vertex) for at, vertex in enumerate(vertices) if vertex is not None]


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    """Of slots of which the first may lead the sound, at one shift or some; some shifted windows are silence."""
    weights = draw(st.sampled_from(WEIGHTS))
    shifts, leads = draw(st.sampled_from([1, 2, 4])), len(weights) > 1 and draw(st.booleans())
    heard = [[shift == 0 or draw(st.booleans()) for shift in range(shifts)] for _ in weights]
    number = iter(itertools.count())
    laid = np.array([[next(number) if hears else -1 for hears in slot] for slot in heard])
    at = [(slot - leads) * HOP - shift * HOP // 4 for slot, shift in zip(*np.nonzero(heard), strict=True)]
    of = draw(st.lists(vertices, min_size=len(at), max_size=len(at)))
    length = (len(weights) - 1 - leads) * HOP + draw(st.sampled_from([LENGTH, 120, 10]))
    return Windows(VERTICES[of], np.array(at, np.int64), laid, np.array(weights), length)


vertices = st.integers(0, len(VERTICES) - 1)
heard = st.lists(vertices | st.none() | vertices, max_size=6)
libraries = st.lists(st.builds(rows_at, st.just(HOP), heard), min_size=1, max_size=20).filter(any)
mixed = st.lists(st.builds(rows_at, st.sampled_from([HOP, 50, 70, 130]), heard), min_size=1, max_size=20).filter(any)
seeds = st.integers(0, 10**6)
names = st.integers(0, 19).map(name_of)
filters = st.builds(
    Filter,
    inside=st.sampled_from([(), (b"0",), (b"*/1*",), (b"1", b"2/"), (b"none",)]),
    own=st.lists(st.integers(0, 19).map(own_of), max_size=2).map(tuple),
    without=st.lists(names, max_size=9).map(tuple),
)
parts = st.none() | st.tuples(st.integers(0, 300), st.integers(1, 300)).map(lambda part: (part[0], sum(part)))


class LooseStore(DictStore):
    """Sees vectors as they are, scores no more rows than it has to, and gives bounds that hold but are loose.

    lists : that were last given; None when all rows were asked for after that
    asked : how many queries came with how many candidates, call by call
    """

    def __init__(self, files: Sequence[Rows], seed: int = 0) -> None:
        of_files = {
            name_of(file): [Embedding(name_of(file), start, LENGTH, 16_000, VERTICES[v]) for start, v in rows]
            for file, rows in enumerate(files)
        }
        KEPT["loose"] = Sounds(About("ab" * 32, "m", 16_000, 4, HOP), of_files)
        super().__init__("loose")
        self._middle = np.zeros(4)
        self._vectors = VERTICES[[vertex for rows in files for _, vertex in rows]].astype(np.float64).reshape(-1, 4)
        self.rng = np.random.default_rng(seed)
        self.lists: list[Near] | None = None
        self.asked: list[tuple[int, int]] = []

    def near(
        self, queries: Sequence[Vector], count: int, candidates: int, only: Sequence[Filter], enough: int
    ) -> Iterator[list[Near]]:
        self.asked.append((len(queries), candidates))
        for query, filter in zip(queries, only, strict=True):
            self.lists = [self._list(vector, min(count, candidates), filter, enough) for vector in query]
            yield self.lists

    def _list(self, vector: Vector, count: int, only: Filter, enough: int) -> Near:
        scores = (self._vectors @ vector).astype(np.float32)
        order = np.argsort(-scores, kind="stable")
        may = self.admitted(self._places[order, 0], only)
        kept = order[:count][may[:count]]
        if len(kept) < count and len(kept) < enough:
            kept = order[may][:enough]
        return Near(kept, scores[kept])

    def sounding(self) -> Numbers:
        self.lists = None
        return super().sounding()

    def reaching(self, query: Vector, least: float) -> Numbers:
        self.lists = None
        reaches = self.cosines(query, np.arange(self.rows)).max(1) >= least
        return self.rng.permutation((reaches | (self.rng.random(self.rows) < 0.2)).nonzero()[0])

    def bounds(self, query: Windows, only: Filter) -> tuple[Numbers, NDArray[np.float64]]:  # noqa: ARG002
        self.lists = None
        files = self.rng.permutation(np.unique(self._places[:, 0]))
        slack = self.rng.choice([0, 0.1, 1.5], len(files)) * self.rng.random(len(files))
        return files, query.score(self.best_of_files(query.vectors, files)[0]) + slack


def best_files(question: Question, files: Sequence[Rows], among: set[int] | None = None) -> list[tuple[bytes, float]]:
    """The definition: slot by slot the best that a window of it, at any shift, meets in the file."""
    found = []
    for file, rows in enumerate(files):
        may = [row for row in rows if not (_is_own(question, file) and _touches(question, row[0], LENGTH))]
        is_among = among is None or file in among
        if may and is_among and _admitted(question, file) and _has_place(question, file, rows, may):
            slots = [[window for window in slot if window >= 0] for slot in question.windows.laid.tolist()]
            best = [max(_cosine(question, window, row) for window in slot for row in may) for slot in slots]
            score = sum(weight * of for weight, of in zip(question.windows.weights.tolist(), best, strict=True))
            found.append((-score, file))
    return [(name_of(file), -score) for score, file in sorted(found)[: question.k] if -score >= question.min_score]


def _has_place(question: Question, file: int, rows: Rows, may: Rows) -> bool:
    """Whether the query can lie beside what was asked for, with a window over the row nearest to it."""
    windows = range(len(question.windows.starts))
    ways = layings(question, [[max(may, key=lambda row: _cosine(question, of, row))] for of in windows])
    return not _is_own(question, file) or any(is_place(question, file, rows, start) for start, _ in ways)


def best_places(question: Question, files: Sequence[Rows]) -> list[Answer]:
    """The definition, for files of the library's hop: all ways to lay the query that put a slot over a row, best first,
    those left out that are one with a better one, or a hop or less from a better way."""
    ways = []
    for file, rows in enumerate(files):
        ways_in = [way for way in _everywhere(question, rows) if _is_inside(question, rows, way[0])]
        scored = [(score_of(question, rows, *way), *way) for way in ways_in]
        for score, start, shift in scored:
            is_slope = any(abs(start - at) <= HOP and better > score + 0.02 for better, at, _ in scored)
            may = _admitted(question, file) and is_place(question, file, rows, start)
            if may and not is_slope and score >= question.min_score:
                ways.append((-score, file, start, shift))
    found: list[tuple[float, int, int, int]] = []
    for score, file, start, shift in sorted(ways):
        place = _cut(question, files[file], start)
        of_file = [_cut(question, files[file], begin) for _, taken, begin, _ in found if taken == file]
        is_new = not any(_are_one(question, place, other) for other in of_file)
        if is_new and len(of_file) != question.per_file and len(found) < question.k:
            found.append((score, file, start, shift))
    settled = [(-score, file, settle(question, file, files[file], *way, -score)) for score, file, *way in found]
    return [(name_of(file), score, *_cut(question, files[file], start)) for score, file, start in settled]


def settle(question: Question, file: int, rows: Rows, start: int, shift: int, score: float) -> int:
    """The mean of where no better ways begin, at most a hop away, that put the windows of a shift over rows as this one
    does: a way that scores less by a fifth of what this one's score is less than 1 counts e times less."""
    shifts, total, moved = question.windows.shifts.tolist(), 0.0, 0.0
    for other, later in enumerate(shifts):
        for move in (shifts[shift] - later + hops * HOP for hops in (-1, 0, 1)):
            less = score - score_of(question, rows, start + move, other)
            if abs(move) <= HOP and less > -1e-5 and is_place(question, file, rows, start + move):
                likely = math.exp(-max(0.0, less) / max(0.2 * (1 - score), 1e-4))
                total, moved = total + likely, moved + likely * move
    step = HOP // 16
    return start + step * round(moved / total / step)


def _everywhere(question: Question, rows: Rows) -> set[tuple[int, int]]:
    windows = question.windows
    slots, shifts = windows.starts[windows.laid[:, 0]].tolist(), windows.shifts.tolist()
    return {(at - slot - later, shift) for at, _ in rows for slot in slots for shift, later in enumerate(shifts)}


def _are_one(question: Question, one: tuple[int, int], other: tuple[int, int]) -> bool:
    overlap = min(one[1], other[1]) - max(one[0], other[0])
    shorter = min(one[1] - one[0], other[1] - other[0])
    return abs(one[0] - other[0]) < question.apart or 4 * overlap > shorter


def _cut(question: Question, rows: Rows, start: int) -> tuple[int, int]:
    """Where the query begins and ends in a file."""
    return max(start, 0), min(start + question.windows.length, rows[-1][0] + LENGTH)


def layings(question: Question, over: Sequence[Rows]) -> set[tuple[int, int]]:
    """Where the query begins and how it is shifted when one of its windows begins with a row. over : of each window"""
    windows = question.windows
    return {
        (start - int(windows.starts[window]), shift)
        for slot in windows.laid.tolist()
        for shift, window in enumerate(slot)
        if window >= 0
        for start, _ in over[window]
    }


def is_place(question: Question, file: int, rows: Rows, start: int) -> bool:
    """Whether half of the query, or of a shorter file, lies in the file, and not where what was asked for does."""
    return _is_inside(question, rows, start) and not _was_asked(question, file, start)


def _is_inside(question: Question, rows: Rows, start: int) -> bool:
    begin, end = _cut(question, rows, start)
    return begin <= end and 2 * (end - begin) >= min(question.windows.length, rows[-1][0] + LENGTH)


def _was_asked(question: Question, file: int, start: int) -> bool:
    """Whether a place overlaps what was asked for, or is one with it."""
    touches = _touches(question, start, question.windows.length)
    near = abs(start - (question.part or (0, 0))[0]) < question.apart
    return _is_own(question, file) and (touches or near)


def score_of(question: Question, rows: Rows, start: int, shift: int) -> float:
    """The weighted mean of the cosines of what lies over each other: 0 where no row is under a window, but for one that
    begins before the sound, which does not count there."""
    windows = question.windows
    counted, total, weights = (
        1.0,
        0.0,
        [w if slot[shift] >= 0 else 0 for w, slot in zip(windows.weights, windows.laid, strict=True)],
    )
    for weight, window, slot in zip(weights, windows.laid[:, shift].tolist(), windows.laid[:, 0], strict=True):
        at = start + int(windows.starts[window])
        away, _, under = min((abs(row[0] - at), row[0], row) for row in rows)
        if weight and away <= HOP // 2:
            total += weight / sum(weights) * _cosine(question, window, under)
        elif weight and windows.starts[slot] < 0:
            counted -= weight / sum(weights)
    return total / max(counted, 1e-9)


def _cosine(question: Question, window: int, row: tuple[int, int]) -> float:
    return float(question.windows.vectors[window] @ VERTICES[row[1]])


def _admitted(question: Question, file: int) -> bool:
    is_left_out = question.part is None and own_of(file) in question.only.own
    return not is_left_out and Filter(question.only.inside, (), question.only.without).admits(own_of(file))


def _is_own(question: Question, file: int) -> bool:
    return question.part is not None and own_of(file) in question.only.own


def _touches(question: Question, start: int, length: int) -> bool:
    begin, end = question.part or (0, 0)
    return start < end and start + length > begin
