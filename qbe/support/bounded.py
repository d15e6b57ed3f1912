"""Memory that does not grow with what is read: of what comes from who knows where, and of mapped files."""

from __future__ import annotations

import mmap
from typing import BinaryIO

from qbe.support.errors import QbeError

MOST = 1 << 30  # bytes
CHUNK = 1 << 20


def read_whole(file: BinaryIO, name: str, error: type[QbeError]) -> bytes:
    """All that is left in a file or pipe. `error`, with `name` in it, where there is more than MOST."""
    chunks, size = [], 0
    while chunk := file.read(CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST:
            raise error(f"{name}: over {MOST >> 20} MB, too much to take in at once")
    return b"".join(chunks)


def forget(mapped: mmap.mmap) -> None:
    """Give back the memory of what has been read of a mapped file; it stays in the system's cache."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
