"""Files of a library that are written anew, together with what has come: of a part, or because they have moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.library import Library
from qbe.streams.intake import BUFFERED_ROWS, Intake
from qbe.streams.records import File, Numbers


def take_part(intake: Intake, library: Library, number: int, gone: NDArray[np.bool_]) -> None:
    """Take the files of a part of a library in, less those that are gone. gone : of every file of the library"""
    part = library.parts[number]
    kept = np.flatnonzero(~gone[part.file : part.file + part.files])
    files, new = list[int](), list[int]()
    for file, name in zip(kept.tolist(), library.paths(number, kept), strict=True):
        if (key := intake.spelling.key_of_kept(name)) not in intake.files:
            files.append(part.file + file)
            new.append(intake.add(key, name))
    _take(intake, library, np.array(files, np.int64), new)
    for column, facts in zip(intake.file_columns, library.facts(np.array(files, np.int64)).T.tolist(), strict=True):
        for file, fact in zip(new, facts, strict=True):
            column[file] = fact


def take_moved(intake: Intake, library: Library, files: Numbers, moved: list[File]) -> None:
    """Take files of a library in under the names, and with the facts, that they have now."""
    new = intake.add_moved(moved)
    _take(intake, library, files, new)
    for number, file, facts in zip(new, moved, library.facts(files).tolist(), strict=True):
        intake.set_facts(number, facts[0], facts[4], file)


def _take(intake: Intake, library: Library, files: Numbers, new: list[int]) -> None:
    """The rows of some files. new : the numbers that these have among what has come"""
    rows, first = library.rows_of_files(files)
    lengths = np.diff(np.append(first, len(rows)))
    _, starts, row_lengths = library.segments_of(rows).astype(np.int64).T
    vectors = (
        library.frame.given(library.vectors(rows[at : at + BUFFERED_ROWS])) for at in range(0, len(rows), BUFFERED_ROWS)
    )
    intake.enter_rows(np.repeat(np.array(new, np.int64), lengths), starts, row_lengths, library.levels(rows), vectors)
