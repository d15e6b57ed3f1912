"""Sounds of one folder have much in common besides their words: which are to be left out when a word is tried?"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np

from qbe.streams.records import Numbers

OUTSIDE = 1 / 4  # of those that bear a word, which are left when a folder is not looked into
AFTER_SLASH = b"0"  # the byte after that of /


class Folders:
    """The folders of files. paths : in their order as bytes, so that those of a folder stand together"""

    def __init__(self, paths: Sequence[bytes]) -> None:
        self.paths = paths
        self._spans: dict[bytes, tuple[int, int]] = {}

    def span(self, folder: bytes) -> tuple[int, int]:
        """The first file in a folder, whose name ends in a slash, or in a folder in it, and the one after the last."""
        if folder not in self._spans:
            ends = folder, folder[:-1] + AFTER_SLASH
            self._spans[folder] = (bisect_left(self.paths, ends[0]), bisect_left(self.paths, ends[1]))
        return self._spans[folder]

    def widest(self, path: bytes, bearers: Numbers) -> tuple[int, int] | None:
        """The span of the largest folder around a file that leaves OUTSIDE of some files out, or None.

        bearers : the numbers of these, rising
        """
        for folder in _around(path):
            span = self.span(folder)
            begin, end = np.searchsorted(bearers, span)
            if len(bearers) - (end - begin) >= max(1, OUTSIDE * len(bearers)):
                return span
        return None


def _around(path: bytes) -> Iterator[bytes]:
    """The folders around a file, the largest first."""
    end = path.find(b"/") + 1
    while end:
        yield path[:end]
        end = path.find(b"/", end) + 1
