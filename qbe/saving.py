"""Files that are either the old ones or the new ones, never something between; and which names mean one file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from qbe.errors import UsageError, display


@contextmanager
def save_file(path: str | bytes) -> Iterator[BinaryIO]:
    """A binary file that takes `path`'s place, whole and on disk, when the block ends without an error.

    It is written beside `path` (beside what a link points to), so that the rename stays in one file system; after an
    error it is gone. UsageError where something other than a file is in the way; OSError as from the system, with
    `path` as its file name.
    """
    target = os.path.realpath(os.fsdecode(path))
    if os.path.exists(target) and not os.path.isfile(target):
        raise UsageError(f"{display(os.fsencode(path))}: not a file that could be replaced")
    folder, name = os.path.split(target)
    beginning = os.fsdecode(os.fsencode(name)[:100])  # a name is at most 255 bytes
    temporary = os.path.join(folder or ".", f".{beginning}.{secrets.token_hex(8)}.tmp")
    try:  # named before it is made: a signal that arrives in between finds us here
        with open(temporary, "xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _sync_folder(folder or ".")
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            raise OSError(error.errno, error.strerror, target) from None
        raise


def _sync_folder(folder: str) -> None:
    """A rename is on disk only when the folder that holds the name is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def same_file(path: bytes, other: bytes) -> bool:
    """Whether two names mean one file: the same bytes, or one file on disk under both."""
    if path == other:
        return True
    with suppress(OSError):
        return os.path.samefile(path, other)
    return False
