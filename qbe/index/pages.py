"""Blocks over the mapped file that are checked, page by page, as they are first touched."""

from __future__ import annotations

import mmap
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.errors import LibraryError
from qbe.index.file import PAGE, Block


class Pages:
    """A block, and which of its pages have been found whole. Every access raises LibraryError for a page that is not.

    array : the block, unchecked; row : bytes in one of its rows
    """

    def __init__(self, data: mmap.mmap, block: Block, label: str) -> None:
        self.array: NDArray[Any] = np.ndarray(block.shape, block.dtype, data, block.offset)
        self.row = block.length // block.shape[0] if block.shape[0] else 0
        self._bytes = memoryview(data)[block.offset : block.offset + block.length]
        self._label = label
        stored = data[block.sums : block.end]
        if zlib.crc32(stored) != block.crc32:
            raise self._damage()
        self._sums = np.frombuffer(stored, "<u4")
        self._states = bytearray(block.pages)  # 1: found whole; `find` is many times as fast as NumPy on so few
        self._whole = np.frombuffer(self._states, bool)
        self._unchecked = block.pages

    def _damage(self) -> LibraryError:
        return LibraryError(f"{self._label}; build it again")

    def span(self, begin: int, end: int) -> NDArray[Any]:
        """Rows begin to end, as a view."""
        if self._unchecked and begin < end and self.row:
            first, last = begin * self.row // PAGE, (end * self.row - 1) // PAGE + 1
            if self._states.find(0, first, last) >= 0:
                self._check(first + np.flatnonzero(~self._whole[first:last]))
        return self.array[begin:end]

    def rows(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The rows of the given numbers, int64 [n], copied."""
        if self._unchecked and self.row:
            first = rows * self.row
            pages = np.concatenate([first, first + (self.row - 1)]) // PAGE
            if self.row > PAGE:
                pages = np.concatenate([np.arange(a, b + 1) for a, b in pages.reshape(2, -1).T])
            unchecked = pages[~self._whole[pages]]
            if len(unchecked):
                self._check(np.unique(unchecked))
        return self.array[rows]

    def all(self) -> NDArray[Any]:
        """The whole block."""
        return self.span(0, len(self.array))

    def _check(self, pages: NDArray[np.intp]) -> None:
        for page in pages.tolist():
            if zlib.crc32(self._bytes[page * PAGE : (page + 1) * PAGE]) != self._sums[page]:
                raise self._damage()
        self._whole[pages] = True
        self._unchecked -= len(pages)
