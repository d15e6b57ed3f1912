"""qbe search: queries -> the places in a library that sound like them."""

from __future__ import annotations

import io
import os
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import Json, Model, NullLines, command
from qbe.cli.inputs import stdin
from qbe.cli.outputs import Output, Report
from qbe.cli.tables import bar, clock
from qbe.errors import QbeError, UsageError, display

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qbe.cli.outputs import Cell, Row
    from qbe.cli.tables import Shown
    from qbe.index.library import Library
    from qbe.index.searching import Match
    from qbe.queries import Query, QueryReader


@command(
    "search",
    "qbe search lib.idx query.wav -k 10",
    "sox in.wav -t wav - trim 2 1 | qbe search lib.idx -",
)
def search(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    queries: Annotated[list[str], typer.Argument(metavar="QUERY...", help="Sounds; '-': audio or a stream on stdin.")],
    k: Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many results.")] = 10,
    segments: Annotated[bool, typer.Option("--segments", help="Single segments instead of files.")] = False,
    start: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Where the part to search for begins.")] = 0.0,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long it is.  [default: to the end]")
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Segments to score for each of the query's.")
    ] = None,
    recall: Annotated[
        float | None, typer.Option(metavar="R", help="Score as many as found this share of the best.  [default: 0.97]")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Score all.")] = False,
    include_self: Annotated[bool, typer.Option("--include-self", help="The query file may answer itself.")] = False,
    play: Annotated[bool, typer.Option("--play", help="Play the results in turn, each from its place.")] = False,
    model: Model = None,
    as_json: Json = False,
    null: NullLines = False,
) -> int:
    """Find the sounds in a library that sound like a query.

    Best first; the score is 1 for the same sound. Exit code: 0 found, 1 nothing found, 2 error.
    """
    from qbe.index.library import open_library
    from qbe.index.searching import search as ranked
    from qbe.queries import QueryReader
    from qbe.saving import same_file

    if duration is not None and duration <= 0:
        raise UsageError(f"--duration {duration:g}: must be over 0 seconds")
    opened, report, found = open_library(library), Report(), 0
    budget = _budget(opened, candidates, recall, exact)
    reader = QueryReader(opened.footer, library, model)
    for name in queries:
        try:
            for query in _read(reader, name, start, duration):
                skip = None if include_self else partial(same_file, query.path)
                matches = ranked(opened, query.vectors, k, segments=segments, skip=skip, budget=budget)
                found += len(matches)
                Output(as_json, null).write(_rows(opened, query, matches), display(query.path), _shown)
                if play:
                    _play(opened, matches)
        except QbeError as error:
            report(error)
    return report.exit_code or (0 if found else 1)


def _budget(library: Library, candidates: int | None, recall: float | None, exact: bool) -> int | None:
    from qbe.index.library import RECALL

    if exact + (candidates is not None) + (recall is not None) > 1:
        raise UsageError("--candidates, --recall and --exact each say how many segments are scored: give one of them")
    if recall is not None and not 0 < recall <= 1:
        raise UsageError(f"--recall {recall:g}: must be over 0 and at most 1")
    if exact or candidates is not None:
        return candidates
    return library.budget(RECALL if recall is None else recall)


def _read(reader: QueryReader, name: str, start: float, duration: float | None) -> list[Query]:
    if name == "-":
        return reader.from_stream(io.BytesIO(stdin().read()), start, duration)
    return [reader.from_sound(os.fsencode(name), start, duration)]


def _play(library: Library, matches: list[Match]) -> None:
    from qbe.audio.playing import play_file

    for match in matches:
        play_file(match.path, match.start / library.footer.sample_rate)


def _rows(library: Library, query: Query, matches: list[Match]) -> Iterator[Row]:
    rate = library.footer.sample_rate
    for rank, match in enumerate(matches, 1):
        start, end = match.start / rate, (match.start + match.length) / rate
        place: dict[str, Cell] = {"score": match.score, "path": match.path, "start": start, "end": end}
        yield {**place, "query": query.path, "rank": rank}


def _shown(row: Mapping[str, Any]) -> Shown:
    place = f"{clock(row['start'])} - {clock(row['end'])}"
    return {" score": f"{row['score']:.3f}", **bar(row["score"]), "file": display(row["path"]), " from - to": place}
