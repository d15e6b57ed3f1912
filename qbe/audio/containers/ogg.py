"""Ogg (RFC 3533): the streams that a file holds one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from qbe.audio.containers.splicing import Spliced, find, read_at, size_of

HEADER = 27  # bytes before the lengths of a page's segments
LONGEST_HEADER = HEADER + 255
BEGINS = 2  # flag of a stream's first page


@dataclass(frozen=True)
class Page:
    """Where a page lies, bytes; `end` is beyond the file where it is cut."""

    begin: int
    end: int
    is_first: bool


def pages(file: BinaryIO) -> Iterator[Page]:
    """The pages of a file, in order; what lies between them is passed over."""
    at = find(file, b"OggS", 0)
    while at >= 0:
        header = read_at(file, at, LONGEST_HEADER)
        if len(header) < HEADER or len(header) < HEADER + header[HEADER - 1]:
            yield Page(at, at + LONGEST_HEADER, False)
            return
        body = HEADER + header[HEADER - 1]
        page = Page(at, at + body + sum(header[HEADER:body]), bool(header[5] & BEGINS))
        yield page
        at = page.end if read_at(file, page.end, 4) == b"OggS" else find(file, b"OggS", at + 4)


def parts(file: BinaryIO) -> Iterator[Spliced]:
    """The links of a chain, a file each."""
    begin, was_first, end = 0, True, 0
    for page in pages(file):
        if page.is_first and not was_first:
            yield Spliced(b"", file, begin, page.begin)
            begin = page.begin
        was_first, end = page.is_first, page.end
    yield Spliced(b"", file, begin, min(end, size_of(file)))


def is_cut(file: BinaryIO) -> bool:
    """Whether the last page is: libsndfile leaves it out without a word."""
    size = size_of(file)
    at = max(0, size - 2 * (HEADER + 255 + 255 * 255))  # the longest page, and the one before it
    last = None
    for page in pages(file if not at else _tail(file, at, size)):
        last = page
    return last is None or last.end > size - at


def _tail(file: BinaryIO, at: int, size: int) -> BinaryIO:
    return Spliced(b"", file, at, size)  # type: ignore[return-value]
