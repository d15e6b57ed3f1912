"""What can go wrong in a way the user can mend. Nothing else is raised to the user."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Fault = TypeVar("Fault", bound=Exception)


class QbeError(Exception):
    """One line for the user: what was wrong, with the value, and what to do."""


class UsageError(QbeError):
    """The command line asks for something that cannot be done."""


class AudioError(QbeError):
    """A sound cannot be found, opened or decoded."""


class FormatError(AudioError):
    """A sound of a format that only ffmpeg reads, where there is no ffmpeg. format : its short name"""

    def __init__(self, message: str, format: str) -> None:
        super().__init__(message)
        self.format = format


class AudioWarning(UserWarning):
    """One line for the user about a sound that was read: what is odd about it."""


class LibraryWarning(UserWarning):
    """One line for the user about a library that is waited for."""


class StreamError(QbeError):
    """A stream is cut, damaged, of another stage, or not a qbe stream at all."""


class CutError(StreamError):
    """A stream ends, or another one begins in it, before its end record."""


class ModelError(QbeError):
    """A model file does not keep the contract, or differs from the one that is needed."""


class LibraryError(QbeError):
    """An index file is missing, damaged, truncated, or from a newer version."""


class TaskError(QbeError):
    """A labelled task is missing, breaks its format, or asks nothing."""


class TagError(QbeError):
    """A table of tags, or of other names of words, breaks its format."""


class TrainingError(QbeError):
    """Training cannot start or go on."""


# Called with every input that had to be skipped; the rest of the work goes on.
OnError = Callable[[QbeError], None]


def raise_error(error: QbeError) -> None:
    """The strictest `OnError`: stop at the first bad input."""
    raise error


def display(path: bytes) -> str:
    """A file name as one line of a message: undecodable bytes and control characters are escaped."""
    text = os.fsdecode(path)
    return "".join(
        c
        if c.isprintable()
        else c.encode("unicode_escape", "surrogateescape").decode()
        if ord(c) < 0xD800
        else f"\\x{ord(c) & 0xFF:02x}"
        for c in text
    )


def until_fault(items: Iterable[Item], kind: type[Fault], on_fault: Callable[[Fault], None]) -> Iterator[Item]:
    """What comes before a fault of that kind, which ends it and goes to `on_fault`."""
    try:
        yield from items
    except kind as error:
        on_fault(error)
