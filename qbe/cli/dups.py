"""qbe dups: a library -> groups of near-duplicate files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import Json, NullLines, Quiet, Verbose, command
from qbe.cli.formats import FilesAs
from qbe.cli.outputs import Output, Report
from qbe.cli.progress import progress
from qbe.cli.tables import bar, file
from qbe.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qbe.cli.formats import Cell, Row
    from qbe.cli.tables import Shown
    from qbe.search.store import Store

LEAST = 0.5


@command("dups", "qbe dups lib.idx", "qbe dups lib.idx --min-score 0.95 --json")
def dups(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    min_score: Annotated[
        float, typer.Option(metavar="S", max=1, help="How much files of a group must be alike.")
    ] = 0.98,
    form: Annotated[FilesAs | None, typer.Option("--as", help="Write for another program.")] = None,
    as_json: Json = False,
    null: NullLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Find groups of near-duplicate files in a library.

    The first of a group is its longest file; the others score at least S with it, whichever of the two is the query.
    """
    from qbe.stores import open_store

    if min_score <= LEAST:
        raise UsageError(f"--min-score {min_score:g}: must be over {LEAST:g} and at most 1")
    report, store = Report(), open_store(library)
    output = Output(as_json, null, form, report=report)
    output.write(_rows(store, min_score, quiet, verbose, output.marks_missing), store.name, _shown)
    return report.end()


def _rows(store: Store, min_score: float, quiet: bool, verbose: bool, marks_missing: bool) -> Iterator[Row]:
    from qbe.disk import is_gone
    from qbe.search.duplicates import duplicate_groups

    files, _ = store.held()
    with progress("dups", files, quiet=quiet, verbose=verbose) as update:
        found = duplicate_groups(store, min_score, lambda done: update(done, f"{done} of {files} files"))
        groups = list(found)  # what a pager or `head` shows meanwhile would run into the progress
    for number, group in enumerate(groups, 1):
        for duplicate in group:
            row: dict[str, Cell] = {"group": number, "score": duplicate.score, "path": duplicate.path}
            yield {**row, "missing": is_gone(store.about.located(duplicate.path))} if marks_missing else row


def _shown(row: Mapping[str, Any]) -> Shown:
    return {
        " group": str(row["group"]), " score": f"{row['score']:.3f}", **bar(row["score"]), "file": file(row)
    }  # fmt: skip
