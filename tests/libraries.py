"""Library files, written and searched in one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qbe.index.file.library import Library
from qbe.index.store import FileStore
from qbe.search import ranking
from qbe.search.store import EXACT, Effort, Filter, Match, Written
from qbe.stores import open_writer
from qbe.streams.records import Embedding, File, Header, Vector


def build_library(
    path: str, header: Header, embeddings: Iterable[Embedding], trees: int | None = None, files: Iterable[File] = ()
) -> Written:
    with open_writer(path, trees) as writer:
        return writer.replace(header, embeddings, files)


def append_to_library(
    path: str, header: Header, embeddings: Iterable[Embedding], trees: int | None = None, files: Iterable[File] = ()
) -> Written:
    with open_writer(path, trees) as writer:
        return writer.append(header, embeddings, files)


def remove_from_library(path: str, names: Iterable[bytes]) -> list[bytes]:
    with open_writer(path) as writer:
        return writer.remove(names)


def search(
    library: Library,
    query: Vector,
    k: int,
    *,
    segments: bool = False,
    without: Sequence[bytes] = (),
    budget: int | None = None,
) -> list[Match]:
    """As `qbe.search.ranking.search`. budget : how many rows to score; None: all, exactly"""
    only, effort = Filter(without=tuple(without)), EXACT if budget is None else Effort(candidates=budget)
    return ranking.search(FileStore(library), query, k, segments=segments, only=only, effort=effort)
