"""How many of the best segments of a library are found, and how fast, by its trees and how many segments it scores."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qbe.index.file.library import Library, open_library
from qbe.index.near.candidates import nearest
from qbe.index.store import FileStore
from qbe.index.write.building import write_library
from qbe.index.write.taking import take_part
from qbe.search.rows import nearest_rows
from qbe.search.store import EXACT, RECALL, Effort
from qbe.streams.intake import Intake
from qbe.streams.records import Numbers, Vector
from qbe.support.errors import LibraryError
from qbe.support.plotting import write_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST = 250  # candidates; every number is twice the one before
ENOUGH = 0.9995  # recall: with more candidates there is nothing more to find
NEIGHBOURS = 10
MIXED = (0.5, 0.9)  # how much of a stored segment is in a query
TIED = 1e-6


@dataclass(frozen=True)
class Point:
    """candidates : None where all are scored; recall : of the k best; speed : queries a second, in one process"""

    trees: int
    candidates: int | None
    recall: float
    speed: float


def perturbed_segments(library: Library, count: int, seed: int) -> Vector:
    """Queries, float32 [count, D]: stored segments, each mixed with one of its nearest neighbours in other files.

    LibraryError where there are none.
    """
    rng = np.random.default_rng(seed)
    rows = _rows_there(library)
    drawn = rng.choice(rows, min(count, len(rows)), replace=False)
    found = [query for row in drawn if (query := _perturbed(library, row, rng)) is not None]
    if not found:
        raise LibraryError(f"{library.path}: measuring takes the segments of two files at least")
    mixed = np.stack(found)
    return library.frame.given(mixed / np.linalg.norm(mixed, axis=1, keepdims=True))


def _rows_there(library: Library) -> Numbers:
    """Those of files that are not removed."""
    rows = np.arange(library.rows)
    return rows if library.removed is None else rows[~library.removed[library.segments_of(rows)[:, 0]]]


def _perturbed(library: Library, row: int, rng: np.random.Generator) -> Vector | None:
    """In the library's frame; None where no other file has segments."""
    (own,), (vector,) = library.segments_of(np.array([row]))[:, 0], library.vectors(np.array([row]))
    query, budget = vector.astype(np.float32), library.budget(RECALL) or library.rows
    (near,) = nearest(library, query[None], budget, NEIGHBOURS, own.__ne__)
    if not len(near.rows):
        return None
    weight = np.float32(rng.uniform(*MIXED))
    (other,) = library.vectors(rng.choice(near.rows, 1)).astype(np.float32)
    mixed: Vector = weight * query + (1 - weight) * other
    return mixed


def measure(library: Library, queries: Vector, k: int) -> Iterator[Point]:
    """Exact search, then more and more candidates, until all is found or half of the segments are scored."""
    store = FileStore(library)

    def timed(effort: Effort) -> tuple[list[Vector], float]:
        return _timed(lambda query: nearest_rows(store, query, k, effort=effort).scores, queries)

    answers, speed = timed(EXACT)
    yield Point(library.trees, None, 1.0, speed)
    worst = [scores[-1] - TIED for scores in answers]
    wanted = sum(map(len, answers))
    budget, recall = SMALLEST, 0.0
    while recall < ENOUGH and budget <= library.rows / 2:
        answers, speed = timed(Effort(candidates=budget))
        recall = sum(np.count_nonzero(of >= least) for of, least in zip(answers, worst, strict=True)) / wanted
        yield Point(library.trees, budget, recall, speed)
        budget *= 2


def _timed(answer: Callable[[Vector], Vector], queries: Vector) -> tuple[list[Vector], float]:
    """Answers, and how many a second: of the second round, when what is read is in memory."""
    for _ in range(2):
        began = time.perf_counter()
        answers = [answer(query) for query in queries]
    return answers, len(queries) / (time.perf_counter() - began)


def with_trees(library: Library, trees: int, folder: str) -> Library:
    """The same segments in another library, in a folder, with so many trees."""
    path = str(Path(folder) / f"{trees}.idx")
    removed = np.zeros(library.files, bool) if library.removed is None else library.removed
    with Intake(folder, library.footer.dimension) as intake:
        for number in range(len(library.parts)):
            take_part(intake, library, number, removed)
        write_library(path, intake, replace(library.footer, trees=trees))
    return open_library(path)


def benchmark(library: Library, trees: list[int], k: int, count: int, seed: int) -> Iterator[Point]:
    """Of the library as it is, or built anew, in a folder for temporary files, with each number of trees."""
    queries = perturbed_segments(library, count, seed)
    if not trees:
        yield from measure(library, queries, k)
    with tempfile.TemporaryDirectory() as folder:
        for number in trees:
            yield from measure(with_trees(library, number, folder), queries, k)


def plot_benchmark(path: str, figure: Figure, points: list[Point], k: int) -> None:
    """Recall against queries per second into an SVG file: a line for each number of trees, exact search as a dot."""
    axes = figure.subplots()
    for trees, group in groupby(points, lambda point: point.trees):
        exact, *line = group
        label = f"{trees} tree" + "s" * (trees > 1)
        (drawn,) = axes.plot([p.recall for p in line], [p.speed for p in line], marker=".", label=label)
        axes.plot([exact.recall], [exact.speed], "o", color=drawn.get_color(), label=f"{label}, exact")
    axes.set(xlabel=f"recall@{k}", ylabel="queries per second", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    write_svg(path, figure)
