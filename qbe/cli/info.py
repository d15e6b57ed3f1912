"""qbe info: what a library holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import Json, command
from qbe.cli.outputs import is_terminal, print_table, write_json, write_lines

if TYPE_CHECKING:
    from qbe.cli.outputs import Cell


@command("info", "qbe info lib.idx")
def info(library: Annotated[str, typer.Argument(metavar="LIBRARY")], as_json: Json = False) -> int:
    """Tell what a library holds.

    Files, segments, hours, model, size, cells. candidates_R is how many segments `search` scores to reach recall R.
    """
    from qbe.index.library import open_library

    opened = open_library(library)
    facts: dict[str, Cell] = {
        "files": opened.files,
        "segments": opened.rows,
        "hours": round(opened.hours(), 4),
        "model": opened.footer.name,
        "model_sha256": opened.footer.model,
        "sample_rate": opened.footer.sample_rate,
        "dimension": opened.footer.dimension,
        "bytes": os.path.getsize(library),
        "trees": opened.trees,
        "cells": opened.footer.blocks["cell_end"].shape[0],
        **{f"candidates_{recall:g}": rows for recall, rows in opened.footer.budgets},
    }
    if as_json:
        write_json([facts])
    elif is_terminal():
        print_table(library, ("", ""), facts.items())
    else:
        write_lines(facts.items())
    return 0
