"""The completions, typed into the shells they are for."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import ROOT

COMPLETIONS = ROOT / "completions"
FILES = ("lib.idx", "lib.txt", "kick.wav", "kick.txt", "snare.flac", "m.onnx", "m.wav", "LOUD.WAV", "odd name.mp3")
SECONDS = 20

# What is typed before the tab key, and the words there are then.
TYPED = {
    "qbe sea": ["search"],
    "qbe search li": ["search", "lib.idx"],
    "qbe search lib.idx ki": ["search", "lib.idx", "kick.wav"],
    "qbe embed ki": ["embed", "kick.wav"],
    "qbe embed LO": ["embed", "LOUD.WAV"],
    "qbe embed od": ["embed", "odd name.mp3"],
    "qbe embed --model m": ["embed", "--model", "m.onnx"],
    "qbe search lib.idx --like sn": ["search", "lib.idx", "--like", "snare.flac"],
    "qbe search lib.idx --min": ["search", "lib.idx", "--min-score"],
    "qbe train --loss nt": ["train", "--loss", "nt-xent"],
}

# Interactive shells in which `qbe` says what words it was given.
SAYS = "qbe() { printf 'given:%s:\\n' \"$@\"; echo end:; }\n"
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], f"source '{COMPLETIONS}/qbe.bash'\n{SAYS}"),
    "zsh": (["zsh", "-f", "-i"], f"fpath=('{COMPLETIONS}' $fpath); autoload -Uz compinit; compinit -u -D\n{SAYS}"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    for name in FILES:
        (folder / name).touch()
    return folder


def until(terminal: int, wanted: bytes) -> bytes:
    """What a terminal shows until something is in it."""
    shown, ends = b"", time.monotonic() + SECONDS
    os.set_blocking(terminal, False)
    while wanted not in shown:
        assert time.monotonic() < ends, shown
        try:
            shown += os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.01)
    return shown


def words_after_tab(shell: str, line: str, folder: Path) -> list[str]:
    command, setup = START[shell]
    terminal, inner = pty.openpty()
    environment = {**os.environ, "TERM": "vt100", "PS1": "ready> ", "HOME": str(folder)}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    )
    os.close(inner)
    try:
        os.write(terminal, setup.encode() + b"echo set; echo up\n")
        until(terminal, b"up\r\n")
        os.write(terminal, line.encode() + b"\t")
        time.sleep(0.5)  # a tab that comes together with the return key is text to some shells
        os.write(terminal, b"\n")
        shown = until(terminal, b"end:\r\n").decode()
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    return [part[len("given:") : -1] for part in shown.splitlines() if part.startswith("given:")]


@pytest.mark.parametrize("line", TYPED)
@pytest.mark.parametrize("shell", START)
def test_a_tab_completes(shell: str, line: str, folder: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    assert words_after_tab(shell, line, folder) == TYPED[line]


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
@pytest.mark.parametrize("line", TYPED)
def test_fish_completes(line: str, folder: Path) -> None:
    script = f"source '{COMPLETIONS}/qbe.fish'; complete -C '{line}'"
    done = subprocess.run(["fish", "--no-config", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert [row.split("\t")[0].replace("\\ ", " ") for row in done.stdout.splitlines()] == TYPED[line][-1:]
