"""`--help`: what a command is for, examples, then how it is called: a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A subcommand. The first line of its docstring says what it is for; its epilog holds examples, one a line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _, _, details = (self.help or "").partition("\n\n")
        _write_beginning(formatter, purpose(self), self.epilog)
        arguments: list[Any] = [parameter for parameter in self.params if parameter.param_type_name == "argument"]
        formatter.write_usage(ctx.command_path, " ".join(["[OPTIONS]", *(p.metavar for p in arguments)]))
        if details:
            formatter.write_paragraph()
            formatter.write_text(" ".join(details.split()))
        rows = [(p.metavar.strip("[]."), p.help) for p in arguments if p.help]
        rows += [(declared(option), described(option)) for option in options(self)]
        _write_list(formatter, "Options", rows)
        formatter.write_paragraph()
        formatter.write_text(f"`man qbe-{self.name}` tells more.")

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002
        """What it is for, whole."""
        return purpose(self)


class Group(TyperGroup):
    """The command `qbe`; its epilog holds examples, one a line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _write_beginning(formatter, purpose(self), self.epilog)
        formatter.write_usage(ctx.command_path, "[--version] COMMAND [OPTIONS] [ARGUMENTS]")
        _write_list(formatter, "Commands", [(name, purpose(command)) for name, command in self.commands.items()])
        formatter.write_paragraph()
        formatter.write_text("`qbe COMMAND --help` and `man qbe` tell more.")


def _write_beginning(formatter: Any, text: str, examples: str | None) -> None:
    formatter.write_text(f"{text}.")
    with formatter.section("Examples"):
        for line in (examples or "").splitlines():
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")
    formatter.write_paragraph()


def _write_list(formatter: Any, title: str, rows: Iterable[tuple[str, str]]) -> None:
    with formatter.section(title):
        formatter.write_dl(list(rows), col_max=22)


def purpose(command: Any) -> str:
    """What a command is for, a phrase."""
    return str(command.help or "").partition("\n")[0].removesuffix(".")


def options(command: Any) -> list[Any]:
    """The options of a subcommand as the parser has them, without --help."""
    return [parameter for parameter in command.params if parameter.param_type_name == "option"]


def choices(option: Any) -> list[str]:
    """The values that an option may have; none where they cannot be listed."""
    return [str(getattr(choice, "value", choice)) for choice in getattr(option.type, "choices", None) or []]


def placeholder(option: Any) -> str:
    """What stands for the value of an option; nothing for a flag."""
    return "" if option.is_flag else "|".join(choices(option)) or str(option.metavar)


def declared(option: Any) -> str:
    """An option as it is written: -o, --output FILE."""
    return " ".join(filter(None, (", ".join(option.opts), placeholder(option))))


def described(option: Any) -> str:
    """What an option says of itself, with its default."""
    default = getattr(option.default, "value", option.default)
    if option.is_flag or default in (None, 0, []) or "  [" in option.help:
        return str(option.help)
    return f"{option.help}  [default: {default}]"
