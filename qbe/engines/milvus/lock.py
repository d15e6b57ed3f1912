"""One writer at a time, wherever it runs: a collection that says who writes, and in whose properties a count goes up.

A writer that has not been heard of for a while has been stopped: the next one takes over. It may yet wake up, so it
looks whether the lock is still its own, not long before anything that it writes.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from qbe.engines.milvus.catalog import FIELDS, LOCK, PROPERTY, collection, collections
from qbe.engines.milvus.server import Server
from qbe.support.errors import LibraryError

BEAT = 2.0  # seconds from one sign of life to the next
FRESH = 5.0  # so long after one, what is written is surely written by the only writer
SILENT = 12.0  # after so long without one, a writer is taken to have been stopped


class Lock:
    """The right to write a library, from `locked` to the end of its block."""

    def __init__(self, server: Server) -> None:
        self.server, self.token = server, secrets.token_hex(8)
        self.name = collection(server.address.library, self.token, LOCK)
        self._holder = f"process {os.getpid()} on {socket.gethostname()}"
        self._beats, self._last = 0, 0.0
        self._beating, self._ended = threading.Lock(), threading.Event()

    def take(self) -> None:
        """LibraryError where another process has it."""
        stopped = self._stopped()
        self._last = time.time()
        self.server.create(self.name, FIELDS, self._sign())
        others = [name for name in collections(self.server, LOCK) if name not in {self.name, *stopped}]
        if others:
            self.server.drop(self.name)
            raise self._refused(others[0])
        for name in stopped:
            self.server.drop(name)
        threading.Thread(target=self._beat, daemon=True).start()

    def _stopped(self) -> list[str]:
        """The locks of writers that were stopped. LibraryError where one is alive."""
        seen = {name: self._signed(name) for name in collections(self.server, LOCK)}
        began = time.monotonic()
        while seen and time.monotonic() - began < SILENT:
            time.sleep(BEAT / 2)
            for name, sign in list(seen.items()):
                now = self._signed(name)
                if now is None:
                    del seen[name]
                elif now != sign:
                    raise self._refused(name)
        return list(seen)

    def _signed(self, name: str) -> str | None:
        found = self.server.properties(name)
        return found and found[1].get(PROPERTY)

    def _refused(self, name: str) -> LibraryError:
        try:
            holder = json.loads(self._signed(name) or "")["holder"]
        except (ValueError, KeyError):
            holder = "another process"
        library = self.server.address.name
        return LibraryError(f"{library}: {holder} is writing it: try again when that has finished")

    def _sign(self) -> dict[str, str]:
        return {PROPERTY: json.dumps({"holder": self._holder, "beat": self._beats})}

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(LibraryError):  # the one who writes will hear of it
                self._show()

    def _show(self) -> None:
        with self._beating:
            if self._ended.is_set():
                return
            self._beats, now = self._beats + 1, time.time()  # which also goes on while the machine sleeps
            self.server.set_properties(self.name, self._sign())
            self._last = now

    def check(self) -> None:
        """LibraryError where it has been taken away, as this process did not show a sign of life for so long."""
        if time.time() - self._last > FRESH:
            try:
                self._show()
            except LibraryError as error:
                raise LibraryError(f"{error}: nothing is written") from None
        if time.time() - self._last > FRESH:
            raise LibraryError(f"{self.server.address.name}: the server answers too slowly to be written")

    def give_back(self) -> None:
        self._ended.set()
        with self._beating, suppress(LibraryError):  # else the next writer finds that nobody holds it
            self.server.drop(self.name)


@contextmanager
def locked(server: Server) -> Iterator[Lock]:
    """LibraryError where another process is writing the library."""
    lock = Lock(server)
    lock.take()
    try:
        yield lock
    finally:
        lock.give_back()
