"""A library of many rows on a Milvus server: what it takes to fill, to open and to ask.

    python tests/bench/engine.py ROWS milvus://HOST:PORT/LIBRARY [--queries Q]

The rows are those of tests/bench/scale.py, 12 a file, said to be of the default model; the queries are 5 s of noise
bursts, each another sound. A library of that name is replaced, and stays. Rows a second are from the start of `qbe
index` to its end, index and all; of a cold search, the import of the client is told apart; warm ones come from one
process, as those of a page do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from scale import DIMENSION, PER_FILE, vectors

from qbe.encoder import open_encoder
from qbe.library import open_library
from qbe.search.answers import Wanted
from qbe.search.store import EXACT, Effort
from qbe.streams.framing import StreamWriter
from qbe.streams.records import Embedding, Header

RATE, SECONDS = 16_000, 5
IMPORT = "import time; began = time.monotonic(); import pymilvus; print(time.monotonic() - began)"


def write_stream(rows: int, path: Path) -> None:
    """The rows as a stream of the default model's."""
    header: Header = open_encoder(None).header
    assert header.dimension == DIMENSION
    with open(path, "wb") as file, StreamWriter(file, header) as writer:
        row = 0
        for part in vectors(rows, rows, seed=1):
            for vector in part:
                number, place = divmod(row, PER_FILE)
                name = b"library/%d/%d.wav" % (number % 1000, number)
                writer.write(Embedding(name, 8192 * place, 16_384, header.sample_rate, vector, -20.0))
                row += 1


def write_query(path: Path, seed: int) -> None:
    """A sound of 5 s whose parts differ."""
    rng = np.random.default_rng(seed)
    t = np.arange(SECONDS * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * rng.uniform(80, 4000) * t * (1 + 0.1 * np.sin(t))) for _ in range(4))
    soundfile.write(path, 0.1 * tones * (1 + np.sin(2 * np.pi * rng.uniform(0.3, 3) * t)), RATE)


def qbe(*arguments: str, stdin: Path | None = None) -> tuple[float, bytes]:
    """Seconds that a command took, and what it printed."""
    began = time.monotonic()
    with open(stdin or "/dev/null", "rb") as source:
        done = subprocess.run(
            [sys.executable, "-m", "qbe", *arguments], stdin=source, stdout=subprocess.PIPE, check=True
        )
    return time.monotonic() - began, done.stdout


def warm(name: str, sounds: list[Path]) -> tuple[list[float], float]:
    """Seconds that each query takes, its embedding left out, and recall@10 of files."""
    library = open_library(name)
    queries = [library.reader.from_sound(bytes(sound)) for sound in sounds]
    wanted, seconds, found = Wanted(10), [], 0
    for query in [queries[0], *queries]:
        began = time.monotonic()
        [(_, answers)] = library.answers([query], wanted, Effort())
        seconds.append(time.monotonic() - began)
        if len(seconds) in (2, 3):  # each takes a pass over all rows
            [(_, exact)] = library.answers([query], wanted, EXACT)
            found += len({one.path for one in exact} & {one.path for one in answers})
    return seconds[1:], found / 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("library")
    parser.add_argument("--queries", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stream, sounds = Path(folder) / "all.emb", [Path(folder) / f"{k}.wav" for k in range(arguments.queries)]
        write_stream(arguments.rows, stream)
        for seed, sound in enumerate(sounds):
            write_query(sound, seed)
        seconds, _ = qbe("index", "-q", "-o", arguments.library, stdin=stream)
        print(f"in: {arguments.rows / seconds:.0f} rows/s, {seconds:.0f} s", flush=True)
        facts = json.loads(qbe("info", "--json", arguments.library)[1])
        print(
            ", ".join(f"{name} {value}" for name, value in facts.items() if name.startswith(("segments", "candidates")))
        )
        client = float(subprocess.run([sys.executable, "-c", IMPORT], stdout=subprocess.PIPE, check=True).stdout)
        cold, alone = (qbe("search", arguments.library, str(sounds[0]))[0], qbe("embed", str(sounds[0]))[0])
        print(
            f"cold search: {cold:.2f} s, of that import of the client {client:.2f} s; `qbe embed` alone: {alone:.2f} s"
        )
        times, recall = warm(arguments.library, sounds)
        median, last = np.quantile(times, [0.5, 0.95])
        print(f"warm searches: median {1000 * median:.0f} ms, 95 % within {1000 * last:.0f} ms; recall@10 {recall:.2f}")


if __name__ == "__main__":
    main()
