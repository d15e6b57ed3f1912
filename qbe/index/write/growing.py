"""Change a library: append files to it, remove files from it, build it anew when that pays.

What is appended becomes a part of its own at the end of the file, in the cells of the first part. Parts that are not
much larger than what comes are taken into the new one, so that they are few. A file that is removed or replaced is
marked as removed. The whole is built anew, in another file that takes the old one's place,

- when what was appended and what was removed since it was built are together over a tenth of what was built: the
  cells of a larger library are smaller, and the same number of candidates finds more in them, or
- when over half of the file is no longer of use;

so that what building costs in all grows no faster than what is appended.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.layout import Block, BlockWriter, Commit, map_file, read_commit, write_commit
from qbe.index.file.library import Library
from qbe.index.write.building import settled, write_library, write_part
from qbe.index.write.taking import take_moved, take_part
from qbe.streams.intake import Intake
from qbe.support.errors import display

GROWTH = 0.1  # of the rows that were built
ABSORBED = 4  # times as many rows as come, or
SMALL = 2048  # as this: parts of fewer are taken into the new one

Mask = NDArray[np.bool_]


def named(library: Library, is_meant: Callable[[bytes], bool]) -> Mask:
    """Of every file, whether it is still there and its name is meant."""
    gone = np.zeros(library.files, bool)
    there = np.flatnonzero(library.are_there(np.arange(library.files)))
    for number, part in enumerate(library.parts):
        files = there[(there >= part.file) & (there < part.file + part.files)]
        gone[files] = [is_meant(path) for path in library.paths(number, files - part.file)]
    return gone


def replaced(library: Library, intake: Intake) -> Mask:
    """Of every file, whether one that came takes its place: it was read again, and keeps the name it has; or it has
    moved, and its rows come in too, under the new name."""
    spelling = intake.spelling
    moved = {spelling.key(file.was): file for file in intake.moved if spelling.key(file.path) not in intake.files}
    there_now = {spelling.key(file.path) for file in moved.values()}

    def is_meant(path: bytes) -> bool:
        key = spelling.key_of_kept(path)
        if key in intake.files:
            intake.names[intake.files[key]] = path
        return key in intake.files or key in moved or key in there_now

    gone = named(library, is_meant)
    files = np.flatnonzero(gone)
    keys = [spelling.key_of_kept(path) for path in library.file_paths(files)]
    found = [at for at, key in enumerate(keys) if key in moved]
    take_moved(intake, library, files[found], [moved[keys[at]] for at in found])
    return gone


def change(library: Library, intake: Intake, gone: Mask, trees: int) -> None:
    """Commit what has come in, and that some files are gone."""
    removed = gone if library.removed is None else gone | library.removed
    first = _first_absorbed(library, intake, removed)
    for number in range(first, len(library.parts)):
        take_part(intake, library, number, removed)
    if first == 0:
        write_library(library.path, intake, replace(library.footer, trees=trees))
    else:
        _append(library, intake, first, gone, removed)


def _first_absorbed(library: Library, intake: Intake, removed: Mask) -> int:
    """The part from which on all are taken into what is written: 0 when the whole is to be built anew."""
    rows_removed = int(library.segment_counts()[removed].sum())
    if library.rows + intake.count == rows_removed:
        return len(library.parts)  # nothing is left to build of
    if not library.parts[0].has_levels:
        return 0  # an older format
    built = library.parts[0].rows
    if library.rows - built + intake.count + rows_removed > GROWTH * built or _is_wasteful(library):
        return 0
    if intake.is_wide and library.parts[0].blocks["segments"].dtype == "<u4":
        return 0
    first, rows = len(library.parts), intake.count
    while intake.files and first > 1 and library.parts[first - 1].rows < ABSORBED * max(rows, SMALL):
        first -= 1
        rows += library.parts[first].rows
    return first


def _is_wasteful(library: Library) -> bool:
    used = sum(block.length for part in library.parts for block in part.blocks.values())
    return len(library.data) > 2 * used + (1 << 20)


def _append(library: Library, intake: Intake, first: int, gone: Mask, removed: Mask) -> None:
    """Write a part in the place of those from `first` on, and which files are gone from those before it."""
    commit = _drop_uncommitted(library.path)
    try:
        with open(library.path, "r+b") as file:
            file.seek(commit.end)
            parts = []
            for part in library.parts[:first]:
                writer, files = BlockWriter(file), slice(part.file, part.file + part.files)
                if gone[files].any():
                    writer.add("removed", [removed[files]], "|u1")
                parts.append(part.blocks | writer.blocks)
            if intake.files:
                parts.append(_written(library, BlockWriter(file), intake))
            write_commit(file, replace(library.footer, parts=tuple(parts)), commit.generation + 1)
    except BaseException:
        _drop_uncommitted(library.path)
        raise


def _written(library: Library, writer: BlockWriter, intake: Intake) -> dict[str, Block]:
    frame, places = library.frame, library.parts[0].blocks["segments"].dtype
    centres = np.split(library.block("centres").part(0), library.trees)
    trees = [settled(intake, frame.heads, of_tree) for of_tree in centres]
    return write_part(writer, intake, frame, trees, places, shared=len(centres[0]))


def _drop_uncommitted(path: str) -> Commit:
    """Cut off what a writer that was stopped has left behind the state that counts."""
    commit = read_commit(map_file(path), display(os.fsencode(path)))
    with suppress(OSError):
        os.truncate(path, commit.end)
    return commit
