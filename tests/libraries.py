"""Library files, written and searched in one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from qbe.index.file.library import Library
from qbe.index.store import FileStore
from qbe.search import ranking
from qbe.search.question import Question
from qbe.search.store import EXACT, Effort, Filter, Match, Store, Written
from qbe.search.windows import Windows
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
    places: bool = False,
    without: Sequence[bytes] = (),
    budget: int | None = None,
) -> list[Match]:
    """The best answers to vectors that all count alike and have no order, so that places are as long as a segment.

    budget : how many rows to score; None: all, exactly
    """
    only, effort = Filter(without=tuple(without)), EXACT if budget is None else Effort(candidates=budget)
    [found] = search_all(FileStore(library), [query], k, places=places, only=[only], effort=effort)
    return found


def search_all(
    store: Store,
    queries: Sequence[Vector],
    k: int,
    *,
    places: bool = False,
    only: Sequence[Filter] = (),
    effort: Effort = EXACT,
) -> list[list[Match]]:
    """The same of any store, for several queries at once. only : of each query; none: all may answer"""
    filters = only or [Filter()] * len(queries)
    questions = [
        Question(store, Windows.of(store.seen(query)), k, filter)
        for query, filter in zip(queries, filters, strict=True)
    ]
    answers = ranking.search(questions, places=places, effort=effort)
    return [matches(store, found) for found in answers]


def matches(store: Store, found: Sequence[ranking.Place]) -> list[Match]:
    """With the names of the files."""
    paths = store.paths(np.array([place.file for place in found], np.int64))
    return [Match(path, *place[1:4]) for path, place in zip(paths, found, strict=True)]
