"""qbe info: what a library holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import Json, NullLines, command
from qbe.cli.outputs import Output
from qbe.support.errors import display

if TYPE_CHECKING:
    from qbe.cli.outputs import Cell


@command("info", "qbe info lib.idx")
def info(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")], as_json: Json = False, null: NullLines = False
) -> int:
    """Tell what a library holds.

    Files, segments, hours, model, size, cells. candidates_R is how many segments `search` scores to reach recall R.
    """
    from qbe.index.file.library import open_library

    opened = open_library(library)
    files, segments = opened.held()
    facts: dict[str, Cell] = {
        "files": files,
        "segments": segments,
        "hours": opened.hours(),
        "model": opened.footer.name,
        "model_sha256": opened.footer.model,
        "sample_rate": opened.footer.sample_rate,
        "dimension": opened.footer.dimension,
        "bytes": os.path.getsize(library),
        "trees": opened.trees,
        "cells": sum(part.cells for part in opened.parts),
        **{f"candidates_{recall:g}": opened.budget(recall) or segments for recall, _ in opened.footer.budgets},
    }
    Output(as_json, null).write_facts(facts, display(os.fsencode(library)))
    return 0
