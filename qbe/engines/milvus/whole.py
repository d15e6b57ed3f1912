"""Whether the server has all of a library in memory. One that has just been started says so before it does, and would
answer with what it has: so what there is is counted, when a library is opened and before it is asked."""

from __future__ import annotations

from functools import partial

from qbe.engines.milvus.catalog import Catalog, read_catalog
from qbe.engines.milvus.files import NONE, Files
from qbe.engines.milvus.rows import BITS
from qbe.engines.milvus.server import Server
from qbe.support.errors import LibraryError

RANGES = 64  # of numbers of files that are gone, in one filter; of more, their rows are not told from others
NUMBERS = 4096  # in one filter


def open_files(server: Server, catalog: Catalog) -> Files:
    """A library's files, once all of it is in memory. LibraryError where that takes too long, or some of it is gone."""
    opened: list[Files] = []

    def is_whole() -> bool:
        if not server.has_loaded((catalog.table, catalog.segments)):
            return False
        opened[:] = [Files(server, catalog.table, catalog.next, catalog.since)]
        return has_all(opened[0], catalog)

    server.wait_until(is_whole)
    return opened[0]


def wait_for_all(table: Files, catalog: Catalog) -> None:
    """Before a library that was opened is asked: the server may have been started anew since. LibraryError where it has
    been written so often that what was there is no longer kept."""
    if not has_all(table, catalog):
        now = read_catalog(table.server)
        if now is None or now.generation > catalog.generation + 1:
            raise LibraryError(f"{table.server.address.name}: it was written since it was opened: open it again")
        open_files(table.server, catalog)


def has_all(table: Files, catalog: Catalog) -> bool:
    """Whether the files and segments that a library tells of are there."""
    gone = sorted(table.gone)
    count = partial(table.server.count, since=catalog.since)
    files = count(table.name, f"number < {catalog.next} and gone == {NONE}")
    for first in range(0, len(gone), NUMBERS):
        files -= count(table.name, f"number in {gone[first : first + NUMBERS]}")
    rows = count(catalog.segments, f"key < {catalog.next << BITS}")
    ranges = _ranges(gone)
    if 0 < len(ranges) <= RANGES:
        where = " or ".join(f"(key >= {first << BITS} and key < {last << BITS})" for first, last in ranges)
        rows -= count(catalog.segments, where)
    return files == catalog.files and (rows == catalog.rows or (len(ranges) > RANGES and rows > catalog.rows))


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Rising numbers as ranges: the first of each, and the one after its last."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number:
            ranges[-1] = ranges[-1][0], number + 1
        else:
            ranges.append((number, number + 1))
    return ranges
