"""Write the parts of a library: the first one, whose trees are planted on it, and those that are appended to it."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.frame import Frame
from qbe.index.file.layout import Block, BlockWriter, Footer, write_commit
from qbe.index.file.library import Library
from qbe.index.file.parts import UNIT
from qbe.index.write.budgets import measure_budgets
from qbe.index.write.planting import CELL_ROWS, assign, cells_for, plant
from qbe.streams.intake import Intake
from qbe.streams.records import Vector
from qbe.support.saving import save_file

SAMPLE_PER_CELL = 64  # rows to plant a tree on
SMALLEST_SAMPLE = 1 << 18
CROWDED = 2 * CELL_ROWS  # rows that one part appends to a cell: they get cells of their own
SEED = 0


@dataclass(frozen=True)
class Tree:
    """order : [N], places in the intake, cell by cell; cells : [C, 2], where each begins and ends; centres : [C, H]"""

    order: NDArray[np.intp]
    cells: NDArray[np.intp]
    centres: Vector

    @classmethod
    def of(cls, cell: NDArray[np.intp], centres: Vector) -> Tree:
        """cell : of every row"""
        sizes = np.bincount(cell, minlength=len(centres))
        end = sizes.cumsum()
        return cls(np.argsort(cell, kind="stable"), np.stack([end - sizes, end], axis=1), centres)


def write_library(path: str, intake: Intake, footer: Footer) -> None:
    """A library of one part in `path`'s place. footer : of which parts and budgets are to be found"""
    frame, rng = Frame.of(intake.total, intake.moment, intake.count), np.random.default_rng(SEED)
    with save_file(path) as file:
        writer = BlockWriter(file)
        writer.begin_file()
        writer.add("middle", [frame.middle], "<f4")
        writer.add("rotation", [frame.axes], "<f4", frame.axes.shape[1:])
        trees = footer.trees if cells_for(intake.count) > 1 else 1
        grown = [_planted(intake, frame.heads, rng) for _ in range(trees)]
        blocks = write_part(writer, intake, frame, grown, "<i8" if intake.is_wide else "<u4")
        footer = replace(footer, parts=(blocks,), budgets=(), hop=intake.hop)
        file.flush()
        library = Library(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), footer)
        write_commit(file, replace(footer, budgets=measure_budgets(library, SEED)), 1)


def _planted(intake: Intake, heads: Frame, rng: np.random.Generator) -> Tree:
    """A tree whose cells are cut for the rows that lie in them."""
    cells = cells_for(intake.count)
    size = min(intake.count, max(SMALLEST_SAMPLE, SAMPLE_PER_CELL * cells))
    sample = np.concatenate(list(intake.seen(heads, np.sort(rng.choice(intake.count, size, replace=False)))))
    centres = plant(sample, cells, rng)
    return Tree.of(np.concatenate(list(assign(intake.seen(heads), centres))), centres)


def settled(intake: Intake, heads: Frame, centres: Vector) -> Tree:
    """A tree of the cells of a library and, where what came would crowd one, of cells that are split off it."""
    cell = np.concatenate([np.zeros(0, np.intp), *assign(intake.seen(heads), centres)])
    rng = np.random.default_rng(SEED)
    for crowded in np.flatnonzero(np.bincount(cell, minlength=1) > CROWDED).tolist():
        rows = np.flatnonzero(cell == crowded)
        within = np.concatenate(list(intake.seen(heads, rows)))
        split = plant(within, len(rows) // CELL_ROWS, rng)
        cell[rows] = len(centres) + np.concatenate(list(assign([within], split)))
        centres = np.concatenate([centres, split])
    return Tree.of(cell, centres)


def write_part(
    writer: BlockWriter, intake: Intake, frame: Frame, trees: list[Tree], places: str, shared: int = 0
) -> dict[str, Block]:
    """The blocks of a part that holds what has come in.

    places : dtype of `segments`; shared : how many cells of each tree are those of the first part
    """
    heads, tails, order = frame.heads, frame.tails, trees[0].order
    row = np.empty_like(order)  # of each place in the intake
    row[order] = np.arange(len(order))
    writer.add("heads", chain(*(intake.seen(heads, tree.order) for tree in trees)), "<f4", heads.axes.shape[1:])
    norms: list[Vector] = []
    writer.add("tails", _in_units(intake.seen(tails, order), norms), "<i2", tails.axes.shape[1:])
    writer.add("tail_norms", norms, "<f4")
    writer.add("tree_rows", (row[tree.order] for tree in trees[1:]), "<u4")
    writer.add("centres", (tree.centres[shared:] for tree in trees), "<f4", heads.axes.shape[1:])
    cells = [tree.cells + k * len(order) for k, tree in enumerate(trees)]
    writer.add("cells", [c[:shared] for c in cells] + [c[shared:] for c in cells], "<u8", (2,))
    _write_tables(writer, intake, order, row, places)
    return writer.blocks


def _in_units(tails: Iterable[Vector], norms: list[Vector]) -> Iterator[NDArray[np.int16]]:
    """As they are kept; `norms` takes the lengths of what is kept."""
    for part in tails:
        kept = np.rint(part / UNIT).astype(np.int16)
        norms.append(np.linalg.norm(kept * np.float32(UNIT), axis=1))
        yield kept


def _write_tables(
    writer: BlockWriter, intake: Intake, order: NDArray[np.intp], row: NDArray[np.intp], places: str
) -> None:
    paths, row_file = intake.names, np.asarray(intake.row_file)
    path_end = np.cumsum([len(path) for path in paths], dtype=np.int64)
    end, size, mtime, content, failed = intake.file_columns
    path_begin = np.r_[0, path_end[:-1]][: len(paths)]
    files = np.stack([end, size, mtime, path_begin, path_end, content, failed], axis=1)
    segments = np.empty((len(order), 3), places)
    for at, column in enumerate((row_file, intake.row_start, intake.row_length)):
        segments[:, at] = np.asarray(column)[order]
    writer.add("segments", [segments], places, (3,))
    writer.add("levels", [np.asarray(intake.row_level)[order]], "<f4")
    writer.add("file_rows", [row[np.argsort(row_file, kind="stable")]], "<u4")
    writer.add("file_first", [np.r_[0, np.bincount(row_file, minlength=len(paths)).cumsum()]], "<u8")
    writer.add("files", [files], "<i8", (7,))
    writer.add("paths", [np.asarray(memoryview(b"".join(paths)))], "|u1")
