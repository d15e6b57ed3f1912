"""Build a library of many rows from a pipe and see what it takes: time, memory, opening, a cold search, batches.

    python tests/bench/scale.py ROWS [--queries Q] [--folder FOLDER]

The vectors, 128 numbers each, lie around centres, one for every 1000 rows; of centres and what lies around them the
d-th number is spread as 1 / (1 + d / 8). FOLDER takes the library, about 350 bytes a row, and 512 more while it is
built.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qbe.index.file.library import open_library
from qbe.index.store import FileStore
from qbe.search.question import Question
from qbe.search.ranking import search
from qbe.search.store import Effort
from qbe.search.windows import Windows
from qbe.streams.framing import StreamWriter
from qbe.streams.records import Embedding, Header, Vector

DIMENSION, PER_FILE, PER_CENTRE, PART, AROUND = 128, 12, 1000, 1 << 14, 0.5
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="synthetic", dimension=DIMENSION)


def vectors(rows: int, count: int, seed: int) -> Iterator[Vector]:
    """So many of the vectors of a library of so many rows, in arrays [n, D]."""
    spread = (1 / (1 + np.arange(DIMENSION) / 8)).astype(np.float32)
    centres = np.random.default_rng(0).standard_normal((max(1, rows // PER_CENTRE), DIMENSION), np.float32)
    rng = np.random.default_rng(seed)
    for first in range(0, count, PART):
        n = min(PART, count - first)
        points = rng.standard_normal((n, DIMENSION), np.float32) * np.float32(AROUND)
        points = (points + centres[rng.integers(0, len(centres), n)]) * spread
        yield points / np.linalg.norm(points, axis=1, keepdims=True)


def write_stream(rows: int) -> None:
    """To stdout."""
    with StreamWriter(sys.stdout.buffer, HEADER) as writer:
        row = 0
        for part in vectors(rows, rows, seed=1):
            for vector in part:
                file, place = divmod(row, PER_FILE)
                path = b"library/%d/%d.wav" % (file % 1000, file)
                writer.write(Embedding(path, 8192 * place, 16_384, 16_000, vector))
                row += 1


def build(rows: int, path: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds of `qbe index`, and its peak memory in MB. The stream is made at the same time."""
    began = time.monotonic()
    source = subprocess.Popen([sys.executable, __file__, str(rows), "--stream"], stdout=subprocess.PIPE)
    index = subprocess.Popen([sys.executable, "-m", "qbe", "index", "-o", str(path)], stdin=source.stdout)
    _, status, used = os.wait4(index.pid, 0)
    if source.wait() or status:
        sys.exit("the build failed")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def drop_from_cache(path: Path) -> None:
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def checked_bytes(store: FileStore) -> int:
    """Of the pages that have been read so far."""
    return sum(int(pages._whole.sum()) * pages._blocks[0].page for pages in store.library._pages.values())


def ask(store: FileStore, queries: Vector) -> None:
    """For the places of ten segments nearest to each."""
    questions = [Question(store, Windows.of(store.seen(query[None])), 10) for query in queries]
    search(questions, places=True, effort=Effort())


def seconds_each(store: FileStore, queries: Vector) -> float:
    began = time.perf_counter()
    for query in queries:
        ask(store, query[None])
    return (time.perf_counter() - began) / len(queries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("--queries", type=int, default=2048)
    parser.add_argument("--folder", help="default: the one for temporary files")
    parser.add_argument("--stream", action="store_true", help="write the stream to stdout and nothing else")
    arguments = parser.parse_args()
    if arguments.stream:
        write_stream(arguments.rows)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "scale.idx"
        seconds, cpu, memory = build(arguments.rows, path)
        size = path.stat().st_size
        print(
            f"{arguments.rows} rows: built in {seconds:.1f} s ({cpu:.1f} s of CPU), {memory:.0f} MB of memory at most"
        )
        print(f"{size / 1e6:.1f} MB, {size / arguments.rows:.0f} bytes a row")
        drop_from_cache(path)
        opened = []
        for _ in range(9):
            began = time.perf_counter()
            store = FileStore(open_library(str(path)))
            opened.append(1000 * (time.perf_counter() - began))
        print(f"opened in {opened[0]:.2f} ms the first time, then in {np.median(opened):.2f} ms")
        queries = np.concatenate(list(vectors(arguments.rows, arguments.queries, seed=2)))
        cold, budget = seconds_each(store, queries[:1]), store.candidates(Effort())
        print(f"first search: {1000 * cold:.1f} ms, {checked_bytes(store) / 1e6:.2f} MB read, {budget} candidates")
        seconds_each(store, queries)
        one = seconds_each(store, queries)
        began = time.perf_counter()
        ask(store, queries)
        together = (time.perf_counter() - began) / len(queries)
        print(f"then {1e6 * one:.0f} us a query one by one, {1e6 * together:.0f} us when all are asked at once")


if __name__ == "__main__":
    main()
