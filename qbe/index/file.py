"""The library file: a head with two commit slots, immutable blocks, a footer that names them.

    offset 0      b"QBEINDEX", version (u32)
    offset 1024   slot 0   } generation, footer offset, footer length (u64 each), crc32 of the footer,
    offset 2048   slot 1   } crc32 of the slot before this (u32 each)
    offset 4096   blocks, each beginning at a multiple of 64
    then          the footer, a msgpack map

Numbers are little-endian. The valid slot of the highest generation counts. A writer puts blocks and footer down, syncs,
and only then fills the slot that does not count yet, so that at any instant one of the two states is whole.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgpack
import numpy as np
from numpy.typing import NDArray

from qbe.errors import LibraryError, display

MAGIC = b"QBEINDEX"
VERSION = 1
HEAD = 4096
SLOTS = (1024, 2048)
SLOT = struct.Struct("<QQQI")
CRC = struct.Struct("<I")
ALIGNMENT = 64
DTYPES = ("|u1", "<u4", "<i8", "<u8", "<f4")


@dataclass(frozen=True)
class Block:
    """An array in the file, in C order."""

    offset: int
    dtype: str
    shape: tuple[int, ...]
    crc32: int

    @property
    def length(self) -> int:
        """In bytes."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=object))


@dataclass(frozen=True)
class Footer:
    """What a library holds: its blocks by name, and the model (sha256, name) of its embeddings."""

    model: str
    name: str
    sample_rate: int
    dimension: int
    blocks: dict[str, Block]


class BlockWriter:
    """Appends blocks to a new library file and commits them."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.blocks: dict[str, Block] = {}
        file.write(MAGIC + CRC.pack(VERSION))
        self._pad_to(HEAD)

    def _pad_to(self, offset: int) -> None:
        self.file.write(bytes(offset - self.file.tell()))

    def add(self, name: str, arrays: Iterator[NDArray[Any]], dtype: str, row: tuple[int, ...] = ()) -> None:
        """Write a block of rows of shape `row` from arrays [n, *row] as they come, however many."""
        self._pad_to(-(-self.file.tell() // ALIGNMENT) * ALIGNMENT)
        offset, rows, checksum = self.file.tell(), 0, 0
        for array in arrays:
            data = np.ascontiguousarray(array, dtype).data.cast("B")
            checksum = zlib.crc32(data, checksum)
            self.file.write(data)
            rows += len(array)
        self.blocks[name] = Block(offset, dtype, (rows, *row), checksum)

    def commit(self, *, model: str, name: str, sample_rate: int, dimension: int) -> None:
        """Write the footer, then the slot that makes it count."""
        blocks = {key: vars(block) for key, block in self.blocks.items()}
        footer = msgpack.packb(
            {"model": model, "name": name, "sample_rate": sample_rate, "dimension": dimension, "blocks": blocks}
        )
        slot = SLOT.pack(1, self.file.tell(), len(footer), zlib.crc32(footer))
        self.file.write(footer)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.seek(SLOTS[0])
        self.file.write(slot + CRC.pack(zlib.crc32(slot)))


def read_footer(data: mmap.mmap, name: str) -> Footer:
    """The footer that counts. LibraryError where this is no library, or a damaged or newer one."""
    if data[: len(MAGIC)] != MAGIC or len(data) < HEAD:
        raise LibraryError(f"{name}: not a qbe library, or cut short; build one with `qbe index -o`")
    (version,) = CRC.unpack_from(data, len(MAGIC))
    if version != VERSION:
        raise LibraryError(f"{name}: written in format {version}; this qbe reads format {VERSION}: use a newer qbe")
    slots = [SLOT.unpack_from(data, at) for at in SLOTS if _slot_is_valid(data, at)]
    if not slots:
        raise LibraryError(f"{name}: damaged: neither of its two commit slots is valid; build it again")
    _, offset, length, checksum = max(slots)
    if offset + length > len(data):
        raise LibraryError(f"{name}: cut short: {len(data)} bytes of at least {offset + length}; build it again")
    footer = data[offset : offset + length]
    if zlib.crc32(footer) != checksum:
        raise LibraryError(f"{name}: damaged: the footer's checksum is wrong; build it again")
    return _parse_footer(footer, len(data), name)


def _slot_is_valid(data: mmap.mmap, at: int) -> bool:
    (checksum,) = CRC.unpack_from(data, at + SLOT.size)
    slot = data[at : at + SLOT.size]
    return any(slot) and zlib.crc32(slot) == checksum


def _parse_footer(footer: bytes, size: int, name: str) -> Footer:
    try:
        fields = msgpack.unpackb(footer)
        blocks = {
            key: Block(b["offset"], b["dtype"], tuple(b["shape"]), b["crc32"])
            for key, b in fields.pop("blocks").items()
        }
        parsed = Footer(**fields, blocks=blocks)
        sound = all(b.dtype in DTYPES and HEAD <= b.offset <= b.offset + b.length <= size for b in blocks.values())
    except Exception:  # msgpack raises many unrelated kinds
        sound = False
    if not sound:
        raise LibraryError(f"{name}: damaged: its footer makes no sense; build it again")
    return parsed


def map_file(path: str | bytes) -> mmap.mmap:
    """The whole file, read-only. LibraryError where it cannot be opened or is empty."""
    name = display(os.fsencode(path))
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < HEAD:
                raise LibraryError(f"{name}: not a qbe library, or cut short; build one with `qbe index -o`")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LibraryError(f"{name}: no library can be read ({reason})") from None
