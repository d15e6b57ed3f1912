"""Blocks over the mapped file that are checked, page by page, as they are first touched."""

from __future__ import annotations

import mmap
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.layout import Block
from qbe.streams.records import Numbers
from qbe.support.distinct import distinct
from qbe.support.errors import LibraryError

CHECKED = 1 << 10  # pages at a time, of all


def numbers_of(begin: Numbers, end: Numbers) -> Numbers:
    """All numbers in many spans, one span after the other."""
    lengths = end - begin
    numbers = np.repeat(end - lengths.cumsum(), lengths)
    numbers += np.arange(len(numbers))
    return numbers


class Pages:
    """Blocks of equal rows that are read as one, and which of their pages have been found whole.

    As every block begins at a multiple of its rows' length, all are views of one array that spans the file from the
    first to the last of them: a row's number in it is its number here, moved by as much as its block is.

    first : the number of the first row of each block, and how many rows there are

    Every access raises LibraryError for a page that is not whole, and for rows that there are none of.

    library, name : for messages
    """

    def __init__(self, data: mmap.mmap, blocks: Sequence[Block], library: str, name: str) -> None:
        begin, shape, row = min(block.offset for block in blocks), blocks[0].shape[1:], blocks[0].row
        self.first = [0, *accumulate(block.shape[0] for block in blocks)]
        ends = [(block.offset - begin) // row + block.shape[0] if row else self.first[-1] for block in blocks]
        self._array: NDArray[Any] = np.ndarray((max(ends), *shape), blocks[0].dtype, data, begin)
        self._blocks, self._data, self._library, self._name = blocks, memoryview(data), library, name
        self._moves = [end - own for end, own in zip(ends, self.first[1:], strict=True)]
        self._bits = blocks[0].page_bits
        self._first_page = [0, *accumulate(block.pages for block in blocks)]
        # where each block begins, how long its pages are, and where the last one ends
        self._stored = [(block.offset, block.page, block.offset + block.length) for block in blocks]
        self._begins, self._rows_moved = np.array(self.first[1:-1], np.int64), np.array(self._moves)
        # from a row's number to that of its page, in rows
        self._pages_moved = (np.array(self._first_page[:-1]) << self._bits) - self.first[:-1]
        self._sums = np.concatenate([self._stored_sums(block) for block in blocks])
        self._states = bytearray(len(self._sums))  # 1: found whole; `find` is many times as fast as NumPy on so few
        self._whole = np.frombuffer(self._states, bool)
        self._unchecked = len(self._sums)

    def _stored_sums(self, block: Block) -> NDArray[np.uint32]:
        stored = self._data[block.sums : block.end]
        if zlib.crc32(stored) != block.crc32:
            raise self._damage()
        return np.frombuffer(stored, "<u4")

    def _damage(self) -> LibraryError:
        return LibraryError(f"{self._library}: damaged: wrong checksum in {self._name}; build it again")

    def nonsense(self) -> LibraryError:
        """For numbers, here or leading here, that cannot be right though the checksums are."""
        return LibraryError(f"{self._library}: damaged: {self._name} and what leads there disagree; build it again")

    def span(self, begin: int, end: int) -> NDArray[Any]:
        """Rows begin to end, all of one block, as a view."""
        if not 0 <= begin <= end <= self.first[-1]:
            raise self.nonsense()
        block = bisect_right(self.first, begin, 1, len(self._blocks)) - 1 if len(self._blocks) > 1 else 0
        if end > self.first[block + 1]:
            raise self.nonsense()
        if self._unchecked and begin < end:
            within, page = begin - self.first[block], self._first_page[block]
            self._check_between(page + (within >> self._bits), page + (within + end - begin - 1 >> self._bits) + 1)
        move = self._moves[block]
        return self._array[begin + move : end + move]

    def rows(self, rows: Numbers) -> Any:
        """The rows of the given numbers, int64 [n], copied."""
        try:
            if len(self._blocks) == 1:
                if self._unchecked:
                    self._check_pages(rows >> self._bits)
                return self._array.take(rows, axis=0)  # twice as fast as by brackets
            block = self._begins.searchsorted(rows, "right")
            if self._unchecked:
                self._check_pages(rows + self._pages_moved.take(block) >> self._bits)
            return self._array.take(rows + self._rows_moved.take(block), axis=0)
        except IndexError:
            raise self.nonsense() from None

    def part(self, number: int) -> NDArray[Any]:
        """One whole block, as a view."""
        return (
            self.span(self.first[number], self.first[number + 1]) if self._blocks[number].shape[0] else self._array[:0]
        )

    def all(self) -> NDArray[Any]:
        """All blocks; a view where there is one."""
        parts = [self.part(number) for number in range(len(self._blocks))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def check(self) -> Iterator[int]:
        """Check all pages, some at a time; how many bytes these have."""
        for first in range(0, len(self._sums), CHECKED):
            last = min(first + CHECKED, len(self._sums))
            self._check_between(first, last)
            yield (last - first) * self._blocks[0].page

    def _check_between(self, first: int, last: int) -> None:
        if self._states.find(0, first, last) >= 0:
            self._check((first + np.flatnonzero(~self._whole[first:last])).tolist())

    def _check_pages(self, pages: Numbers) -> None:
        whole = self._whole.take(pages)
        if not whole.all():
            self._check(distinct(pages[~whole]).tolist())

    def _check(self, pages: list[int]) -> None:
        for page in pages:
            number = bisect_right(self._first_page, page) - 1
            offset, size, end = self._stored[number]
            begin = offset + (page - self._first_page[number]) * size
            if zlib.crc32(self._data[begin : min(begin + size, end)]) != self._sums[page]:
                raise self._damage()
        self._whole[pages] = True
        self._unchecked -= len(pages)
