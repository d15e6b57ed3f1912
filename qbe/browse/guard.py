"""Who may ask the page's server for anything: the browser that was given the token, from this machine's own page."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

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
    """hosts : names under which the server is asked, with the port; token : what the first address holds"""

    hosts: frozenset[str]
    port: int
    token: str

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
        if headers.get("Host", "").lower() not in self.hosts:
            return "this server is asked under another name"
        origin = headers.get("Origin", "").lower()
        if (origin or is_post) and origin.removeprefix("http://") not in self.hosts:
            return "another page asks"
        return ""

    def has_cookie(self, headers: Mapping[str, str]) -> bool:
        """Whether the browser was given the token."""
        try:
            cookie = SimpleCookie(headers.get("Cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return cookie is not None and self.is_token(cookie.value)
