"""How many of the ten nearest are found and how fast: qbe's index, plain NumPy, and the peers that are installed.

    python tests/bench/index.py STREAM.emb [--rows N] [--queries Q] [--trees 1,2,4]

STREAM.emb is what `qbe embed` wrote. It is grown to N rows by mixing: a row is w a + (1 - w) b at unit length, where
a is a row of the stream drawn by chance, b one of its ten nearest neighbours, and w is drawn from 0.3 to 1. Queries are
made so too and are not stored. qbe sees vectors from the middle of its library; the others get them as it sees them.
Every system answers one query at a time in a single thread. The peers (annoy, hnswlib,
faiss-cpu, usearch) are not needed by qbe; install those that are to be compared.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from qbe.centring import centred, middle
from qbe.index.building import build_library
from qbe.index.library import open_library
from qbe.index.searching import search
from qbe.streams.framing import StreamReader
from qbe.streams.records import Embedding, Header, Vector

SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
K, PER_FILE, NEIGHBOURS = 10, 12, 10
MOST_REAL = 1 << 16  # rows of the stream that are mixed: finding neighbours takes the square of them
BUDGETS = (300, 600, 1200, 2400, 4800, 9600)
ROUNDS = 2  # the best counts


@dataclass
class System:
    """answer : from a query [D] to the numbers of K rows; build : seconds; size : bytes"""

    name: str
    setting: str
    answer: Callable[[Vector], Any]
    build: float
    size: int


def read_stream(path: Path) -> tuple[Header, Vector]:
    with open(path, "rb") as file:
        reader = StreamReader(file, "embeddings")
        vectors = np.stack([embedding.vector for embedding in reader.embeddings()])
    drawn = np.random.default_rng(0).permutation(len(vectors))[:MOST_REAL]
    return reader.header, vectors[np.sort(drawn)]


def nearest(vectors: Vector, count: int) -> Any:
    """The neighbours of every vector, itself left out, [n, count]."""
    parts = []
    for first in range(0, len(vectors), 1024):
        cosines = vectors[first : first + 1024] @ vectors.T
        cosines[np.arange(len(cosines)), first + np.arange(len(cosines))] = -2
        parts.append(np.argpartition(-cosines, count, axis=1)[:, :count].copy())  # a view would keep all
    return np.concatenate(parts)


def mixed(vectors: Vector, neighbours: Any, count: int, seed: int) -> Vector:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, len(vectors), count)
    b = neighbours[a, rng.integers(0, neighbours.shape[1], count)]
    weight = rng.uniform(0.3, 1, (count, 1)).astype(np.float32)
    points = weight * vectors[a] + (1 - weight) * vectors[b]
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return make(), time.process_time() - began


def qbe_systems(rows: Vector, header: Header, trees: list[int], folder: Path) -> Iterator[System]:
    for count in trees:
        path = str(folder / "lib.idx")
        records = (Embedding(b"%d" % (i // PER_FILE), i % PER_FILE, 1, 1, row) for i, row in enumerate(rows))
        build = timed(partial(build_library, path, header, records, count))[1]
        library = open_library(path)
        stored = {rows: f" (recall {recall:g})" for recall, rows in reversed(library.footer.budgets)}
        for budget in [*sorted({*BUDGETS, *stored}), None] if count == 1 else sorted({*BUDGETS, *stored}):

            def answer(query: Vector, library: Any = library, budget: int | None = budget) -> list[int]:
                matches = search(library, query[None], K, segments=True, budget=budget)
                return [int(match.path) * PER_FILE + match.start for match in matches]

            setting = "exact" if budget is None else f"{budget} candidates{stored.get(budget, '')}"
            yield System(f"qbe, {count} tree(s)", setting, answer, build, os.path.getsize(path))


def numpy_systems(rows: Vector) -> Iterator[System]:
    def answer(query: Vector) -> Any:
        return np.argpartition(rows @ query, -K)[-K:]

    yield System("NumPy, rows @ query", "exact", answer, 0.0, rows.nbytes)


def annoy_systems(rows: Vector, folder: Path) -> Iterator[System]:
    annoy = import_module("annoy")
    for trees in (16, 64):

        def make(trees: int = trees) -> Any:
            index = annoy.AnnoyIndex(rows.shape[1], "angular")
            index.set_seed(1)
            for i, row in enumerate(rows):
                index.add_item(i, row)
            index.build(trees, n_jobs=1)
            return index

        index, build = timed(make)
        index.save(str(folder / "annoy"))
        for nodes in (1000, 2000, 4000, 8000, 16000):
            yield System(
                f"annoy, {trees} trees",
                f"search_k {nodes}",
                lambda query, nodes=nodes, index=index: index.get_nns_by_vector(query, K, nodes),
                build,
                os.path.getsize(folder / "annoy"),
            )


def hnswlib_systems(rows: Vector, folder: Path) -> Iterator[System]:
    hnswlib = import_module("hnswlib")

    def make() -> Any:
        index = hnswlib.Index("ip", rows.shape[1])
        index.init_index(len(rows), M=16, ef_construction=100, random_seed=1)
        index.set_num_threads(1)
        index.add_items(rows)
        return index

    index, build = timed(make)
    index.save_index(str(folder / "hnsw"))
    for ef in (10, 20, 40, 80, 160, 320):

        def answer(query: Vector, ef: int = ef) -> Any:
            index.set_ef(ef)
            return index.knn_query(query, K, num_threads=1)[0][0]

        yield System("hnswlib M16", f"ef {ef}", answer, build, os.path.getsize(folder / "hnsw"))


def faiss_systems(rows: Vector) -> Iterator[System]:
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(1)
    cells = 1 << round(np.log2(len(rows) / 256))
    for key in ("Flat", f"IVF{cells},Flat", f"IVF{cells},PQ64x4fs,RFlat"):

        def make(key: str = key) -> Any:
            index = faiss.index_factory(rows.shape[1], key, faiss.METRIC_INNER_PRODUCT)
            index.train(rows)
            index.add(rows)
            return index

        index, build = timed(make)
        size = len(faiss.serialize_index(index))
        if key.endswith("RFlat"):
            index.k_factor = 32  # of neighbours this alike, PQ alone tells few apart
        for probes in (None,) if key == "Flat" else (2, 4, 8, 16, 32, 64):
            if probes is not None:
                faiss.ParameterSpace().set_index_parameter(index, "nprobe", probes)
            setting = "exact" if probes is None else f"nprobe {probes}"
            yield System(f"faiss {key}", setting, lambda query, i=index: i.search(query[None], K)[1][0], build, size)


def usearch_systems(rows: Vector, folder: Path) -> Iterator[System]:
    usearch = import_module("usearch.index")

    def make() -> Any:
        index = usearch.Index(ndim=rows.shape[1], metric="ip", dtype="f16", connectivity=16)
        index.add(np.arange(len(rows)), rows, threads=1)
        return index

    index, build = timed(make)
    index.save(str(folder / "usearch"))
    for expansion in (10, 20, 40, 80, 160, 320):

        def answer(query: Vector, expansion: int = expansion) -> Any:
            index.expansion_search = expansion
            return index.search(query, K, threads=1).keys

        size = os.path.getsize(folder / "usearch")
        yield System("usearch f16", f"expansion {expansion}", answer, build, size)


def measure(system: System, asked: Vector, queries: Vector, rows: Vector, truth: Vector) -> str:
    """One line of the table.

    asked : the queries [Q, D] as the system takes them; queries, rows : seen from the middle
    truth : [Q], the K-th best cosine; an answer counts when its own is no less
    """
    if system.setting == "exact":
        few = max(20, len(queries) // 5)
        asked, queries, truth = asked[:few], queries[:few], truth[:few]
    answers, best = [], np.inf
    for _ in range(ROUNDS):
        answers, took = timed(lambda: [np.asarray(system.answer(query)) for query in asked])
        best = min(best, took)
    found = [
        (rows[np.unique(answer.astype(np.int64))] @ query >= worst - 1e-5).sum() / K
        for answer, query, worst in zip(answers, queries, truth, strict=True)
    ]
    return (
        f"{system.name:<34} {system.setting:<30} {np.mean(found):8.4f} {len(queries) / best:11,.0f} "
        f"{system.build:8.1f} {system.size / len(rows):10.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stream", type=Path)
    parser.add_argument("--rows", type=int, default=216_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--trees", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2, 4])
    arguments = parser.parse_args()
    if not SINGLE.items() <= os.environ.items():  # they are read when NumPy is loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SINGLE})
    header, vectors = read_stream(arguments.stream)
    neighbours = nearest(vectors, NEIGHBOURS)
    given, asked = (mixed(vectors, neighbours, n, seed) for seed, n in enumerate((arguments.rows, arguments.queries)))
    origin = middle(given.sum(0, dtype=np.float64), len(given))
    rows, queries = (centred(vectors, origin).astype(np.float32) for vectors in (given, asked))
    truth = np.array([np.partition(rows @ query, -K)[-K] for query in queries])
    print(f"{len(vectors)} real rows, mixed with neighbours to {len(rows)}; {len(queries)} queries; times are CPU time")
    print(f"{'system':<34} {'setting':<30} {'recall@10':>8} {'queries/s':>10} {'build s':>8} {'bytes/row':>10}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        groups = {
            "qbe": lambda: qbe_systems(given, header, arguments.trees, folder),
            "NumPy": lambda: numpy_systems(rows),
            "annoy": lambda: annoy_systems(rows, folder),
            "hnswlib": lambda: hnswlib_systems(rows, folder),
            "faiss": lambda: faiss_systems(rows),
            "usearch": lambda: usearch_systems(rows, folder),
        }
        for group, systems in groups.items():
            try:
                for system in systems():
                    print(measure(system, asked if group == "qbe" else queries, queries, rows, truth), flush=True)
            except ImportError as error:
                print(f"{group}: not installed ({error})")


if __name__ == "__main__":
    main()
