"""The command line: parse, call, print. Exit codes are decided here and nowhere else."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any, NoReturn

import typer

from qbe.cli.app import app
from qbe.cli.outputs import say
from qbe.support.errors import AudioWarning, LibraryWarning, QbeError

# Each is a module here, in the order of the help.
COMMANDS = (
    "segment", "deform", "embed", "index", "search", "clip", "tag", "dups", "map", "browse", "list", "info",
    "bench", "train", "eval",
)  # fmt: skip

FAILED, INTERRUPTED, PIPE_CLOSED = 2, 130, 141
STOPPED = 128  # and the number of the signal

# The parser's own errors; Typer exports only this one of the family.
PARSER_ERROR: type[Exception] = typer.BadParameter.__mro__[2]


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command line and exit with its code."""
    _open_closed()
    _silence_decoders()
    _hear_warnings()
    _heed_signals()
    code = run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _os_error(error)
    sys.exit(code)


def _open_closed() -> None:
    """Open standard files that are closed, so that using them fails: the next file opened would take their place."""
    for descriptor, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)
    # Buffered also where $PYTHONUNBUFFERED asks for less, and able to write names in locales that lack their letters.
    encoding = sys.stdout.encoding if sys.stdout else None
    sys.stdout = os.fdopen(1, "w", encoding=encoding, errors="backslashreplace", closefd=False)


def _silence_decoders() -> None:
    """Keep Python's messages on stderr and drop those that C libraries print there (libmpg123, of every odd frame)."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _hear_warnings() -> None:
    """Say what is odd about sounds that were read, and which library is waited for. NumPy's warnings, of numbers in
    files that make no sense, come beside our own message."""
    warnings.simplefilter("ignore")
    for kind in (AudioWarning, LibraryWarning):
        warnings.simplefilter("always", kind)
    warnings.showwarning = lambda message, *_, **__: say(message)


def _heed_signals() -> None:
    """Make exceptions of signals, so that temporary files are removed; no second Ctrl-C can keep that from happening.

    A signal that was ignored when the program started stays so.
    """

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: sys.exit(STOPPED + number))


def program(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """The `qbe` command with some subcommands: what they all take to load is more than many a search."""
    for name in names:
        import_module(f"qbe.cli.{name}")
    app.registered_commands.sort(key=lambda command: COMMANDS.index(str(command.name)))
    return app


def run(arguments: list[str] | None = None) -> int:
    """The exit code of one command line; messages have gone to stderr."""
    try:
        work = _parsed(arguments)
        return int(work() if callable(work) else work or 0)
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


def _parsed(arguments: list[str] | None) -> Any:
    """The work that a command line asks for. Typer only parses, and prints help: it would turn a closed pipe into 1."""
    asked = (sys.argv[1:] if arguments is None else arguments)[:1]
    command = program(asked if asked and asked[0] in COMMANDS else COMMANDS)
    with redirect_stdout(io.StringIO()) as printed:
        work = command(args=arguments, prog_name="qbe", standalone_mode=False)
    print(printed.getvalue(), end="")
    return work


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
