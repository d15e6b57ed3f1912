"""A server that is killed, and writers that are: by SIGKILL.

The real server (`make test-engines`) at the worst moments, of which there are two; writers of the small one at random.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import servers
from engine_kills import answers, collections_of, content_of, kill, write
from kills import Content
from servers import PROGRAM
from servers import Server as Process

from qbe.engines.milvus.address import parse_address
from qbe.engines.milvus.server import Server
from qbe.stores import open_store, open_writer
from qbe.support.errors import LibraryError

OLD: Content = {b"%d/%d.wav" % (k % 9, k): 1 for k in range(200)}
NEW: Content = {b"%d/%d.wav" % (k % 9, k): 2 for k in range(0, 400, 3)}
PROMPT = 10  # seconds within which an error is told
HOLDING = 120  # seconds

real = pytest.mark.skipif(PROGRAM not in os.environ, reason="takes the real server: make test-engines")


@pytest.fixture
def server() -> Process:
    return servers.shared()


def fails_promptly(name: str, work: Callable[[], Any]) -> None:
    """In one line that names the library, so the server."""
    began = time.monotonic()
    with pytest.raises(LibraryError) as error:
        work()
    assert time.monotonic() - began < PROMPT
    assert str(error.value).startswith(name.partition("?")[0])
    assert "\n" not in str(error.value)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers of this process soon take those that were stopped to be gone."""
    monkeypatch.setattr("qbe.engines.milvus.lock.BEAT", 0.5)
    monkeypatch.setattr("qbe.engines.milvus.lock.SILENT", 3.0)


class Held:
    """Calls that wait until all have come, and the server that they are meant for is killed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch, self.come, self.killed = monkeypatch, threading.Semaphore(0), threading.Event()

    def hold(self, name: str, method: str, *, after: bool = False) -> None:
        """Hold the calls of a method of who is connected to a library. after : when they have been answered"""
        original, library = getattr(Server, method), parse_address(name).library

        def patched(client: Server, *arguments: Any, **more: Any) -> Any:
            if client.address.library != library:
                return original(client, *arguments, **more)
            result = original(client, *arguments, **more) if after else None
            self.come.release()
            assert self.killed.wait(HOLDING)
            return result if after else original(client, *arguments, **more)

        self.monkeypatch.setattr(Server, method, patched)

    def kill(self, server: Process, works: Sequence[Future[Any]]) -> None:
        """Once so many calls are held."""
        for _ in works:
            assert self.come.acquire(timeout=HOLDING)
        server.kill()
        self.killed.set()


@real
@pytest.mark.usefixtures("impatient")
def test_a_server_killed_under_an_insert_a_switch_and_a_search_has_after_it_what_it_had_before(
    server: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three see it die, at the same moment."""
    inserted, switched, searched = names = [server.library() for _ in range(3)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(write, names, [OLD] * len(names)))
    store, before = open_store(searched), [answers(open_store(name)) for name in names]
    with monkeypatch.context() as patch, ThreadPoolExecutor(len(names)) as pool:
        held = Held(patch)
        held.hold(inserted, "insert", after=True)
        held.hold(switched, "point")
        held.hold(searched, "query")
        works = [
            pool.submit(write, inserted, NEW, append=True),
            pool.submit(write, switched, NEW),
            pool.submit(answers, store),
        ]
        held.kill(server, works)
        for name, work in zip(names, works, strict=True):
            fails_promptly(name, work.result)
        fails_promptly(searched, lambda: open_store(searched))
    server.start()
    assert [answers(open_store(name)) for name in names] == before
    with ThreadPoolExecutor(len(names)) as pool:
        assert list(pool.map(content_of, map(open_store, names))) == [OLD] * len(names)
        list(pool.map(partial(write, content={b"more.wav": 3}, append=True), names))
    for name in names:
        assert content_of(open_store(name)) == OLD | {b"more.wav": 3}
        kinds = sorted(one.rpartition("_")[2] for one in collections_of(name))
        assert kinds == ["catalog", "catalog", "files", "segments"]  # the catalog before, too


@real
@pytest.mark.usefixtures("impatient")
def test_a_server_killed_after_a_switch_has_the_new_library(server: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    name = server.library()
    write(name, OLD)
    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        held = Held(patch)
        held.hold(name, "point", after=True)
        work = pool.submit(write, name, NEW)
        held.kill(server, [work])
        work.exception(PROMPT)  # all is done: that its lock is left is no fault
    server.start()
    assert content_of(open_store(name)) == NEW


@pytest.mark.skipif(PROGRAM in os.environ, reason="tests/bench/engine_kills.py kills those of the real server")
def test_writers_that_are_killed_leave_the_old_library_or_the_new(server: Process, tmp_path: Path) -> None:
    outcomes = kill(server, tmp_path, 2, ["writer"], files=200)
    assert sum(outcomes.values()) >= 2


def test_a_second_writer_is_refused_in_one_line_that_names_the_first(server: Process) -> None:
    name = server.library()
    write(name, {b"a.wav": 1})
    with open_writer(name):
        with pytest.raises(LibraryError, match=rf"process {os.getpid()} on .* is writing it"), open_writer(name):
            pytest.fail("was let in")
        assert content_of(open_store(name)) == {b"a.wav": 1}
    write(name, {b"b.wav": 1}, append=True)
    assert content_of(open_store(name)) == {b"a.wav": 1, b"b.wav": 1}


def test_a_writer_that_slept_while_another_took_over_writes_no_more(
    server: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = server.library()
    write(name, {b"a.wav": 1})
    monkeypatch.setattr("qbe.engines.milvus.lock.BEAT", 1e6)  # shows no sign of life
    with open_writer(name) as slept:
        monkeypatch.setattr("qbe.engines.milvus.lock.BEAT", 0.2)
        monkeypatch.setattr("qbe.engines.milvus.lock.SILENT", 1.0)
        write(name, {b"b.wav": 1}, append=True)
        slept.lock._last -= 100  # as if so much time had passed
        with pytest.raises(LibraryError, match="nothing is written"):
            slept.remove([b"a.wav"])
    assert content_of(open_store(name)) == {b"a.wav": 1, b"b.wav": 1}
