"""Which file a sound is, whatever it is called: by what to see whether it has changed, or has only moved."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace

from qbe.streams.records import File

PIECE = 1 << 16  # bytes that are read at a time, of the beginning, the middle and the end
WHOLE = 3 * PIECE  # of no larger file a byte is left out


def file_state(path: bytes) -> File | None:
    """By what to see whether a file changes. None where there is none, or something else, such as a pipe."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a name with a NUL in it is no file's
        return None
    return File(path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def is_as_it_was(file: File) -> bool:
    """Whether a file has the size, and the time of its last change, that it had."""
    state = file_state(file.path)
    return state is not None and (state.size, state.mtime) == (file.size, file.mtime)


def identified(path: bytes) -> File | None:
    """As `file_state`, and by what to know it again under another name."""
    state = file_state(path)
    return state and replace(state, content=content(path))


def content(path: bytes) -> int:
    """A checksum of a file, of 64 bits, never 0; 0 where it cannot be read.

    Of the size and three pieces of 64 KiB, at the beginning, in the middle and at the end; of a smaller file of all:
    two recordings do not agree in all of these, and a file of hours is told as fast as one of seconds.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            seen = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=8)
            for at in (0, (size - PIECE) // 2, size - PIECE) if size > WHOLE else range(0, size, PIECE):
                file.seek(at)
                seen.update(file.read(PIECE))
    except OSError:
        return 0
    return int.from_bytes(seen.digest(), "little", signed=True) or 1


def same_bytes(one: bytes, other: bytes) -> bool:
    """Whether two files of equal `content` are equal in all bytes; not where one cannot be read."""
    try:
        if os.path.getsize(one) <= WHOLE:  # all of it went into the checksum
            return True
        with open(one, "rb") as first, open(other, "rb") as second:
            while piece := first.read(PIECE):
                if piece != second.read(PIECE):
                    return False
            return not second.read(1)
    except OSError:
        return False
