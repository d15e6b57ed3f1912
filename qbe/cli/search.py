"""qbe search: queries -> the places in a library that sound like them."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import Json, Model, NullLines, Quiet, Verbose, command
from qbe.cli.inputs import whole_stdin
from qbe.cli.outputs import Output, Report
from qbe.cli.progress import progress
from qbe.cli.tables import bar, clock
from qbe.support.errors import QbeError, UsageError, display

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qbe.cli.outputs import Cell, Row
    from qbe.cli.tables import Shown
    from qbe.index.file.library import Library
    from qbe.search.queries import Query, QueryReader
    from qbe.search.ranking import Match


@command(
    "search",
    "qbe search lib.idx query.wav -k 10",
    "qbe search lib.idx --like a.wav --like b.wav --unlike c.wav",
    "sox in.wav -t wav - trim 2 1 | qbe search lib.idx -",
)
def search(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    queries: Annotated[
        list[str] | None, typer.Argument(metavar="[QUERY]...", help="Sounds, folders; '-': audio or a stream on stdin.")
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many results.")] = 10,
    like: Annotated[list[str] | None, typer.Option(metavar="SOUND", help="A sound to be near.  [repeatable]")] = None,
    unlike: Annotated[
        list[str] | None, typer.Option(metavar="SOUND", help="A sound to be far from.  [repeatable]")
    ] = None,
    weight: Annotated[float, typer.Option(metavar="W", min=0, max=100, help="How much --unlike counts.")] = 0.5,
    inside: Annotated[
        list[str] | None, typer.Option("--in", metavar="GLOB", help="Only files under these paths.  [repeatable]")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(metavar="S", min=-1, max=1, help="Leave out results that score less.")
    ] = None,
    unique: Annotated[bool, typer.Option("--unique", help="Show near-identical results once.")] = False,
    segments: Annotated[bool, typer.Option("--segments", help="Single segments instead of files.")] = False,
    start: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Where the part to search for begins.")] = 0.0,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long it is.  [default: to the end]")
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Segments to score for each of the query's.")
    ] = None,
    recall: Annotated[
        float | None, typer.Option(metavar="R", help="Score enough for this recall.  [default: 0.97]")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Score all.")] = False,
    include_self: Annotated[bool, typer.Option("--include-self", help="The query file may answer itself.")] = False,
    play: Annotated[bool, typer.Option("--play", help="Play the results in turn, each from its place.")] = False,
    model: Model = None,
    as_json: Json = False,
    null: NullLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Find the sounds in a library that sound like a query.

    Best first; the score is 1 for the same sound. Exit code: 0 found, 1 nothing found, 2 error.
    """
    from qbe.index.file.library import open_library
    from qbe.search.answers import Wanted, answers
    from qbe.search.queries import QueryReader

    if duration is not None and duration <= 0:
        raise UsageError(f"--duration {duration:g}: must be over 0 seconds")
    if bool(queries) == bool(like):
        raise UsageError("name the sounds to search for: either as queries, each by itself, or with --like, as one")
    if (unlike and not like) or (like and (start or duration is not None)):
        raise UsageError("--unlike goes with --like, and --start and --duration go with queries")
    globs = [os.fsencode(glob) for glob in inside or []]
    wanted = Wanted(k, segments, -1.0 if min_score is None else min_score, unique, globs, include_self)
    opened, report, output, found = open_library(library), Report(), Output(as_json, null), 0
    budget = _budget(opened, candidates, recall, exact or bool(globs))
    reader = QueryReader(opened.footer, library, model)
    asked = _each(reader, queries, start, duration, report) if queries else _blended(reader, like, unlike, weight)
    with progress("search", None, quiet=quiet or output.is_table or play, verbose=verbose) as update:
        replies = (reply for read in asked for reply in answers(opened, read, wanted, budget))
        for done, (query, matches) in enumerate(replies, 1):
            found += len(matches)
            output.write(_rows(opened, query, matches), display(query.path), _shown)
            update(done, f"{done} queries in {opened.files} files, {opened.rows} segments")
            if play:
                _play(opened, matches)
    return report.exit_code or (0 if found else 1)


def _budget(library: Library, candidates: int | None, recall: float | None, exact: bool) -> int | None:
    from qbe.index.file.library import RECALL

    if exact + (candidates is not None) + (recall is not None) > 1:
        raise UsageError(
            "--candidates, --recall and --exact (also --in) each say how many segments are scored: give one of them"
        )
    if recall is not None and not 0 < recall <= 1:
        raise UsageError(f"--recall {recall:g}: must be over 0 and at most 1")
    if exact or candidates is not None:
        return candidates
    return library.budget(RECALL if recall is None else recall)


def _each(
    reader: QueryReader, names: list[str], start: float, duration: float | None, report: Report
) -> Iterator[list[Query]]:
    """The query in each sound, or those in a stream, folders walked; what cannot be read is reported."""
    from qbe.audio.reading import find_audio

    for name in names:
        for path in [b"-"] if name == "-" else find_audio([os.fsencode(name)], report):
            try:
                yield _read(reader, path, start, duration)
            except QbeError as error:
                report(error)


def _blended(
    reader: QueryReader, likes: list[str] | None, unlikes: list[str] | None, weight: float
) -> Iterator[list[Query]]:
    from qbe.search.queries import blend

    like, unlike = (
        [query for name in names or [] for query in _read(reader, os.fsencode(name))] for names in (likes, unlikes)
    )
    yield [blend(like, unlike, weight)]


def _read(reader: QueryReader, path: bytes, start: float = 0.0, duration: float | None = None) -> list[Query]:
    if path == b"-":
        return reader.from_stream(io.BytesIO(whole_stdin()), start, duration)
    return [reader.from_sound(path, start, duration)]


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
