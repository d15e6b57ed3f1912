"""Who may speak with a server, and whether others can listen: tokens, and TLS with a certificate made here."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import servers
from engine_kills import write
from shell import said, sh

from qbe.engines.milvus.address import TOKEN
from qbe.stores import open_store
from qbe.support.errors import LibraryError

SECRET = "geheim"
TRUSTED = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"

real = pytest.mark.skipif(servers.PROGRAM not in os.environ, reason="takes the real server: make test-engines")


@dataclass(frozen=True)
class Tunnel:
    """TLS before a server that has none: what comes is handed on to it. certificate : a file; it is for `localhost`"""

    listener: socket.socket
    certificate: Path

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def serve(self, key: Path, to: int) -> None:
        """Until the listener is closed. to : a port of this machine"""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        context.set_alpn_protocols(["h2"])
        with suppress(OSError):
            while True:
                caller, _ = self.listener.accept()
                threading.Thread(target=self._answer, args=(context, caller, to), daemon=True).start()

    def _answer(self, context: ssl.SSLContext, caller: socket.socket, to: int) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(caller, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", to)) as server,
        ):
            threading.Thread(target=hand_on, args=(server, inside), daemon=True).start()
            hand_on(inside, server)


def hand_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def tunnel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tunnel]:
    """Before the server that tests share."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    making = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem"
    subject = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*making.split(), *subject], cwd=folder, check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Tunnel(listener, folder / "cert.pem")
        to = servers.shared().port
        threading.Thread(target=made.serve, args=(folder / "key.pem", to), daemon=True).start()
        yield made


@pytest.fixture(scope="module")
def name() -> str:
    """Of a library that is there."""
    name = servers.library()
    write(name, {b"a.wav": 1})
    return name


def test_a_server_with_tls_answers_who_trusts_its_certificate(tunnel: Tunnel, name: str, tmp_path: Path) -> None:
    secret = f"milvuss://localhost:{tunnel.port}/{name.rpartition('/')[2]}"
    done = sh(f"{TRUSTED}={tunnel.certificate} qbe info {secret} && qbe info {name}", tmp_path)
    assert (done.returncode, said(done)) == (0, [])
    facts, others = done.stdout.decode().split("files\t")[1:]
    without_server = [[line for line in one.splitlines() if "server" not in line] for one in (facts, others)]
    assert without_server[0] == without_server[1]


@pytest.mark.parametrize("host, trust", [("localhost", False), ("127.0.0.1", True)])
def test_a_certificate_that_is_not_trusted_or_of_another_host_is_refused_in_one_line(
    tunnel: Tunnel, tmp_path: Path, host: str, trust: bool
) -> None:
    trusting = f"{TRUSTED}={tunnel.certificate}" if trust else ""
    done = sh(f"{trusting} qbe info milvuss://root:{SECRET}@{host}:{tunnel.port}/samples", tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    [line] = said(done)
    assert f"no Milvus server can be reached at {host}:{tunnel.port}" in line
    assert TRUSTED in line
    assert SECRET not in line


@pytest.mark.parametrize("scheme", ["milvus", "milvuss"])
def test_tls_to_a_server_without_it_and_none_to_one_that_has_it_is_one_line(
    tunnel: Tunnel, tmp_path: Path, scheme: str
) -> None:
    port = tunnel.port if scheme == "milvus" else servers.shared().port
    done = sh(f"{TRUSTED}={tunnel.certificate} qbe info {scheme}://localhost:{port}/samples", tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(said(done)) == 1


@real
def test_a_server_that_demands_a_token_lets_in_who_has_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    token = servers.RealServer.TOKEN
    for given, asked in ((token, name), ("", name.replace("://", f"://{token}@"))):
        monkeypatch.setenv(TOKEN, given)
        assert open_store(asked).held()[0] == 1


@real
@pytest.mark.parametrize("token", ["", f"root:{SECRET}", f"nobody:{SECRET}", SECRET])
def test_without_the_right_token_one_line_says_where_to_set_it_and_tells_none(
    name: str, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv(TOKEN, token)
    with pytest.raises(LibraryError) as error:
        open_store(name)
    assert str(error.value).startswith(f"{name}: ")
    assert "set $QBE_MILVUS_TOKEN" in str(error.value)
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)
