"""Places that come in: results of `qbe search`, or lines of a path, a start and an end."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from qbe.cli.times import seconds
from qbe.support.errors import OnError, UsageError, display

if TYPE_CHECKING:
    from qbe.audio.clipping import Place

SHOWN = 60  # bytes of a line that is wrong


def places(lines: Iterable[bytes], on_error: OnError) -> Iterator[Place]:
    """The place that each line names; what names none goes to `on_error`. Empty lines are left out."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _place(line)
            except (UsageError, typer.BadParameter) as error:
                on_error(UsageError(f"line {number}: {error}"))


def _place(line: bytes) -> Place:
    from qbe.audio.clipping import Place

    path, start, end = _of_object(line) if line.startswith(b"{") and b"\t" not in line else _of_fields(line)
    if not path or b"\0" in path:
        raise UsageError(f"{_shown(line)}: names no file")
    place = Place(path, _time(start), _time(end))
    if place.end <= place.start:
        raise UsageError(f"{display(path)}: ends at {place.end:g} s, which is not after its start at {place.start:g} s")
    return place


def _of_object(line: bytes) -> tuple[bytes, object, object]:
    try:
        found: dict[str, Any] = json.loads(line)
        coded = found.get("path_base64")
        path = os.fsencode(found["path"]) if coded is None else base64.b64decode(coded, validate=True)
        return path, found["start"], found["end"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{_shown(line)}: no JSON object with path, start and end") from None


def _of_fields(line: bytes) -> tuple[bytes, object, object]:
    match line.split(b"\t"):
        case (_, path, start, end, _, _) | (path, start, end):
            return path, display(start), display(end.rstrip(b"\r"))
    raise UsageError(f"{_shown(line)}: neither a result of `qbe search` nor path, start and end, parted by tabs")


def _time(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    return seconds(value)


def _shown(line: bytes) -> str:
    return display(line[:SHOWN]) + ("..." if len(line) > SHOWN else "")
