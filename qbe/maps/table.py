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

DIMENSIONS: tuple[int, ...] = (3, 2)  # of maps
CHUNK, LONGEST = 1 << 20, 1 << 16  # bytes: read at a time, of a line

Coordinates = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """keys : hashes of its points' places, rising, int64 [n]; they hold in this process alone, and are the same of two
    places once in 10^19 times
    where : they lie, [n, d]
    """

    keys: Numbers
    where: Coordinates


def place(path: bytes, start: float, length: float) -> bytes:
    """What two tables know a point by: how it is written in both."""
    return b"%b\t%.4f\t%.4f" % (path, start, length)


def written(points: Points, where: Coordinates, end: bytes = b"\0") -> Iterator[bytes]:
    """The lines of a table of points that lie at [n, d]. end : of each"""
    columns = (column.tolist() for column in (points.starts, points.lengths, where, points.levels))
    for path, start, length, coordinates, level in zip(points.paths, *columns, strict=True):
        numbers = "\t".join(f"{number:.4f}" for number in (start, length, *coordinates, level))
        yield path + b"\t" + numbers.encode() + end


def read_table(name: str) -> Table:
    """Where the points of a table lie that `qbe map` wrote. UsageError where it did not."""
    keys, where, shapes = array("q"), array("d"), DIMENSIONS
    with open(name, "rb") as file:
        for number, line in enumerate(_lines(file, name), 1):
            if not line:
                continue
            if not (point := _read(line, shapes[0]) or _read(line, shapes[-1])):
                what = f"{display(line[:40])} is not of a map that `qbe map` wrote, or of another one"
                raise UsageError(f"{name}: line {number}: {what}")
            shapes = (len(point[1]),)  # of all that follow
            keys.append(point[0])
            where.extend(point[1])
    if not keys:
        raise UsageError(f"{name}: not a map: give a table that `qbe map` wrote")
    found, places = np.frombuffer(keys, np.int64), np.frombuffer(where).reshape(-1, shapes[0])
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


def _read(line: bytes, dimensions: int) -> tuple[int, list[float]] | None:
    """The key of a line's point and where it lies; None where the line is no point of so many dimensions.

    Fields are counted from the end: a path may hold tabs.
    """
    place, *fields = line.rsplit(b"\t", dimensions + 1)
    path, *span = place.rsplit(b"\t", 2)
    try:
        *coordinates, _ = map(float, fields)
        start, length = map(float, span)
    except ValueError:
        return None
    is_right = len(coordinates) == dimensions and path and all(map(math.isfinite, (start, length, *coordinates)))
    return (hash(place), coordinates) if is_right else None


def known_points(points: Points, table: Table) -> tuple[Numbers, Coordinates]:
    """The points that a table has, rising [k], and where it has them, [k, d]."""
    places = zip(points.paths, points.starts.tolist(), points.lengths.tolist(), strict=True)
    own = np.fromiter((hash(place(*fields)) for fields in places), np.int64, len(points))
    at = np.minimum(table.keys.searchsorted(own), len(table.keys) - 1)
    known = np.flatnonzero(table.keys[at] == own)
    return known, table.where[at[known]]
