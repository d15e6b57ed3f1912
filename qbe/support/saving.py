"""Files that are either the old ones or the new ones, never something between."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from qbe.support.errors import LibraryError, UsageError, display

LONGEST_BEGINNING = 100  # bytes: a name has 255 at most


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
    folder = os.path.dirname(target)
    temporary = _beside(target, f"{secrets.token_hex(8)}.tmp")
    try:  # named before it is made: a signal that arrives in between finds us here
        with open(temporary, "xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
        _sync_folder(folder)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            raise OSError(error.errno, error.strerror, target) from None
        raise


def _beside(target: str, ending: str) -> str:
    """A hidden file in the folder of an absolute path, named after it."""
    folder, name = os.path.split(target)
    beginning = os.fsdecode(os.fsencode(name)[:LONGEST_BEGINNING])
    return os.path.join(folder, f".{beginning}.{ending}")


@contextmanager
def locked(path: str) -> Iterator[None]:
    """One process at a time may write a file. LibraryError where another one is about it; an OSError has its name.

    The lock is on a file beside it, and ends with the process however that ends. What a writer that was killed has left
    is removed.
    """
    target = os.path.realpath(path)
    name = _beside(target, "lock")
    try:
        handle = _lock(name)
    except BlockingIOError:
        raise LibraryError(f"{path}: another process is writing it: try again when that has finished") from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from None
    try:
        _remove_left(target)
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror, target) from None
        raise
    finally:
        os.unlink(name)
        os.close(handle)


def _lock(name: str) -> int:
    """The open file of that name, locked. BlockingIOError where another process has it."""
    while True:
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(name)):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the one who had it has removed it in between


def _remove_left(target: str) -> None:
    """Remove the temporary files of `save_file` in which no one writes any more."""
    folder, name = os.path.split(target)
    if len(os.fsencode(name)) <= LONGEST_BEGINNING:  # else another file's may have the same names
        for entry in os.listdir(folder):
            if re.fullmatch(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.tmp", entry):
                with suppress(OSError):
                    os.unlink(os.path.join(folder, entry))


def _sync_folder(folder: str) -> None:
    """A rename is on disk only when the folder that holds the name is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
