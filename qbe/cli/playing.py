"""Results that are played: which one it is, and the keys that a person presses meanwhile."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qbe.cli.progress import progress
from qbe.cli.times import clock
from qbe.support.errors import AudioError, OnError, display

if TYPE_CHECKING:
    from qbe.audio.playing import Key
    from qbe.library import Result


def play_results(
    results: Sequence[Result], located: Callable[[bytes], bytes], on_error: OnError, *, quiet: bool
) -> None:
    """Play them in turn, each from its place; a terminal shows which one. What cannot be read goes to `on_error`.

    located : the way from here to a file of that name
    """
    from qbe.audio.playing import play_file

    with keys() as key, progress("play", None, quiet=quiet) as update:
        hint = "; space: pause, n: next" if key else ""
        for number, result in enumerate(results, 1):
            path, place = os.fsencode(result.path), f"{clock(result.start)} - {clock(result.end)}"
            update(number, f"{number} of {len(results)}: {display(path)} {place}{hint}")
            try:
                play_file(located(path), result.start, key)
            except AudioError as error:
                on_error(error)


@contextmanager
def keys() -> Iterator[Key | None]:
    """What waits so many seconds at most for a key, and gives it or nothing; None where stdin is not our terminal.

    The terminal is left as it was, and what was typed and not read is forgotten.
    """
    if not _is_our_terminal():
        yield None
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def key(seconds: float) -> str:
        is_pressed, _, _ = select.select([terminal], [], [], seconds)
        return os.read(terminal, 1).decode("latin-1") if is_pressed else ""

    tty.setcbreak(terminal, termios.TCSANOW)
    try:
        yield key
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


def _is_our_terminal() -> bool:
    """Whether stdin is a terminal that may be read: a program in the background would be stopped."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, AttributeError):  # no terminal, another session's, or closed
        return False
