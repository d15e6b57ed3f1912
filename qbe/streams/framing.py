"""Records as msgpack maps, one after the other. qbe-stream(5) describes the bytes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgpack
import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import (
    FORMAT,
    MAX_DIMENSION,
    MAX_RATE,
    MIN_RATE,
    NORM_ERROR,
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
from qbe.support.errors import QbeError, StreamError, display

ARRAY = 1  # the msgpack ext type of arrays
DTYPES = ("<f4", "<f8", "<i2", "<i4", "<i8")
CHUNK = 1 << 16
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
    packed: bytes = msgpack.packb(fields, default=_pack_array)
    return packed


def _pack_array(value: object) -> msgpack.ExtType:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a record cannot hold a {type(value).__name__}")
    array = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
    return msgpack.ExtType(ARRAY, msgpack.packb([array.dtype.str, list(array.shape), array.tobytes()]))


def _unpack_array(code: int, payload: bytes) -> NDArray[Any]:
    if code != ARRAY:
        raise StreamError(f"the stream holds an unknown ext type {code}")
    dtype, shape, data = msgpack.unpackb(payload, max_array_len=8, max_map_len=0, list_hook=_Few(2))
    if dtype not in DTYPES:
        raise StreamError(f"the stream holds an array of type {dtype!r}; known are {', '.join(DTYPES)}")
    return np.frombuffer(data, dtype).reshape([_whole(size) for size in shape])


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
            return File(*state, content, failed, by_ffmpeg, end)
        place = (_path(known["path"]), _whole(known["start"]), _whole(known["length"]))
        if kind == "embedding":
            return Embedding(*place, _whole(known["sample_rate"]), _floats(known["vector"]), _level(known.get("level")))
        history = tuple(Deformation(str(d["name"]), dict(d["parameters"])) for d in known["deformations"])
        return Segment(*place, _floats(known["audio"]), history)
    except (KeyError, TypeError, ValueError):
        raise StreamError(f"the stream holds a damaged record (kind {kind!r}); is it a qbe stream?") from None


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
    return Header(fields["stage"], rate, model, name, dimension and _whole(dimension, MAX_DIMENSION))


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


class StreamWriter:
    """Writes the header at once, then records, and `files` and the end record when the block is left without an error.

    failed, files : what to tell of the inputs: how many could not be read, and those that were read to their end

    Without its end record a stream counts as cut, and no consumer keeps anything of it.
    """

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self.file = file
        self.count = self.failed = 0
        self.files: list[File] = []
        self.file.write(pack(header))

    def write(self, record: Segment | Embedding | File) -> None:
        self.file.write(pack(record))
        self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            for record in self.files:
                self.write(record)
            self.file.write(pack(End(self.count, self.failed)))
            self.file.flush()


class StreamReader:
    """The segments or embeddings of one or several concatenated streams, live: as soon as they arrive.

    header : of the first stream; the others must agree with it
    failed : how many inputs the producers could not read, as far as the stream has been read
    files : those that they read to the end, as far as the stream has been read
    stage : the stage that is wanted; None takes any

    Iterating raises StreamError where a stream is damaged, is cut (no end record), or differs from the first.
    """

    def __init__(self, file: BinaryIO, stage: str | None = None) -> None:
        self.failed = 0
        self.files: list[File] = []
        self._records = self._decode(file)
        first = next(self._records, None)
        if first is None:
            raise StreamError("the stream is empty: did the program before this one fail?")
        if not isinstance(first, Header):
            raise StreamError("the stream does not begin with a header; is it a qbe stream?")
        if stage is not None and first.stage != stage:
            raise StreamError(f"the stream holds {first.stage}; {stage} are needed here")
        self.header = first

    @staticmethod
    def _decode(file: BinaryIO) -> Iterator[Record]:
        read = getattr(file, "read1", file.read)  # read1 returns what is there instead of waiting for more
        parts = _Few(MAX_LISTS)
        hooks = {"ext_hook": _unpack_array, "list_hook": parts, "object_hook": parts}
        unpacker = msgpack.Unpacker(**hooks, max_buffer_size=MAX_RECORD, **LIMITS)
        fed = whole = 0
        try:
            while chunk := read(CHUNK):
                fed += len(chunk)
                unpacker.feed(chunk)
                for fields in unpacker:
                    whole = unpacker.tell()  # which, later, counts what there is of a record that is cut too
                    parts.left = parts.most
                    yield unpack(fields)
        except QbeError:
            raise
        except Exception:  # msgpack raises a dozen unrelated kinds for damaged bytes
            raise StreamError(f"the stream is damaged near byte {unpacker.tell()}; is it a qbe stream?") from None
        if whole != fed:
            raise StreamError("the stream is cut in the middle of a record; nothing of it is used")

    def segments(self) -> Iterator[Segment]:
        """The records of a stream of segments."""
        return (record for record in self if isinstance(record, Segment))

    def embeddings(self) -> Iterator[Embedding]:
        """The records of a stream of embeddings."""
        return (record for record in self if isinstance(record, Embedding))

    def __iter__(self) -> Iterator[Segment | Embedding]:
        count, is_open = 0, True
        for record in self._records:
            if isinstance(record, Header):
                if is_open:
                    raise StreamError(f"a stream is cut after {count} records: another begins before its end")
                self._check_same(record)
                count, is_open = 0, True
            elif not is_open:
                raise StreamError("records follow the end of the stream")
            elif isinstance(record, End):
                if record.count != count:
                    raise StreamError(f"the stream promises {record.count} records and holds {count}")
                self.failed += record.failed
                is_open = False
            else:
                count += 1
                if isinstance(record, File):
                    self.files.append(record)
                else:
                    self._check_stage(record)
                    yield record
        if is_open:
            raise StreamError(f"the stream is cut after {count} records: the program before this one was stopped")

    def _check_same(self, header: Header) -> None:
        if replace(header, name=None) != replace(self.header, name=None):
            both = f"{_describe(self.header)}, then {_describe(header)}"
            raise StreamError(f"the stream holds what does not belong together: {both}")

    def _check_stage(self, record: Segment | Embedding) -> None:
        segments = self.header.stage == "segments"
        if isinstance(record, Segment) != segments:
            raise StreamError(f"a stream of {self.header.stage} holds a record of kind {KINDS[type(record)]!r}")
        if isinstance(record, Embedding) and record.vector.shape != (self.header.dimension,):
            raise StreamError(f"a vector has {len(record.vector)} numbers, not {self.header.dimension}")
        if isinstance(record, Embedding):
            length = float(np.linalg.norm(record.vector.astype(np.float64)))
            if abs(length - 1) > NORM_ERROR:
                raise StreamError(f"a vector has the length {length:.3g}, not 1")


def _describe(header: Header) -> str:
    model = f" of model {model_label(header.name, header.model)}" if header.model else ""
    return f"{header.stage} at {header.sample_rate} Hz{model}"


def model_label(name: str | None, sha256: str | None) -> str:
    """A model as messages name it: its name and the beginning of its checksum."""
    return display(os.fsencode(f"{name or 'unnamed'} ({(sha256 or 'no checksum')[:12]})"))
