"""How alike files are as wholes, and which files of a store are, against the definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import RATE, cosines
from libraries import build_library
from numpy.typing import NDArray

from qbe.index.file.library import open_library
from qbe.index.store import FileStore
from qbe.search import duplicates
from qbe.search.duplicates import MOST_NEIGHBOURS, NEIGHBOURS, Finder, score
from qbe.streams.records import Embedding, Header, Vector

DIMENSION = 24
HEADER = Header("embeddings", RATE, model="ab" * 32, name="m", dimension=DIMENSION)


def unit(array: NDArray[np.float64]) -> Vector:
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def test_a_score_that_is_given_up_early_is_under_the_least() -> None:
    rng = np.random.default_rng(0)
    for noise in (0.0, 0.02, 0.05, 0.2):
        one = unit(rng.normal(size=(700, DIMENSION))).astype(np.float64)
        other = unit(one + rng.normal(size=one.shape) * noise).astype(np.float64)
        exact = min((one @ other.T).max(1).mean(), (one @ other.T).max(0).mean())
        assert score(one, other, -1.0) == pytest.approx(exact)
        for least in (0.9, 0.98):
            assert (score(one, other, least) >= least) == (exact >= least)


def stored(path: Path, files: list[Vector]) -> FileStore:
    rows = [
        Embedding(b"%d.wav" % number, 8192 * k, 16_384, RATE, vector)
        for number, vectors in enumerate(files)
        for k, vector in enumerate(vectors)
    ]
    build_library(str(path), HEADER, rows)
    return FileStore(open_library(str(path)))


def families(count: int, copies: int, segments: int, seed: int = 0) -> list[Vector]:
    """Files in families, of which the first are the longest: so disturbed that some are alike and some are not."""
    rng = np.random.default_rng(seed)
    files = []
    for _ in range(count):
        parent = unit(rng.normal(size=(segments, DIMENSION)))
        for k in range(copies):
            files.append(unit(parent[k:] + rng.normal(size=(segments - k, DIMENSION)) * rng.choice([0.01, 0.05, 0.09])))
    return files


@pytest.mark.parametrize("least", [0.75, 0.9, 0.97])
def test_the_files_that_are_alike_are_those_of_the_definition(tmp_path: Path, least: float) -> None:
    """With segments so few that all are looked up, none is missed; each file is asked with a bound of its own."""
    store = stored(tmp_path / "a.idx", families(60, 3, duplicates.PROBES))
    vectors = [store.vectors(store.rows_of(np.array([number]))[0]) for number in range(180)]
    bounds = [least if number % 2 else 0.98 for number in range(180)]
    for number, found in enumerate(Finder(store).alike(range(180), bounds)):
        scores = {other: score(vectors[number], vectors[other], -1.0) for other in range(180) if other != number}
        expected = [(other, reached) for other, reached in scores.items() if reached >= bounds[number]]
        assert [other for other, _ in found] == [other for other, _ in expected]
        np.testing.assert_allclose([reached for _, reached in found], [reached for _, reached in expected])


@pytest.mark.parametrize("cosines_held", [1, 5000, 1 << 21])
def test_how_many_cosines_are_held_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cosines_held: int
) -> None:
    store = stored(tmp_path / "a.idx", families(10, 6, 12))
    expected = list(Finder(store).alike(range(60), [0.7] * 60))
    assert sum(map(len, expected)) > 60
    monkeypatch.setattr(duplicates, "COSINES", cosines_held)
    for found, wanted in zip(Finder(store).alike(range(60), [0.7] * 60), expected, strict=True):
        assert [other for other, _ in found] == [other for other, _ in wanted]
        np.testing.assert_allclose([reached for _, reached in found], [reached for _, reached in wanted])


@pytest.mark.parametrize("segments", [NEIGHBOURS, 2 * MOST_NEIGHBOURS])
def test_a_long_file_that_is_like_itself_does_not_hide_the_others(tmp_path: Path, segments: int) -> None:
    rng = np.random.default_rng(0)
    steady = unit(unit(rng.normal(size=DIMENSION)) + 0.01 * rng.normal(size=(segments, DIMENSION)))
    others = [unit(rng.normal(size=(2, DIMENSION))) for _ in range(300)]
    store = stored(tmp_path / "a.idx", [steady, *others, unit(steady[:5] + 0.02 * rng.normal(size=(5, DIMENSION)))])
    ((number, reached),) = next(Finder(store).alike([0], [0.9]))
    assert number == 301
    near = cosines(store.library, store.given(store.vectors(store.rows_of(np.array([0]))[0])), steady[:1])
    assert reached > 0.9 and near.min() > 0.9


def test_nothing_is_alike_to_no_files(tmp_path: Path) -> None:
    assert list(Finder(stored(tmp_path / "a.idx", families(2, 2, 3))).alike([], [])) == []
