"""What the server answers with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

from qbe.browse.wav import Wav

RANGE = re.compile(r"bytes=(?=-?[0-9])([0-9]{0,18})-([0-9]{0,18})")


class Refused(Exception):  # noqa: N818
    """A request that is not answered, and what is wrong with it."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """kind : of the content, as a MIME type; size : bytes; pieces : called when they are to be sent"""

    kind: str
    size: int
    pieces: Callable[[], Iterable[bytes]]
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)


def whole(content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Reply:
    """All at once. headers : with _ for -"""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(kind, len(content), lambda: [content], status, {"Cache-Control": "no-store", **named})


def as_json(value: object, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    """A value."""
    return whole(json.dumps(value).encode(), "application/json", status)


def refusal(status: HTTPStatus, why: str) -> Reply:
    """What is wrong, in one line."""
    return as_json({"error": why}, status)


def sound(wav: Wav, asked: str | None) -> Reply:
    """A sound, or the part of it that a Range header asks for (RFC 9110, 14.2); what is no such header counts for none.

    What cannot be decoded is told before anything is sent.
    """
    size = len(wav)
    begin, end = _span(asked, size)
    if begin >= end:
        return Reply("audio/wav", 0, lambda: [], HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                     {"Content-Range": f"bytes */{size}"})  # fmt: skip
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=600"}
    status = HTTPStatus.OK
    if asked and RANGE.fullmatch(asked):
        status, headers["Content-Range"] = HTTPStatus.PARTIAL_CONTENT, f"bytes {begin}-{end - 1}/{size}"
    pieces = wav.bytes_from(begin, end)
    first = next(pieces)
    second = next(pieces)  # decoded: a broken file raises here
    return Reply("audio/wav", end - begin, lambda: _after(first, second, pieces), status, headers)


def _after(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


def _span(asked: str | None, size: int) -> tuple[int, int]:
    """The first byte that is asked for, and the one after the last."""
    found = RANGE.fullmatch(asked or "")
    if not found:
        return 0, size
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size if int(last) else 0
    return int(first), min(size, int(last) + 1) if last else size
