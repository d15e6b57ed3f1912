"""Vectors of other programs: NPY arrays [n, D], one or several in a row, and a list that says which rows are which."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import LONGEST, MAX_DIMENSION, Embedding, Header, Vector
from qbe.support.errors import StreamError, display

MAGIC = b"\x93NUMPY"
PIECE = 1 << 22  # bytes read at a time
LONGEST_LINE = 1 << 16
SHORTEST = 1e-20  # a vector that is shorter points nowhere


def read_blocks(file: BinaryIO) -> Iterator[Vector]:
    """The rows of NPY arrays up to the end of a file, brought to length one, in arrays float32 [n, D] as they come.

    Raises StreamError where an array is not two-dimensional, of floats and in C order, changes its width, is cut, or
    holds a row that has no direction. A header may claim any size: nothing is allocated for it.
    """
    row, width = 0, None
    while beginning := file.read(1):
        shape, dtype = _read_header(beginning, file)
        if width not in (None, shape[1]):
            raise StreamError(f"an array has {shape[1]} columns, the one before it {width}")
        width = shape[1]
        size = width * dtype.itemsize
        for first in range(0, shape[0], PIECE // size):
            count = min(PIECE // size, shape[0] - first)
            data = file.read(count * size)
            if len(data) < count * size:
                raise StreamError(f"an array is cut: it promises {shape[0]} rows; nothing of it is used")
            yield _normalised(np.frombuffer(data, dtype).reshape(count, width), row)
            row += count


def _read_header(beginning: bytes, file: BinaryIO) -> tuple[tuple[int, int], np.dtype[np.floating]]:
    magic = beginning + file.read(len(MAGIC) - 1)
    version = file.read(2)
    readers = {b"\1\0": np.lib.format.read_array_header_1_0, b"\2\0": np.lib.format.read_array_header_2_0}
    if magic != MAGIC or version not in readers:
        raise StreamError("not an NPY array of version 1 or 2; np.save writes them")
    try:
        shape, is_fortran, dtype = readers[version](file)
    except Exception:  # of whatever kind the parser of a damaged header raises
        raise StreamError("the header of an NPY array is damaged") from None
    if len(shape) != 2 or dtype.kind != "f" or is_fortran or not 0 < shape[1] <= MAX_DIMENSION or shape[0] < 0:
        raise StreamError(f"an array of shape {shape} and type {dtype}: rows of floats are needed, [n, D] in C order")
    return shape, dtype


def _normalised(rows: NDArray[np.floating], first: int) -> Vector:
    double = rows.astype(np.float64)
    lengths = np.linalg.norm(double, axis=1)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > SHORTEST)))
    if len(bad):
        raise StreamError(f"row {first + bad[0] + 1}: not finite, or zero: it has no direction")
    unit: Vector = (double / lengths[:, None]).astype(np.float32)
    return unit


def named(
    blocks: Iterator[Vector], names: BinaryIO, header: Header, label: str, *, window: int, hop: int
) -> Iterator[Embedding]:
    """Embeddings from rows and the lines that name them: path, or path, start and end in seconds, parted by tabs.

    Without positions the rows of one path, one after the other, are windows as `qbe segment` cuts them: of so many
    samples, `hop` from one to the next.
    """
    path, count, number = b"", 0, 0
    for vector in (row for block in blocks for row in block):
        line, number = names.readline(LONGEST_LINE).rstrip(b"\n"), number + 1
        fields = line.split(b"\t")
        count = count + 1 if fields[0] == path else 0
        path = fields[0]
        if not path or b"\0" in path:
            raise StreamError(f"{label} line {number}: {'ends before the rows do' if not line else 'no name'}")
        if len(fields) == 1:
            start, length = count * hop, window
        else:
            start, length = _place(fields, header.sample_rate, f"{label} line {number}")
        yield Embedding(path, start, length, header.sample_rate, vector)
    if names.read(1):
        raise StreamError(f"{label}: names more than the {number} rows there are")


def _place(fields: list[bytes], sample_rate: int, where: str) -> tuple[int, int]:
    """Start and length, samples."""
    try:
        start, end = (float(field) for field in fields[1:])
    except ValueError:
        start, end = 1.0, 0.0
    if not 0 <= start <= end <= LONGEST:
        raise StreamError(f"{where}: {display(fields[-1])}: a path, or path, start and end in seconds, parted by tabs")
    return round(start * sample_rate), round((end - start) * sample_rate)


def write_blocks(file: BinaryIO, records: Iterable[Embedding]) -> None:
    """For NumPy users: one NPY block a file, float32 [n, D], written as soon as the file is through."""
    for _, group in groupby(records, lambda record: record.path):
        block = io.BytesIO()  # given a real file, NumPy writes past its buffer
        np.lib.format.write_array(block, np.stack([record.vector for record in group]), allow_pickle=False)
        file.write(block.getbuffer())
    file.flush()
