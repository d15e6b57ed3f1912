"""A server that is killed, and writers that are: by SIGKILL, at the worst moments and at random ones.

With the real server (`make test-engines`) all of it; with the small one of the other tests what that one promises too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_kills import answers, collections_of, content_of, kill, write
from kills import Content
from servers import PROGRAM, LiteServer, RealServer
from servers import Server as Process

from qbe.engines.milvus.server import Server
from qbe.stores import open_store, open_writer
from qbe.support.errors import LibraryError

OLD: Content = {b"%d/%d.wav" % (k % 9, k): 1 for k in range(200)}
NEW: Content = {b"%d/%d.wav" % (k % 9, k): 2 for k in range(0, 400, 3)}
PROMPT = 10  # seconds within which an error is told

real = pytest.mark.skipif(PROGRAM not in os.environ, reason="takes the real server: make test-engines")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    started = (RealServer if PROGRAM in os.environ else LiteServer)(tmp_path_factory.mktemp("server"))
    yield started
    started.kill()


def fails_promptly(name: str, work: Callable[[], Any]) -> None:
    """In one line that names the library, so the server."""
    began = time.monotonic()
    with pytest.raises(LibraryError) as error:
        work()
    assert time.monotonic() - began < PROMPT
    assert str(error.value).startswith(name.partition("?")[0])
    assert "\n" not in str(error.value)


def killing(monkeypatch: pytest.MonkeyPatch, server: Process, method: str, call: int, *, after: bool = False) -> None:
    """Have the server killed at a call of one of its client's methods, before it or after."""
    calls, original = 0, getattr(Server, method)

    def patched(self: Server, *arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            server.kill()
        result = original(self, *arguments, **more)
        if calls == call and after:
            server.kill()
        return result

    monkeypatch.setattr(Server, method, patched)


@real
@pytest.mark.parametrize("after", [False, True])
def test_a_server_killed_under_a_build_leaves_the_old_library_or_has_the_new(
    server: Process, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """In the middle of the switch."""
    name = server.library()
    write(name, OLD)
    before = answers(open_store(name))
    with monkeypatch.context() as patch:
        killing(patch, server, "point", 1, after=after)
        try:
            write(name, NEW)
        except LibraryError as error:
            assert str(error).startswith(name)
    server.start()
    store = open_store(name)
    if after:
        assert content_of(store) == NEW
    else:
        assert content_of(store) == OLD
        assert answers(store) == before
    write(name, {b"more.wav": 3}, append=True)
    kinds = sorted(one.rpartition("_")[2] for one in collections_of(name))
    assert kinds == ["catalog", "catalog", "files", "segments"]  # the catalog before, too


@real
def test_a_server_killed_under_an_append_leaves_the_old_library(
    server: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of what is put in."""
    name = server.library()
    write(name, OLD)
    with monkeypatch.context() as patch, pytest.raises(LibraryError, match=name):
        killing(patch, server, "insert", 1, after=True)
        write(name, NEW, append=True)
    server.start()
    assert content_of(open_store(name)) == OLD
    write(name, {b"more.wav": 3}, append=True)
    assert content_of(open_store(name)) == OLD | {b"more.wav": 3}


@real
def test_a_server_killed_under_a_search_is_named_at_once_and_answers_as_before_when_it_is_back(server: Process) -> None:
    name = server.library()
    write(name, OLD)
    store = open_store(name)
    before = answers(store)
    opened = open_store(name)
    server.kill()
    fails_promptly(name, lambda: answers(opened))
    fails_promptly(name, lambda: open_store(name))
    server.start()
    assert answers(open_store(name)) == before
    assert content_of(open_store(name)) == OLD


def test_writers_that_are_killed_leave_the_old_library_or_the_new(server: Process, tmp_path: Path) -> None:
    outcomes = kill(server, tmp_path, 2, ["writer"], files=200)
    assert sum(outcomes.values()) >= 2


@real
def test_servers_that_are_killed_under_writers_leave_the_old_library_or_the_new(
    server: Process, tmp_path: Path
) -> None:
    outcomes = kill(server, tmp_path, 1, ["server"], files=200)
    assert sum(outcomes.values()) >= 1


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
