"""Where the embeddings come from that `qbe index` takes in: streams, whole or cut, or arrays and a list of names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qbe.cli.inputs import stdin
from qbe.cli.outputs import say
from qbe.support.errors import StreamError, UsageError
from qbe.support.names import absolute, here, led_from

if TYPE_CHECKING:
    from qbe.streams.framing import StreamReader
    from qbe.streams.records import Embedding, File, Header

NOTHING = "; nothing of it is used"


@dataclass(frozen=True)
class Source:
    """files, failed : those that were read, and how many could not be: known when the embeddings have come"""

    header: Header
    embeddings: Iterator[Embedding]
    files: Iterable[File] = ()
    failed: Callable[[], int] = lambda: 0

    def named(self, name: Callable[[bytes], bytes], folder: bytes | None) -> Source:
        """The same with other names of its files. folder : where those begin"""
        embeddings = (
            one if (path := name(one.path)) == one.path else replace(one, path=path) for one in self.embeddings
        )
        files = (replace(file, path=name(file.path), was=file.was and name(file.was)) for file in self.files)
        return Source(replace(self.header, folder=folder), embeddings, files, self.failed)

    def as_held(self, library: str) -> Source:
        """With the names by which a library has its files, if there is one."""
        from qbe.disk import HeldNames
        from qbe.stores import open_store, state_of

        if state_of(library) is None:
            return self
        return self.named(HeldNames(open_store(library), self.header.folder), self.header.folder)

    def absolute(self) -> Source:
        """With names that are absolute."""
        folder = self.header.folder or here()
        return self.named(lambda name: absolute(name, folder), self.header.folder)

    def relative(self, folder: str, library: str) -> Source:
        """With names as seen from a folder, which is seen from the one that a library lies in."""
        if "://" in library:
            raise UsageError(f"--relative-to: {library} is no file that could be moved with its sounds")
        base, given = os.path.realpath(os.fsencode(folder)), self.header.folder or here()
        if not os.path.isdir(base):
            raise UsageError(f"--relative-to {folder}: not a folder")
        place = os.path.relpath(base, os.path.dirname(os.path.realpath(os.fsencode(library))))
        return self.named(lambda name: led_from(name, base, given), place)


def streamed(*, whole_files: bool) -> Source:
    """The streams on stdin; of one that is cut nothing, or the files that are whole, which is said."""
    from qbe.streams.blocks import MAGIC
    from qbe.streams.framing import StreamReader

    if stdin().peek(1)[:1] == MAGIC[:1]:  # type: ignore[attr-defined]
        raise UsageError("standard input holds NPY arrays: say which rows they are with --paths FILE")
    reader = StreamReader(stdin(), "embeddings")
    embeddings = _whole_files(reader) if whole_files else _uncut(reader)
    return Source(reader.header, embeddings, reader.files, lambda: reader.failed)


def _uncut(reader: StreamReader) -> Iterator[Embedding]:
    from qbe.support.errors import CutError

    try:
        yield from reader.embeddings()
    except CutError as error:
        whole = f". {reader.whole} files of it are whole: --whole-files takes them" if reader.whole else ""
        raise StreamError(f"{error}{NOTHING}{whole}") from None


def _whole_files(reader: StreamReader) -> Iterator[Embedding]:
    return reader.whole_files(lambda error: say(f"{error}; the {reader.whole} files of it that are whole are taken"))


def from_arrays(paths: str, model: str | None) -> Source:
    """Rows of NPY arrays on stdin. Where their model is not known, the library is of none: only other such rows can be
    searched for."""
    from itertools import chain

    from qbe.audio.segmentation import HOP, SAMPLE_RATE, WINDOW
    from qbe.streams.blocks import named, read_blocks
    from qbe.streams.records import Header

    names = open(paths, "rb")  # noqa: SIM115  # read as the rows are, to the end of the command
    blocks = read_blocks(stdin())
    first = next(blocks, None)
    dimension = 0 if first is None else first.shape[1]
    header = Header("embeddings", SAMPLE_RATE, "", "", dimension)
    if model is not None:
        from qbe.encoder import open_encoder

        header = open_encoder(model).header
        if dimension not in (0, header.dimension):
            raise UsageError(f"the rows have {dimension} numbers and those of {model} {header.dimension}")
    rows = chain([] if first is None else [first], blocks)
    return Source(replace(header, folder=here()), named(rows, names, header, paths, window=WINDOW, hop=HOP))
