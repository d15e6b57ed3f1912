"""The parts of a library, and their blocks.

A library is the part that was built and those that were appended since. Rows are segments, numbered part by part and,
in a part, by their place in the cells of its first tree; files are numbered part by part too. The blocks of a part, for
N rows of F files, dimension D = H + R, T trees, and C cells in all:

    middle       float32 [D]       of the first part: what its vectors are seen from (`qbe.search.centring`)
    rotation     float32 [D, D]    of the first part: orthonormal, a vector v is kept as centred(v, middle) @ rotation,
                                   its first H numbers holding the most
    heads        float32 [T N, H]  the first H numbers, tree by tree, cell by cell
    tails        int16 [N, R]      the others, in units of 1 / 32767
    tail_norms   float32 [N]       their lengths
    tree_rows    uint32 [T N - N]  the row at each place in the cells of the second tree and those after it
    centres      float32 [C, H]    of the cells, tree by tree
    cells        uint64 [C, 2]     where in `heads` each cell begins and ends; of a part that was appended, first what
                                   it adds to the cells of the first part, then its own
    segments     uint32 [N, 3]     file, start and length in samples at the footer's rate; int64 where those are longer
    levels       float32 [N]       dBFS, NaN where not known
    file_rows    uint32 [N]        the rows of each file in their order, file by file
    file_first   uint64 [F + 1]    where each file begins in `file_rows`
    files        int64 [F, 7]      where it ends, or its last segment, in samples; its size in bytes, -1 where not
                                   known; when it last changed, in ns since 1970; where its name begins and ends in
                                   `paths`; a checksum of its content, 0 where not known; 1 where it could not be read,
                                   2 where ffmpeg decoded it, 3 where both
    paths        uint8             the names, one after the other
    removed      uint8 [F]         1 for a file that was removed or replaced; where there is one

In a library of format 5 there are no `levels`, and `files` has its first five columns.

Numbers in a part count from its own first row and file.
"""

from __future__ import annotations

from dataclasses import dataclass

from qbe.index.file.frame import HEAD_DIMENSIONS
from qbe.index.file.layout import Block, Footer

UNIT = 1 / 32767  # of tails: no number is over 1. NumPy makes float32 of these ten times as fast as of float16


@dataclass(frozen=True)
class Part:
    """row, file, place : the number of its first row, of its first file, and of its first place in `heads`"""

    blocks: dict[str, Block]
    row: int
    file: int
    place: int

    @property
    def rows(self) -> int:
        return self.blocks["segments"].shape[0]

    @property
    def files(self) -> int:
        return self.blocks["files"].shape[0]

    @property
    def has_levels(self) -> bool:
        """Not in a library of format 5."""
        return "levels" in self.blocks

    @property
    def places(self) -> int:
        return self.blocks["heads"].shape[0]

    @property
    def cells(self) -> int:
        """Those of its own."""
        return self.blocks["centres"].shape[0]


def is_complete(footer: Footer) -> bool:
    """Whether a library's parts have all blocks, of the right sizes."""
    try:
        sound = footer.parts[0]["segments"].shape[0] > 0
        sound = sound and footer.parts[0]["rotation"].shape == (footer.dimension,) * 2
        sound = sound and footer.parts[0]["middle"].shape == (footer.dimension,)
        return sound and all(_is_part(blocks, footer) for blocks in footer.parts)
    except (KeyError, ValueError, IndexError, TypeError):
        return False


def _is_part(blocks: dict[str, Block], footer: Footer) -> bool:
    """Whether its blocks have the right sizes, and the same kinds of rows as those of the first part."""
    shapes = {name: block.shape for name, block in blocks.items()}
    rows, files = shapes["segments"][0], shapes["files"][0]
    head = min(footer.dimension, HEAD_DIMENSIONS)
    trees = footer.parts[0]["heads"].shape[0] // footer.parts[0]["segments"].shape[0]
    expected = {
        "heads": (trees * rows, head),
        "tails": (rows, footer.dimension - head),
        "tree_rows": ((trees - 1) * rows,),
        "centres": (shapes["centres"][0], head),
        "cells": (shapes["centres"][0] + (blocks is not footer.parts[0]) * footer.parts[0]["centres"].shape[0], 2),
        "file_first": (files + 1,),
        "segments": (rows, 3),
        "files": (files, 7 if "levels" in footer.parts[0] else 5),
        "levels": (rows,) if "levels" in footer.parts[0] else None,
        "removed": (files,) if "removed" in shapes else None,
        **dict.fromkeys(("tail_norms", "file_rows"), (rows,)),
    }
    alike = all(block.dtype == footer.parts[0].get(name, block).dtype for name, block in blocks.items())
    return alike and len(shapes["paths"]) == 1 and all(shapes.get(name) == shape for name, shape in expected.items())
