"""A library of many cells, built and searched from the shell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from shell import rows, said, sh

from qbe.streams.framing import StreamWriter
from qbe.streams.records import Embedding, Header, Vector

DIMENSION, PER_FILE = 64, 8
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)


def vectors(count: int, seed: int) -> Vector:
    """In clusters that all seeds share."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(60, DIMENSION))
    points = centres[rng.integers(0, 60, count)] + rng.normal(size=(count, DIMENSION)) * 0.4
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def write_stream(path: Path, name: str, points: Vector) -> None:
    with open(path, "wb") as file, StreamWriter(file, HEADER) as writer:
        for i, point in enumerate(points):
            place = (b"%s%d.wav" % (name.encode(), i // PER_FILE), i % PER_FILE * 8192, 16_384, 16_000)
            writer.write(Embedding(*place, point))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Streams a, b and query; the library of a and b in lib.idx, with two trees in trees.idx."""
    folder = tmp_path_factory.mktemp("index")
    for name, count in (("a", 5000), ("b", 3000), ("query", 3)):
        write_stream(folder / f"{name}.emb", name, vectors(count, len(name) + count))
    done = sh("cat a.emb b.emb | qbe index -o lib.idx; qbe index --trees 2 -o trees.idx < <(cat a.emb b.emb)", folder)
    assert (done.returncode, done.stdout, said(done)) == (0, b"", [])
    return folder


def search(folder: Path, options: str) -> list[list[str]]:
    done = sh(f"qbe search {options} - < query.emb", folder)
    assert (done.returncode, said(done)) == (0, [])
    return rows(done)


def test_info_shows_trees_cells_and_budgets(folder: Path) -> None:
    facts = [json.loads(sh(f"qbe info --json {name}", folder).stdout) for name in ("lib.idx", "trees.idx")]
    assert [fact["trees"] for fact in facts] == [1, 2]
    assert 2 * facts[0]["cells"] == facts[1]["cells"] > 20
    budgets = [facts[0][f"candidates_{recall}"] for recall in (0.8, 0.9, 0.95, 0.97)]
    assert budgets == sorted(budgets)
    assert 0 < budgets[-1] < facts[0]["segments"]


@pytest.mark.parametrize("library", ["lib.idx", "trees.idx"])
@pytest.mark.parametrize("kind", ["", "--places"])
def test_more_candidates_find_what_exact_finds(folder: Path, library: str, kind: str) -> None:
    exact = search(folder, f"{library} --exact {kind}")
    assert len(exact) == 10
    assert search(folder, f"{library} --candidates 8000 {kind}") == exact
    assert search(folder, f"{library} --recall 1 {kind}") == exact
    assert search(folder, f"lib.idx --exact {kind}") == exact
    default = search(folder, f"{library} {kind}")
    assert search(folder, f"{library} --recall 0.97 {kind}") == default
    assert len({tuple(row[1:3]) for row in exact} & {tuple(row[1:3]) for row in default}) >= 8
    assert len(search(folder, f"{library} --candidates 1 {kind}")) == 10


def test_a_pipe_and_a_file_build_the_same_bytes(folder: Path) -> None:
    sh("cat a.emb b.emb > ab.emb; qbe index -o again.idx < ab.emb", folder)
    assert (folder / "again.idx").read_bytes() == (folder / "lib.idx").read_bytes()


def test_an_old_library_must_be_built_again(folder: Path) -> None:
    data = bytearray((folder / "lib.idx").read_bytes())
    data[8] = 2
    (folder / "old.idx").write_bytes(data)
    done = sh("qbe search old.idx - < query.emb", folder)
    assert done.returncode == 2
    assert said(done) == ["qbe: old.idx: written in format 2; this qbe reads formats 5 and 6: build it again"]


def test_a_damaged_library_does_not_answer(folder: Path) -> None:
    data = bytearray((folder / "lib.idx").read_bytes())
    for at in range(100_000, len(data) - 1000, 10_000):  # in every page
        data[at] ^= 1
    (folder / "bad.idx").write_bytes(data)
    done = sh("qbe search bad.idx - < query.emb", folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert "bad.idx: damaged: wrong checksum in " in said(done)[0]
    assert "heads, tails" in said(sh("qbe index --check bad.idx", folder))[0]


def test_a_full_disk_leaves_the_old_library(folder: Path) -> None:
    before = (folder / "lib.idx").read_bytes()
    done = sh("ulimit -f 100; cat a.emb b.emb | (trap '' XFSZ; qbe index -o lib.idx)", folder)
    assert done.returncode == 2
    assert "lib.idx: File too large" in said(done)[0]
    assert (folder / "lib.idx").read_bytes() == before
    assert not list(folder.glob(".*"))
