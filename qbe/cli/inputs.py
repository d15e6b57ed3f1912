"""What comes in on the command line and on stdin."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, BinaryIO

from qbe.cli.outputs import say
from qbe.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbe.audio.finding import Finder
    from qbe.streams.records import File
    from qbe.support.errors import OnError

LONGEST_LINE = 1 << 16  # bytes


def finder(hidden: bool = False, exclude: list[str] | None = None, follow: bool = False) -> Finder:
    """How folders are searched, by the options."""
    from qbe.audio.finding import Finder

    return Finder(hidden, [os.fsencode(glob) for glob in exclude or []], follow)


def sound_files(
    inputs: list[str] | None, files_from: str | None, null: bool, on_error: OnError, folders: Finder | None = None
) -> list[bytes]:
    """The sounds that were named, folders walked. Empty when none were: then a stream is to be read."""
    if null and not files_from:
        raise UsageError("-0 goes with --files-from")
    names = [os.fsencode(name) for name in inputs or []]
    if files_from:
        names += _listed(files_from, b"\0" if null else b"\n")
    return list((folders or finder()).find(names, on_error))


def tell_inputs(command: str, folders: Finder, files: list[File]) -> None:
    """Say what was passed over in folders, and how many files ffmpeg decoded."""
    passed = ", ".join(f"{count} {what}" for what, count in sorted(folders.passed.items()))
    if passed:
        say(f"{command}: passed over: {passed}")
    if by_ffmpeg := sum(file.by_ffmpeg for file in files):
        say(f"{command}: {by_ffmpeg} decoded by ffmpeg")


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
