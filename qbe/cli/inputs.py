"""What comes in on the command line and on stdin."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from qbe.cli.outputs import say
from qbe.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qbe.audio.finding import Finder
    from qbe.streams.records import Embedding, File, Segment
    from qbe.support.errors import OnError

    Record = TypeVar("Record", Segment, Embedding)

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


def is_stdin(inputs: list[str] | None, files_from: str | None) -> bool:
    """Whether standard input is what is to be read: it was named, '-', or nothing was. UsageError where it is one of
    several."""
    if "-" in (inputs or []) and (len(inputs or []) > 1 or files_from):
        raise UsageError("'-' is standard input: give it alone (a file of that name: ./-)")
    return inputs == ["-"] or not (inputs or files_from)


def starts_stream(file: Any) -> bool:
    """Whether a stream comes from a buffered file, or nothing at all, which whoever reads streams tells."""
    from qbe.streams.packing import is_stream

    beginning = file.peek(1)
    return not beginning or is_stream(beginning)


def shard_of(names: list[bytes], shard: str) -> list[bytes]:
    """The Ith of N parts that make the whole in their order. shard : I/N, as typed. UsageError where it is none."""
    index, _, parts = shard.partition("/")
    if not (index.isdecimal() and parts.isdecimal() and 1 <= int(index) <= int(parts)):
        raise UsageError(f"--shard {shard}: must be I/N, a part from 1 to N and how many there are, as in 3/8")
    first, last = (len(names) * place // int(parts) for place in (int(index) - 1, int(index)))
    return names[first:last]


def noted(records: Iterable[Record], paths: set[bytes]) -> Iterator[Record]:
    """The same records; the names of the files they are of go into `paths`."""
    for record in records:
        paths.add(record.path)
        yield record


def tell_inputs(command: str, folders: Finder, files: list[File], sounding: set[bytes], failed: int) -> None:
    """Say what was passed over in folders, how many files gave nothing and why, and how many ffmpeg decoded.

    files : those that were read; sounding : the names of those that gave something
    """
    passed = ", ".join(f"{count} {what}" for what, count in sorted(folders.passed.items()))
    if passed:
        say(f"{command}: passed over: {passed}")
    silent = sum(not file.failed and file.path not in sounding for file in files)
    nothing = [f"{silent} only silence"] * bool(silent) + [f"{failed} could not be read"] * bool(failed)
    if nothing:
        say(f"{command}: {', '.join(nothing)}")
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
