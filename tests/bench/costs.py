"""What every command takes over libraries of more and more segments, and whether it grows faster than they do.

    python tests/bench/costs.py [ROWS ...] [--folder FOLDER] [--longest SECONDS]

The vectors are those of scale.py, twelve to a file in a thousand folders; no file is on disk. ROWS are 10000, 100000
and 1000000 when none are given; FOLDER takes the libraries, about 350 bytes a row, and 512 more while one is built.
Each command is a process of its own in a single thread, and stands with its CPU seconds and its peak memory in MB; "x"
is how many times as long it took as with the rows before. What is expected to take longer than SECONDS is left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scale import HEADER, PER_FILE, vectors

from qbe.streams.framing import StreamWriter
from qbe.streams.records import Embedding, Vector

SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
QBE = f"{sys.executable} -m qbe"
APPENDED = 100  # one of so many rows comes new
WARM = 20  # queries, the middle one counts
# A small process, which lets another run: the memory of the one it is started from counts as a program's own.
LAUNCHER = """
import resource, subprocess, sys
out = subprocess.DEVNULL
code = subprocess.run(["sh", "-c", "exec " + sys.argv[1]], stdout=out, stderr=out).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


@dataclass(frozen=True)
class Cost:
    """seconds : of CPU time; memory : MB at most"""

    seconds: float
    memory: float


def write_stream(path: Path, blocks: Iterator[Vector], folder: bytes) -> None:
    with open(path, "wb") as file, StreamWriter(file, HEADER) as writer:
        row = 0
        for block in blocks:
            for vector in block:
                number, place = divmod(row, PER_FILE)
                name = b"%s/%d/%d.wav" % (folder, number % 1000, number)
                writer.write(Embedding(name, 8192 * place, 16_384, 16_000, vector))
                row += 1


def cost(command: str, folder: Path) -> Cost:
    """Of a command line, whose output is not looked at. It may find nothing, or miss files: 1 and 2."""
    launch = [sys.executable, "-c", LAUNCHER, command]
    done = subprocess.run(launch, cwd=folder, env={**os.environ, **SINGLE}, capture_output=True, text=True, check=True)
    code, seconds, memory = done.stdout.split()
    if int(code) not in (0, 1, 2):
        sys.exit(f"{command}: failed")
    return Cost(float(seconds), int(memory) / 1024)


def warm(library: Path, queries: Vector) -> Cost:
    """Of one search in a library that is open."""
    import qbe

    opened = qbe.open_library(library)
    took = []
    for query in queries:
        asked = qbe.Embeddings(query[None], np.zeros(1), np.ones(1), np.full(1, np.nan, np.float32), HEADER.model)
        began = time.process_time()
        opened.search(asked)
        took.append(time.process_time() - began)
    return Cost(float(np.median(took)), float("nan"))


def costs(rows: int, folder: Path, longest: float, before: dict[str, Cost], factor: float) -> dict[str, Cost]:
    """Of each command in turn; `before` : of a library that many times smaller"""
    write_stream(folder / "all.emb", vectors(rows, rows, seed=1), b"library")
    write_stream(folder / "more.emb", vectors(rows, rows // APPENDED, seed=2), b"more")
    write_stream(folder / "query.emb", vectors(rows, 10, seed=3), b"query")
    steps = {
        "index": f"{QBE} index -o lib.idx < all.emb",
        "index --append, 1 %": f"{QBE} index --append -o lib.idx < more.emb",
        "info": f"{QBE} info lib.idx",
        "search, cold": f"{QBE} search lib.idx query.emb",
        "search --exact, cold": f"{QBE} search lib.idx query.emb --exact",
        "list": f"{QBE} list lib.idx",
        "index --prune --dry-run": f"{QBE} index --prune --dry-run -o lib.idx",
        "tag": f"{QBE} tag lib.idx",
        "map": f"{QBE} map lib.idx",
        "dups": f"{QBE} dups lib.idx",
    }
    found = {}
    for name, command in steps.items():
        if name not in before or before[name].seconds * factor < longest:
            found[name] = cost(command, folder)
            (folder / "all.emb").unlink(missing_ok=True)
    found["search, warm"] = warm(folder / "lib.idx", next(vectors(rows, WARM, seed=4)))
    (folder / "lib.idx").unlink()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--longest", type=float, default=1200.0)
    arguments = parser.parse_args()
    before: dict[str, Cost] = {}
    last = 0
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            factor = rows / last if last else 1.0
            found = costs(rows, Path(name), arguments.longest, before, factor)
        print(f"\n{rows} rows\n\n| command | CPU s | x | MB |\n|---|---|---|---|")
        for command, one in found.items():
            times = f"{one.seconds / before[command].seconds:.1f}" if command in before else ""
            print(f"| {command} | {one.seconds:.3f} | {times} | {one.memory:.0f} |", flush=True)
        before, last = found, rows


if __name__ == "__main__":
    main()
