"""qbe info: what a library holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import Json, NullLines, command
from qbe.cli.outputs import Output
from qbe.support.errors import display

if TYPE_CHECKING:
    from qbe.search.store import Store


@command("info", "qbe info lib.idx", "qbe info lib.idx --check-files")
def info(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    check_files: Annotated[
        bool, typer.Option("--check-files", help="Tell how many are gone, or changed, on disk.")
    ] = False,
    as_json: Json = False,
    null: NullLines = False,
) -> int:
    """Tell what a library holds.

    Files, segments, hours, model, size, cells. candidates_R is how many segments `search` scores to reach recall R.
    """
    from qbe.stores import open_store
    from qbe.tags.kept import kept_facts

    store = open_store(library)
    facts = {**store.facts(), **kept_facts(library), **(_on_disk(store) if check_files else {})}
    Output(as_json, null).write_facts(facts, display(os.fsencode(store.name)))
    return 0


def _on_disk(store: Store) -> dict[str, int]:
    from collections import Counter

    from qbe.disk import Standing, standing

    counts = Counter(standing(entry, store.about) for entry in store.files())
    return {"gone": counts[Standing.GONE], "changed": counts[Standing.CHANGED]}
