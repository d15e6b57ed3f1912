"""Groups of near-duplicates against their definition, computed by comparing all files with all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import cosines
from libraries import build_library
from numpy.typing import NDArray

from qbe.index.file.library import Library, open_library
from qbe.index.store import FileStore
from qbe.search.duplicates import duplicate_groups, score
from qbe.streams.records import Embedding, Header, Vector

DIMENSION = 24
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)


def unit(array: NDArray[np.float64]) -> Vector:
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def build(path: Path, files: list[Vector]) -> Library:
    rows = [
        Embedding(b"%d.wav" % file, 8192 * k, 16_384, 16_000, vector)
        for file, vectors in enumerate(files)
        for k, vector in enumerate(vectors)
    ]
    build_library(str(path), HEADER, rows)
    return open_library(str(path))


def sounds(count: int, seed: int = 0) -> list[Vector]:
    """Files of 1 to 12 segments; a third are disturbed copies of earlier ones, from hardly to beyond recognition."""
    rng = np.random.default_rng(seed)
    files: list[Vector] = []
    for file in range(count):
        if file > 10 and rng.random() < 0.33:
            source = files[int(rng.integers(len(files)))]
            files.append(unit(source + rng.normal(size=source.shape) * rng.choice([0.0, 0.01, 0.03, 0.1])))
        else:
            files.append(unit(rng.normal(size=(int(rng.integers(1, 13)), DIMENSION))))
    return files


def scores(library: Library, files: list[Vector]) -> NDArray[np.float64]:
    """Of all files with all, the lower of both directions."""
    rows, first = np.concatenate(files), np.cumsum([0, *map(len, files[:-1])])
    best = np.maximum.reduceat(cosines(library, rows, rows), first, axis=1)  # of each segment with each file
    one = np.add.reduceat(best, first) / np.array([[len(file)] for file in files])
    return np.minimum(one, one.T)


def expected(matrix: NDArray[np.float64], files: list[Vector], least: float) -> list[list[int]]:
    """Files in order of length; each one that is free takes what scores enough with it and is free."""
    free, groups = set(range(len(files))), []
    for first in sorted(range(len(files)), key=lambda file: -len(files[file])):
        if first in free:
            group = [first] + [file for file in sorted(free - {first}) if matrix[first, file] >= least]
            free -= set(group)
            if len(group) > 1:
                groups.append(group)
    return groups


@pytest.mark.parametrize(("count", "least"), [(60, 0.9), (60, 0.98), (700, 0.95)])  # the last of many cells
def test_groups_are_those_of_the_definition(tmp_path: Path, count: int, least: float) -> None:
    files = sounds(count)
    library = build(tmp_path / "a.idx", files)
    found = list(duplicate_groups(FileStore(library), least))
    numbers = [[int(duplicate.path.removesuffix(b".wav")) for duplicate in group] for group in found]
    matrix = scores(library, files)
    assert numbers == expected(matrix, files, least)
    assert len(numbers) > count // 20
    for group, group_numbers in zip(found, numbers, strict=True):
        reached = [duplicate.score for duplicate in group]
        wanted = [1.0, *matrix[group_numbers[0], group_numbers[1:]]]
        np.testing.assert_allclose(reached, wanted, atol=2e-3)


def test_many_copies_are_one_group(tmp_path: Path) -> None:
    """More than are looked up at first."""
    one = sounds(1)[0]
    (group,) = duplicate_groups(FileStore(build(tmp_path / "a.idx", [one] * 300 + sounds(5, seed=1))), 0.98)
    assert [duplicate.path for duplicate in group] == [b"%d.wav" % k for k in range(300)]


def test_an_excerpt_is_no_duplicate(tmp_path: Path) -> None:
    long = sounds(1, seed=3)[0]
    assert len(long) > 2
    assert not list(duplicate_groups(FileStore(build(tmp_path / "a.idx", [long, long[:1]])), 0.98))


def test_a_score_that_is_given_up_early_is_under_the_least() -> None:
    rng = np.random.default_rng(0)
    for noise in (0.0, 0.02, 0.05, 0.2):
        one = unit(rng.normal(size=(700, DIMENSION))).astype(np.float64)
        other = unit(one + rng.normal(size=one.shape) * noise).astype(np.float64)
        exact = min((one @ other.T).max(1).mean(), (one @ other.T).max(0).mean())
        assert score(one, other, -1.0) == pytest.approx(exact)
        for least in (0.9, 0.98):
            assert (score(one, other, least) >= least) == (exact >= least)


def test_every_file_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    list(duplicate_groups(FileStore(build(tmp_path / "a.idx", sounds(20))), 0.98, told.append))
    assert told == list(range(1, 21))
