"""A stream in a file that is whole or not there, and whose writing goes on where it was stopped.

Until it is whole, what there is lies beside it in FILE.part: a stream without an end, the records of each file followed
by the one that says that it was read to its end. When all files are there, those are put together in the order in which
they were asked for, whatever order they came in; so the result is the same however often the writing was stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from qbe.streams.framing import StreamWriter
from qbe.streams.packing import Unpacker, pack
from qbe.streams.records import Embedding, File, Header
from qbe.support.errors import StreamError
from qbe.support.saving import locked, save_file

PIECE = 1 << 20  # bytes copied at a time
SYNCED = 5.0  # seconds of work that a loss of power may cost, at most, and the file that is under way


@dataclass(frozen=True)
class _Span:
    """Where in the file the records of a sound begin, how many bytes and how many records they are."""

    file: File
    begin: int
    size: int
    records: int


@contextmanager
def resumed_stream(path: str, header: Header) -> Iterator[ResumedStream]:
    """The stream that is to be in a file. What there is of it stays beside the file where the block ends with an error.

    header : with `options`, by which to see that what there is was made as what comes is

    StreamError where it was made otherwise, LibraryError where another process is writing it.
    """
    with locked(path):
        stream = ResumedStream(path, header)
        try:
            yield stream
        finally:
            stream.close()


class ResumedStream:
    """What there is of a stream in a file; to be had from `resumed_stream`."""

    def __init__(self, path: str, header: Header) -> None:
        self.path, self.header = path, header
        self.part = f"{path}.part"
        self._spans: dict[bytes, _Span] = {}
        end = self._read() if os.path.exists(self.part) else 0
        self._file: BinaryIO = open(self.part, "r+b" if end else "w+b")  # noqa: SIM115  # closed by `close`
        self._file.truncate(end)
        self._file.seek(end)
        self._begin, self._records, self._synced = end, 0, -SYNCED
        if not end:
            self._begin = self._file.write(pack(header))
            self._sync()

    def _read(self) -> int:
        """Where the last file that is whole ends; what lies behind is lost. 0 where there is nothing of use."""
        with open(self.part, "rb") as file:
            unpacker = Unpacker(file)
            records = iter(unpacker)
            try:
                first = next(records, None)
            except StreamError:
                first = None
            if first != self.header:
                if self._is_cut_header():
                    return 0
                raise StreamError(
                    f"{self.part}: begun with another model, in another folder or with other options: finish it so, "
                    "or remove it to begin anew"
                )
            begin, count = unpacker.end, 0
            try:
                for record in records:
                    count += 1
                    if isinstance(record, File):
                        self._spans[record.path] = _Span(record, begin, unpacker.end - begin, count)
                        begin, count = unpacker.end, 0
            except StreamError:  # the file that was under way
                pass
            return begin

    def _is_cut_header(self) -> bool:
        """Whether there is no more than the beginning of a header, and zeros: the rest was lost with the power."""
        beginning, *rest = [piece.rstrip(b"\0") for piece in _pieces(self.part)] or [b""]
        return not any(rest) and pack(self.header).startswith(beginning)

    def left(self, paths: Iterable[bytes], is_same: Callable[[File], bool]) -> list[bytes]:
        """The files that are still to be read: those that are not here, or could not be read, or have changed since."""
        here = {path for path, span in self._spans.items() if not span.file.failed and is_same(span.file)}
        return [path for path in paths if path not in here]

    def write(self, record: Embedding | File) -> None:
        """The records of a file follow each other; the last of them is a File."""
        self._file.write(pack(record))
        self._records += 1
        if isinstance(record, File):
            end = self._file.tell()
            self._spans[record.path] = _Span(record, self._begin, end - self._begin, self._records)
            self._begin, self._records = end, 0
            self._file.flush()
            if time.monotonic() - self._synced > SYNCED:
                self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def finish(self, header: Header, paths: Iterable[bytes], others: Iterable[File], failed: int) -> None:
        """Put the stream of these files in its place. others : records that follow; failed : for the end record"""
        self._file.flush()
        with save_file(self.path) as file, StreamWriter(file, header) as writer:
            for path in paths:
                if span := self._spans.get(path):
                    for piece in _pieces(self.part, span.begin, span.size):
                        file.write(piece)
                    writer.count += span.records
            writer.files, writer.failed = list(others), failed
        os.unlink(self.part)

    def close(self) -> None:
        self._file.close()


def _pieces(path: str, begin: int = 0, size: int | None = None) -> Iterator[bytes]:
    with open(path, "rb") as file:
        file.seek(begin)
        while piece := file.read(PIECE if size is None else min(PIECE, size)):
            yield piece
            size = size and size - len(piece)
