"""qbe info: what a library holds."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from qbe.cli.app import Json, NullLines, command
from qbe.cli.outputs import Output
from qbe.support.errors import display


@command("info", "qbe info lib.idx")
def info(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")], as_json: Json = False, null: NullLines = False
) -> int:
    """Tell what a library holds.

    Files, segments, hours, model, size, cells. candidates_R is how many segments `search` scores to reach recall R.
    """
    from qbe.stores import open_store
    from qbe.tags.kept import kept_facts

    store = open_store(library)
    facts = {**store.facts(), **kept_facts(library)}
    Output(as_json, null).write_facts(facts, display(os.fsencode(store.name)))
    return 0
