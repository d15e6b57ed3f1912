"""Results that are played: which one, keys, Ctrl-C, sounds that are gone; by players that note what they are given."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import soundfile
from conftest import tone, write_sound
from shell import at_keyboard, in_terminal, said, sh, wait_for

SECONDS = {"a": 0.3, "b": 8.0, "c": 1.5}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("playing")
    (folder / "sounds").mkdir()
    for k, (name, seconds) in enumerate(SECONDS.items()):
        write_sound(folder / "sounds" / f"{name}.wav", tone(300.0 + 10 * k, seconds))
    write_sound(folder / "query.wav", tone(300, 1.2))
    player(folder / "quick", 'cp "$1" played-$(ls | grep -c played).wav')
    player(folder / "endless", "echo $$ >> pids; sleep 600")
    player(folder / "failing", "exit 3")
    assert sh("qbe embed -q sounds | qbe index -o lib.idx", folder).returncode == 0
    return folder


def player(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def folder(library: Path) -> Path:
    """Nothing played yet."""
    for path in (*library.glob("played*"), *library.glob("pids")):
        path.unlink()
    return library


SEARCH = "qbe search lib.idx query.wav --play"


def pids(folder: Path) -> list[int]:
    """Of the players that were started."""
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def state(pid: int) -> str:
    """Of a process, as ps has it; X: there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def started(folder: Path, count: int) -> Callable[[], bool]:
    return lambda: len(pids(folder)) == count


def group_is_gone(pid: int) -> bool:
    """Whether nothing that a player has started is left; what has ended may still wait for its parent."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, group, *_ = path.read_text().rpartition(")")[2].split()
            if int(group) == pid and state != "Z":
                return False
    return True


def test_each_is_played_from_its_place_and_five_seconds_at_most(folder: Path) -> None:
    done = sh(f"QBE_PLAYER=./quick {SEARCH}", folder)
    assert (done.returncode, said(done)) == (0, [])
    rows = [line.split(b"\t") for line in done.stdout.splitlines()]
    assert len(rows) == len(SECONDS)
    for k, (_, path, start, *_) in enumerate(rows):
        left = SECONDS[Path(path.decode()).stem] - float(start)
        assert soundfile.info(folder / f"played-{k}.wav").duration == pytest.approx(min(5.0, left), abs=0.001)


def test_sounds_are_played_from_any_folder(folder: Path, tmp_path: Path) -> None:
    done = sh(f"QBE_PLAYER={folder}/quick qbe search {folder}/lib.idx {folder}/query.wav --play", tmp_path)
    assert (done.returncode, said(done)) == (0, [])
    assert len(list(tmp_path.glob("played-*.wav"))) == len(SECONDS)


def test_a_terminal_numbers_the_rows_and_says_which_is_playing(folder: Path) -> None:
    code, shown = in_terminal(f"QBE_PLAYER=./quick {SEARCH}", folder, COLUMNS="100", NO_COLOR="1")
    assert code == 0
    table = dict(re.findall(r"^ *(\d)  .*(sounds/\w\.wav)", shown, flags=re.M))
    playing = dict(re.findall(r"(\d) of 3: (sounds/\w\.wav) \d:\d\d\.\d - ", shown))
    assert table == playing
    assert sorted(playing) == ["1", "2", "3"]
    assert "space: pause" not in shown  # the terminal is not this program's own


def test_n_goes_on_to_the_next(folder: Path) -> None:
    keys = [(started(folder, 1), "n"), ("2 of 3", ""), (started(folder, 2), "n"), (started(folder, 3), "n")]
    code, shown = at_keyboard(SEARCH, folder, keys, QBE_PLAYER="./endless")
    assert code == 0
    assert "space: pause, n: next" in shown
    assert [state(pid) for pid in pids(folder)] == ["X"] * 3
    assert "qbe: " not in shown


def test_space_holds_the_sound_and_lets_it_go_on(folder: Path) -> None:
    def is_held() -> bool:
        return state(pids(folder)[0]) == "T"

    keys = [(started(folder, 1), " "), (is_held, " "), (lambda: not is_held(), " "), (is_held, "n")]
    code, _ = at_keyboard(f"{SEARCH} -k 1", folder, keys, QBE_PLAYER="./endless")
    assert code == 0
    assert state(pids(folder)[0]) == "X"


@pytest.mark.parametrize("held", [False, True])
def test_ctrl_c_ends_the_sound_and_leaves(folder: Path, held: bool) -> None:
    keys = [(started(folder, 1), " "), (lambda: state(pids(folder)[0]) == "T", "\x03")]
    code, shown = at_keyboard(SEARCH, folder, keys if held else [(started(folder, 1), "\x03")], QBE_PLAYER="./endless")
    assert code == 130
    assert "Traceback" not in shown
    (pid,) = pids(folder)
    wait_for(lambda: group_is_gone(pid))


def test_being_stopped_ends_the_sound(folder: Path) -> None:
    script = (
        f"QBE_PLAYER=./endless {SEARCH} > x & until [ -e pids ]; do sleep 0.05; done; kill -TERM $!; wait $!; echo $?"
    )
    assert sh(script, folder).stdout == b"143\n"
    (pid,) = pids(folder)
    wait_for(lambda: group_is_gone(pid))


def test_a_sound_that_is_gone_is_said_and_the_others_are_played(folder: Path) -> None:
    (folder / "sounds" / "b.wav").rename(folder / "b.wav")
    try:
        done = sh(f"QBE_PLAYER=./quick {SEARCH}", folder)
        code, shown = in_terminal(f"QBE_PLAYER=./quick {SEARCH}", folder)
    finally:
        (folder / "b.wav").rename(folder / "sounds" / "b.wav")
    assert (done.returncode, code) == (2, 2)
    (line,) = said(done)
    assert line.startswith(f"qbe: {folder}/sounds/b.wav: ")
    assert line in shown
    assert len(list(folder.glob("played*"))) == 4


@pytest.mark.parametrize(
    ("player", "message"),
    [("./failing", "./failing: failed with exit code 3"), ("./none", "./none: cannot be run (No such file")],
)
def test_a_player_that_fails_is_said_once(folder: Path, player: str, message: str) -> None:
    done = sh(f"QBE_PLAYER={player} {SEARCH}", folder)
    assert done.returncode == 2
    (line,) = said(done)
    assert message in line


def test_keys_work_for_deformed_sounds_too(folder: Path) -> None:
    keys = [(started(folder, 1), "n"), (started(folder, 2), "n")]
    code, _ = at_keyboard("qbe deform --gain -6 sounds/a.wav sounds/c.wav", folder, keys, QBE_PLAYER="./endless")
    assert code == 0
    assert [state(pid) for pid in pids(folder)] == ["X"] * 2


def test_in_the_background_no_key_is_waited_for(folder: Path) -> None:
    script = f"bash -c 'set -m; {SEARCH} > x & wait $!; echo code $?'"
    code, shown = at_keyboard(script, folder, [], QBE_PLAYER="./quick")
    assert (code, "code 0" in shown) == (0, True)
