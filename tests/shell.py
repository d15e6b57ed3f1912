"""Commands run in bash and on a terminal, as people and scripts run them."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def sh(script: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a script in bash with pipefail."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], cwd=cwd, env=ENVIRONMENT, capture_output=True, check=False, **options
    )  # type: ignore[call-overload, no-any-return]


def said(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """The lines on stderr: each must be a message of qbe's."""
    lines = done.stderr.decode().splitlines()
    assert all(line.startswith("qbe: ") for line in lines), lines
    return lines


def rows(done: subprocess.CompletedProcess[bytes]) -> list[list[str]]:
    return [line.split("\t") for line in done.stdout.decode().splitlines()]


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Return as soon as the condition holds; fail when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def in_terminal(command: str, cwd: Path, **variables: str) -> tuple[int, str]:
    """Exit code and what a person sees, with stdin, stdout and stderr on a terminal of 100 columns.

    variables : of the environment
    """
    reader, terminal = pty.openpty()
    environment = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100", **variables}
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=cwd, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(reader, 4096):
            shown += chunk
    except OSError:  # Linux's way of saying that the other side has closed
        pass
    os.close(reader)
    return process.wait(), shown.decode()


def interrupted(command: str, cwd: Path, until: str) -> tuple[int, str]:
    """Exit code and what a person sees who presses Ctrl-C as soon as `until` is shown."""
    return at_keyboard(command, cwd, [(until, "\x03")])


def at_keyboard(
    command: str, cwd: Path, keys: Sequence[tuple[str | Callable[[], object], str]], **variables: str
) -> tuple[int, str]:
    """Exit code and what a person sees who presses keys one after the other, each as soon as something new is shown, or
    holds. The terminal must be left as it was.

    variables : of the environment
    """
    child, terminal = pty.fork()
    if child == 0:  # with the terminal as its own, so that Ctrl-C reaches it
        environment = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100", **variables}
        os.chdir(cwd)
        os.execvpe("bash", ["bash", "-c", f"exec {command}"], environment)
    settings, shown, seen, left = termios.tcgetattr(terminal), b"", 0, list(keys)
    end = time.monotonic() + 120
    try:
        while True:
            assert time.monotonic() < end, (left, shown)
            if select.select([terminal], [], [], 0.02)[0]:
                if not (chunk := os.read(terminal, 4096)):
                    break
                shown += chunk
            if left and (left[0][0]() if callable(left[0][0]) else left[0][0].encode() in shown[seen:]):
                os.write(terminal, left.pop(0)[1].encode())
                seen = len(shown)
    except OSError:  # Linux's way of saying that the other side has closed
        pass
    _, status = os.waitpid(child, 0)
    assert not left, (left, shown)
    assert termios.tcgetattr(terminal) == settings
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


# A small process, which lets another run: the memory of the one it is started from counts as a program's own.
LAUNCHER = """
import os, resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
os.write(int(sys.argv[1]), b"%d %d" % (code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def measured(command: list[str], **options: object) -> tuple[subprocess.CompletedProcess[bytes], float]:
    """What came of a command, and MB of resident memory that it took at most."""
    reader, writer = os.pipe()
    launch = [sys.executable, "-c", LAUNCHER, str(writer), *command]
    done = subprocess.run(launch, capture_output=True, check=True, pass_fds=[writer], **options)  # type: ignore[call-overload]
    code, memory = os.read(reader, 64).split()
    os.close(reader)
    os.close(writer)
    done.returncode = int(code)
    return done, int(memory) / 1024


def peak_memory(command: str, cwd: Path) -> float:
    """MB of resident memory that a command took at most."""
    done, memory = measured(["sh", "-c", command], cwd=cwd, env=ENVIRONMENT)
    done.check_returncode()
    return memory


def children() -> set[str]:
    """The ids of the processes that this one has started and not waited for."""
    return {pid for tasks in Path("/proc/self/task").glob("*/children") for pid in tasks.read_text().split()}
