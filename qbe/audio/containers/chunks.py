"""Containers made of chunks, and a few others whose header says how long the sound is: where that is too little."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from qbe.audio.containers.splicing import SEARCHED, Spliced, read_at, size_of

LONGEST_HEADER = 1 << 24  # bytes before the sound
FEWEST = 4096  # bytes; less than that behind a sound is not asked what it is
UNKNOWN = 0xFFFFFFFF  # a size that does not fit, or was not known


@dataclass(frozen=True)
class Layout:
    """How a container writes its chunks.

    head : bytes before the first one; sizes : of `struct`, a chunk's name and size
    sound : the name of the chunk that holds the sound; pad : chunks begin at multiples of it
    whole, open_end : what is to stand at the beginning, and as the sound's size, for libsndfile to read on to the end;
        empty: the size that it has
    """

    head: int
    sizes: str
    sound: bytes
    pad: int
    whole: bytes
    open_end: bytes


# As a recorder leaves a file that dies: libsndfile takes all that is there, beyond 4 GiB too.
RIFF = Layout(12, "<4sI", b"data", 2, b"RIFF\x08\0\0\0", bytes(4))
LAYOUTS = {
    b"RIFF": RIFF,
    b"RF64": RIFF,
    b"BW64": RIFF,
    b"RIFX": Layout(12, ">4sI", b"data", 2, b"RIFX\0\0\0\x08", bytes(4)),
    b"FORM": Layout(12, ">4sI", b"SSND", 2, b"FORM\xff\xff\xff\xff", b"\xff\xff\xff\xff"),
    b"caff": Layout(8, ">4sq", b"data", 1, b"", b""),
}


def parts(file: BinaryIO) -> Iterator[Spliced]:
    """The file with a header by which the sound goes on to the end; nothing where what follows the sound is chunks."""
    head = read_at(file, 0, 12)
    if head[:4] == b".snd":
        yield Spliced(head[:8] + UNKNOWN.to_bytes(4, "big"), file, 12, size_of(file))
    layout = LAYOUTS.get(head[:4])
    if layout and (found := _sound(file, layout)):
        begin, end = found
        if not _are_chunks(file, layout, end):
            size = layout.open_end or (size_of(file) - begin).to_bytes(8, "big")
            header = layout.whole + read_at(file, len(layout.whole), begin - len(layout.whole) - len(size))
            yield Spliced(header + size, file, begin, size_of(file))


def _sound(file: BinaryIO, layout: Layout) -> tuple[int, int] | None:
    """Where the chunk of the sound begins and where it says to end, bytes."""
    long_size = 0
    for name, begin, size in _chunks(file, layout, layout.head):
        if name == b"ds64":
            long_size = int.from_bytes(read_at(file, begin + 8, 8), "little")
        if name == layout.sound:
            return begin, begin + (long_size if long_size and size in (0, UNKNOWN) else size)
        if begin + size > LONGEST_HEADER:
            break
    return None


def _chunks(file: BinaryIO, layout: Layout, at: int) -> Iterator[tuple[bytes, int, int]]:
    """The name of each chunk, where its content begins, and its size; ends where there is no sense in it."""
    length, end = struct.calcsize(layout.sizes), size_of(file)
    while len(head := read_at(file, at, length)) == length:
        name, size = struct.unpack(layout.sizes, head)
        if not (name.isascii() and name.decode("ascii").isprintable()) or size < -1:
            return
        yield name, at + length, size
        at += length + size + -(length + size) % layout.pad
        if at > end:
            return


def _are_chunks(file: BinaryIO, layout: Layout, at: int) -> bool:
    """Whether from a byte on there are chunks to the end of the file, or nothing worth the name."""
    end = size_of(file)
    at += -at % layout.pad
    for _, begin, size in _chunks(file, layout, at):
        if begin + size > end:
            return False
        at = begin + size + -(begin + size) % layout.pad
    return end - at < FEWEST or _are_zeros(file, at)


def _are_zeros(file: BinaryIO, at: int) -> bool:
    """All bytes from one on."""
    while chunk := read_at(file, at, SEARCHED):
        if chunk.count(0) < len(chunk):
            return False
        at += len(chunk)
    return True
