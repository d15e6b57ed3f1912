"""Records as msgpack maps, one after the other. qbe-stream(5) describes the bytes."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgpack
import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import (
    FORMAT,
    MAX_DIMENSION,
    MAX_RATE,
    MIN_RATE,
    STAGES,
    VERSION,
    Deformation,
    Embedding,
    End,
    File,
    Header,
    Record,
    Segment,
)
from qbe.support.errors import CutError, StreamError

ARRAY = 1  # the msgpack ext type of arrays
DTYPES = ("<f4", "<f8", "<i2", "<i4", "<i8")
CHUNK = 1 << 16  # bytes read at a time
MAX_RECORD = 1 << 26  # bytes: over 17 minutes of audio in one segment is a damaged length, not a segment

# Refused before anything of that size is allocated.
LIMITS = {"max_array_len": 256, "max_map_len": 64, "max_str_len": 4096, "max_bin_len": 1 << 16}
MAX_LISTS = 2048  # lists and maps within one record: empty ones take a byte of the stream, and 64 of memory
MAX_PLACE = 1 << 48  # samples

KINDS = {Header: "header", Segment: "segment", Embedding: "embedding", File: "file", End: "end"}


def pack(record: Record) -> bytes:
    """One record as a msgpack map with its name under `kind`."""
    fields: dict[str, Any] = {"kind": KINDS[type(record)]}
    if isinstance(record, Header):
        fields |= {"format": FORMAT, "version": VERSION}
    fields |= {name: value for name, value in vars(record).items() if value is not None}
    if isinstance(record, Segment):
        fields["level"] = record.level
        fields["deformations"] = [vars(deformation) for deformation in record.deformations]
    if isinstance(record, File) and not record.was:
        del fields["was"]
    packed: bytes = msgpack.packb(fields, default=_pack_array)
    return packed


def _pack_array(value: object) -> msgpack.ExtType:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a record cannot hold a {type(value).__name__}")
    array = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
    return msgpack.ExtType(ARRAY, msgpack.packb([array.dtype.str, list(array.shape), array.tobytes()]))


def _unpack_array(code: int, payload: bytes) -> NDArray[Any]:
    if code != ARRAY:
        raise NoRecordError(f"what follows holds an unknown ext type {code}")
    dtype, shape, data = msgpack.unpackb(payload, max_array_len=8, max_map_len=0, list_hook=_Few(2))
    if dtype not in DTYPES:
        raise NoRecordError(f"what follows holds an array of type {dtype!r}; known are {', '.join(DTYPES)}")
    return np.frombuffer(data, dtype).reshape([_whole(size) for size in shape])


class NoRecordError(StreamError):
    """Bytes that can be unpacked, and are no record of ours."""


class _Few:
    """Lets so many lists and maps pass; StreamError at the next."""

    def __init__(self, most: int) -> None:
        self.most = self.left = most

    def __call__(self, value: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise StreamError("the stream holds a record of too many parts; is it a qbe stream?")
        return value


def unpack(fields: object) -> Record:
    """The record in a decoded map. StreamError where it is none."""
    kind = fields.get("kind") if isinstance(fields, dict) else None
    try:
        if not isinstance(fields, dict) or kind not in KINDS.values():
            raise TypeError
        known = {name: value for name, value in fields.items() if name != "kind"}
        if kind == "header":
            return _unpack_header(known)
        if kind == "end":
            return End(_whole(known["count"]), _whole(known["failed"]))
        if kind == "file":
            content, failed = _integer(known.get("content", 0)), bool(known.get("failed", False))
            state = _path(known["path"]), _whole(known["size"]), _integer(known["mtime"])
            by_ffmpeg, end = bool(known.get("by_ffmpeg", False)), _whole(known.get("end", 0))
            return File(*state, content, failed, by_ffmpeg, end, _path(known["was"]) if known.get("was") else b"")
        place = (_path(known["path"]), _whole(known["start"]), _whole(known["length"]))
        if kind == "embedding":
            return Embedding(*place, _whole(known["sample_rate"]), _floats(known["vector"]), _level(known.get("level")))
        history = tuple(Deformation(str(d["name"]), dict(d["parameters"])) for d in known["deformations"])
        return Segment(*place, _floats(known["audio"]), history)
    except (KeyError, TypeError, ValueError):
        raise NoRecordError(f"what follows is a damaged record (kind {kind!r})") from None


def _unpack_header(fields: dict[str, Any]) -> Header:
    if fields["format"] != FORMAT:
        raise StreamError(f"the stream's format is {fields['format']!r}, not {FORMAT!r}")
    if fields["version"] != VERSION:
        raise StreamError(f"the stream is of version {fields['version']!r}; this qbe reads version {VERSION}")
    model, name, dimension = (fields.get(key) for key in ("model", "name", "dimension"))
    if fields["stage"] not in STAGES or not isinstance(model, str | None) or not isinstance(name, str | None):
        raise TypeError
    rate = _whole(fields["sample_rate"], MAX_RATE)
    if rate < MIN_RATE or dimension == 0:
        raise ValueError
    folder = fields.get("folder")
    if folder is not None and not os.path.isabs(_path(folder)):
        raise ValueError
    options = fields.get("options")
    if not isinstance(options, str | None):
        raise TypeError
    return Header(fields["stage"], rate, model, name, dimension and _whole(dimension, MAX_DIMENSION), folder, options)


def _integer(value: object) -> int:
    """As many bits as NumPy and the library have."""
    if not isinstance(value, int) or not -(1 << 63) <= value < 1 << 63:
        raise TypeError
    return value


def _whole(value: object, most: int = MAX_PLACE) -> int:
    if not isinstance(value, int) or not 0 <= value <= most:
        raise TypeError
    return value


def _path(value: object) -> bytes:
    """What can name a file."""
    if not isinstance(value, bytes) or not value or b"\0" in value:
        raise TypeError
    return value


def _level(value: object) -> float | None:
    if value is not None and not (isinstance(value, float) and math.isfinite(value)):
        raise TypeError
    return value


def _floats(value: object) -> NDArray[np.float32]:
    if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim != 1:
        raise TypeError
    if not np.isfinite(value).all():
        raise StreamError("the stream holds numbers that are not finite (NaN or infinite)")
    return value


def is_stream(beginning: bytes) -> bool:
    """Whether bytes begin like a stream: with a msgpack map. No audio format does."""
    return bool(beginning) and beginning[0] >> 4 == 0b1000


HEADER_BEGINS = msgpack.packb({"kind": "header", "format": FORMAT})[1:]  # after the byte that counts its fields


class Unpacker:
    """Unpacks the records in a file as they come, and knows where in it they lie.

    begin, end : where in it the record that came last begins and ends, bytes; begin, in the end, where the rest does

    Iterating raises CutError where what follows a record is none, or another stream begins in one.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.begin = self.end = 0
        self._read = getattr(file, "read1", file.read)  # read1 returns what is there instead of waiting for more
        self._fed = 0
        self._tail = b""  # the last bytes that were read, in which a header may begin
        self._headers: deque[int] = deque()  # where headers begin that were read

    def __iter__(self) -> Iterator[Record]:
        parts = _Few(MAX_LISTS)
        hooks = {"ext_hook": _unpack_array, "list_hook": parts, "object_hook": parts}
        unpacker = msgpack.Unpacker(**hooks, max_buffer_size=MAX_RECORD, **LIMITS)
        try:
            while chunk := self._next_chunk():
                unpacker.feed(chunk)
                for fields in unpacker:
                    self.end = unpacker.tell()  # which, later, counts what there is of a record that is cut too
                    parts.left = parts.most
                    record = unpack(fields)
                    self._check_whole()
                    yield record
                    self.begin = self.end
        except CutError:
            raise
        except Exception as error:  # msgpack raises a dozen unrelated kinds for damaged bytes
            self._next_chunk()  # a header that has begun ends there
            self._check_whole(to_the_end=True)
            if isinstance(error, NoRecordError):
                raise CutError(str(error)) from None
            if isinstance(error, StreamError):
                raise
            raise CutError("what follows is no record") from None
        if self.end != self._fed:
            raise CutError("in the middle of a record")

    def _next_chunk(self) -> bytes:
        chunk: bytes = self._read(CHUNK)
        seen, first = self._tail + chunk, self._fed - len(self._tail)
        at = seen.find(HEADER_BEGINS)
        while at >= 0:
            self._headers.append(first + at - 1)
            at = seen.find(HEADER_BEGINS, at + 1)
        self._tail, self._fed = seen[-len(HEADER_BEGINS) + 1 :], self._fed + len(chunk)
        return chunk

    def _check_whole(self, *, to_the_end: bool = False) -> None:
        """CutError where a header begins within the record that came last, or after it."""
        while self._headers and self._headers[0] <= self.begin:
            self._headers.popleft()
        if self._headers and (to_the_end or self._headers[0] < self.end):
            raise CutError("another begins before its end")
