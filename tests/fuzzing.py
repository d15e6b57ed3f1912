"""Library files that were mutated: read, searched and checked, they give a message or an answer, nothing else."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
from libraries import search, search_all

from qbe.index.file.layout import CRC, HEAD, SLOT, SLOTS, Block, align
from qbe.index.file.library import open_library
from qbe.index.store import FileStore
from qbe.search.store import EXACT, Effort
from qbe.streams.records import Vector
from qbe.support.errors import QbeError

Generator = np.random.Generator


def flip_bits(data: bytearray, rng: Generator) -> None:
    """Some, anywhere or where the structure is."""
    end = HEAD if rng.random() < 0.3 else len(data)
    for at in rng.integers(0, end, rng.integers(1, 20)).tolist():
        data[at] ^= 1 << int(rng.integers(8))


def cut(data: bytearray, rng: Generator) -> None:
    del data[int(rng.integers(len(data))) :]


def cut_out(data: bytearray, rng: Generator) -> None:
    at = int(rng.integers(len(data)))
    del data[at : at + int(rng.integers(1, 20_000))]


def overwrite(data: bytearray, rng: Generator) -> None:
    at, to, size = (int(n) for n in rng.integers(0, len(data), 3))
    data[to : to + size] = data[at : at + size][: len(data) - to]


def zero(data: bytearray, rng: Generator) -> None:
    at = int(rng.integers(len(data)))
    end = min(len(data), at + int(rng.integers(1, 20_000)))
    data[at:end] = bytes(end - at)


def newest(data: bytearray) -> tuple[int, int, int, int]:
    """The slot that counts."""
    return max(SLOT.unpack_from(data, at) for at in SLOTS)


def forge_slot(data: bytearray, rng: Generator) -> None:
    """A slot whose checksum is right and whose numbers are not."""
    numbers = [int(n) >> int(rng.integers(63)) for n in rng.integers(0, 1 << 63, 3)]
    slot = SLOT.pack(*numbers, int(rng.integers(1 << 32)))
    at = SLOTS[int(rng.integers(2))]
    data[at : at + SLOT.size + CRC.size] = slot + CRC.pack(zlib.crc32(slot))


def forge_footer(data: bytearray, rng: Generator) -> None:
    """A footer whose checksums are right and in which something is not."""
    _, offset, length, _ = newest(data)
    footer = msgpack.unpackb(data[offset : offset + length])
    part = footer["parts"][int(rng.integers(len(footer["parts"])))]
    block = part[str(rng.choice(list(part)))]
    number = int(rng.integers(-2, 1 << 40)) >> int(rng.integers(40))
    forgeries: list[Callable[[], object]] = [
        lambda: block.update(offset=number),
        lambda: block.update(shape=[number, *block["shape"][1:]]),
        lambda: block.update(shape=[*block["shape"], number]),
        lambda: block.update(dtype=str(rng.choice(["<f4", "|O", "<u8", "", "|u1"]))),
        lambda: part.pop(str(rng.choice(list(part)))),
        lambda: footer.update(dimension=number),
        lambda: footer.update(sample_rate=number),
        lambda: footer.update(trees=None),
        lambda: footer.update(budgets=[[0.97, number]]),
        lambda: footer.update(parts=footer["parts"][1:]),
        lambda: footer.update(model=number),
        lambda: footer.pop(str(rng.choice(list(footer)))),
    ]
    forgeries[int(rng.integers(len(forgeries)))]()
    commit(data, footer)


def forge_page(data: bytearray, rng: Generator) -> None:
    """A table of numbers that are wrong, with checksums that are right."""
    _, offset, length, _ = newest(data)
    footer = msgpack.unpackb(data[offset : offset + length])
    part = footer["parts"][int(rng.integers(len(footer["parts"])))]
    stored = part[str(rng.choice(["segments", "file_rows", "file_first", "files", "cells", "paths"]))]
    block = Block(stored["offset"], stored["dtype"], tuple(stored["shape"]), 0)
    if block.length:
        at = block.offset + int(rng.integers(block.length) // 4 * 4)
        struct.pack_into("<I", data, min(at, block.offset + block.length - 4), int(rng.integers(1 << 32)))
        stored["crc32"] = resum(data, block)
        commit(data, footer)


def resum(data: bytearray, block: Block) -> int:
    """Put the checksums of a block right; the checksum of these."""
    begin, end = block.offset, block.offset + block.length
    pages = (data[at : min(at + block.page, end)] for at in range(begin, end, block.page))
    sums = b"".join(CRC.pack(zlib.crc32(page)) for page in pages)
    data[align(end) : align(end) + len(sums)] = sums
    return zlib.crc32(sums)


def commit(data: bytearray, footer: dict[str, object]) -> None:
    """Append a footer, and fill the slot that does not count."""
    generation, *_ = newest(data)
    packed = msgpack.packb(footer)
    slot = SLOT.pack(generation + 1, len(data), len(packed), zlib.crc32(packed))
    at = SLOTS[generation % 2]
    data[at : at + SLOT.size + CRC.size] = slot + CRC.pack(zlib.crc32(slot))
    data += packed


MUTATIONS = (flip_bits, cut, cut_out, overwrite, zero, forge_slot, forge_footer, forge_page)


def use(path: Path, query: Vector) -> str:
    """Open, search and check a library: "answered", or "refused" with the message of a QbeError."""
    try:
        library = open_library(str(path))
        for budget in (300, None):
            search(library, query, 5, budget=budget)
            search(library, query[:1], 5, rows=True, budget=budget)
            effort = EXACT if budget is None else Effort(candidates=budget)
            search_all(FileStore(library), [query], 5, places=True, effort=effort)
        damaged = library.damaged_blocks()
        library.held(), library.hours(), list(library.entries())
    except QbeError as error:
        assert "\n" not in str(error)
        assert path.name in str(error)
        return "refused"
    return "damaged elsewhere" if damaged else "answered"


def fuzz(libraries: list[bytes], query: Vector, path: Path, rounds: int, seed: int) -> Counter[str]:
    """What became of so many mutated files, by the kind of mutation."""
    outcomes: Counter[str] = Counter()
    for number in range(rounds):
        rng = np.random.default_rng([seed, number])
        mutate = MUTATIONS[number % len(MUTATIONS)]
        data = bytearray(libraries[number % len(libraries)])
        mutate(data, rng)
        path.write_bytes(data)
        try:
            outcomes[f"{mutate.__name__}: {use(path, query)}"] += 1
        except Exception as error:
            raise AssertionError(f"round {number} of seed {seed}, {mutate.__name__}") from error
    return outcomes
