"""The command line: parse, call, print. Exit codes are decided here and nowhere else."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import typer

# In the order of the help.
from qbe.cli import segment, deform, embed, index, search, dups, info, train, eval  # isort: skip
from qbe.cli.app import app
from qbe.cli.outputs import say
from qbe.errors import QbeError

__all__ = ["app", "deform", "dups", "embed", "eval", "index", "info", "main", "search", "segment", "train"]

FAILED, INTERRUPTED, PIPE_CLOSED, TERMINATED = 2, 130, 141, 143

# The parser's own errors; Typer exports only this one of the family.
PARSER_ERROR: type[Exception] = typer.BadParameter.__mro__[2]


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command line and exit with its code."""
    _silence_decoders()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # as an exception: temporary files are removed
    code = run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _os_error(error)
    sys.exit(code)


def _silence_decoders() -> None:
    """Keep Python's messages on stderr and drop those that C libraries print there (libmpg123, of every odd frame)."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def run(arguments: list[str] | None = None) -> int:
    """The exit code of one command line; messages have gone to stderr."""
    try:
        # Typer only parses, and hands back the work: it would turn a closed pipe into exit code 1.
        work = app(args=arguments, prog_name="qbe", standalone_mode=False)
        return work() if callable(work) else int(work or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return _os_error(error)
    except QbeError as error:
        return _failed(str(error))
    except MemoryError:
        return _failed("not enough memory")
    except PARSER_ERROR as error:
        return _failed(f"{error.format_message()} (`{_command(error)} --help` tells more)")  # type: ignore[attr-defined]


def _command(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return str(context.command_path) if context else "qbe"


def _os_error(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        # What is left in the buffer has nowhere to go, and must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    where = f"{error.filename}: " if error.filename else "output: "
    code = _failed(f"{where}{error.strerror or error}")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _failed(message: str) -> int:
    say(message)
    return FAILED
