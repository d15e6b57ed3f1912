"""The manual and the completions against the parser they describe."""

from __future__ import annotations

import re
import tomllib

import pytest
import typer
from conftest import ROOT, loaded

from qbe.cli import program
from qbe.learn.kinds import KINDS, UNKNOWN

MANUAL, COMPLETIONS = loaded("man/generate.py"), loaded("completions/generate.py")


@pytest.mark.parametrize("command", sorted(MANUAL.subcommands()))
def test_every_page_has_the_options_of_the_parser(command: str) -> None:
    text = MANUAL.page(command).read_text()
    assert text == MANUAL.written(command), "run `make docs`"
    for parameter in MANUAL.subcommands()[command].params:
        if parameter.param_type_name == "option":
            assert parameter.help, f"{parameter.opts} says nothing"


@pytest.mark.parametrize("name", sorted(COMPLETIONS.FILES))
def test_completions_are_those_of_the_parser(name: str) -> None:
    assert (ROOT / "completions" / name).read_text() == COMPLETIONS.FILES[name](), "run `make docs`"


def test_the_first_page_names_all_others() -> None:
    text = (ROOT / "man" / "qbe.1").read_text()
    for page in (ROOT / "man").glob("qbe-*.[15]"):
        assert f".BR {page.stem} ({page.suffix[1:]})" in text, page.name


def test_the_wheel_holds_all_pages_and_completions() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        shared = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    pages = {f"man/{page.name}" for page in (ROOT / "man").glob("*.[15]")}
    assert set(shared) == pages | {f"completions/{name}" for name in COMPLETIONS.FILES}


@pytest.mark.parametrize("command", ["", *sorted(MANUAL.subcommands())])
def test_help_fits_a_screen_and_begins_with_examples(command: str) -> None:
    parser = MANUAL.subcommands()[command] if command else typer.main.get_command(program())
    context = type(parser).context_class(parser, info_name=f"qbe {command}".strip(), terminal_width=80)
    lines = parser.get_help(context).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= (24 if command and len(parser.params) <= 10 else 50 if command else 30)  # a line a command
    assert lines[2] == "Examples:"
    assert lines[3].startswith("  ")


@pytest.mark.parametrize("command", sorted(MANUAL.subcommands()))
def test_the_examples_of_the_help_stand_in_the_manual(command: str) -> None:
    """Where a test runs them."""
    _, _, examples = MANUAL.page(command).read_text().partition(".SH EXAMPLES\n.nf\n")
    assert set(MANUAL.subcommands()[command].epilog.splitlines()) <= set(examples.splitlines())


def test_the_manual_has_the_kinds_as_they_are() -> None:
    page = MANUAL.page("train").read_text()
    known = {**KINDS, "(other)": UNKNOWN}
    numbers = {name: (kind.share, kind.pitch, kind.background, kind.beside) for name, kind in known.items()}
    lines = ["\t".join([name, *(f"{number:g}" for number in of_kind)]) for name, of_kind in numbers.items()]
    assert sorted(re.findall(r"^\S+(?:\t[\d.]+){4}$", page, flags=re.M)) == sorted(lines)
    assert [name for name, kind in KINDS.items() if kind.surrounds] == ["environment", "machines"]
