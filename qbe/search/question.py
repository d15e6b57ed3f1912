"""A question to a store: what is asked for, and which of its sounds may answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from qbe.search.store import Filter, Near, Store
from qbe.search.windows import Windows
from qbe.streams.records import Numbers


@dataclass(frozen=True)
class Question:
    """windows : of the query, as the store sees them
    k : answers wanted
    only : which files may answer
    part : where the query lies in the files that `only` names as its own, start and end in samples: these may answer
        with what does not touch it. None: they may not answer
    min_score : of an answer
    per_file : answers wanted of one file, where they are places
    """

    store: Store
    windows: Windows
    k: int
    only: Filter = field(default_factory=Filter)
    part: tuple[int, int] | None = None
    min_score: float = -1.0
    per_file: int | None = None

    @property
    def others(self) -> Filter:
        """Which files may answer with some of what they hold."""
        return self.only if self.part is None else replace(self.only, own=())

    @property
    def apart(self) -> int:
        """Places that begin nearer to each other than this many samples are one."""
        return max(self.windows.length // 2, 2 * self.store.about.hop)

    def admitted(self, files: Numbers) -> NDArray[np.bool_]:
        """Which of them may answer, [n]."""
        return self.store.admitted(files, self.others)

    def is_own(self, files: Numbers) -> NDArray[np.bool_]:
        """Which of them what was asked for is a part of, [n]."""
        if self.part is None or not self.only.own:
            return np.zeros(len(files), bool)
        return ~self.store.admitted(files, Filter(own=self.only.own))

    def overlap(self, starts: Numbers, lengths: Numbers | int) -> NDArray[np.bool_]:
        """Which places in such a file overlap what was asked for, [n]."""
        begin, end = self.part or (0, 0)
        overlap: NDArray[np.bool_] = (starts < end) & (starts + lengths > begin)
        return overlap


def near_rows(
    questions: Sequence[Question], candidates: int, count: int, windows: Sequence[Numbers] | None = None
) -> Iterator[tuple[Question, list[Near]]]:
    """For each window of each question, or those of some numbers, about its `count` best rows of those that are scored,
    as `Store.near`."""
    at = windows or [np.arange(len(question.windows.vectors)) for question in questions]
    queries = [question.windows.vectors[of_one] for question, of_one in zip(questions, at, strict=True)]
    only = [question.others for question in questions]
    return zip(questions, questions[0].store.near(queries, count, candidates, only, count // 2), strict=True)
