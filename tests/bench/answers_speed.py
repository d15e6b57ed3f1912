"""How long searches take beside another checkout of qbe: short, middling and long queries, in one library each.

    python tests/bench/answers_speed.py --against DIR [--python PYTHON] [FOLDER] [--rounds N]

DIR is the other checkout, PYTHON what runs it (DIR/.venv/test/bin/python). Each builds a library of FOLDER
(tests/data/library when none is named) and keeps it open; then they search in turn, one query after the other, in one
thread: reading and embedding the query counts; and each as a command, with its start. Queries are sounds of FOLDER,
their beginnings or repeated. The ratios are of pairs: here to there, the middle one, and the middle half of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

HERE = Path(__file__).parents[2]
SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
LENGTHS = (0.3, 1.0, 5.0, 30.0)  # s
QUERIES = 5  # of each length


def serve(library: str) -> None:
    """Searches for each sound that is named on stdin; answers with the seconds that took."""
    import qbe

    opened = qbe.open_library(library)
    for line in sys.stdin:
        began = time.perf_counter()
        opened.search(line.rstrip("\n"))
        print(time.perf_counter() - began, flush=True)


class Checkout:
    """A process of one, with a library of a folder open."""

    def __init__(self, root: Path, python: Path, folder: Path, library: Path) -> None:
        self.root, self.python, self.library = root, python, library
        self.environment = {**os.environ, **SINGLE, "PYTHONPATH": str(root)}
        build = f"import qbe; qbe.build_library({str(library)!r}, {str(folder)!r})"
        subprocess.run([python, "-c", build], cwd=root, env=self.environment, check=True)
        self.process = subprocess.Popen(
            [python, __file__, "--serve", library],
            cwd=root, env=self.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def cold(self, query: Path) -> float:
        """Of a command, as it is typed."""
        command: list[str | Path] = [self.python, "-m", "qbe", "search", self.library, query]
        began = time.perf_counter()
        subprocess.run(command, cwd=self.root, env=self.environment, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began

    def seconds(self, query: Path) -> float:
        """Of a search in the library that is open."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{query}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


def queries(folder: Path, scratch: Path) -> Iterator[tuple[float, list[Path]]]:
    """Of each length, sounds that were written."""
    import soundfile
    from material import RATE, sounds_of, spread

    sounds = spread(sounds_of(folder, longest=60.0), QUERIES)
    for length in LENGTHS:
        paths = [scratch / f"{length}-{number}.wav" for number in range(len(sounds))]
        for path, sound in zip(paths, sounds, strict=True):
            soundfile.write(path, np.resize(sound.audio, round(length * RATE)), RATE, "FLOAT")
        yield length, paths


def measure(ways: list[Callable[[Path], float]], paths: list[Path], rounds: int) -> str:
    times = np.array([[way(path) for way in ways] for _ in range(rounds) for path in paths])
    low, middle, high = np.quantile(times[:, 0] / times[:, 1], (0.25, 0.5, 0.75))
    milliseconds = 1000 * np.median(times, axis=0)
    return f"{milliseconds[0]:.0f} | {milliseconds[1]:.0f} | {middle:.2f} | {low:.2f}-{high:.2f}"


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE / "tests" / "data" / "library")
    parser.add_argument("--against", type=Path, required=True, metavar="DIR")
    parser.add_argument("--python", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    python = arguments.python or arguments.against / ".venv/test/bin/python"
    with tempfile.TemporaryDirectory() as name:
        scratch, folder = Path(name), arguments.folder.resolve()
        here = Checkout(HERE, Path(sys.executable), folder, scratch / "here.idx")
        there = Checkout(arguments.against.resolve(), python.absolute(), folder, scratch / "there.idx")
        print("| query | here, ms | there, ms | here / there | middle half |\n|---|---|---|---|---|")
        for length, paths in queries(folder, scratch):
            measure([here.seconds, there.seconds], paths[:1], 2)  # what the first search loads does not count
            print(f"| {length:g} s | {measure([here.seconds, there.seconds], paths, arguments.rounds)} |", flush=True)
            print(f"| {length:g} s, command | {measure([here.cold, there.cold], paths, 1)} |", flush=True)
        here.close()
        there.close()


if __name__ == "__main__":
    main()
