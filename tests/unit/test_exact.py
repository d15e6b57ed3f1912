"""What is compared with all there is, against products in float64 over every row that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import append_to_library, build_library, remove_from_library
from numpy.typing import NDArray

from qbe.index.file.library import Library, open_library
from qbe.index.near import exact
from qbe.index.write.planting import LEAST_ROWS
from qbe.search.windows import Windows
from qbe.streams.records import Embedding, File, Header, Vector

DIMENSION, HOP = 48, 8192
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)
GONE = (b"0-3.wav", b"1-7.wav")
EMPTY = b"0-empty.wav"


def unit(seed: int, count: int) -> Vector:
    """Vectors that lean to some sides more than to others, so that heads and tails both matter."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, DIMENSION)) * np.linspace(1.5, 0.5, DIMENSION)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def embeddings(part: int, rows: int) -> Iterator[Embedding]:
    """Files of 1 to 9 segments; some segments are equal to others."""
    vectors, lengths = unit(part, rows), np.random.default_rng(part).integers(1, 10, rows)
    vectors[rows // 2 : rows // 2 + 9] = vectors[:9]
    ends = lengths.cumsum()
    for row, vector in enumerate(vectors):
        file = int(ends.searchsorted(row, "right"))
        yield Embedding(b"%d-%d.wav" % (part, file), (row - ends[file] + lengths[file]) * HOP, HOP, 16_000, vector)


@pytest.fixture(scope="module", params=["built", "grown", "grown, of three trees"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Of one part, or of two with files that were removed; and with a file that has no segments."""
    path = str(tmp_path_factory.mktemp("exact") / "lib.idx")
    trees = 3 if "trees" in request.param else 1
    rows = 1000 if request.param == "built" else LEAST_ROWS  # smaller ones are built again instead
    build_library(path, HEADER, embeddings(0, rows), trees, [File(EMPTY, 1, 1)])
    if request.param != "built":
        append_to_library(path, HEADER, embeddings(1, 90))
        assert remove_from_library(path, GONE) == []
    opened = open_library(path)
    assert (len(opened.parts), opened.trees) == ((1, 1) if request.param == "built" else (2, trees))
    return opened


@pytest.fixture(params=[False, True], ids=["at once", "in pieces"])
def _in_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        for name, value in {"ROWS": 37, "COSINES": 64, "QUERY_SEGMENTS": 2}.items():
            monkeypatch.setattr(exact, name, value)


pieces = pytest.mark.usefixtures("_in_pieces")


def query_of(library: Library, seed: int, segments: int = 5) -> Vector:
    """Some segments as the library sees them; the first lies close to one that it holds."""
    vectors = unit(1000 + seed, segments)
    vectors[0] = unit(0, 1)[0] + 0.01 * vectors[0]
    return library.frame.seen(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def kept(library: Library) -> NDArray[np.float64]:
    return library.vectors(np.arange(library.rows))


def products(library: Library, query: Vector) -> NDArray[np.float64]:
    """All cosines, [rows, Q]."""
    return kept(library) @ query.T.astype(np.float64)


def files_of_rows(library: Library) -> NDArray[np.int64]:
    return library.segments_of(np.arange(library.rows))[:, 0].astype(np.int64)


def files_that_answer(library: Library) -> list[int]:
    """Those that are there and have rows, by what went in."""
    numbers = np.arange(library.files)
    paths = library.file_paths(numbers)
    there = {one.path for part, found in enumerate(library.parts) for one in embeddings(part, found.rows)}
    if len(library.parts) > 1:
        there -= set(GONE)
    return [number for number in numbers.tolist() if paths[number] in there]


@pieces
@pytest.mark.parametrize("least", [-1.0, 0.2, 0.5, 0.9, 0.99])
def test_no_row_that_reaches_a_score_is_missed(library: Library, least: float) -> None:
    query = query_of(library, 1)
    found = exact.rows_reaching(library, query, least)
    assert (np.diff(found) > 0).all()
    assert set((products(library, query).max(1) >= least).nonzero()[0]) <= set(found)
    assert least < 0.9 or len(found) < library.rows / 10  # the tails leave little open


@pieces
def test_a_row_reaches_what_it_scores_itself(library: Library) -> None:
    query = query_of(library, 2)
    rows = np.arange(0, library.rows, library.rows // 50)
    for row, score in zip(rows, exact.cosines(library, query, rows).max(1).tolist(), strict=True):
        assert row in exact.rows_reaching(library, query, score)


def test_none_reaches_more_than_heads_and_tails_allow(library: Library) -> None:
    query = query_of(library, 3)
    assert len(exact.rows_reaching(library, query, 1.01)) == 0
    vectors, head = kept(library), library.head_dimensions
    heads = vectors[:, :head] @ query[:, :head].T.astype(np.float64)
    tails = np.linalg.norm(vectors[:, head:], axis=1)[:, None] * np.linalg.norm(query[:, head:], axis=1)
    allowed = (heads + tails).max(1)
    assert (allowed[exact.rows_reaching(library, query, 0.4)] > 0.4 - 1e-3).all()


@pieces
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), segments=st.integers(1, 9))
def test_bounds_of_files_hold_for_each_that_is_there(library: Library, seed: int, segments: int) -> None:
    query = query_of(library, seed, segments)
    files, bounds = exact.file_bounds(library, Windows.of(query))
    assert files.tolist() == files_that_answer(library)
    cosines, of_rows = products(library, query), files_of_rows(library)
    scores = np.array([cosines[of_rows == file].max(0).mean() for file in files[:60]])
    assert (bounds[:60] >= scores).all()
    assert (bounds <= 1.2).all()


@pieces
def test_bounds_of_files_hold_for_weights_and_shifts(library: Library) -> None:
    laid, weights = np.array([[0, 3, 4], [1, -1, 5], [2, 6, -1]]), np.array([0.6, 0.3, 0.1])
    query = Windows(query_of(library, 6, 7), np.zeros(7, np.int64), laid, weights, 0)
    files, bounds = exact.file_bounds(library, query)
    cosines, of_rows = products(library, query.vectors), files_of_rows(library)
    for file, bound in list(zip(files, bounds, strict=True))[:60]:
        best = cosines[of_rows == file].max(0)
        score = 0.6 * best[[0, 3, 4]].max() + 0.3 * best[[1, 5]].max() + 0.1 * best[[2, 6]].max()
        assert score <= bound <= 1.2


def test_bounds_of_files_are_the_same_in_pieces(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    query = query_of(library, 4, 7)
    files, bounds = exact.file_bounds(library, Windows.of(query))
    rows = exact.rows_reaching(library, query, 0.4)
    for name, value in {"ROWS": 13, "COSINES": 3 * library.rows, "QUERY_SEGMENTS": 3}.items():
        monkeypatch.setattr(exact, name, value)
    files_in_pieces, bounds_in_pieces = exact.file_bounds(library, Windows.of(query))
    assert files_in_pieces.tolist() == files.tolist()
    np.testing.assert_allclose(bounds_in_pieces, bounds, atol=1e-6)
    assert len(set(exact.rows_reaching(library, query, 0.4)) ^ set(rows)) <= len(rows) / 1000  # but for rounding


@pieces
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 200))
def test_cosines_are_the_products(library: Library, seed: int, count: int) -> None:
    query = query_of(library, seed)
    rows = np.random.default_rng(seed).integers(0, library.rows, count)
    cosines = exact.cosines(library, query, rows)
    assert (cosines.dtype, cosines.shape) == (np.float32, (count, len(query)))
    np.testing.assert_allclose(cosines, products(library, query)[rows], atol=1e-6)


@pieces
def test_equal_rows_score_the_same_bit_for_bit(library: Library) -> None:
    _, where, counts = np.unique(kept(library), axis=0, return_inverse=True, return_counts=True)
    assert (counts > 1).sum() >= 9
    cosines = exact.cosines(library, query_of(library, 5), np.arange(library.rows))
    for group in (counts > 1).nonzero()[0]:
        assert len(np.unique(cosines[where.ravel() == group], axis=0)) == 1


@pieces
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 40), segments=st.integers(1, 80))
def test_best_of_files_are_the_highest_products_and_the_first_row_of_them(
    library: Library, seed: int, count: int, segments: int
) -> None:
    query = query_of(library, seed, segments)
    files = np.random.default_rng(seed).permutation(files_that_answer(library))[:count]
    best, rows = exact.best_of_files(library, query, files)
    assert best.shape == rows.shape == (len(files), segments)
    cosines = products(library, query)
    for file, of_file, nearest in zip(files, best, rows, strict=True):
        own = library.rows_of(file)
        np.testing.assert_allclose(of_file, cosines[own].max(0), atol=1e-6)
        assert nearest.tolist() == own[cosines[own].astype(np.float32).argmax(0)].tolist()


@pieces
def test_the_row_of_equal_ones_is_the_first_of_the_file(tmp_path: Path) -> None:
    path, vectors = str(tmp_path / "a.idx"), unit(0, 2)[[0, 1, 1, 0, 1]]
    build_library(path, HEADER, [Embedding(b"a", at * HOP, HOP, 16_000, v) for at, v in enumerate(vectors)])
    library = open_library(path)
    _, [rows] = exact.best_of_files(library, library.frame.seen(vectors[:2]), np.array([0]))
    assert library.segments_of(rows)[:, 1].tolist() == [0, HOP]
