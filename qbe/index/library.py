"""An open library.

Rows are segments, numbered by their place in the cells of the first tree. The blocks, for N rows of F files, dimension
D = H + R, T trees, and C cells in all:

    rotation     float32 [D, D]    orthonormal: a vector v is kept as v @ rotation, its first H numbers holding the most
    heads        float32 [T N, H]  the first H numbers, tree by tree, cell by cell
    tails        float16 [N, R]    the others
    tail_norms   float32 [N]       their lengths
    tree_rows    uint32 [T N - N]  the row at each place in the cells of the second tree and those after it
    centres      float32 [C, H]    of the cells, tree by tree
    cell_end     uint64 [C]        where each cell ends in `heads`; it begins where the one before it ends
    row_file     uint32 [N]
    row_start, row_length [N]      in samples at the footer's rate
    file_rows    uint32 [N]        the rows of each file in their order, file by file
    file_first   uint64 [F + 1]    where each file begins in `file_rows`
    file_end     int64 [F]         the end of its last segment, in samples
    paths        uint8, path_end   the names of the files, one after the other, and where each ends
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qbe.errors import LibraryError, display
from qbe.index.file import Footer, map_file, read_footer
from qbe.index.pages import Pages
from qbe.streams.records import Vector

HEAD_DIMENSIONS = 32
RECALL = 0.97  # of the search that is not told how thorough to be


@dataclass(frozen=True)
class Cells:
    """Of all trees, in one list: centres float32 [C, H], half their squared lengths, and where in `heads` each begins
    and ends, [C]."""

    centres: Vector
    offsets: Vector
    begin: NDArray[np.int64]
    end: NDArray[np.int64]


@dataclass
class Library:
    """A memory-mapped library. Opening reads the footer, nothing else; a page is checked when it is first touched."""

    path: str
    data: mmap.mmap
    footer: Footer

    def __post_init__(self) -> None:
        self._pages: dict[str, Pages] = {}

    def block(self, name: str) -> Pages:
        """LibraryError where its page sums are damaged."""
        if name not in self._pages:
            label = f"{display(os.fsencode(self.path))}: damaged: wrong checksum in {name}"
            self._pages[name] = Pages(self.data, self.footer.blocks[name], label)
        return self._pages[name]

    def _shape(self, name: str) -> tuple[int, ...]:
        return self.footer.blocks[name].shape

    @property
    def files(self) -> int:
        return self._shape("file_end")[0]

    @property
    def rows(self) -> int:
        return self._shape("row_file")[0]

    @property
    def trees(self) -> int:
        return self._shape("heads")[0] // self.rows

    @property
    def head_dimensions(self) -> int:
        return self._shape("heads")[1]

    @cached_property
    def rotation(self) -> Vector:
        return self.block("rotation").all()

    @cached_property
    def cells(self) -> Cells:
        """LibraryError where they are damaged."""
        end = self.block("cell_end").all().astype(np.int64)
        centres = self.block("centres").all()
        return Cells(centres, (centres * centres).sum(1) / 2, np.r_[0, end[:-1]], end)

    def file_path(self, file: int) -> bytes:
        """The name of a file, as the bytes it was given in."""
        ends = self.block("path_end").span(max(file - 1, 0), file + 1)
        first = int(ends[0]) if file else 0
        return self.block("paths").span(first, int(ends[-1])).tobytes()

    def rows_of(self, file: int) -> NDArray[np.int64]:
        """The rows of a file, in the order of their starts."""
        first, last = self.block("file_first").span(file, file + 2).tolist()
        return self.block("file_rows").span(first, last).astype(np.int64)

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rotated vectors, [n, D]. In float64, so that equal rows get equal scores wherever they lie."""
        heads, tails = self.block("heads").rows(rows), self.block("tails").rows(rows)
        return np.concatenate([heads, tails], axis=1, dtype=np.float64)

    def hours(self) -> float:
        """How much sound the files hold, up to the end of each one's last segment."""
        return float(self.block("file_end").all().sum()) / self.footer.sample_rate / 3600

    def budget(self, recall: float) -> int | None:
        """How many rows to score for a recall: as measured for it or the next higher one. None: only all are enough."""
        return next((rows for reached, rows in self.footer.budgets if reached >= recall), None)

    def damaged_blocks(self) -> list[str]:
        """The names of the blocks whose checksums are wrong. Reads the whole file."""
        return [name for name in self.footer.blocks if self._is_damaged(name)]

    def _is_damaged(self, name: str) -> bool:
        try:
            self.block(name).all()
        except LibraryError:
            return True
        return False


def open_library(path: str) -> Library:
    """Open a library file. LibraryError where it is missing, cut, damaged, or of another version."""
    name = display(os.fsencode(path))
    data = map_file(path)
    library = Library(path, data, read_footer(data, name))
    if not _is_complete(library.footer):
        raise LibraryError(f"{name}: damaged: blocks are missing or of the wrong size; build it again")
    return library


def _is_complete(footer: Footer) -> bool:
    dimension, head = footer.dimension, min(footer.dimension, HEAD_DIMENSIONS)
    shapes = {name: block.shape for name, block in footer.blocks.items()}
    try:
        (rows,), (files,), (cells,) = shapes["row_file"], shapes["file_end"], shapes["cell_end"]
        trees = shapes["heads"][0] // rows
        expected = {
            "rotation": (dimension, dimension),
            "heads": (trees * rows, head),
            "tails": (rows, dimension - head),
            "tree_rows": ((trees - 1) * rows,),
            "centres": (cells, head),
            "file_first": (files + 1,),
            "path_end": (files,),
            **dict.fromkeys(("tail_norms", "row_start", "row_length", "file_rows"), (rows,)),
        }
    except (KeyError, ValueError, IndexError, ZeroDivisionError):
        return False
    return all(shapes.get(name) == shape for name, shape in expected.items()) and "paths" in shapes
