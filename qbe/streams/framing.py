"""Streams: a header, records, an end; several may follow each other in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

import numpy as np

from qbe.streams.packing import KINDS, Unpacker, pack
from qbe.streams.records import NORM_ERROR, Embedding, End, File, Header, Segment
from qbe.support.errors import CutError, StreamError, display
from qbe.support.names import spelt_from

Placed = TypeVar("Placed", Segment, Embedding)


def with_files(records: Iterable[Placed], files: Sequence[File]) -> Iterator[Placed | File]:
    """Records, and those of files behind the last of each.

    files : those that were read to their end, in their order, as far as the records have been made: their number grows
        while these come, and may be ahead of them
    """
    told = 0
    for record in records:
        while told < len(files) and files[told].path != record.path:
            yield files[told]
            told += 1
        yield record
    yield from files[told:]


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

    def write_all(self, records: Iterable[Segment | Embedding | File]) -> None:
        """Write records as they come."""
        for record in records:
            self.write(record)

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
    whole : how many files with sound have come whole
    stage : the stage that is wanted; None takes any

    Iterating raises StreamError where a stream is damaged, or differs from the first, and CutError where it is cut (no
    end record).
    """

    def __init__(self, file: BinaryIO, stage: str | None = None) -> None:
        self.failed = self.whole = 0
        self.files: list[File] = []
        self._unpacker = Unpacker(file)
        self._records = iter(self._unpacker)
        try:
            first = next(self._records, None)
        except CutError as error:
            raise StreamError(f"the stream does not begin with a header ({error}); is it a qbe stream?") from None
        if first is None:
            raise StreamError("the stream is empty: did the program before this one fail?")
        if not isinstance(first, Header):
            raise StreamError("the stream does not begin with a header; is it a qbe stream?")
        if stage is not None and first.stage != stage:
            raise StreamError(f"the stream holds {first.stage}; {stage} are needed here")
        self.header = first

    def segments(self) -> Iterator[Segment]:
        """The records of a stream of segments."""
        return (record for record in self if isinstance(record, Segment))

    def embeddings(self) -> Iterator[Embedding]:
        """The records of a stream of embeddings."""
        return (record for record in self if isinstance(record, Embedding))

    def whole_files(self, on_cut: Callable[[CutError], None]) -> Iterator[Embedding]:
        """The embeddings of the files that have come whole, where the stream is cut too; that goes to `on_cut`."""
        waiting: list[Embedding] = []
        try:
            for embedding in self.embeddings():
                if waiting and waiting[0].path != embedding.path:
                    yield from waiting
                    waiting = []
                waiting.append(embedding)
        except CutError as error:
            on_cut(error)
            if not (waiting and self.files and self.files[-1].path == waiting[0].path):
                return
        yield from waiting

    def __iter__(self) -> Iterator[Segment | Embedding]:
        count, header, path = 0, self.header, b""
        is_open = True
        try:
            for record in self._records:
                if isinstance(record, Header):
                    if is_open:
                        raise CutError("another begins before its end")
                    self._check_same(record)
                    count, is_open, header = 0, True, record
                elif not is_open:
                    raise StreamError("records follow the end of the stream")
                elif isinstance(record, End):
                    if record.count != count:
                        raise StreamError(f"the stream promises {record.count} records and holds {count}")
                    self.failed += record.failed
                    self.whole, path, is_open = self.whole + bool(path), b"", False
                else:
                    count += 1
                    named = self._seen_from_first(record, header)
                    if path and (named.path != path or isinstance(named, File)):
                        self.whole, path = self.whole + 1, b""
                    if isinstance(named, File):
                        self.files.append(named)
                    else:
                        self._check_stage(named)
                        path = named.path
                        yield named
            if is_open:
                raise CutError("the program before this one was stopped")
        except CutError as error:
            where = f"at byte {self._unpacker.begin}, after {count} records"
            raise CutError(f"the stream is cut {where}: {error}") from None

    def _seen_from_first(self, record: Segment | Embedding | File, header: Header) -> Segment | Embedding | File:
        """A record of a stream whose names begin in another folder than those of the first."""
        if self.header.folder is None or header.folder in (None, self.header.folder):
            return record
        return replace(record, path=spelt_from(record.path, self.header.folder, header.folder))

    def _check_same(self, header: Header) -> None:
        if replace(header, name=None, folder=None) != replace(self.header, name=None, folder=None):
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
