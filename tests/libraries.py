"""Library files, written and searched in one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from qbe.index.file.library import Library
from qbe.index.store import FileStore
from qbe.search import ranking
from qbe.search.question import Question
from qbe.search.rows import nearest_rows
from qbe.search.store import EXACT, Effort, Filter, Match, Near, Store
from qbe.search.windows import Windows
from qbe.search.writer import Written
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
    rows: bool = False,
    without: Sequence[bytes] = (),
    budget: int | None = None,
) -> list[Match]:
    """The best files for vectors that all count alike, without an order.

    rows : the nearest rows of all files, for one vector, instead
    budget : how many rows to score; None: all, exactly
    """
    only, effort = Filter(without=tuple(without)), EXACT if budget is None else Effort(candidates=budget)
    store = FileStore(library)
    if rows:
        [vector] = query
        return row_matches(store, nearest_rows(store, vector, k, only=only, effort=effort))
    [found] = search_all(store, [query], k, only=[only], effort=effort)
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
    """The same of any store, for several queries at once; or places, as long as a segment. only : of each query"""
    filters = only or [Filter()] * len(queries)
    questions = [
        Question(store, Windows.of(store.seen(query)), k, filter)
        for query, filter in zip(queries, filters, strict=True)
    ]
    answers = ranking.search(questions, places=places, effort=effort)
    return [matches(store, found) for found in answers]


def row_matches(store: Store, near: Near) -> list[Match]:
    """With the names of their files."""
    files, starts, lengths = store.places(near.rows).astype(np.int64).T
    columns = (store.paths(files), near.scores.tolist(), starts.tolist(), (starts + lengths).tolist())
    return [Match(*fields) for fields in zip(*columns, strict=True)]


def matches(store: Store, found: Sequence[ranking.Place]) -> list[Match]:
    """With the names of the files."""
    paths = store.paths(np.array([place.file for place in found], np.int64))
    return [Match(path, *place[1:4]) for path, place in zip(paths, found, strict=True)]
