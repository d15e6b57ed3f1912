"""How good answers are: query-by-example retrieval, measured with labels that training never sees."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Vector


@dataclass(frozen=True)
class Item:
    """A sound of a task, or a part of one (seconds; duration None: to its end).

    Items of one group are no match for each other, nor a miss.
    """

    path: str
    label: str
    group: str
    start: float
    duration: float | None


def read_task(path: Path) -> list[Item]:
    """The items of a task: tab-separated, columns path, label, group, and perhaps start and duration."""
    with path.open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return [
            Item(
                row["path"],
                row["label"],
                row["group"],
                float(row.get("start") or 0),
                float(row["duration"]) if row.get("duration") else None,
            )
            for row in rows
        ]


def maxsim(query: Vector, candidates: Vector, starts: NDArray[np.intp]) -> NDArray[np.float32]:
    """How well each candidate answers a query: the mean over the query's segments of the best cosine in it, [C].

    query : [Q, D]; candidates : [N, D], the segments of C sounds one after the other, beginning at rows `starts` [C]
    """
    score: NDArray[np.float32] = np.maximum.reduceat(query @ candidates.T, starts, axis=1).mean(0)
    return score


def average_precision(relevant: NDArray[np.bool_]) -> float:
    """Mean of the precision at every relevant rank, [n] in order of rank; 0 where none is relevant."""
    ranks = np.flatnonzero(relevant) + 1
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks)) if len(ranks) else 0.0


@dataclass(frozen=True)
class Retrieval:
    """Over the queries that have a match at all: average precision of each [n], the share whose first answer is right,
    and the mean average precision of random order, estimated."""

    average_precisions: NDArray[np.float64]
    precision_at_1: float
    chance: float

    @property
    def mean_average_precision(self) -> float:
        return float(self.average_precisions.mean())


def retrieval(sounds: Sequence[Vector], labels: Sequence[str], groups: Sequence[str]) -> Retrieval:
    """Every sound is a query against all others of other groups, ranked by `maxsim`.

    sounds : float32 [n_i, D] each, the embeddings of a sound's segments, n_i >= 1
    """
    candidates = np.concatenate(list(sounds))
    starts = np.cumsum([0, *(len(sound) for sound in sounds[:-1])])
    label, group = np.asarray(labels), np.asarray(groups)
    rng = np.random.default_rng(0)
    precisions, firsts, chances = [], [], []
    for i, sound in enumerate(sounds):
        others = group != group[i]
        relevant = (label == label[i])[others]
        if not relevant.any():
            continue
        order = np.argsort(-maxsim(sound, candidates, starts)[others], kind="stable")
        precisions.append(average_precision(relevant[order]))
        firsts.append(bool(relevant[order[0]]))
        chances.append(average_precision(rng.permutation(relevant)))
    return Retrieval(np.array(precisions), float(np.mean(firsts)), float(np.mean(chances)))
