"""Who may ask the page's server."""

from __future__ import annotations

import pytest

from qbe.browse.guard import Guard

LOCAL = Guard(frozenset({"127.0.0.1", "localhost"}), 8000, "secret")
OPEN = Guard(frozenset({"127.0.0.1", "localhost", "studio"}), 8000, "secret", is_open=True)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST:8000"])
def test_its_own_names_are_heard(host: str) -> None:
    assert not LOCAL.objection({"Host": host}, is_post=False)
    assert not LOCAL.objection({"Host": host, "Origin": f"http://{host}"}, is_post=True)


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1", "127.0.0.1:80", "evil.example:8000", "192.168.1.7:8000", "[::1]:8000"]
)
def test_other_names_are_not(host: str) -> None:
    assert LOCAL.objection({"Host": host}, is_post=False)


def test_who_serves_others_is_asked_by_any_address_but_by_no_strange_name() -> None:
    for host in ("192.168.1.7:8000", "[fe80::1]:8000", "studio:8000"):
        assert not OPEN.objection({"Host": host, "Origin": f"http://{host}"}, is_post=True)
    for host in ("evil.example:8000", "192.168.1.7.evil.example:8000", "192.168.1.7:80"):
        assert OPEN.objection({"Host": host}, is_post=False)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:80"])
def test_other_pages_are_refused(origin: str) -> None:
    assert LOCAL.objection({"Host": "127.0.0.1:8000", "Origin": origin}, is_post=False)


def test_what_is_posted_must_come_from_a_page() -> None:
    assert LOCAL.objection({"Host": "127.0.0.1:8000"}, is_post=True)


def test_the_cookie_that_is_set_is_the_one_that_is_asked_for() -> None:
    kept, *attributes = LOCAL.set_cookie().split("; ")
    assert LOCAL.has_cookie({"Cookie": f"other=1; {kept}"})
    assert set(attributes) >= {"HttpOnly", "SameSite=Strict"}
    for wrong in ("", "qbe-8000=wrong", "qbe-8001=secret", "qbe-8000", '\x00"{}', "qbe-8000=\xff"):
        assert not LOCAL.has_cookie({"Cookie": wrong})
