"""Parts of a library that are written anew, together with what has come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbe.index.file.library import Library
from qbe.streams.intake import BUFFERED_ROWS, Intake


def take_part(intake: Intake, library: Library, number: int, gone: NDArray[np.bool_]) -> None:
    """Take the files of a part of a library in, less those that are gone. gone : of every file of the library"""
    part = library.parts[number]
    kept = np.flatnonzero(~gone[part.file : part.file + part.files])
    new = [intake.number(path) for path in library.paths(number, kept)]
    first = library.block("file_first").part(number).astype(np.int64)
    lengths = np.diff(first)
    is_kept = np.repeat(~gone[part.file : part.file + part.files], lengths)
    rows = part.row + library.block("file_rows").part(number)[is_kept].astype(np.int64)
    intake.row_file.frombytes(np.repeat(np.array(new, np.uint32), lengths[kept]).tobytes())
    _, starts, row_lengths = library.segments_of(rows).astype(np.int64).T
    intake.row_start.frombytes(starts.tobytes())
    intake.row_length.frombytes(row_lengths.tobytes())
    intake.row_level.frombytes(library.levels(rows).tobytes())
    for column, facts in zip(intake.file_columns, library.facts(number, kept).T.tolist(), strict=True):
        for file, fact in zip(new, facts, strict=True):
            column[file] = fact
    for at in range(0, len(rows), BUFFERED_ROWS):
        intake.spill(library.frame.given(library.vectors(rows[at : at + BUFFERED_ROWS])))
