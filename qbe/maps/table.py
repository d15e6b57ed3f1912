"""A map as it was written before, read to be gone on with."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from qbe.maps.points import Points
from qbe.streams.records import Numbers
from qbe.support.errors import UsageError, display

COLUMNS = {7: 3, 6: 2}  # how many dimensions a map has whose lines have so many fields; a path may hold tabs
CHUNK, LONGEST = 1 << 20, 1 << 16  # bytes: read at a time, of a line

Coordinates = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """keys : what its points are known by, rising, int64 [n], hold in this process alone; where : they lie, [n, d]"""

    keys: Numbers
    where: Coordinates


def key(path: bytes, start: float, length: float) -> int:
    """What two tables know a point by, as they are written. Of two points the same by chance in 10^19."""
    return hash(b"%b\t%.4f\t%.4f" % (path, start, length))


def written(points: Points, where: Coordinates, end: bytes = b"\0") -> Iterator[bytes]:
    """The lines of a table of points that lie at [n, d]. end : of each"""
    columns = (column.tolist() for column in (points.starts, points.lengths, where, points.levels))
    for path, start, length, coordinates, level in zip(points.paths, *columns, strict=True):
        numbers = "\t".join(f"{number:.4f}" for number in (start, length, *coordinates, level))
        yield path + b"\t" + numbers.encode() + end


def read_table(name: str) -> Table:
    """Where the points of a table lie that `qbe map` wrote. UsageError where it did not."""
    keys, where, dimensions = array("q"), array("d"), 0
    with open(name, "rb") as file:
        for number, line in enumerate(_lines(file, name), 1):
            if not line:
                continue
            own, coordinates = _read(line, f"{name}: line {number}")
            if dimensions not in (0, len(coordinates)):
                raise UsageError(f"{name}: line {number}: {len(coordinates)} dimensions, and {dimensions} before it")
            dimensions = len(coordinates)
            keys.append(own)
            where.extend(coordinates)
    if not keys:
        raise UsageError(f"{name}: not a map: give a table that `qbe map` wrote")
    found, places = np.frombuffer(keys, np.int64), np.frombuffer(where).reshape(-1, dimensions)
    order = np.argsort(found, kind="stable")
    return Table(found[order], places[order])


def _lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Parted by NUL where there is any in the beginning, else by newline."""
    end, rest = b"", b""
    while chunk := file.read(CHUNK):
        end = end or (b"\0" if b"\0" in chunk else b"\n")
        *lines, rest = (rest + chunk).split(end)
        yield from lines
        if len(rest) > LONGEST:
            raise UsageError(f"{name}: not a map: a line of more than {LONGEST} bytes")
    yield rest


def _read(line: bytes, where: str) -> tuple[int, list[float]]:
    """The key of a line's point and where it lies; fields are counted from the end."""
    for columns, dimensions in COLUMNS.items():
        path, *fields = line.rsplit(b"\t", columns - 1)
        try:
            start, length, *coordinates, _ = map(float, fields)
        except ValueError:
            continue
        if len(coordinates) == dimensions and path and all(map(math.isfinite, coordinates)):
            return key(path, start, length), coordinates
    raise UsageError(f"{where}: {display(line[:40])} is not of a map that `qbe map` wrote")


def known_points(points: Points, table: Table) -> tuple[Numbers, Coordinates]:
    """The points that a table has, rising [k], and where it has them, [k, d]."""
    places = zip(points.paths, points.starts.tolist(), points.lengths.tolist(), strict=True)
    own = np.fromiter((key(*fields) for fields in places), np.int64, len(points))
    at = np.minimum(table.keys.searchsorted(own), len(table.keys) - 1)
    known = np.flatnonzero(table.keys[at] == own)
    return known, table.where[at[known]]
