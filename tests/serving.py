"""A page's server in a process of its own, and what is asked of it byte by byte."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shell import ENVIRONMENT


@dataclass
class Served:
    """address : what was printed; cookie : as a browser keeps it after opening that"""

    address: str
    cookie: str = ""

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and content of an answer to a request as the page makes it. headers : with _ for -"""
        own = {"Cookie": self.cookie, "Origin": f"http://{self.host}"} if method == "POST" else {"Cookie": self.cookie}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {**own, **given})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        status, _, content = self.ask("GET", path)
        assert status == 200, content
        return json.loads(content)

    def post(self, path: str, body: object) -> Any:
        status, _, content = self.ask("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())
        assert status == 200, content
        return json.loads(content)

    def raw(self, request: bytes) -> bytes:
        """All that comes back for some bytes, to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer


@contextmanager
def serving(folder: Path, arguments: str, **variables: str) -> Iterator[Served]:
    """`qbe browse` of these arguments, until the block ends. What it says on stderr must be nothing.

    variables : of its environment
    """
    environment = {**ENVIRONMENT, "XDG_CACHE_HOME": str(folder / "cache"), **variables}
    process = subprocess.Popen(
        ["/bin/bash", "-c", f"exec qbe browse --no-open {arguments}"],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    try:
        address = os.fsdecode(process.stdout.readline()).strip()
        assert address, process.stderr.read()
        served = Served(address)
        parts = urlsplit(address)
        status, headers, _ = served.ask("GET", f"{parts.path}?{parts.query}")
        assert status == 303
        served.cookie = (headers["Set-Cookie"] or "").partition(";")[0]
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert said == b""
    assert process.returncode == 128 + signal.SIGTERM
