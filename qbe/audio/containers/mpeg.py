"""MPEG audio (ISO 11172-3, 13818-3), layers I to III: its frames, one by one."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

from qbe.audio.containers.splicing import SEARCHED, Spliced, read_at, size_of

KBITS = {  # by whether it is MPEG-1, and layer
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # by version
SYNC = re.compile(rb"\xff[\xe2-\xff]")
HEADER = 4
FRAMES = 1  # flag of a Xing header that counts them
DELAY = 529  # samples of its own delay that libmpg123 takes away where there is a Xing header
ROOMY = 8  # number of a bitrate whose frames have room for a Xing header, at every rate
TAG_ID3V1 = 128


@dataclass(frozen=True)
class Frame:
    """size : bytes; samples : in each channel; stream : what does not change within a stream"""

    size: int
    samples: int
    side: int  # bytes of side information, behind which a Xing header stands
    stream: tuple[int, int, int, bool]


@cache
def _frame(header: int) -> Frame | None:
    """Of the first 23 bits and mode of a header; None where it is none, or of a free format."""
    version, layer = header >> 19 & 3, 4 - (header >> 17 & 3)
    bits, rate = header >> 12 & 15, header >> 10 & 3
    if header >> 21 != 0x7FF or version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    is_first, is_mono = version == 3, header >> 6 & 3 == 3
    samples = 384 if layer == 1 else 1152 if layer == 2 or is_first else 576
    slot = 4 if layer == 1 else 1
    size = samples // 8 // slot * KBITS[is_first, layer][bits] * 1000 // RATES[version][rate] + (header >> 9 & 1)
    side = (17 if is_mono else 32) if is_first else (9 if is_mono else 17)
    return Frame(size * slot, samples, side, (version, layer, RATES[version][rate], is_mono))


def frame_at(data: bytes, at: int) -> Frame | None:
    """The frame that begins there."""
    if len(data) < at + HEADER:
        return None
    return _frame(int.from_bytes(data[at : at + HEADER], "big") & 0xFFFFFEC0)


@dataclass(frozen=True)
class Stretch:
    """Frames of one stream, one behind the other, from `begin` to `end`, bytes.

    frames : how many, that of a Xing header left out; junk : bytes before it that are no tag either
    """

    begin: int
    end: int
    frames: int
    junk: int


class _Window:
    """The bytes of a file from any place on, read in big pieces."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size = file, size_of(file)
        self.first, self.data = 0, b""

    def at(self, offset: int, wanted: int) -> tuple[bytes, int]:
        """A piece of the file that holds so many bytes from `offset` on (fewer at the end), and where they begin."""
        if not self.first <= offset <= self.first + len(self.data) - wanted:
            self.first, self.data = offset, read_at(self.file, offset, SEARCHED)
        return self.data, offset - self.first

    def frame(self, offset: int) -> Frame | None:
        return frame_at(*self.at(offset, HEADER))

    def read(self, offset: int, size: int) -> bytes:
        data, at = self.at(offset, size)
        return data[at : at + size]


def stretches(file: BinaryIO, begin: int = 0) -> Iterator[Stretch]:
    """All frames of a file from a byte on; they end where the bytes make no sense, or another stream begins."""
    window, at = _Window(file), begin
    while (first := _next_frame(window, at)) is not None:
        begin, junk = first
        at, frames = _end(window, begin)
        yield Stretch(begin, at, frames, junk)


def _end(window: _Window, begin: int) -> tuple[int, int]:
    """Where the frames of a stretch end, and how many there are."""
    frame = window.frame(begin)
    stream = frame.stream if frame else None
    at, frames = begin, 0
    while frame and frame.stream == stream and at + frame.size <= window.size:
        is_info = info_at(window.read(at, frame.size)) is not None
        if is_info and at > begin:
            break
        frames += not is_info
        at += frame.size
        frame = window.frame(at)
    return at, frames


def _next_frame(window: _Window, at: int) -> tuple[int, int] | None:
    """The next frame that another of its stream follows, or the end of the file, and how many bytes of junk there are
    before it."""
    junk = 0
    while at < window.size:
        if length := _tag(window, at):
            at += length
        elif _is_confirmed(window, at):
            return at, junk
        else:
            data, offset = window.at(at, HEADER)
            found = SYNC.search(data, offset + 1)
            step = (found.start() if found else max(offset + 1, len(data) - HEADER + 1)) - offset
            at, junk = at + step, junk + step
    return None


def _is_confirmed(window: _Window, at: int) -> bool:
    for _ in range(2):
        if not (frame := window.frame(at)):
            return False
        after, at = at + frame.size, at + frame.size
        following = window.frame(after)
        if not following:
            return after == window.size or _tag(window, after) > 0
        if following.stream != frame.stream:
            return False
    return True


def _tag(window: _Window, at: int) -> int:
    """The length of a tag that begins there, or of zeros; 0 where there is none."""
    head = window.read(at, 32)
    if head[:3] == b"ID3" and len(head) > 9:
        a, b, c, d = head[6:10]
        return 10 + (a << 21 | b << 14 | c << 7 | d)
    if head[:3] == b"TAG":
        return TAG_ID3V1
    if head[:8] == b"APETAGEX":
        return 32 + int.from_bytes(head[12:16], "little")
    return len(head) if not any(head) else 0


def info_at(frame: bytes) -> tuple[int, int | None] | None:
    """Where in a frame a Xing header stands, and how many frames it counts; None where there is none."""
    parsed = frame_at(frame, 0)
    if not parsed or parsed.stream[1] != 3:
        return None
    at = HEADER + parsed.side
    if frame[at : at + 4] in (b"Xing", b"Info") and len(frame) >= at + 12:
        flags, count = struct.unpack_from(">II", frame, at + 4)
        return at, count if flags & FRAMES else None
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return 36, int(struct.unpack_from(">I", frame, 50)[0])
    return None


def goes_on(file: BinaryIO, offset: int) -> bool:
    """Whether there are more frames from a byte on."""
    return _next_frame(_Window(file), offset) is not None


def promised(file: BinaryIO) -> int | None:
    """How many frames the header of a file counts; None where it has none that does."""
    window = _Window(file)
    if (first := _next_frame(window, 0)) and (frame := window.frame(first[0])):
        info = info_at(window.read(first[0], frame.size))
        return info[1] if info else None
    return None


def parts(file: BinaryIO) -> Iterator[Spliced]:
    """The stretches of a file, a file each, with a Xing header that counts them."""
    return (_counted(file, stretch) for stretch in stretches(file))


def _counted(file: BinaryIO, stretch: Stretch) -> Spliced:
    """A stretch behind a first frame that counts the others.

    One that is there keeps what else it says (LAME: how many samples at both ends are none of the sound's).
    """
    data = read_at(file, stretch.begin, HEADER)
    frame = frame_at(data, 0)
    if not frame or frame.stream[1] != 3:
        return Spliced(b"", file, stretch.begin, stretch.end, junk=stretch.junk)
    first, count = read_at(file, stretch.begin, frame.size), stretch.frames.to_bytes(4, "big")
    info = info_at(first)
    if not info:
        return Spliced(_info_frame(data, count), file, stretch.begin, stretch.end, lost=DELAY, junk=stretch.junk)
    at, counted = info
    is_xing = counted is not None and first[at : at + 4] != b"VBRI"
    head = first[: at + 8] + count + first[at + 12 :] if is_xing else _info_frame(data, count)
    return Spliced(head, file, stretch.begin + frame.size, stretch.end, junk=stretch.junk)


def _info_frame(header: bytes, count: bytes) -> bytes:
    bits = int.from_bytes(header, "big") & ~(15 << 12) & ~(1 << 9) | ROOMY << 12 | 1 << 16  # no checksum, no padding
    frame = _frame(bits & 0xFFFFFEC0)
    assert frame
    text = bits.to_bytes(4, "big") + bytes(frame.side) + b"Xing" + FRAMES.to_bytes(4, "big") + count
    return text.ljust(frame.size, b"\0")
