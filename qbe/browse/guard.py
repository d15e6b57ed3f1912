"""Who may ask the page's server for anything: the browser that was given the token, from this machine's own page."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}  # of every answer


@dataclass(frozen=True)
class Guard:
    """hosts : names that the server is asked by; port : where it listens; token : what the first address holds
    is_open : whether others may ask: then by any address in digits, too, which no name server can give to another
    """

    hosts: frozenset[str]
    port: int
    token: str
    is_open: bool = False

    @property
    def cookie(self) -> str:
        """Named by the port, as cookies of one host are shared by all its ports."""
        return f"qbe-{self.port}"

    def set_cookie(self) -> str:
        """The header that keeps the token in the browser, unseen by scripts."""
        return f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"

    def is_token(self, given: str) -> bool:
        """Compared in a time that tells nothing."""
        return hmac.compare_digest(given.encode(errors="replace"), self.token.encode())

    def objection(self, headers: Mapping[str, str], *, is_post: bool) -> str:
        """What is wrong with where a request comes from; nothing where it is the page's own.

        A page of another site may make the browser ask, and by a name of its own that leads here: Origin and Host
        tell (DNS rebinding). A POST without Origin is no browser's page.
        """
        if not self._is_own(headers.get("Host", "")):
            return "this server is asked under another name"
        origin = headers.get("Origin", "").lower()
        if (origin or is_post) and not self._is_own(origin.removeprefix("http://")):
            return "another page asks"
        return ""

    def _is_own(self, name: str) -> bool:
        host, _, port = name.lower().rpartition(":")
        return port == str(self.port) and (host in self.hosts or (self.is_open and _is_address(host)))

    def has_cookie(self, headers: Mapping[str, str]) -> bool:
        """Whether the browser was given the token."""
        try:
            cookie = SimpleCookie(headers.get("Cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return cookie is not None and self.is_token(cookie.value)


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
