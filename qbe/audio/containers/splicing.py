"""Files as a decoder is to see them: another header, and a part of the bytes."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

SEARCHED = 1 << 20  # bytes at a time


class Spliced(io.RawIOBase):
    """`head`, followed by the bytes from `begin` to `end` of an open file; nothing is copied but what is read.

    lost : frames at its beginning that a decoder leaves out because of its head
    junk : bytes before it that belong to nothing
    """

    def __init__(self, head: bytes, file: BinaryIO, begin: int, end: int, *, lost: int = 0, junk: int = 0) -> None:
        self.head, self.file, self.begin, self.end, self.lost, self.junk = head, file, begin, end, lost, junk
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        size = len(self.head) + self.end - self.begin
        self.position = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: size}[whence])
        return self.position

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.head[self.position : self.position + len(view)]
        at = self.begin + max(0, self.position - len(self.head))
        if len(data) < len(view) and at < self.end:
            data += read_at(self.file, at, min(len(view) - len(data), self.end - at))
        view[: len(data)] = data
        self.position += len(data)
        return len(data)


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Bytes of an open file; fewer at its end."""
    file.seek(offset)
    return file.read(size)


def size_of(file: BinaryIO) -> int:
    """Of an open file, bytes."""
    return file.seek(0, os.SEEK_END)


def find(file: BinaryIO, pattern: bytes, offset: int) -> int:
    """Where a few bytes come next in an open file; -1 where they do not."""
    while chunk := read_at(file, offset, SEARCHED):
        if (at := chunk.find(pattern)) >= 0:
            return offset + at
        if len(chunk) < len(pattern):
            break
        offset += len(chunk) - len(pattern) + 1
    return -1
