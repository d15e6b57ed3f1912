"""What each address of the page gives. Sounds are asked for by number, never by name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

from qbe.browse.exports import EXPORTS, MOST
from qbe.browse.folders import show_in_folder
from qbe.browse.opened import Opened
from qbe.browse.replies import Refused, Reply, as_json, sound, whole
from qbe.browse.view import View
from qbe.maps.choices import ColourBy

FOLDER = files("qbe.browse") / "assets"
KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
ASSETS = {file.name: KINDS[file.name.rpartition(".")[2]] + "; charset=utf-8" for file in FOLDER.iterdir()}
FIRST = "index.html"
LONGEST_NUMBER = 12  # digits
BYTES = "application/octet-stream"
RULES = {by.value: by for by in ColourBy}

Asked = Mapping[str, str]  # what stands behind the ? of an address
OF_ALL: dict[str, Callable[[View, Asked], Reply]] = {
    "points": lambda view, _: whole(view.drawn(), BYTES),
    "words": lambda view, _: as_json(view.words()),
    "found": lambda view, asked: as_json(view.found(asked.get("words", ""))),
    "bearing": lambda view, asked: whole(view.bearing(asked.get("words", "")), BYTES),
}
OF_A_POINT: dict[str, Callable[[View, int, Asked], Reply]] = {
    "point": lambda view, number, _: as_json(view.shown(number)),
    "peaks": lambda view, number, asked: as_json(view.wav(number).peaks(_seconds(asked, "from"))),
    "near": lambda view, number, _: as_json(view.neighbours(number)),
    "part": lambda view, number, asked: as_json(
        view.part(number, _seconds(asked, "from"), _seconds(asked, "to") - _seconds(asked, "from"))
    ),
}
POSTED: dict[str, Callable[[View, bytes], Reply]] = {
    "answers": lambda view, body: as_json(view.answers(body)),
    "blend": lambda view, body: as_json(view.blended(_numbers(body, "likes"), _numbers(body, "unlikes"))),
    "tag": lambda view, body: as_json(view.say(_numbers(body), _text(body, "word"), bears=True)),
    "untag": lambda view, body: as_json(view.say(_numbers(body), _text(body, "word"), bears=False)),
}


def get(opened: Opened, address: str, headers: Mapping[str, str]) -> Reply:
    """The answer to GET. Refused, or a QbeError, where there is none."""
    parts = urlsplit(address)
    name = parts.path.removeprefix("/") or FIRST
    if parts.scheme or parts.netloc:
        raise _nothing()
    if name in ASSETS:
        return whole((FOLDER / name).read_bytes(), ASSETS[name])
    if name == "about":
        view, generation = opened.now()
        return as_json({**view.about(), "generation": generation})
    view, what = _of_now(opened, name)
    asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
    if len(what) == 1 and what[0] in OF_ALL:
        return OF_ALL[what[0]](view, asked)
    if len(what) != 2:
        raise _nothing()
    if what[0] == "sound":
        return sound(view.wav(_number(what[1])), headers.get("Range"))
    if what[0] == "colours" and what[1] in RULES:
        return whole(view.coloured(RULES[what[1]]), BYTES)
    if what[0] in OF_A_POINT:
        return OF_A_POINT[what[0]](view, _number(what[1]), asked)
    raise _nothing()


def post(opened: Opened, address: str, body: bytes, *, is_shared: bool) -> Reply:
    """The answer to POST. Refused, or a QbeError, where there is none.

    is_shared : whether it may come from another machine, whose user is not to open folders on this one
    """
    view, what = _of_now(opened, urlsplit(address).path.removeprefix("/"))
    if len(what) == 1 and what[0] in POSTED:
        return POSTED[what[0]](view, body)
    if what == ["folder"]:
        if is_shared:
            raise Refused(HTTPStatus.FORBIDDEN, "folders are opened for this machine alone, without --host")
        for number in _numbers(body)[:1]:
            show_in_folder(view.located(number))
        return as_json({})
    if len(what) == 2 and what[0] == "export" and what[1] in EXPORTS:
        make, kind, name = EXPORTS[what[1]]
        return whole(make(view, _numbers(body)), kind, Content_Disposition=f'attachment; filename="{name}"')
    raise _nothing()


def _nothing() -> Refused:
    return Refused(HTTPStatus.NOT_FOUND, "there is nothing here")


def _of_now(opened: Opened, name: str) -> tuple[View, list[str]]:
    """The library, and what is asked of it. Refused where the page is of one that has been replaced."""
    generation, *what = name.split("/")
    view, now = opened.now()
    if not generation.isdecimal():
        raise _nothing()
    if generation != str(now):
        raise Refused(HTTPStatus.CONFLICT, "the library has been replaced")
    return view, what


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
        raise Refused(HTTPStatus.BAD_REQUEST, "a point has a number")
    return int(text)


def _seconds(asked: Asked, name: str) -> float:
    try:
        seconds = float(asked.get(name, "0"))
    except ValueError:
        seconds = -1.0
    if not (math.isfinite(seconds) and seconds >= 0):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be seconds")
    return seconds


def _given(body: bytes, name: str) -> object:
    """What stands under a name in a JSON object; None where nothing does, or it is none."""
    try:
        return json.loads(body)[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _numbers(body: bytes, name: str = "points") -> list[int]:
    numbers = _given(body, name)
    if not (isinstance(numbers, list) and len(numbers) <= MOST and all(type(n) is int for n in numbers)):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be a list of points")
    return numbers


def _text(body: bytes, name: str) -> str:
    text = _given(body, name)
    if not isinstance(text, str):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be a text")
    return text
