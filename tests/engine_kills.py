"""Writers of libraries on a server, and servers, that are killed: the library stays the old one, or is the new one."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from kills import HEADER, PER_FILE, QUERY, WRITER, Content, vectors, write_stream
from libraries import search_all
from servers import Server

from qbe.engines.milvus.address import parse_address
from qbe.engines.milvus.server import Server as Client
from qbe.search.store import Match, Store
from qbe.search.writer import Written
from qbe.stores import open_store, open_writer
from qbe.streams.records import Embedding

LATER = 1.1  # than a writer takes: then it has finished, or is about to


def embeddings(content: Content) -> Iterable[Embedding]:
    for name, seed in content.items():
        for k, vector in enumerate(vectors(name, seed)):
            yield Embedding(name, k, seed + 1, 16_000, vector)  # the length tells the seed


def write(name: str, content: Content, *, append: bool = False) -> Written:
    with open_writer(name) as writer:
        return (writer.append if append else writer.replace)(HEADER, embeddings(content), ())


def content_of(store: Store) -> Content:
    """The files of a library by the seeds of their vectors, each of which is compared; and as many as are told."""
    entries = list(store.files())
    rows, first = store.rows_of(np.array([entry.number for entry in entries], np.int64))
    assert store.held() == (len(entries), len(rows))
    lengths, found = store.places(rows)[:, 2], store.given(store.vectors(rows))
    content: Content = {}
    for entry, begin in zip(entries, first.tolist(), strict=True):
        [seed] = set((lengths[begin : begin + PER_FILE] - 1).tolist())
        np.testing.assert_allclose(found[begin : begin + PER_FILE], vectors(entry.path, seed), atol=1e-5)
        content[entry.path] = seed
    return content


def answers(store: Store) -> list[Match]:
    [found] = search_all(store, [QUERY], 20)
    return found


def collections_of(name: str) -> list[str]:
    """What the server holds of a library."""
    address = parse_address(name)
    return [one for one in Client(address).collections() if one.startswith(address.library)]


class EngineKiller:
    """Runs writers on a library and kills them, or the server, at random moments.

    files : how many the library begins with; outcomes : what became of it, by what was killed
    """

    def __init__(self, server: Server, folder: Path, seed: int, files: int) -> None:
        self.server, self.folder, self.files = server, folder, files
        self.library, self.random = server.library(), random.Random(seed)
        self.content: Content = {b"%d/%d.wav" % (k % 50, k): 1 for k in range(files)}
        self.outcomes: Counter[str] = Counter()
        self.next_seed = 1
        began = time.monotonic()
        write(self.library, self.content)
        self.longest = LATER * (time.monotonic() - began)  # seconds

    def run(self, what: str) -> None:
        """Kill a writer, or the server under it. AssertionError where it is neither the old nor the new one."""
        arguments, new = self.order()
        with open(self.folder / "new.emb", "rb") as stream:
            process = subprocess.Popen(
                [*WRITER, *arguments], cwd=self.folder, stdin=stream, stderr=subprocess.PIPE, text=True
            )
        while process.poll() is None and not any(name.endswith("lock") for name in collections_of(self.library)):
            time.sleep(0.01)
        began = time.monotonic()  # not while Python is loaded
        time.sleep(self.random.uniform(0, self.longest))
        if what == "writer":
            process.kill()
        else:
            self.server.kill()
        _, said = process.communicate()
        if what == "server":
            self.server.start()
        if process.returncode == 0:
            self.longest = max(1.0, LATER * (time.monotonic() - began))
        elif what == "server":
            assert process.returncode == 2, said
            assert said.startswith("qbe: milvus://127.0.0.1:"), said
            assert said.count("\n") == 1, said
        self.check(what, new, done=process.returncode == 0)

    def check(self, what: str, new: Content, done: bool) -> None:
        store = open_store(self.library)
        found = content_of(store)
        assert found == new or (not done and found == self.content), "neither the old library nor the new one"
        how = "done" if done else "killed, new" if found == new else "killed, old"
        self.outcomes[f"{what}: {how}"] += 1
        self.content = found

    def order(self) -> tuple[list[str], Content]:
        """The command line of a writer, whose stream lies ready, and what the library holds when it has finished."""
        self.next_seed += 1
        kind, stream = self.random.choice(["build", "append", "append", "remove"]), self.folder / "new.emb"
        if kind == "remove":
            stream.write_bytes(b"")
            folder = b"%d/" % self.random.randrange(50)
            kept = {name: seed for name, seed in self.content.items() if not name.startswith(folder)}
            return ["--remove", folder.decode(), "-o", self.library], kept
        share = 1 if kind == "build" else self.random.choice([2, 20])
        names = self.random.sample([b"%d/%d.wav" % (k % 50, k) for k in range(self.files)], self.files // share)
        write_stream(stream, some := dict.fromkeys(names, self.next_seed))
        return [*(["--append"] if kind == "append" else []), "-o", self.library], (
            some if kind == "build" else self.content | some
        )


def kill(
    server: Server, folder: Path, kills: int, what: Iterable[str], *, seed: int = 0, files: int = 600
) -> Counter[str]:
    """So many kills of each kind, in turn. What became of the library, how often."""
    killer = EngineKiller(server, folder, seed, files)
    for one in what:
        killed = 0
        while killed < kills:
            before = sum(count for outcome, count in killer.outcomes.items() if "killed" in outcome)
            killer.run(one)
            killed += sum(count for outcome, count in killer.outcomes.items() if "killed" in outcome) - before
    write(killer.library, killer.content)  # removes what the killed ones left, but what it replaces itself
    write(killer.library, {b"a.wav": 1}, append=True)
    assert len(collections_of(killer.library)) == 4, collections_of(killer.library)
    return killer.outcomes
