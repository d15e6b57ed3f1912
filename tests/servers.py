"""Milvus servers for tests, on this machine: the small one of milvus-lite, or the real one.

Each is started when a test first asks for it, and ends with the process.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from qbe.engines.milvus.address import TOKEN, parse_address
from qbe.engines.milvus.server import Server as Client
from qbe.support.errors import LibraryError

PROGRAM = "QBE_MILVUS_SERVER"
STARTING = 120  # seconds


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


class NoStartError(Exception):
    """A server has ended at once, or does not answer."""


class Server:
    """A server as a process, on a folder; it can be killed, and started anew on what is there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.start()

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + STARTING
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise NoStartError
            time.sleep(0.1)

    def answers(self) -> bool:
        """Whether it does what it is asked to; before that it may already listen."""
        if not is_listening(self.port):
            return False
        try:
            Client(parse_address(self.library())).collections()
        except LibraryError:
            return False
        return True

    def kill(self) -> None:
        """By SIGKILL, with all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def library(self) -> str:
        """The name of a library that is not there yet."""
        return f"milvus://127.0.0.1:{self.port}/lib_idx_{uuid4().hex[:8]}"


class LiteServer(Server):
    """milvus-lite."""

    def command(self) -> list[str]:
        program = str(Path(sys.executable).with_name("milvus-lite"))
        return [program, "server", "--data-dir", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port)]


class RealServer(Server):
    """The standalone server of the wheel `milvus`, whose program $QBE_MILVUS_SERVER names. It lets in who has the token
    that it comes with.

    That program looks which ports are free by listening on them for a moment, and who calls in that moment keeps the
    server from its port. So it is heard, not called, when it starts for the first time, and left out afterwards.
    """

    TOKEN = "root:Milvus"
    SETTINGS = (
        ("authorizationEnabled: false", "authorizationEnabled: true"),
        ("ttl: 30 # ttl value", "ttl: 10 # ttl value"),  # seconds until the one that was killed is forgotten
    )

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault(TOKEN, self.TOKEN)
        super().__init__(folder)

    def start(self) -> None:
        if not (self.folder / "configs").exists():
            command = [os.environ[PROGRAM], "--data", str(self.folder), "--proxy-port", str(self.port)]
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            first = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True)
            assert first.stdout
            for line in first.stdout:
                if b"Welcome" in line:
                    break
            self.process = first
            self.kill()
            self._configure()
        super().start()

    def _configure(self) -> None:
        file = self.folder / "configs" / "milvus.yaml"
        if not file.exists():
            raise NoStartError
        settings = file.read_text()
        for old, new in self.SETTINGS:
            assert old in settings, old
            settings = settings.replace(old, new)
        file.write_text(settings)

    def command(self) -> list[str]:
        settings = ["DEPLOY_MODE=STANDALONE", f"METRICS_PORT={free_port()}", f"MILVUS_RUN_DIR={self.folder}/run"]
        libraries = f"LD_LIBRARY_PATH={self.folder}/bin"
        return ["env", "-C", str(self.folder), *settings, libraries, "bin/milvus", "run", "standalone"]


def shared() -> Server:
    """The server that tests share: the real one where there is one. Where that does not start, they are left out."""
    server = _started()
    if server is None:
        pytest.skip(f"{os.environ[PROGRAM]} does not start here")
    return server


@functools.cache
def _started() -> Server | None:
    folder = tempfile.TemporaryDirectory()
    try:
        server = (RealServer if PROGRAM in os.environ else LiteServer)(Path(folder.name))
    except NoStartError:
        if PROGRAM not in os.environ:
            raise
        return None

    def end() -> None:
        server.kill()
        folder.cleanup()

    atexit.register(end)
    return server


def library(folder: Path | None = None) -> str:  # noqa: ARG001 - a file would lie in it
    """The name of a library that is not there yet."""
    return shared().library()
