"""FLAC (RFC 9639) whose header counts too few samples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from qbe.audio.containers.splicing import SEARCHED, Spliced, find, read_at, size_of

SYNC = re.compile(rb"\xff[\xf8\xf9][^\x00-\x0f]")
LONGEST_HEADER = 16  # bytes of a frame's
TOTAL = 4 + 4 + 13  # where in the file the 36 bits of the number of samples begin, and the 4 bits before them


def parts(file: BinaryIO) -> Iterator[Spliced]:
    """The file with a header that does not know the number: it is then decoded to the end."""
    begin = max(0, find(file, b"fLaC", 0))  # behind an ID3 tag
    head = bytearray(read_at(file, begin, TOTAL + 5))
    head[TOTAL] &= 0xF0
    head[TOTAL + 1 :] = bytes(4)
    yield Spliced(bytes(head), file, begin + len(head), size_of(file))


def goes_on(file: BinaryIO, offset: int) -> bool:
    """Whether a frame begins in the bytes behind `offset`."""
    while len(data := read_at(file, offset, SEARCHED)) >= LONGEST_HEADER:
        if any(_is_header(data[found.start() : found.start() + LONGEST_HEADER]) for found in SYNC.finditer(data)):
            return True
        offset += len(data) - LONGEST_HEADER + 1
    return False


def _is_header(data: bytes) -> bool:
    """Whether a frame's header, whose last byte is a checksum of the others, begins so."""
    number = 1 if data[4] < 0x80 else 8 - (data[4] ^ 0xFF).bit_length()  # bytes of its number, as in UTF-8
    size, rate = data[2] >> 4, data[2] & 15
    length = 4 + number + {6: 1, 7: 2}.get(size, 0) + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    return number != 8 and rate != 15 and len(data) > length and _crc8(data[:length]) == data[length]


def _crc8(data: bytes) -> int:
    """Of polynomial x^8 + x^2 + x + 1."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc
