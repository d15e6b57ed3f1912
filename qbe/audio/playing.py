"""Play sounds with whatever player the system has."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from qbe.audio.sound import Sound, open_sound
from qbe.audio.writing import write_wav
from qbe.support.errors import UsageError

PLAY_SECONDS = 5.0  # of a result: enough to know it
NEXT, PAUSE = "n", " "  # keys
WAIT = 0.05  # seconds: to hear of a key, or of the end

Key = Callable[[float], str]

PLAYERS = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("play", "-q"),
)


def player() -> list[str]:
    """The command to which a file name is added: $QBE_PLAYER, or the first of PLAYERS. UsageError: none."""
    if chosen := os.environ.get("QBE_PLAYER"):
        return shlex.split(chosen)
    for command in PLAYERS:
        if shutil.which(command[0]):
            return list(command)
    names = ", ".join(command[0] for command in PLAYERS)
    raise UsageError(f"no player found (looked for {names}): set QBE_PLAYER, or write a file with -o")


def play_file(path: bytes, start: float, key: Key | None = None) -> None:
    """Play PLAY_SECONDS of a sound file from `start` (seconds) on. AudioError where it cannot be read."""
    play(open_sound(path, start, PLAY_SECONDS), key)


def play(sound: Sound, key: Key | None = None) -> None:
    """Play a sound to its end, or until NEXT is pressed; PAUSE holds it and lets it go on.

    key : waits so many seconds at most for a key, and gives it or nothing
    UsageError where there is no player, or it fails. However this ends, the player has ended too.
    """
    command = player()
    with tempfile.NamedTemporaryFile(prefix="qbe-", suffix=".wav") as file:
        write_wav(file, sound, sound.blocks())  # type: ignore[arg-type]
        code = _played([*command, file.name], key or _no_key)
    if code:
        raise UsageError(f"{command[0]}: failed with exit code {code}; set QBE_PLAYER to another")


def _played(command: list[str], key: Key) -> int:
    """Run a player, in a group of its own, to be stopped with all that it starts. Its exit code; 0 where NEXT ended it.

    It is started by another thread: signals become exceptions in the main one alone, so that none comes between its
    start and our knowing of it.
    """
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        try:
            running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0))
        except OSError as error:
            raise UsageError(f"{command[0]}: cannot be run ({error.strerror}); set QBE_PLAYER to another") from None

    try:
        with ThreadPoolExecutor(1) as other:
            other.submit(start).result()
        return _attended(running[0], key)
    finally:
        for process in running:
            _end(process)


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _attended(process: subprocess.Popen[bytes], key: Key) -> int:
    is_held = False
    while (code := process.poll()) is None:
        pressed = key(WAIT)
        if pressed == NEXT:
            return 0
        if pressed == PAUSE:
            is_held = not is_held
            _signal(process, signal.SIGSTOP if is_held else signal.SIGCONT)
    return code


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid, number)
