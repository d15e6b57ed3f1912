"""How good answers are: query-by-example retrieval, measured with labels that training never sees."""

from __future__ import annotations

import csv
import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from qbe.search.centring import centred, distances, middle
from qbe.search.windows import Windows
from qbe.streams.records import LONGEST, Vector
from qbe.support.bounded import read_whole
from qbe.support.errors import TaskError, display

COLUMNS = ("path", "label", "group")
NORMAL_95 = 1.96
QUERY_SEGMENTS = 64


@dataclass(frozen=True)
class Part:
    """A sound, or a part of one (seconds; duration None: to its end). path : the bytes of the name"""

    path: bytes
    start: float = 0.0
    duration: float | None = None


@dataclass(frozen=True)
class Item:
    """A labelled part. Items of one group are no match for each other, nor a miss."""

    part: Part
    label: str
    group: str


@dataclass(frozen=True)
class Task:
    """file : the name of the task file, as messages show it"""

    file: str
    items: list[Item]

    @property
    def name(self) -> str:
        """In tables."""
        return PurePath(self.file).stem

    def require_match(self) -> None:
        """TaskError where no item has a match: then there is nothing to ask."""
        groups: dict[str, set[str]] = defaultdict(set)
        for item in self.items:
            groups[item.label].add(item.group)
        if all(len(found) < 2 for found in groups.values()):
            raise TaskError(f"{self.file}: no query has a match: one label must stand in two groups or more")


def read_task(path: str) -> Task:
    """A task from its file: tab-separated, no quoting, a header with path, label, group, and perhaps start, duration.

    Bytes that are not UTF-8 are kept. TaskError where the file cannot be read, a column or a value is missing or makes
    no sense, or no query has a match.
    """
    file = display(os.fsencode(path))
    try:
        with open(path, "rb") as opened:
            text = read_whole(opened, file, TaskError).decode("utf-8-sig", "surrogateescape")
        task = Task(file, _items(io.StringIO(text, newline=""), file))
    except OSError as error:
        raise TaskError(f"{file}: no task can be read ({error.strerror})") from None
    except csv.Error as error:
        raise TaskError(f"{file}: not a tab-separated table ({error})") from None
    task.require_match()
    return task


def _items(lines: Iterable[str], file: str) -> list[Item]:
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    if rows.fieldnames is None:
        raise TaskError(f"{file}: empty; a task has the columns {', '.join(COLUMNS)}")
    if missing := [column for column in COLUMNS if column not in rows.fieldnames]:
        raise TaskError(
            f"{file}: lacks the column {', '.join(missing)}; columns are parted by tabs and named on line 1"
        )
    return [_item(row, f"{file} line {rows.line_num}") for row in rows]


def _item(row: dict[str, str | None], where: str) -> Item:
    path, label, group = (row[column] for column in COLUMNS)
    if path is None or label is None or group is None or None in row:
        raise TaskError(f"{where}: another number of fields than line 1 names")
    if not path or "\0" in path:
        raise TaskError(f"{where}: path {path!r} can name no file")
    start, duration = (_seconds(row.get(column), column, where) for column in ("start", "duration"))
    return Item(Part(os.fsencode(path), start or 0.0, duration), label, group)


def _seconds(text: str | None, column: str, where: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST:
        raise TaskError(f"{where}: {column} {text!r} is not a number of seconds, 0 or more")
    return seconds


def maxsim(query: Windows, candidates: Vector, starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """How well each candidate answers a query: the weighted mean over its slots of the best cosine in it, [C].

    candidates : [N, D], the segments of C sounds one after the other, beginning at rows `starts` [C]
    """
    score = np.zeros(len(starts))
    for part in query.parts(QUERY_SEGMENTS):  # of a long query not all cosines at a time
        score += part.score(np.maximum.reduceat(part.vectors @ candidates.T, starts, axis=1).T)
    return score


def average_precision(relevant: NDArray[np.bool_]) -> float:
    """Mean of the precision at every relevant rank, [n] in order of rank; 0 where none is relevant."""
    ranks = np.flatnonzero(relevant) + 1
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks)) if len(ranks) else 0.0


def chance_precision(matches: int, n: int) -> float:
    """The expected average precision of n answers in random order, `matches` of them relevant, 1 <= matches <= n.

    A relevant answer is as likely at any rank k, where (k - 1) (matches - 1) / (n - 1) others are expected before it:
    the mean over k of the precision there, (1 + that) / k.
    """
    harmonic = float(np.sum(1 / np.arange(1, n + 1)))
    return ((matches - 1) / (n - 1) * (n - harmonic) + harmonic) / n if n > 1 else 1.0


@dataclass(frozen=True)
class Retrieval:
    """Over the queries that have a match at all: average precision of each [n], n >= 1, the share whose first answer is
    right, and the mean average precision to expect of random order. items : how many sounds were ranked"""

    average_precisions: NDArray[np.float64]
    precision_at_1: float
    chance: float
    items: int

    @property
    def mean_average_precision(self) -> float:
        return float(self.average_precisions.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean average precision, queries taken as independent; infinite where there is only one."""
        n = len(self.average_precisions)
        return float(self.average_precisions.std(ddof=1) / np.sqrt(n)) if n > 1 else float("inf")


def interval(outcomes: Sequence[Retrieval]) -> tuple[float, float]:
    """The 95 % interval of the mean average precision of one task over its queries, or of the mean of several tasks.

    By normal approximation, within [0, 1]; tasks are taken as independent.
    """
    mean = float(np.mean([outcome.mean_average_precision for outcome in outcomes]))
    error = float(np.linalg.norm([outcome.standard_error for outcome in outcomes])) / len(outcomes)
    return max(0.0, mean - NORMAL_95 * error), min(1.0, mean + NORMAL_95 * error)


def retrieval(sounds: Sequence[Windows], labels: Sequence[str], groups: Sequence[str]) -> Retrieval:
    """Every sound is a query against all others of other groups, ranked by `maxsim`; ties stay in their order.

    sounds : of each its segments, one at least, a slot for each; one sound at least has a match
    """
    candidates = np.concatenate([sound.vectors for sound in sounds])
    starts = np.cumsum([0, *(len(sound.vectors) for sound in sounds[:-1])])
    label, group = np.asarray(labels), np.asarray(groups)
    precisions, firsts, chances = [], [], []
    for i, sound in enumerate(sounds):
        others = group != group[i]
        relevant = (label == label[i])[others]
        if not relevant.any():
            continue
        order = np.argsort(-maxsim(sound, candidates, starts)[others], kind="stable")
        precisions.append(average_precision(relevant[order]))
        firsts.append(bool(relevant[order[0]]))
        chances.append(chance_precision(int(relevant.sum()), len(relevant)))
    return Retrieval(np.array(precisions), float(np.mean(firsts)), float(np.mean(chances)), len(sounds))


def library_retrieval(sounds: Sequence[Windows], labels: Sequence[str], groups: Sequence[str]) -> Retrieval:
    """As `retrieval`, but of embeddings as a library of all the sounds sees and weighs them: what `qbe search` would
    answer, but for its finer alignment."""
    (see,) = from_middle(sounds)
    return retrieval([see(sound) for sound in sounds], labels, groups)


def from_middle(sounds: Sequence[Windows]) -> list[Callable[[Windows], Windows]]:
    """The one way in which a library of all the sounds sees them."""
    total, count = sum(sound.vectors.sum(0, dtype=np.float64) for sound in sounds), sum(map(_segments, sounds))
    origin = middle(np.asarray(total), count)

    def see(vectors: Vector) -> Vector:
        return centred(vectors, origin).astype(np.float32)

    return [lambda sound: sound.seen(see, lambda vectors: distances(vectors, origin))]


def _segments(sound: Windows) -> int:
    return len(sound.vectors)
