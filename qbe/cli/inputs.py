"""What comes in on the command line and on stdin."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, BinaryIO

from qbe.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbe.support.errors import OnError

LONGEST_LINE = 1 << 16  # bytes


def sound_files(inputs: list[str] | None, files_from: str | None, null: bool, on_error: OnError) -> list[bytes]:
    """The sounds that were named, folders walked. Empty when none were: then a stream is to be read."""
    from qbe.audio.finding import find_audio

    if null and not files_from:
        raise UsageError("-0 goes with --files-from")
    names = [os.fsencode(name) for name in inputs or []]
    if files_from:
        names += _listed(files_from, b"\0" if null else b"\n")
    return list(find_audio(names, on_error))


def _listed(source: str, separator: bytes) -> list[bytes]:
    from qbe.support.bounded import read_whole

    if source == "-":
        text = whole_stdin()
    else:
        with open(source, "rb") as file:
            text = read_whole(file, source, UsageError)
    return [name for name in text.split(separator) if name]


def whole_stdin() -> bytes:
    """All of standard input. Raises as `stdin`, and UsageError where it is too much."""
    from qbe.support.bounded import read_whole

    return read_whole(stdin(), "standard input", UsageError)


def lines(file: BinaryIO, end: bytes) -> Iterator[bytes]:
    """The lines of a file without their ends, as they come. UsageError where one does not end."""
    rest = b""
    while chunk := file.read1(LONGEST_LINE):  # type: ignore[attr-defined]
        *whole, rest = (rest + chunk).split(end)
        yield from whole
        if len(rest) > LONGEST_LINE:
            raise UsageError(f"standard input: a line of over {LONGEST_LINE >> 10} KB")
    if rest:
        yield rest


def stdin() -> BinaryIO:
    """Standard input as bytes. UsageError where it is a terminal: nothing will come."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("nothing to read: name files or folders, or pipe a stream in (`--help` tells more)")
    return sys.stdin.buffer
