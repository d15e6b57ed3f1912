"""qbe tag: a library -> words for its sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import Json, NullLines, Quiet, Verbose, command
from qbe.cli.outputs import Output, Report, say
from qbe.cli.progress import progress
from qbe.cli.tables import bar
from qbe.support.errors import TagError, UsageError, display

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from qbe.cli.formats import Row
    from qbe.cli.tables import Shown
    from qbe.search.store import Store
    from qbe.tags.tables import Tag
    from qbe.tags.tagging import Tagger

STEPS = 4  # of the work, for its progress


@command(
    "tag",
    "qbe tag lib.idx",
    "qbe tag lib.idx --labels mine.tsv --min-score 0.8 > tags.tsv",
    "qbe tag lib.idx --write        # kept, for search --text",
)
def tag(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    labels: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Your tags: path, tab, tag.  [repeatable]")
    ] = None,
    from_names: Annotated[
        str, typer.Option(metavar="PLACES", help="Where names say words: folder,file, one of them, or none.")
    ] = "folder,file",
    aliases: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Other names: word, tab, its names.  [repeatable]")
    ] = None,
    min_score: Annotated[float, typer.Option(metavar="S", min=0, max=1, help="How likely right a tag is to be.")] = 0.5,
    write: Annotated[bool, typer.Option("--write", help="Keep the tags with the library instead.")] = False,
    new: Annotated[bool, typer.Option("--new", help="With --write: only for files that came since.")] = False,
    as_json: Json = False,
    null: NullLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Find words for the sounds of a library.

    Those that you and names give spread to what sounds alike; a score is how likely a tag is right.
    """
    from itertools import count

    from qbe.stores import open_store
    from qbe.tags.aliases import read_aliases
    from qbe.tags.kept import kept_name, kept_tags
    from qbe.tags.tagging import Sources, Tagger

    if new and not write:
        raise UsageError("--new goes with --write")
    store, report = open_store(library), Report()
    kept = kept_tags(library, travels=store.about.travels)
    if write:
        kept_name(library)  # where nothing can be kept, nothing is to be worked out
    sources = Sources(_labels(kept, labels, store, report), _places(from_names), read_aliases(aliases or []))
    with progress("tag", STEPS, quiet=quiet, verbose=verbose) as update:
        steps = count()
        tagger = Tagger(store, sources, lambda step: update(next(steps), step))
        old = frozenset(one.path for one in kept) if new else frozenset()
        tags = list(tagger.tags(min_score, old))
        update(STEPS, f"{len(tags)} tags of {len(tagger.paths)} files")
    _tell(tagger, library, verbose)
    if write:
        _keep(store, tags, kept, old, tagger.paths, report)
    else:
        Output(as_json, null).write(_rows(tags), store.name, _shown)
    return report.end()


def _places(text: str) -> frozenset[str]:
    places = frozenset(text.split(",")) if text != "none" else frozenset()
    if not places <= {"folder", "file"}:
        raise UsageError(f"--from-names {text}: must be folder, file, both with a comma between, or none")
    return places


def _labels(kept: list[Tag], tables: list[str] | None, store: Store, report: Report) -> list[Tag]:
    """What the user says, in the kept table and in others; lines that name no file of the library are reported."""
    from qbe.tags.tables import USER, read_tags

    labels = [one for one in kept if one.source == USER]
    known = {entry.path for entry in store.files()} if tables else set()
    for table in map(read_tags, tables or []):
        labels += [one for one in table.tags if one.source == USER]
        lost = [(line, one.path) for line, one in zip(table.lines, table.tags, strict=True) if one.path not in known]
        if lost:
            line, path = lost[0]
            files = f"{len(lost)} of {len(table.tags)} lines name no file of {store.name}"
            report(TagError(f"{table.name} line {line}: {display(path)}: {files}"))
    return labels


def _tell(tagger: Tagger, library: str, verbose: bool) -> None:
    from qbe.tags.tagging import LEAST_EXAMPLES

    if tagger.chances is None:
        bearers = len(tagger.examples)
        say(f"{library}: scores are no chances: {bearers} files bear words, to learn from takes {LEAST_EXAMPLES}")
    if verbose and tagger.dropped:
        dropped = ", ".join(f"{word} ({files})" for word, files in tagger.dropped.items())
        say(f"{library}: words that tell nothing, and the files that bear them: {dropped}")


def _keep(
    store: Store, tags: list[Tag], kept: list[Tag], old: frozenset[bytes], paths: list[bytes], report: Report
) -> None:
    """What was kept of files that are not tagged anew stays, and what the user has said of files that are gone."""
    from qbe.tags.kept import keep_tags
    from qbe.tags.tables import USER

    there = frozenset(paths)
    stay = [one for one in kept if (one.path in old if one.path in there else one.source == USER)]
    for path in keep_tags(store.name, stay + tags, paths, travels=store.about.travels):
        report(TagError(f"{display(path)}: a name with a tab or a newline stands in no table: its tags are not kept"))


def _rows(tags: Iterable[Tag]) -> Iterator[Row]:
    from qbe.tags.tables import NOT

    for one in tags:
        if not one.word.startswith(NOT):
            yield {"path": one.path, "tag": one.word, "score": one.score, "source": one.source}


def _shown(row: Mapping[str, Any]) -> Shown:
    tag = {"tag": row["tag"], " score": f"{row['score']:.3f}", **bar(row["score"]), "source": row["source"]}
    return {"file": display(row["path"]), **tag}
