"""The other half of the seam: what is asked of the one who writes a library, whoever keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from qbe.search.store import About
from qbe.streams.framing import model_label
from qbe.streams.records import Embedding, File, Header
from qbe.support.errors import LibraryError, ModelError


@dataclass(frozen=True)
class Written:
    """What was put into a library, and how many segments were left out because they had come before.

    moved : how many files have got another name; lost : how many have moved and are not there under the old one
    """

    files: int
    segments: int
    repeated: int
    moved: int = 0
    lost: int = 0


def built_of(header: Header) -> tuple[str, int]:
    """The model and the dimension that a stream gives to a new library. LibraryError where it does not tell them."""
    if header.model is None or header.dimension is None:
        raise LibraryError("the stream does not say which model its embeddings are from; nothing is written")
    return header.model, header.dimension


def check_appended(name: str, about: About, header: Header) -> None:
    """ModelError where a library is of another model than the stream that is to be added to it."""
    if (header.model, header.dimension, header.sample_rate) != (about.model, about.dimension, about.sample_rate):
        raise ModelError(
            f"{name} was built with model {model_label(about.name, about.model)}, "
            f"the stream with {model_label(header.name, header.model)}: nothing is appended"
        )


class Writer(Protocol):
    """The one who may write a library, from `qbe.stores.open_writer` to the end of its `with` block.

    Names that lead to one file (`qbe.support.names.key`) are one: it keeps the name it came with first.

    What is written takes its place when all of it is on disk. Where a method raises, or the process ends however it
    may, the library is as before: LibraryError where there is nothing to write or what is there is damaged, and
    whatever `embeddings` raises.
    """

    def replace(self, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        """A new library in the old one's place. files : those that were read to their end; looked at after the
        embeddings"""
        ...

    def append(self, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        """Add files; those that are in it are replaced. Where there is no library it is built.

        A file that `was` there under another name gets the new one, with size, time and content as they are told now.

        ModelError, before any embedding is asked for, where the library is of another model.
        """
        ...

    def remove(self, names: Iterable[bytes], *, folders: bool = True) -> list[bytes]:
        """Remove files and, unless told not to, all files under folders, by the names they came with or others that
        lead to them from here. Gives the names that match none."""
        ...
