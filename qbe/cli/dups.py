"""qbe dups: a library -> groups of files that are copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import Json, NullLines, Quiet, Verbose, command
from qbe.cli.formats import FilesAs
from qbe.cli.outputs import Output, Report
from qbe.cli.progress import progress
from qbe.cli.tables import file
from qbe.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qbe.cli.formats import Cell, Row
    from qbe.cli.tables import Shown
    from qbe.search.store import Store

LEAST, DEFAULT = 0.5, 0.98


@command("dups", "qbe dups lib.idx", "qbe dups lib.idx --alike --min-score 0.95 --json")
def dups(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    alike: Annotated[bool, typer.Option("--alike", help="Files too that are no copies, but alike.")] = False,
    min_score: Annotated[
        float | None, typer.Option(metavar="S", max=1, help=f"With --alike: how much.  [default: {DEFAULT}]")
    ] = None,
    form: Annotated[FilesAs | None, typer.Option("--as", help="Write for another program.")] = None,
    as_json: Json = False,
    null: NullLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Find groups of files in a library that are copies of each other.

    Their kind says how they are the first of the group, the longest: the same file, bytes, audio or recording, or,
    with --alike, files whose embeddings are near.
    """
    from qbe.stores import open_store

    if min_score is not None and not alike:
        raise UsageError("--min-score goes with --alike: copies are told by their samples")
    least = DEFAULT if min_score is None else min_score
    if least <= LEAST:
        raise UsageError(f"--min-score {min_score:g}: must be over {LEAST:g} and at most 1")
    report, store = Report(), open_store(library)
    output = Output(as_json, null, form, report=report)
    rows = _rows(store, least if alike else None, report, quiet, verbose, output.marks_missing)
    output.write(rows, store.name, _shown)
    return report.end()


def _rows(
    store: Store, alike: float | None, report: Report, quiet: bool, verbose: bool, marks_missing: bool
) -> Iterator[Row]:
    from qbe.copies import copies
    from qbe.disk import is_gone

    files, _ = store.held()
    with progress("dups", files, quiet=quiet, verbose=verbose) as update:
        found = copies(store, alike, report, lambda done: update(done, f"{done} of {files} files"))
        groups = list(found)  # what a pager or `head` shows meanwhile would run into the progress
    for number, group in enumerate(groups, 1):
        for copy in group:
            row: dict[str, Cell] = {
                "group": number, "kind": copy.kind.value, "score": copy.score, "path": copy.path
            }  # fmt: skip
            yield {**row, "missing": is_gone(store.about.located(copy.path))} if marks_missing else row


def _shown(row: Mapping[str, Any]) -> Shown:
    return {
        " group": str(row["group"]), "kind": row["kind"], " score": f"{row['score']:.3f}", "file": file(row)
    }  # fmt: skip
