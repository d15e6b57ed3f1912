"""A map as it was written before, read to be gone on with."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from qbe.maps.points import Points
from qbe.support.bounded import read_whole
from qbe.support.errors import UsageError, display

COLUMNS = {6: 2, 7: 3}  # how many dimensions a map has whose lines have so many fields
Place = tuple[bytes, str, str]  # the path, and start and length as they are written
Table = dict[Place, tuple[float, ...]]  # where each lies


def place(path: bytes, start: float, length: float) -> Place:
    """What two tables know a point by."""
    return path, f"{start:.4f}", f"{length:.4f}"


def written(points: Points, where: NDArray[np.float64], end: bytes = b"\0") -> Iterator[bytes]:
    """The lines of a table of points that lie at [n, d]. end : of each"""
    columns = (column.tolist() for column in (points.starts, points.lengths, where, points.levels))
    for path, start, length, coordinates, level in zip(points.paths, *columns, strict=True):
        numbers = "\t".join(f"{number:.4f}" for number in (start, length, *coordinates, level))
        yield path + b"\t" + numbers.encode() + end


def read_table(name: str) -> Table:
    """Where the points of a table lie that `qbe map` wrote. UsageError where it did not."""
    with open(name, "rb") as file:
        content = read_whole(file, name, UsageError)
    lines = content.split(b"\0" if b"\0" in content else b"\n")
    found = dict(_line(line, f"{name}: line {number}") for number, line in enumerate(lines, 1) if line)
    if len({len(where) for where in found.values()}) != 1:
        raise UsageError(f"{name}: not a map: give a table that `qbe map` wrote")
    return found


def _line(line: bytes, where: str) -> tuple[Place, tuple[float, ...]]:
    """A path may hold tabs: the fields after it are counted from the end."""
    for columns, dimensions in sorted(COLUMNS.items(), reverse=True):
        path, *fields = line.rsplit(b"\t", columns - 1)
        try:
            start, length, *coordinates, _ = map(float, fields)
        except ValueError:
            continue
        if len(coordinates) == dimensions and path and all(map(math.isfinite, coordinates)):
            return place(path, start, length), tuple(coordinates)
    raise UsageError(f"{where}: {display(line[:40])} is not of a map that `qbe map` wrote")


def known_points(points: Points, table: Table) -> dict[int, tuple[float, ...]]:
    """Where those points lie that a table has."""
    places = zip(points.paths, points.starts.tolist(), points.lengths.tolist(), strict=True)
    numbered = ((number, table.get(place(*fields))) for number, fields in enumerate(places))
    return {number: where for number, where in numbered if where is not None}
