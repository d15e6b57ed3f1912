"""Tables for people, on stdout. A heading that begins with a space stands over numbers, which are never cut."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

BAR = 10  # characters
FOR_BARS = 72  # columns of a terminal
LEAST_TEXT = 8  # characters that a column of text may be folded to
GAP = 2

Shown = Mapping[str, str]


def write_table(title: str, rows: Sequence[Shown]) -> None:
    """Rows of the same columns. Where the terminal is too narrow for them, each is written as facts."""
    if rows and _least_width(rows) > shutil.get_terminal_size().columns:
        for row in rows:
            write_facts(title, row)
        return
    table = _table(title)
    for heading in rows[0] if rows else ["nothing found"]:
        is_number = heading.startswith(" ")
        table.add_column(heading.strip(), justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    _print(table, [list(row.values()) for row in rows])


def write_facts(title: str, facts: Shown) -> None:
    """Name and value a line."""
    table = _table(title)
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    _print(table, [[name.strip(), fact] for name, fact in facts.items()])


def _least_width(rows: Sequence[Shown]) -> int:
    numbers = [heading for heading in rows[0] if heading.startswith(" ")]
    widths = [max(len(heading) - 1, *(len(row[heading]) for row in rows)) for heading in numbers]
    return sum(widths) + LEAST_TEXT * (len(rows[0]) - len(widths)) + GAP * (len(rows[0]) - 1)


def _table(title: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    return Table(title=Text(title), title_justify="left", box=None, header_style="bold", pad_edge=False)


def _print(table: Table, rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.text import Text

    for row in rows:
        table.add_row(*map(Text, row))
    columns, lines = shutil.get_terminal_size()
    Console(width=columns, height=lines).print(table)  # left alone, rich takes every dumb terminal for 80 wide


def bar(share: float) -> dict[str, str]:
    """A column that shows a share of 1 as a bar; none where the terminal is too narrow for it."""
    if shutil.get_terminal_size().columns < FOR_BARS:
        return {}
    full = "█" if sys.stdout.encoding.lower().startswith("utf") else "#"
    return {"": full * round(BAR * min(1.0, max(0.0, share)))}
