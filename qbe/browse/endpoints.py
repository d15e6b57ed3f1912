"""What each address of the page gives. Sounds are asked for by number, never by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

from qbe.browse.exports import EXPORTS, MOST
from qbe.browse.opened import Opened
from qbe.browse.replies import Refused, Reply, as_json, sound, whole
from qbe.browse.view import View

ASSETS = {
    "": ("index.html", "text/html; charset=utf-8"),
    "style.css": ("style.css", "text/css; charset=utf-8"),
    "app.js": ("app.js", "text/javascript; charset=utf-8"),
    "map.js": ("map.js", "text/javascript; charset=utf-8"),
    "sounds.js": ("sounds.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
LONGEST_NUMBER = 12  # digits

Numbered = Callable[[View, int, Mapping[str, str]], Reply]
OF_A_POINT: dict[str, Numbered] = {
    "point": lambda view, number, _: as_json(view.shown(number)),
    "peaks": lambda view, number, _: as_json(view.wav(number).peaks()),
    "near": lambda view, number, _: as_json(view.neighbours(number)),
    "sound": lambda view, number, headers: sound(view.wav(number), headers.get("Range")),
}


def get(opened: Opened, address: str, headers: Mapping[str, str]) -> Reply:
    """The answer to GET. Refused, or a QbeError, where there is none."""
    parts = urlsplit(address)
    name = parts.path.removeprefix("/")
    if parts.scheme or parts.netloc:
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
    if name in ASSETS:
        file, kind = ASSETS[name]
        return whole((files("qbe.browse") / "assets" / file).read_bytes(), kind)
    if name == "about":
        view, generation = opened.now()
        return as_json({**view.about(), "generation": generation})
    view, what = _of_now(opened, name)
    if what == ["points"]:
        return whole(view.drawn(), "application/octet-stream")
    if what == ["names"]:
        return as_json(view.named(parse_qs(parts.query).get("words", [""])[0]))
    if len(what) == 2 and what[0] in OF_A_POINT:
        return OF_A_POINT[what[0]](view, _number(what[1]), headers)
    raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")


def post(opened: Opened, address: str, body: bytes) -> Reply:
    """The answer to POST. Refused, or a QbeError, where there is none."""
    view, what = _of_now(opened, urlsplit(address).path.removeprefix("/"))
    if what == ["answers"]:
        return as_json(view.answers(body))
    if what == ["blend"]:
        return as_json(view.blended(_numbers(body, "likes"), _numbers(body, "unlikes")))
    if len(what) == 2 and what[0] == "export" and what[1] in EXPORTS:
        make, kind, name = EXPORTS[what[1]]
        content = make(view, _numbers(body, "points"))
        return whole(content, kind, Content_Disposition=f'attachment; filename="{name}"')
    raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")


def _of_now(opened: Opened, name: str) -> tuple[View, list[str]]:
    """The library, and what is asked of it. Refused where the page is of one that has been replaced."""
    generation, *what = name.split("/")
    view, now = opened.now()
    if not generation.isdecimal():
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
    if generation != str(now):
        raise Refused(HTTPStatus.CONFLICT, "the library has been replaced")
    return view, what


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
        raise Refused(HTTPStatus.BAD_REQUEST, "a point has a number")
    return int(text)


def _numbers(body: bytes, name: str) -> list[int]:
    """A list of points in a JSON object."""
    try:
        numbers = json.loads(body)[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be a list of points") from None
    if not (isinstance(numbers, list) and len(numbers) <= MOST and all(type(n) is int for n in numbers)):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be a list of points")
    return numbers
