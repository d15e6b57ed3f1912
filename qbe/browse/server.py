"""The page's server: HTTP on this machine, for the one browser that was given the token."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from qbe.browse import endpoints
from qbe.browse.guard import HEADERS, Guard
from qbe.browse.opened import Opened
from qbe.browse.replies import Refused, Reply, refusal, whole
from qbe.support.errors import QbeError, UsageError

MOST_BODY = 64 << 20  # bytes
IDLE = 60  # seconds that a connection may say nothing
LOCAL = ("127.0.0.1", "localhost")


class PageServer(ThreadingHTTPServer):
    """Serves a library until it is shut down. UsageError where the port is taken, or the host none of this machine."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, opened: Opened, host: str, port: int) -> None:
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"{host}:{port}: cannot be served at ({why}); choose another --port") from None
        self.opened, self.host = opened, host
        is_open = host not in LOCAL
        hosts = {*LOCAL, host, socket.gethostname()} if is_open else LOCAL
        token = secrets.token_urlsafe(24)
        self.guard = Guard(frozenset(map(str.lower, hosts)), self.server_port, token, is_open)

    @property
    def address(self) -> str:
        """What the browser is to open first."""
        host = "127.0.0.1" if self.host in ("", "0.0.0.0") else self.host
        return f"http://{host}:{self.server_port}/?token={self.guard.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE
    disable_nagle_algorithm = True  # an answer in several pieces would wait for word of the first, 40 ms
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        self._answer(self._get)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self._answer(self._post)

    def _get(self) -> Reply:
        self._check(is_post=False)
        token = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        if urlsplit(self.path).path == "/" and self.server.guard.is_token(token):
            cookie = self.server.guard.set_cookie()
            return whole(b"", "text/plain", HTTPStatus.SEE_OTHER, Set_Cookie=cookie, Location="/")
        self._check_cookie()
        return endpoints.get(self.server.opened, self.path, self.headers)  # type: ignore[arg-type]

    def _post(self) -> Reply:
        self._check(is_post=True)
        self._check_cookie()
        return endpoints.post(self.server.opened, self.path, self._body(), is_shared=self.server.guard.is_open)

    def _check(self, *, is_post: bool) -> None:
        if objection := self.server.guard.objection(self.headers, is_post=is_post):  # type: ignore[arg-type]
            raise Refused(HTTPStatus.FORBIDDEN, objection)

    def _check_cookie(self) -> None:
        if not self.server.guard.has_cookie(self.headers):  # type: ignore[arg-type]
            raise Refused(HTTPStatus.FORBIDDEN, "open the address that `qbe browse` printed")

    def _body(self) -> bytes:
        """Refused where it is missing, too long, or cut."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "how long the body is must be said")
        if len(length) > 12 or int(length) > MOST_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"over {MOST_BODY >> 20} MB")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise Refused(HTTPStatus.BAD_REQUEST, "the body is cut")
        return body

    def _answer(self, reply: Callable[[], Reply]) -> None:
        """What goes wrong is told in an answer of its own."""
        try:
            self._send(reply())
        except Refused as refused:
            self._refuse(refused.status, str(refused))
        except QbeError as error:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except (BrokenPipeError, ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"qbe failed ({type(error).__name__})")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        """With an end of the connection: a body that was not read would be taken for the next request."""
        self.close_connection = True
        self._send(refusal(status, why))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Type": reply.kind, "Content-Length": str(reply.size), **reply.headers}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            for piece in reply.pieces():
                self.wfile.write(piece)

    def end_headers(self) -> None:
        """With those that all answers have."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        return "qbe"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the terminal is for what went wrong here."""
