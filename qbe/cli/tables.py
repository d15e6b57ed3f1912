"""Tables for people, on stdout. A heading that begins with a space stands over numbers, which are never cut."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qbe.support.errors import display

if TYPE_CHECKING:
    from rich.table import Table

BAR = 10  # characters
FOR_BARS = 72  # columns of a terminal
LEAST_TEXT = 8  # characters that a column of text may be folded to
GAP = 2
FILE = "file"  # the heading over names of files

Shown = Mapping[str, str]


def write_table(title: str, rows: Sequence[Shown]) -> None:
    """Rows of the same columns. Where the terminal is too narrow for them, the folder that all files are in is written
    once, before them; where it is too narrow even so, each row is written as facts."""
    if not rows:
        _print(title, "nothing found")
        return
    if _width(rows) > shutil.get_terminal_size().columns and (folder := _common_folder(rows)):
        title = "\n".join([title] * bool(title) + [f"in {folder}"])
        rows = [{**row, FILE: row[FILE].removeprefix(folder)} for row in rows]
    if _least_width(rows) > shutil.get_terminal_size().columns:
        for row in rows:
            write_facts(title, row)
        return
    table = _table()
    for heading in rows[0]:
        is_number = heading.startswith(" ")
        table.add_column(heading.strip(), justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    _print(title, _filled(table, [list(row.values()) for row in rows]))


def write_facts(title: str, facts: Shown) -> None:
    """Name and value a line."""
    table = _table()
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    _print(title, _filled(table, [[name.strip(), fact] for name, fact in facts.items()]))


def _width(rows: Sequence[Shown]) -> int:
    """Of rows that are not folded."""
    widths = [max(len(heading.strip()), *(len(row.get(heading, "")) for row in rows)) for heading in rows[0]]
    return sum(widths) + GAP * (len(rows[0]) - 1)


def _common_folder(rows: Sequence[Shown]) -> str:
    """That in which all files of several are, with a slash; empty where there is none."""
    if len(rows) < 2 or FILE not in rows[0]:
        return ""
    first, last = (edge(row[FILE] for row in rows) for edge in (min, max))  # what these share, all between share
    same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), 0)
    return first[: first.rfind("/", 0, same) + 1]


def _least_width(rows: Sequence[Shown]) -> int:
    numbers = [heading for heading in rows[0] if heading.startswith(" ")]
    widths = [max(len(heading) - 1, *(len(row[heading]) for row in rows)) for heading in numbers]
    return sum(widths) + LEAST_TEXT * (len(rows[0]) - len(widths)) + GAP * (len(rows[0]) - 1)


def _table() -> Table:
    from rich.table import Table

    return Table(box=None, header_style="bold", pad_edge=False)


def _filled(table: Table, rows: Sequence[Sequence[str]]) -> Table:
    from rich.text import Text

    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _print(title: str, content: Table | str) -> None:
    """What has a title; the terminal itself breaks one that is longer than a line, so that it is copied whole."""
    from rich.console import Console
    from rich.text import Text

    columns, lines = shutil.get_terminal_size()
    console = Console(width=columns, height=lines)  # left alone, rich takes every dumb terminal for 80 wide
    if title:
        console.print(Text(title, style="table.title"), soft_wrap=True)
    console.print(content)


def file(row: Mapping[str, Any]) -> str:
    """The name of a row's file, and that it is no longer on disk."""
    return display(row["path"]) + (" (gone)" if row.get("missing") else "")


def bar(share: float) -> dict[str, str]:
    """A column that shows a share of 1 as a bar; none where the terminal is too narrow for it."""
    if shutil.get_terminal_size().columns < FOR_BARS:
        return {}
    full = "█" if sys.stdout.encoding.lower().startswith("utf") else "#"
    return {"": full * round(BAR * min(1.0, max(0.0, share)))}
