"""qbe list: the files of a library."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import Json, NullLines, command
from qbe.cli.outputs import Output
from qbe.cli.tables import file
from qbe.cli.times import clock
from qbe.support.errors import display

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qbe.cli.formats import Cell, Row
    from qbe.cli.tables import Shown
    from qbe.search.store import FileEntry, Store

AT_ONCE = 4096  # files whose levels are read at a time


@command("list", "qbe list lib.idx '*/drums'", "qbe list lib.idx --missing --json")
def list_(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    globs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GLOB]...", help="Only files that match, or lie in one that does."),
    ] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Mark what is no longer on disk.")] = False,
    as_json: Json = False,
    null: NullLines = False,
) -> int:
    """List the files of a library.

    With segments, seconds, level of the loudest, model, tags that are kept. Exit code: 0 some, 1 none, 2 error.
    """
    from qbe.search.inside import globs_of
    from qbe.search.store import Filter
    from qbe.stores import open_store

    store = open_store(library)
    only = Filter(inside=tuple(globs_of([os.fsencode(glob) for glob in globs or []], store, "")))
    found = (entry for entry in store.files() if only.admits(entry))
    first = next(found, None)
    entries = iter([]) if first is None else _with(first, found)
    Output(as_json, null).write(_rows(store, entries, missing), display(os.fsencode(store.name)), _shown)
    return 0 if first else 1


def _with(first: FileEntry, rest: Iterator[FileEntry]) -> Iterator[FileEntry]:
    yield first
    yield from rest


def _rows(store: Store, entries: Iterator[FileEntry], missing: bool) -> Iterator[Row]:
    from qbe.disk import is_gone
    from qbe.tags.kept import borne_words, kept_tags

    about = store.about
    words = borne_words(kept_tags(store.name, travels=about.travels))
    while some := list(islice(entries, AT_ONCE)):
        for entry, level in zip(some, _levels(store, some), strict=True):
            length: dict[str, Cell] = {"segments": entry.segments, "seconds": entry.end / about.sample_rate}
            row: dict[str, Cell] = {"path": entry.path, **length, "level": level, "model": about.name}
            if missing:
                row["missing"] = is_gone(about.located(entry.path))
            yield {**row, "tags": ", ".join(words.get(entry.path, ()))} if words else row


def _levels(store: Store, entries: list[FileEntry]) -> list[float]:
    """How loud the loudest segment of each is, dBFS; NaN where there is none, or that is not known."""
    import numpy as np

    levels = np.full(len(entries), np.nan)
    sounding = [at for at, entry in enumerate(entries) if entry.segments]
    if sounding:
        rows, first = store.rows_of(np.array([entries[at].number for at in sounding]))
        levels[sounding] = np.maximum.reduceat(store.levels(rows), first)
    return [float(level) for level in levels]


def _shown(row: Mapping[str, Any]) -> Shown:
    from math import isnan

    level = "" if isnan(row["level"]) else f"{row['level']:.0f} dB"
    segments = {" segments": str(row["segments"]), " length": clock(row["seconds"]), " level": level}
    tags = {"tags": row["tags"]} if "tags" in row else {}
    return {"file": file(row), **segments, "model": row["model"], **tags}
