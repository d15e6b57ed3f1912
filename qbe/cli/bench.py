"""qbe bench: a library -> how much of it is found, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import Json, NullLines, Quiet, Verbose, command
from qbe.cli.outputs import Output
from qbe.cli.progress import progress
from qbe.support.errors import UsageError

if TYPE_CHECKING:
    from qbe.cli.formats import Row
    from qbe.measure.benchmark import Point

MOST_TREES = 64


@command("bench", "qbe bench lib.idx --trees 1,2,4 --plot bench.svg")
def bench(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    trees: Annotated[str, typer.Option(metavar="N,N...", help="Build it anew with so many.  [default: as it is]")] = "",
    k: Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many of the best are to be found.")] = 10,
    queries: Annotated[int, typer.Option(metavar="N", min=1, help="How many are asked.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the queries that are drawn.")] = 0,
    plot: Annotated[str | None, typer.Option(metavar="FILE", help="Draw recall against speed, as SVG.")] = None,
    as_json: Json = False,
    null: NullLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Measure how many of the best are found, and how fast.

    A query is a stored segment, mixed with one of its nearest neighbours in other files. Beside each number of trees
    stands exact search.
    """
    from qbe.index.file.library import open_library
    from qbe.measure.benchmark import benchmark, plot_benchmark
    from qbe.support.plotting import new_figure

    numbers = _numbers(trees)
    opened = open_library(library)
    figure = new_figure(7, 5) if plot is not None else None
    points: list[Point] = []
    with progress("bench", None, quiet=quiet, verbose=verbose) as update:
        for point in benchmark(opened, numbers, k, queries, seed):
            points.append(point)
            update(len(points), f"{point.trees} trees, {_candidates(point)}: recall {point.recall:.3f}")
    Output(as_json, null).write(map(_row, points))
    if plot is not None and figure is not None:
        plot_benchmark(plot, figure, points, k)
    return 0


def _numbers(text: str) -> list[int]:
    numbers = [int(part) if part.isdecimal() else 0 for part in text.split(",") if text]
    if not all(1 <= number <= MOST_TREES for number in numbers):
        raise UsageError(f"--trees {text}: numbers from 1 to {MOST_TREES}, parted by commas")
    return numbers


def _candidates(point: Point) -> int | str:
    return "exact" if point.candidates is None else point.candidates


def _row(point: Point) -> Row:
    return {
        "trees": point.trees,
        "candidates": _candidates(point),
        "recall": point.recall,
        "queries_per_second": round(point.speed),
    }
