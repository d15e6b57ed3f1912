"""`qbe bench` in a shell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from kills import DIMENSION, HEADER
from libraries import append_to_library, build_library, remove_from_library
from shell import ENVIRONMENT, in_terminal, rows, said, sh

from qbe.index.file.library import open_library
from qbe.measure.benchmark import perturbed_segments
from qbe.streams.records import Embedding


def clustered(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, DIMENSION))[rng.integers(0, 50, count)] + rng.normal(size=(count, DIMENSION)) * 0.3
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """lib.idx of 6000 segments, 500 of them appended, 10 removed."""
    folder = tmp_path_factory.mktemp("bench")
    path = str(folder / "lib.idx")
    made = [Embedding(b"%d.wav" % (i // 10), i % 10, 1, 16_000, vector) for i, vector in enumerate(clustered(6000))]
    build_library(path, HEADER, made[:5500])
    append_to_library(path, HEADER, made[5500:])
    remove_from_library(path, [b"7.wav"])
    return folder


def test_more_candidates_find_more(folder: Path) -> None:
    done = sh("qbe bench lib.idx --trees 1,2 --queries 40", folder)
    assert (done.returncode, said(done)) == (0, [])
    found = rows(done)
    assert [row[:2] for row in found if row[1] == "exact"] == [["1", "exact"], ["2", "exact"]]
    for trees in ("1", "2"):
        (_, exact, recall, _), *line = [row for row in found if row[0] == trees]
        assert (exact, float(recall)) == ("exact", 1.0)
        assert [int(row[1]) for row in line] == [250 * 2**n for n in range(len(line))]
        recalls = [float(row[2]) for row in line]
        assert recalls == sorted(recalls)
        assert 0.5 < recalls[0] <= recalls[-1] <= 1
        assert recalls[-1] > 0.95
    assert all(float(row[3]) > 0 for row in found)
    assert [path.name for path in folder.iterdir()] == ["lib.idx"]


def test_json_and_a_picture(folder: Path, tmp_path: Path) -> None:
    script = f"qbe bench {folder}/lib.idx --queries 10 -k 3 --json --plot {tmp_path}/b.svg"
    points = [json.loads(line) for line in sh(script, folder).stdout.splitlines()]
    assert [point["candidates"] for point in points[:2]] == ["exact", 250]
    assert {point["trees"] for point in points} == {1}
    picture = (tmp_path / "b.svg").read_text()
    assert picture.startswith("<?xml")
    assert "</svg>" in picture


def test_people_get_a_table(folder: Path) -> None:
    code, shown = in_terminal("qbe bench lib.idx --queries 5", folder)
    assert code == 0, shown
    assert "recall" in shown and "exact" in shown
    assert "\t" not in shown


def test_queries_are_not_stored(folder: Path) -> None:
    library = open_library(str(folder / "lib.idx"))
    queries = perturbed_segments(library, 50, seed=3)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)
    nearest = (queries @ clustered(6000).T).max(1)
    assert nearest.max() < 0.9999
    assert nearest.mean() > 0.8
    np.testing.assert_array_equal(queries, perturbed_segments(library, 50, seed=3))


def test_what_cannot_be_measured_is_said(folder: Path, tmp_path: Path) -> None:
    build_library(str(tmp_path / "one.idx"), HEADER, [Embedding(b"a", 0, 1, 16_000, clustered(1)[0])])
    for script, message in (
        ("qbe bench one.idx", "one.idx: measuring takes the segments of two files at least"),
        (f"qbe bench {folder}/lib.idx --trees 1,x", "--trees 1,x: numbers from 1 to 64, parted by commas"),
        (f"qbe bench {folder}/lib.idx --trees 65", "--trees 65: numbers from 1 to 64"),
        ("qbe bench none.idx", "none.idx: no library can be read"),
    ):
        done = sh(script, tmp_path)
        assert done.returncode == 2
        assert message in said(done)[0]


def test_without_matplotlib_it_says_how_to_install(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text("raise ImportError")
    path = f"{tmp_path}:{ENVIRONMENT.get('PYTHONPATH', '')}"
    done = sh(f"PYTHONPATH='{path}' qbe bench lib.idx --plot b.svg", folder)
    assert (done.returncode, said(done)) == (
        2,
        ["qbe: --plot needs matplotlib: pip install '.[train]', in qbe's source"],
    )
