"""Times as people write them, and back: what a table shows can be typed."""

from __future__ import annotations

import functools
import re

import typer

NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
SIXTY = 60


def clock(seconds: float) -> str:
    """Seconds as a person reads them: 0:01.5, 12:03.0, 1:00:00.0."""
    minutes, rest = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02d}" if hours else f"{minutes}") + f":{rest / 10:04.1f}"


def seconds(text: object) -> float:
    """What 90.5, 1:30.5 or 0:01:30.5 are in seconds. BadParameter where it is no such time."""
    *larger, last = str(text).strip().split(":")
    if len(larger) > 2 or not (all(map(str.isdecimal, larger)) and NUMBER.fullmatch(last)):
        raise typer.BadParameter(f"{text}: not a time: write seconds (90.5), 1:30.5 or 1:02:03.25")
    parts = [*map(float, larger), float(last)]
    if any(part >= SIXTY for part in parts[1:]):
        raise typer.BadParameter(f"{text}: not a time: minutes and seconds after a colon are under {SIXTY}")
    return functools.reduce(lambda total, part: total * SIXTY + part, parts)


def length(text: object) -> float:
    """As `seconds`, over 0."""
    if not (found := seconds(text)):
        raise typer.BadParameter(f"{text}: must be over 0 seconds")
    return found
