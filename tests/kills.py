"""Writers that are killed: after each kill the library is whole, and the old one or the new one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from libraries import append_to_library, search

from qbe.index.file.library import Library, open_library
from qbe.streams.framing import StreamWriter
from qbe.streams.records import Embedding, Header, Vector

DIMENSION, PER_FILE = 32, 10
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)
QUERY = np.eye(1, DIMENSION, dtype=np.float32)
Content = dict[bytes, int]  # of every file the seed of its vectors

# Searches on and on; ends with 0 when told to by a line, with a traceback when an answer was wrong.
READER = """
import sys, select
from kills import QUERY, searched
while not select.select([sys.stdin], [], [], 0.02)[0]:
    searched(sys.argv[1])
"""
# The command line, stopped by SIGKILL on its way.
WRITER = [sys.executable, "-m", "qbe", "index"]


def vectors(path: bytes, seed: int) -> Vector:
    """Of the segments of a file: told by its name and a seed."""
    points = np.random.default_rng([seed, *path]).normal(size=(PER_FILE, DIMENSION))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def write_stream(path: Path, content: Content) -> None:
    with open(path, "wb") as file, StreamWriter(file, HEADER) as writer:
        for name, seed in content.items():
            for k, vector in enumerate(vectors(name, seed)):
                writer.write(Embedding(name, k, seed + 1, 16_000, vector))  # the length tells the seed


def small_libraries(folder: Path) -> list[bytes]:
    """Files of libraries: one of a single cell, and two that have grown, with one tree and with two."""
    made = []
    for files, trees in ((5, 1), (500, 1), (500, 2)):
        path = str(folder / "small.idx")
        for first, last in ((0, files), (files, files + files // 50), (0, files // 100)):
            names = [b"%d.wav" % k for k in range(first, last)]
            rows = (
                Embedding(name, k, 1, 16_000, vector) for name in names for k, vector in enumerate(vectors(name, 0))
            )
            append_to_library(path, HEADER, rows, trees)
        made.append(Path(path).read_bytes())
        Path(path).unlink()
    return made


def content_of(library: Library) -> Content:
    """The files of a library by the seeds of their vectors, each of which is compared."""
    found = {}
    files = np.flatnonzero(~library.removed) if library.removed is not None else np.arange(library.files)
    for file, path in zip(files.tolist(), library.file_paths(files), strict=True):
        rows = library.rows_of(file)
        ((seed,),) = {(int(length) - 1,) for _, _, length in library.segments_of(rows)}
        np.testing.assert_allclose(library.frame.given(library.vectors(rows)), vectors(path, seed), atol=2e-3)
        found[path] = seed
    return found


def searched(path: str) -> None:
    """Search a library, and compare what is found with what it must be."""
    library = open_library(path)
    for match in search(library, QUERY, 5, rows=True):
        seen = (
            np.stack([QUERY[0], vectors(match.path, match.end - match.start - 1)[match.start]]) - library.frame.middle
        )
        wanted = float(seen[0] @ seen[1] / np.prod(np.linalg.norm(seen, axis=1)))
        assert abs(match.score - wanted) < 2e-3, match


class Killer:
    """Runs writers on the library of a folder and kills them at random moments.

    files : how many the library begins with; outcomes : what became of it, by writer
    """

    def __init__(self, folder: Path, seed: int, files: int) -> None:
        self.folder, self.random, self.files = folder, random.Random(seed), files
        self.library, self.stream, self.lock = folder / "lib.idx", folder / "new.emb", folder / ".lib.idx.lock"
        self.content: Content = {}
        self.outcomes: Counter[str] = Counter()
        self.longest = dict.fromkeys(("build", "append", "remove", "rebuild"), 0.5)  # seconds
        self.next_seed = 1
        self.run("build", kill=False)

    def run(self, kind: str, kill: bool = True) -> None:
        """One writer. AssertionError where the library is afterwards neither the old one nor the new one."""
        arguments, new = self.order(kind)
        if kind == "remove":
            self.stream.write_bytes(b"")
        with open(self.stream, "rb") as stream:
            process = subprocess.Popen([*WRITER, *arguments], cwd=self.folder, stdin=stream)
        while process.poll() is None and not self.lock.exists():
            time.sleep(0.001)
        began = time.monotonic()  # not while Python is loaded
        if kill:
            time.sleep(self.random.uniform(0, 1.05 * self.longest[kind]))
            process.kill()
        code = process.wait()
        if code == 0:
            self.longest[kind] = time.monotonic() - began
        elif self.lock.exists():
            self.lock.unlink()
        self.check(kind, new, done=code == 0)

    def check(self, kind: str, new: Content, done: bool) -> None:
        library = open_library(str(self.library))
        assert library.damaged_blocks() == []
        found = content_of(library)
        assert found == new or (not done and found == self.content), f"{kind}: neither the old library nor the new one"
        how = "done" if done else "killed, new" if found == new else "killed, old"
        self.outcomes[f"{kind}: {how}"] += 1
        self.content = found

    def order(self, kind: str) -> tuple[list[str], Content]:
        """The command line of a writer, whose stream lies ready, and what the library holds when it has finished."""
        self.next_seed += 1
        names = [b"%d/%d.wav" % (k % 50, k) for k in range(self.files)]
        if kind == "build":
            new = dict.fromkeys(names, self.next_seed)
            write_stream(self.stream, new)
            return ["-o", "lib.idx"], new
        if kind == "remove":
            folder = b"%d/" % self.random.randrange(50)
            kept = {name: seed for name, seed in self.content.items() if not name.startswith(folder)}
            return ["--remove", folder.decode(), "-o", "lib.idx"], kept
        some = dict.fromkeys(self.random.sample(names, self.files // (2 if kind == "rebuild" else 50)), self.next_seed)
        write_stream(self.stream, some)
        return ["--append", "-o", "lib.idx"], self.content | some

    def start_readers(self, count: int) -> list[subprocess.Popen[bytes]]:
        command = [sys.executable, "-c", READER, str(self.library)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        return [subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) for _ in range(count)]


def kill_writers(folder: Path, kills: int, *, seed: int = 0, files: int = 600, readers: int = 2) -> Counter[str]:
    """Kill so many writers, while others read. What became of the library, how often."""
    killer = Killer(folder, seed, files)
    reading = killer.start_readers(readers)
    killed = 0
    while killed < kills:
        kind = killer.random.choice(["append", "append", "remove", "rebuild", "build"])
        before = sum(killer.outcomes.values())
        killer.run(kind)
        assert sum(killer.outcomes.values()) == before + 1
        killed = sum(count for outcome, count in killer.outcomes.items() if "killed" in outcome)
    for reader in reading:
        reader.communicate(b"\n")
        assert reader.returncode == 0, "a reader got a wrong answer, or none"
    killer.run("build", kill=False)  # removes what the killed ones left
    left = {entry.name for entry in folder.iterdir()}
    assert left == {"lib.idx", "new.emb"}, left
    return killer.outcomes
