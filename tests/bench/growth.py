"""What a library that has grown to eight times its size loses against one that is built at once.

    python tests/bench/growth.py STREAM.emb [--rows N] [--steps S] [--queries Q] [--candidates C]

Rows and queries are those of tests/bench/index.py. A library of an eighth of the rows is built; the others are appended
in S steps, all equally many. After each step stand the rows, the parts, how long the
step took ("*": the whole was built anew), and, beside a fresh build of the same rows: recall@10 and queries a
second in a single thread, both with C candidates (the number that a fresh build promises 0.97 for would favour it),
and bytes a row.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from index import SINGLE, K, Rows, grown, read_stream

from qbe.index.file.library import Library, open_library
from qbe.index.near.candidates import nearest
from qbe.stores import open_writer
from qbe.streams.records import Header, Vector

FACTOR, ROUNDS = 8, 5


def measure(library: Library, queries: Vector, rows: Vector, budget: int) -> tuple[float, float]:
    """Recall@K and queries per second, each query at its fastest of some rounds: other programs disturb it least."""
    hits, took = 0, np.full((ROUNDS, len(queries)), np.inf)
    seen, asked = library.frame.seen(rows), library.frame.seen(queries)
    for turn, at in np.ndindex(took.shape):
        began = time.perf_counter()
        (near,) = nearest(library, asked[at, None], budget, K)
        took[turn, at] = time.perf_counter() - began
        if turn:
            continue
        cosines = seen @ asked[at]
        found = library.segments_of(near.rows)[:, 1].astype(int)
        hits += int((cosines[found] >= np.partition(cosines, -K)[-K] - 1e-5).sum())
    return hits / K / len(queries), len(queries) / took.min(0).sum()


def append(path: Path, header: Header, rows: Rows, begin: int, end: int) -> None:
    with open_writer(str(path)) as writer:
        writer.append(header, rows.embeddings(begin, end), ())


def grow(rows: Rows, queries: Vector, header: Header, steps: int, budget: int, folder: Path) -> Iterator[str]:
    """One line of the table a step."""
    path, starts = folder / "grown.idx", np.flatnonzero(np.diff(rows.files, prepend=-1))
    wanted = np.linspace(len(rows.files) // FACTOR, len(rows.files), steps + 1).astype(int)
    begin = 0
    for end in [*starts[starts.searchsorted(wanted[:-1])].tolist(), len(rows.files)]:
        before, began = path.stat().st_ino if begin else 0, time.monotonic()
        append(path, header, rows, begin, end)
        took, anew = time.monotonic() - began, "*" if path.stat().st_ino != before else " "
        fresh = folder / "fresh.idx"
        fresh.unlink(missing_ok=True)
        append(fresh, header, rows, 0, end)
        libraries = [open_library(str(each)) for each in (path, fresh)]
        (recall, speed), (fresh_recall, fresh_speed) = (
            measure(library, queries, rows.vectors[:end], budget) for library in libraries
        )
        yield (
            f"{end:>9} {len(libraries[0].parts):>5} {took:8.2f}{anew} {recall:8.4f} "
            f"{fresh_recall:8.4f} {recall - fresh_recall:+8.4f} {speed:8.0f} {fresh_speed:8.0f} "
            f"{fresh_speed / speed:7.2f} {path.stat().st_size / end:9.0f} {fresh.stat().st_size / end:6.0f}"
        )
        begin = end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stream", type=Path)
    parser.add_argument("--rows", type=int, help="default: as many as there are")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=3000)
    arguments = parser.parse_args()
    if not SINGLE.items() <= os.environ.items():  # they are read when NumPy is loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SINGLE})
    header, real, held = read_stream(arguments.stream)
    rows, queries = grown(real, arguments.rows or len(real.files)), held[: arguments.queries]
    print(f"{len(rows.files)} rows, {len(queries)} queries from other files; grown and fresh, and the difference")
    print(
        f"{'rows':>9} {'parts':>5} {'append s':>9} {'recall':>8} {'fresh':>8} {'':>8} "
        f"{'queries/s':>8} {'fresh':>8} {'slower':>7} {'bytes/row':>9} {'fresh':>6}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for line in grow(rows, queries, header, arguments.steps, arguments.candidates, Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
