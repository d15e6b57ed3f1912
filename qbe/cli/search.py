"""qbe search: queries -> the places in a library that sound like them."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import Duration, Expand, Json, Model, NoFfmpeg, NullLines, Quiet, Start, Verbose, command
from qbe.cli.formats import PlacesAs
from qbe.cli.inputs import whole_stdin
from qbe.cli.outputs import Output, Report, is_terminal, say
from qbe.cli.playing import play_results
from qbe.cli.progress import progress
from qbe.cli.tables import bar, file
from qbe.cli.times import clock
from qbe.support.errors import QbeError, UsageError, display

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qbe.cli.formats import Cell, Row
    from qbe.cli.tables import Shown
    from qbe.library import Library, Result
    from qbe.search.queries import Query, QueryReader
    from qbe.search.store import About


@command(
    "search",
    "qbe search lib.idx query.wav -k 10",
    "qbe search lib.idx --like a.wav --like b.wav --unlike c.wav",
    "qbe search lib.idx --text 'kick -808'",
    "sox in.wav -t wav - trim 2 1 | qbe search lib.idx -",
)
def search(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    queries: Annotated[
        list[str] | None, typer.Argument(metavar="[QUERY]...", help="Sounds, folders; '-': audio or a stream on stdin.")
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="N", min=0, help="How many results; 0: all.")] = 10,
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
    text: Annotated[str | None, typer.Option(metavar="WORDS", help="Only what bears these words: 'kick -808'.")] = None,
    tags: Annotated[str | None, typer.Option(metavar="FILE", help="With --text: tags, as of `qbe tag`.")] = None,
    places: Annotated[bool, typer.Option("--places", help="Every place in a file, not each file once.")] = False,
    per_file: Annotated[
        int | None, typer.Option("--max-per-file", metavar="N", help="At most N places of one file.")
    ] = None,
    start: Start = 0.0,
    duration: Duration = None,
    candidates: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Segments to score for each of the query's.")
    ] = None,
    recall: Annotated[
        float | None, typer.Option(metavar="R", help="Score enough for this recall.  [default: 0.97]")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Score all.")] = False,
    include_self: Annotated[bool, typer.Option("--include-self", help="What was asked for may answer.")] = False,
    play: Annotated[bool, typer.Option("--play", help="Play the results in turn, each from its place.")] = False,
    no_ffmpeg: NoFfmpeg = False,  # noqa: ARG001  # heeded when it is parsed
    expand: Expand = 1.0,
    model: Model = None,
    form: Annotated[PlacesAs | None, typer.Option("--as", help="Write for another program.")] = None,
    as_json: Json = False,
    null: NullLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Find the sounds in a library that sound like a query.

    Best first; the score is 1 for the same sound. Exit code: 0 found, 1 nothing found, 2 error.
    """
    from qbe.library import open_library
    from qbe.search.answers import Wanted, effort

    has_sound = bool(queries or like)
    if (queries and like) or not (has_sound or text):
        raise UsageError(
            "name the sounds to search for: either as queries, each by itself, or with --like, as one; or words: --text"
        )
    if (unlike and not like) or (like and (start or duration is not None)):
        raise UsageError("--unlike goes with --like, and --start and --duration go with queries")
    if not has_sound and (places or unique or start or duration is not None):
        raise UsageError("--text without a sound finds files: --places, --unique, --start and --duration need a sound")
    if tags is not None and text is None:
        raise UsageError("--tags goes with --text")
    thorough = effort(candidates, recall, exact or bool(inside) or bool(text))
    opened, report, found = open_library(library, model=model), Report(), 0
    output = Output(as_json, null, form, of_places=places, report=report)
    opened.reader.expand = expand
    reader, globs = opened.reader, opened.globs(inside or [])
    among: frozenset[bytes] | None = None
    replies: Iterator[tuple[bytes, list[Result]]] = iter(())
    if text:
        bearers = _bearers(opened, text, tags, inside, None if has_sound else min_score, quiet)
        among = frozenset(os.fsencode(bearer.path) for bearer in bearers)
        replies = iter([(os.fsencode(text), bearers[: k or None])])
    if has_sound:
        least = -1.0 if min_score is None else min_score
        wanted = Wanted(k, places, least, unique, globs, include_self, per_file, among)
        asked = _each(reader, queries, start, duration, report) if queries else _blended(reader, like, unlike, weight)
        answers = (answer for read in asked for answer in opened.answers(read, wanted, thorough))
        replies = ((query.path, results) for query, results in answers)
    with progress("search", None, quiet=quiet or is_terminal() or play, verbose=verbose) as update:
        files, held = opened.store.held()
        for done, (name, results) in enumerate(replies, 1):
            found += len(results)
            rows = _rows(name, results, opened.about if output.marks_missing else None)
            output.write(rows, display(name), _numbered if play else _shown)
            update(done, f"{done} queries in {files} files, {held} segments")
            if play:
                play_results(results, opened.about.located, report, quiet=quiet)
    return report.end() or (0 if found else 1)


def _bearers(
    opened: Library, text: str, table: str | None, inside: list[str] | None, min_score: float | None, quiet: bool
) -> list[Result]:
    """The files that bear the words of a text, best first; on stderr, how many bear each word."""
    from qbe.tags.tables import LIKELY

    with progress("tags", None, quiet=quiet) as update:
        least = LIKELY if min_score is None else min_score
        answer = opened.bearing(text, table, inside or (), least, lambda step: update(0, step))
    for note in answer.notes if not quiet else []:
        say(note)
    return answer.results


def _each(
    reader: QueryReader, names: list[str], start: float, duration: float | None, report: Report
) -> Iterator[list[Query]]:
    """The query in each sound, or those in a stream, folders walked; what cannot be read is reported."""
    from qbe.audio.finding import find_audio

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


def _rows(query: bytes, results: list[Result], about: About | None) -> Iterator[Row]:
    """about : of the library, where it is to be told which files are no longer on disk"""
    from functools import cache

    from qbe.disk import is_gone

    gone = cache(is_gone)
    for rank, result in enumerate(results, 1):
        path = os.fsencode(result.path)
        place: dict[str, Cell] = {"score": result.score, "path": path, "start": result.start, "end": result.end}
        missing: dict[str, Cell] = {"missing": gone(about.located(path))} if about else {}
        yield {**place, "query": query, "rank": rank, **missing}


def _shown(row: Mapping[str, Any]) -> Shown:
    place = f"{clock(row['start'])} - {clock(row['end'])}"
    return {" score": f"{row['score']:.3f}", **bar(row["score"]), "file": file(row), " from - to": place}


def _numbered(row: Mapping[str, Any]) -> Shown:
    return {" #": str(row["rank"]), **_shown(row)}
