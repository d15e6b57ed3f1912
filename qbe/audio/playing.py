"""Play sounds with whatever player the system has."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile

from qbe.audio.sound import Sound, open_sound
from qbe.audio.writing import write_wav
from qbe.support.errors import UsageError

PLAY_SECONDS = 5.0  # of a result: enough to know it
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


def play_file(path: bytes, start: float) -> None:
    """Play PLAY_SECONDS of a sound file from `start` (seconds) on. AudioError where it cannot be read."""
    play(open_sound(path, start, PLAY_SECONDS))


def play(sound: Sound) -> None:
    """Play a sound to its end. UsageError where there is no player, or it fails."""
    command = player()
    with tempfile.NamedTemporaryFile(prefix="qbe-", suffix=".wav") as file:
        write_wav(file, sound, sound.blocks())  # type: ignore[arg-type]
        try:
            done = subprocess.run([*command, file.name], check=False)
        except OSError as error:
            raise UsageError(f"{command[0]}: cannot be run ({error.strerror}); set QBE_PLAYER to another") from None
    if done.returncode:
        raise UsageError(f"{command[0]}: failed with exit code {done.returncode}; set QBE_PLAYER to another")
