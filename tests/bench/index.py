"""How many of the ten nearest are found and how fast: qbe's index, plain NumPy, and the peers that are installed.

    python tests/bench/index.py STREAM.emb [--rows N] [--queries Q] [--trees 1,2,4] [--only qbe,annoy]

STREAM.emb is what `qbe embed` wrote. Queries are segments of files that are held out. The rows are those of the other
files: as many of them as asked for or, where there are not so many, all and then mixtures: w a + (1 - w) b at unit
length, where a is a row drawn by chance, b one of its ten nearest among 65,536 others, and w is drawn from 0.3 to 1.
qbe sees vectors from the middle of its library; the others get them as it sees them. Every system answers one query at
a time in a single thread with the numbers of the rows it found; "at once" stands for all queries in one call, where a
system takes that. The peers (annoy, hnswlib, faiss-cpu, usearch) are not needed by qbe; install those that are to be
compared.
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

from qbe.index.file.library import Library, open_library
from qbe.index.near.candidates import nearest
from qbe.index.store import FileStore
from qbe.search.centring import centred, middle
from qbe.search.rows import nearest_rows
from qbe.stores import open_writer
from qbe.streams.framing import StreamReader
from qbe.streams.records import Embedding, Header, Vector

SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
K, PER_FILE, NEIGHBOURS = 10, 12, 10
HELD_OUT = 0.05  # of the files
MIXED_WITH = 1 << 16  # rows, by chance: finding neighbours takes their number times that of all
BUDGETS = (600, 1200, 2400, 4800, 9600, 19200, 38400)
REFINED = 2  # times K, for each of faiss's cells
ROUNDS = 2  # the best counts


@dataclass
class Rows:
    """vectors : [N, D]; files : the number of each one's file, [N]"""

    vectors: Vector
    files: Any

    def embeddings(self, begin: int, end: int) -> Iterator[Embedding]:
        """Some of them; their numbers are where they start in their files."""
        for number in range(begin, end):
            yield Embedding(b"%d" % self.files[number], number, 1, 1, self.vectors[number])


@dataclass
class System:
    """answer : from a query [D] to the numbers of K rows; build : seconds; size : bytes

    at_once : from queries [Q, D] to K rows for each; None: the system takes one at a time
    numbers : of rows, from what an answer holds
    """

    name: str
    setting: str
    answer: Callable[[Vector], Any]
    build: float
    size: int
    at_once: Callable[[Vector], Any] | None = None
    numbers: Callable[[Any], Any] = np.asarray


def read_stream(path: Path) -> tuple[Header, Rows, Vector]:
    """The header, the rows of most files, file by file in an order drawn by chance, and those of the held-out ones."""
    with open(path, "rb") as stream:
        reader, files = StreamReader(stream, "embeddings"), {}
        read = [(files.setdefault(embedding.path, len(files)), embedding.vector) for embedding in reader.embeddings()]
    rng = np.random.default_rng(0)
    turn = rng.permutation(len(files))[[file for file, _ in read]]
    vectors, held = np.stack([vector for _, vector in read]), turn < round(HELD_OUT * len(files))
    order = np.argsort(turn, kind="stable")
    order = order[~held[order]]
    return reader.header, Rows(vectors[order], turn[order]), rng.permutation(vectors[held])


def neighbours_among(others: Vector, rows: Vector) -> Any:
    """Of every row its nearest others, [n, NEIGHBOURS]. Itself may be among them."""
    parts = []
    for first in range(0, len(rows), 1024):
        cosines = rows[first : first + 1024] @ others.T
        parts.append(np.argpartition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:].copy())  # a view would keep all
    return np.concatenate(parts)


def grown(rows: Rows, count: int) -> Rows:
    """The first so many of the rows, or all and mixtures of them, every PER_FILE of which are a file."""
    real = rows.vectors
    if count <= len(real):
        return Rows(real[:count], rows.files[:count])
    rng = np.random.default_rng(1)
    others = real[rng.choice(len(real), min(MIXED_WITH, len(real)), replace=False)]
    near = neighbours_among(others, real)
    a = rng.integers(0, len(real), count - len(real))
    b = near[a, rng.integers(0, NEIGHBOURS, len(a))]
    weight = rng.uniform(0.3, 1, (len(a), 1)).astype(np.float32)
    points = weight * real[a] + (1 - weight) * others[b]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    files = rows.files.max() + 1 + np.arange(len(a)) // PER_FILE
    return Rows(np.concatenate([real, points]), np.concatenate([rows.files, files]))


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return make(), time.process_time() - began


def first_of(at_once: Callable[[Vector], Any]) -> Callable[[Vector], Any]:
    """The answer to one query [D] of what answers many."""
    return lambda query: at_once(query[None])[0]


def build(path: str, header: Header, rows: Rows, trees: int) -> None:
    with open_writer(path, trees) as writer:
        writer.replace(header, rows.embeddings(0, len(rows.files)), ())


def qbe_systems(rows: Rows, header: Header, trees: list[int], folder: Path) -> Iterator[System]:
    for count in trees:
        path = str(folder / "lib.idx")
        seconds = timed(partial(build, path, header, rows, count))[1]
        library = open_library(path)
        stored = {rows: f" (recall {recall:g})" for recall, rows in reversed(library.footer.budgets)}

        def numbers(rows: Any, library: Library = library) -> Any:
            return library.segments_of(rows)[:, 1]

        def exact(query: Vector, store: FileStore = FileStore(library)) -> Any:
            return nearest_rows(store, query, K).rows

        for budget in sorted({*BUDGETS, *stored}):

            def at_once(queries: Vector, library: Library = library, budget: int = budget) -> Any:
                return [near.rows for near in nearest(library, library.frame.seen(queries), budget, K)]

            setting = f"{budget} candidates{stored.get(budget, '')}"
            size = os.path.getsize(path)
            yield System(f"qbe, {count} tree(s)", setting, first_of(at_once), seconds, size, at_once, numbers)
        if count == 1:
            yield System("qbe", "exact", exact, seconds, os.path.getsize(path), numbers=numbers)


def numpy_systems(rows: Vector) -> Iterator[System]:
    def answer(query: Vector) -> Any:
        return np.argpartition(rows @ query, -K)[-K:]

    yield System("NumPy, rows @ query", "exact", answer, 0.0, rows.nbytes)


def annoy_systems(rows: Vector, folder: Path) -> Iterator[System]:
    annoy = import_module("annoy")
    for trees in (16, 32, 64):

        def make(trees: int = trees) -> Any:
            index = annoy.AnnoyIndex(rows.shape[1], "angular")
            index.set_seed(1)
            for i, row in enumerate(rows):
                index.add_item(i, row)
            index.build(trees, n_jobs=1)
            return index

        index, seconds = timed(make)
        index.save(str(folder / "annoy"))
        for nodes in (1000, 2000, 4000, 6000, 8000, 12000, 16000, 24000):
            yield System(
                f"annoy, {trees} trees",
                f"search_k {nodes}",
                lambda query, nodes=nodes, index=index: index.get_nns_by_vector(query, K, nodes),
                seconds,
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

    index, seconds = timed(make)
    index.save_index(str(folder / "hnsw"))
    for ef in (10, 20, 40, 80, 160, 320):

        def at_once(queries: Vector, ef: int = ef) -> Any:
            index.set_ef(ef)
            return index.knn_query(queries, K, num_threads=1)[0]

        size = os.path.getsize(folder / "hnsw")
        yield System("hnswlib M16", f"ef {ef}", first_of(at_once), seconds, size, at_once)


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

        index, seconds = timed(make)
        size = len(faiss.serialize_index(index))
        for probes in (None,) if key == "Flat" else (2, 4, 8, 16, 32, 64):
            if probes is not None:
                faiss.ParameterSpace().set_index_parameter(index, "nprobe", probes)
            setting = "exact" if probes is None else f"nprobe {probes}"
            if key.endswith("RFlat"):  # of neighbours this alike PQ tells few apart
                index.k_factor = REFINED * probes
                setting += f", {K * REFINED * probes} refined"

            def at_once(queries: Vector, index: Any = index) -> Any:
                return index.search(queries, K)[1]

            yield System(f"faiss {key}", setting, first_of(at_once), seconds, size, at_once)


def usearch_systems(rows: Vector, folder: Path) -> Iterator[System]:
    usearch = import_module("usearch.index")

    def make() -> Any:
        index = usearch.Index(ndim=rows.shape[1], metric="ip", dtype="f16", connectivity=16)
        index.add(np.arange(len(rows)), rows, threads=1)
        return index

    index, seconds = timed(make)
    index.save(str(folder / "usearch"))
    for expansion in (10, 20, 40, 80, 160, 320):

        def answer(asked: Vector, expansion: int = expansion) -> Any:
            """To one query [D], or to many [Q, D]."""
            index.expansion_search = expansion
            return index.search(asked, K, threads=1).keys

        size = os.path.getsize(folder / "usearch")
        yield System("usearch f16", f"expansion {expansion}", answer, seconds, size, answer)


def measure(system: System, asked: Vector, queries: Vector, rows: Vector, truth: Vector) -> str:
    """One line of the table.

    asked : the queries [Q, D] as the system takes them; queries, rows : seen from the middle
    truth : [Q], the K-th best cosine; an answer counts when its own is no less
    """
    if system.setting == "exact":
        few = max(20, len(queries) // 5)
        asked, queries, truth = asked[:few], queries[:few], truth[:few]
    answers, one, many = [], np.inf, np.inf
    for _ in range(ROUNDS):
        answers, took = timed(lambda: [system.answer(query) for query in asked])
        one = min(one, took)
        if system.at_once is not None:
            many = min(many, timed(partial(system.at_once, asked))[1])
    found = [
        (rows[np.unique(system.numbers(answer).astype(np.int64))] @ query >= worst - 1e-5).sum() / K
        for answer, query, worst in zip(answers, queries, truth, strict=True)
    ]
    at_once = f"{len(queries) / many:9,.0f}" if system.at_once is not None else f"{'-':>9}"
    return (
        f"{system.name:<30} {system.setting:<30} {np.mean(found):8.4f} {len(queries) / one:11,.0f} {at_once} "
        f"{system.build:8.1f} {system.size / len(rows):10.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stream", type=Path)
    parser.add_argument("--rows", type=int, help="default: as many as there are")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--trees", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2, 4])
    parser.add_argument("--only", type=lambda text: text.split(","), help="of these systems alone; default: of all")
    arguments = parser.parse_args()
    if not SINGLE.items() <= os.environ.items():  # they are read when NumPy is loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SINGLE})
    header, real, held = read_stream(arguments.stream)
    given, asked = grown(real, arguments.rows or len(real.files)), held[: arguments.queries]
    origin = middle(given.vectors.sum(0, dtype=np.float64), len(given.files))
    rows, queries = (centred(vectors, origin).astype(np.float32) for vectors in (given.vectors, asked))
    truth = np.array([np.partition(rows @ query, -K)[-K] for query in queries])
    mixed = max(0, len(rows) - len(real.files))
    print(f"{len(rows)} rows, {mixed} of them mixed; {len(queries)} queries from other files; times are CPU time")
    head = f"{'system':<30} {'setting':<30} {'recall@10':>8} {'queries/s':>11} {'at once':>9}"
    print(f"{head} {'build s':>8} {'bytes/row':>10}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        groups = {
            "qbe": lambda: qbe_systems(given, header, arguments.trees, folder),
            "numpy": lambda: numpy_systems(rows),
            "annoy": lambda: annoy_systems(rows, folder),
            "hnswlib": lambda: hnswlib_systems(rows, folder),
            "faiss": lambda: faiss_systems(rows),
            "usearch": lambda: usearch_systems(rows, folder),
        }
        for group, systems in groups.items():
            if arguments.only and group not in arguments.only:
                continue
            try:
                for system in systems():
                    print(measure(system, asked if group == "qbe" else queries, queries, rows, truth), flush=True)
            except ImportError as error:
                print(f"{group}: not installed ({error})")


if __name__ == "__main__":
    main()
