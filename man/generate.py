"""Write the OPTIONS section of every page of a subcommand from the command-line parser: `make docs`.

The prose of the pages is written by hand; what stands between the two marks is not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from qbe.cli import help, program

FOLDER = Path(__file__).parent
BEGIN, END = '.\\" options: written by generate.py, do not edit\n', '.\\" end of options\n'


def subcommands() -> dict[str, Any]:
    return dict(typer.main.get_command(program()).commands)  # type: ignore[attr-defined]


def escaped(text: str) -> str:
    """As troff reads it: no hyphen becomes a dash, no line a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def options(command: Any) -> str:
    """The OPTIONS section of a page."""
    lines = [".SH OPTIONS\n"]
    for option in help.options(command):
        names = ", ".join(f"\\fB{escaped(name)}\\fR" for name in option.opts)
        value = help.placeholder(option) and f" \\fI{escaped(help.placeholder(option))}\\fR"
        lines += [".TP\n", f"{names}{value}\n", f"{escaped(help.described(option))}\n"]
    return "".join(lines)


def page(command: str) -> Path:
    return FOLDER / f"qbe-{command}.1"


def written(command: str) -> str:
    """The page of a subcommand with its options as the parser has them."""
    before, _, rest = page(command).read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + options(subcommands()[command]) + END + after


def main() -> None:
    for command in subcommands():
        page(command).write_text(written(command))


if __name__ == "__main__":
    main()
