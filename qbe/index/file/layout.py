"""The library file: a head with two commit slots, immutable blocks, a footer that names them.

    offset 0      b"QBEINDEX", version (u32)
    offset 1024   slot 0   } generation, footer offset, footer length (u64 each), crc32 of the footer,
    offset 2048   slot 1   } crc32 of the slot before this (u32 each)
    offset 4096   blocks, each beginning at a multiple of 64 and of its rows' length, and followed, at the next multiple
                  of 64, by its page sums
    then          the footer, a msgpack map; then blocks and a footer for every change

Numbers are little-endian. The valid slot of the highest generation counts. A writer puts blocks and footer down, syncs,
and only then fills the slot that does not count, so that at any instant one of the two states is whole. What a footer
names is never written to again: those who read an older state go on doing so.

The page sums are the crc32 (u32) of every page of a block; the footer keeps the crc32 of these. A page is 2^n rows, as
many as fit into 16 KiB, or one row. So a reader can check what it touches without reading the rest, and opening reads
nothing that grows with the library.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgpack
import numpy as np
from numpy.typing import NDArray

from qbe.support.errors import LibraryError, display

MAGIC = b"QBEINDEX"
VERSION = 6
READ = (5, 6)  # the versions that are read: 5 lacks levels, checksums of content and the folder of names
HEAD = 4096
SLOTS = (1024, 2048)
SLOT = struct.Struct("<QQQI")
CRC = struct.Struct("<I")
FOOTER = 1 << 14  # bytes, more than most footers take
ALIGNMENT = 64
LARGEST_PAGE = 1 << 14  # bytes, but for rows that are longer
DTYPES = ("|u1", "<i2", "<u4", "<i8", "<u8", "<f4")
Budget = tuple[float, int]
FORMER_HOP = 8192  # of most libraries of format 5, which does not tell it


@dataclass(frozen=True)
class Block:
    """An array in the file, in C order. crc32 : of its page sums"""

    offset: int
    dtype: str
    shape: tuple[int, ...]
    crc32: int

    @property
    def row(self) -> int:
        """How long one of its rows is, in bytes."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape[1:])

    @property
    def length(self) -> int:
        """In bytes."""
        return self.row * self.shape[0]

    @property
    def page_bits(self) -> int:
        """A page holds 2 to the power of this rows."""
        return max(1, LARGEST_PAGE // max(1, self.row)).bit_length() - 1

    @property
    def page(self) -> int:
        """How long a page is, in bytes."""
        return self.row << self.page_bits

    @property
    def pages(self) -> int:
        return -(-self.length // max(1, self.page))

    @property
    def sums(self) -> int:
        """Where its page sums begin."""
        return align(self.offset + self.length)

    @property
    def end(self) -> int:
        """Where its page sums end."""
        return self.sums + CRC.size * self.pages


def align(offset: int, row: int = 1) -> int:
    """The next place where a block of rows of so many bytes may begin."""
    unit = math.lcm(ALIGNMENT, max(1, row))
    return -(-offset // unit) * unit


@dataclass(frozen=True)
class Footer:
    """What a library holds: its parts, each as blocks by name, and the model (sha256, name) of its embeddings.

    trees : how many were asked for
    budgets : pairs, ascending, of a recall and the fewest rows to score with which it was measured on the first part
    hop : samples from one segment of a file to the next, mostly
    folder : where relative names begin: absolute; or as seen from the library's own folder, with which they travel
        then; None where not known
    """

    model: str
    name: str
    sample_rate: int
    dimension: int
    trees: int
    parts: tuple[dict[str, Block], ...]
    budgets: tuple[Budget, ...] = ()
    hop: int = FORMER_HOP
    folder: bytes | None = None


@dataclass(frozen=True)
class Commit:
    """A state of the file: the how many-th it is, its footer, and where that ends."""

    generation: int
    footer: Footer
    end: int


class _PageSums:
    """The crc32 of every page of so many bytes, which come in pieces."""

    def __init__(self, page: int) -> None:
        self.page = page
        self.sums = array("I")
        self.filled = self.current = 0

    def add(self, data: memoryview) -> None:
        at = 0
        while at < len(data):
            piece = data[at : at + self.page - self.filled]
            self.current = zlib.crc32(piece, self.current)
            self.filled += len(piece)
            at += len(piece)
            if self.filled == self.page:
                self._close()

    def _close(self) -> None:
        self.sums.append(self.current)
        self.filled = self.current = 0

    def finish(self) -> bytes:
        if self.filled:
            self._close()
        return np.asarray(self.sums).astype("<u4").tobytes()


class BlockWriter:
    """Writes blocks one after the other. blocks : those of the part that is being written"""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.blocks: dict[str, Block] = {}

    def begin_file(self) -> None:
        self.file.write(MAGIC + CRC.pack(VERSION))
        self._pad_to(HEAD)

    def _pad_to(self, offset: int) -> None:
        self.file.write(bytes(offset - self.file.tell()))

    def add(self, name: str, arrays: Iterable[NDArray[Any]], dtype: str, row: tuple[int, ...] = ()) -> None:
        """Write a block of rows of shape `row` from arrays [n, *row] as they come, however many."""
        empty = Block(0, dtype, (0, *row), 0)
        self._pad_to(align(self.file.tell(), empty.row))
        offset, rows, sums = self.file.tell(), 0, _PageSums(empty.page)
        for part in arrays:
            data = np.ascontiguousarray(part, dtype).reshape(-1).view("u1").data
            sums.add(data)
            self.file.write(data)
            rows += len(part)
        self._pad_to(align(self.file.tell()))
        page_sums = sums.finish()
        self.file.write(page_sums)
        self.blocks[name] = Block(offset, dtype, (rows, *row), zlib.crc32(page_sums))


def write_commit(file: BinaryIO, footer: Footer, generation: int) -> None:
    """Write the footer, then, when all is on disk, the slot that makes it count."""
    parts = [{name: vars(block) for name, block in part.items()} for part in footer.parts]
    packed = msgpack.packb({**vars(footer), "parts": parts})
    slot = SLOT.pack(generation, file.tell(), len(packed), zlib.crc32(packed))
    file.write(packed)
    _sync(file)
    file.seek(SLOTS[(generation - 1) % 2])
    file.write(slot + CRC.pack(zlib.crc32(slot)))
    _sync(file)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def read_commit(data: mmap.mmap, name: str) -> Commit:
    """The state that counts. LibraryError where this is no library, or a damaged or newer one."""
    if data[: len(MAGIC)] != MAGIC or len(data) < HEAD:
        raise LibraryError(f"{name}: not a qbe library, or cut short; build one with `qbe index -o`")
    (version,) = CRC.unpack_from(data, len(MAGIC))
    if version not in READ:
        advice = "use a newer qbe" if version > VERSION else "build it again"
        known = " and ".join(map(str, READ))
        raise LibraryError(f"{name}: written in format {version}; this qbe reads formats {known}: {advice}")
    slots = [SLOT.unpack_from(data, at) for at in SLOTS if _slot_is_valid(data, at)]
    if not slots:
        raise LibraryError(f"{name}: damaged: neither of its two commit slots is valid; build it again")
    generation, offset, length, checksum = max(slots)
    if offset + length > len(data):
        raise LibraryError(f"{name}: cut short: {len(data)} bytes of at least {offset + length}; build it again")
    footer = data[offset : offset + length]
    if zlib.crc32(footer) != checksum:
        raise LibraryError(f"{name}: damaged: the footer's checksum is wrong; build it again")
    return Commit(generation, _parse_footer(footer, len(data), name), offset + length)


def _slot_is_valid(data: mmap.mmap, at: int) -> bool:
    (checksum,) = CRC.unpack_from(data, at + SLOT.size)
    slot = data[at : at + SLOT.size]
    return any(slot) and zlib.crc32(slot) == checksum


def _parse_footer(footer: bytes, size: int, name: str) -> Footer:
    try:
        fields = msgpack.unpackb(footer)
        parts = tuple(
            {key: Block(b["offset"], b["dtype"], tuple(b["shape"]), b["crc32"]) for key, b in part.items()}
            for part in fields.pop("parts")
        )
        budgets = tuple((float(recall), int(rows)) for recall, rows in fields.pop("budgets"))
        parsed = Footer(**fields, parts=parts, budgets=budgets)
        sound = _has_sense(parsed) and all(_is_sound(block, size) for part in parts for block in part.values())
    except Exception:  # msgpack raises many unrelated kinds
        sound = False
    if not sound:
        raise LibraryError(f"{name}: damaged: its footer makes no sense; build it again")
    return parsed


def _has_sense(footer: Footer) -> bool:
    numbers = (footer.sample_rate, footer.dimension, footer.trees, footer.hop, *(rows for _, rows in footer.budgets))
    return (
        all(type(number) is int and 0 < number < 1 << 40 for number in numbers)
        and isinstance(footer.model, str)
        and isinstance(footer.name, str)
        and isinstance(footer.folder, bytes | None)
        and len(footer.parts) > 0
    )


def _is_sound(block: Block, size: int) -> bool:
    return (
        block.dtype in DTYPES
        and all(type(length) is int and length >= 0 for length in block.shape)
        and align(block.offset, block.row) == block.offset
        and HEAD <= block.offset <= block.end <= size
    )


def map_file(path: str | bytes) -> mmap.mmap:
    """The whole file, read-only. LibraryError where it cannot be opened or is empty."""
    name = display(os.fsencode(path))
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if hasattr(os, "posix_fadvise"):  # read the footer, which mostly ends the file, while the head is read
                os.posix_fadvise(file.fileno(), max(0, size - FOOTER), FOOTER, os.POSIX_FADV_WILLNEED)
            if size < HEAD:
                raise LibraryError(f"{name}: not a qbe library, or cut short; build one with `qbe index -o`")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LibraryError(f"{name}: no library can be read ({reason})") from None
