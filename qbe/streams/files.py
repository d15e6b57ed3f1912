"""Streams in files, for Python programs: opened by name, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from qbe.streams.framing import StreamReader, StreamWriter
from qbe.streams.records import Header
from qbe.support.saving import save_file


@contextmanager
def read_stream(path: str | os.PathLike[str]) -> Iterator[StreamReader]:
    """The stream in a file, as `qbe segment` or `qbe embed` writes it (qbe-stream(5)).

        with qbe.read_stream("samples.emb") as stream:
            print(stream.header.name)
            for embedding in stream.embeddings():
                print(embedding.path, embedding.start / embedding.sample_rate)

    Opening and iterating raise StreamError where it is no stream, damaged, or cut; OSError where there is no file.
    """
    with open(path, "rb") as file:
        yield StreamReader(file)


@contextmanager
def write_stream(path: str | os.PathLike[str], header: Header) -> Iterator[StreamWriter]:
    """A stream in a file that takes the name `path` when the block ends without an error: all of it or nothing.

    with qbe.write_stream("some.emb", stream.header) as writer:
        writer.write(embedding)
    """
    with save_file(os.fspath(path)) as file, StreamWriter(file, header) as writer:
        yield writer
