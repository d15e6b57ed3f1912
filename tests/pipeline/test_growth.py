"""A library that is kept up to date night by night, in a shell."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, tone, write_sound
from shell import rows, said, sh

from qbe.index.file.library import open_library

NIGHTLY = "qbe embed --new lib.idx sounds | qbe index --append -o lib.idx"


def facts(folder: Path) -> tuple[int, int]:
    """Files and segments."""
    told = json.loads(sh("qbe info --json lib.idx", folder).stdout)
    return told["files"], told["segments"]


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five sounds, one silent, their stream and library, and streams that are no good."""
    folder = tmp_path_factory.mktemp("night")
    (folder / "sounds").mkdir()
    for path in sorted((DATA / "library" / "game").glob("coin*")):
        shutil.copy2(path, folder / "sounds")
    write_sound(folder / "sounds" / "silent.wav", np.zeros(16_000, np.float32))
    done = sh(f"{NIGHTLY}; qbe embed sounds > all.emb; head -c 1000 all.emb > cut.emb", folder)
    assert (done.returncode, said(done)) == (0, ["qbe: lib.idx: not there yet: all sounds are new"])
    assert facts(folder)[0] == len(list((folder / "sounds").iterdir())) == 5
    data, footer = (folder / "all.emb").read_bytes(), open_library(str(folder / "lib.idx")).footer
    other = data.replace(footer.model.encode(), b"ab" * 32).replace(footer.name.encode(), b"m" * len(footer.name))
    (folder / "other.emb").write_bytes(other)
    assert sh("qbe index -o other.idx < other.emb", folder).returncode == 0
    return folder


@pytest.fixture
def folder(first_night: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_night, tmp_path, dirs_exist_ok=True))


def test_a_night_on_which_nothing_changed(folder: Path) -> None:
    before = (folder / "lib.idx").read_bytes()
    done = sh(NIGHTLY, folder)
    assert (done.returncode, said(done)) == (0, [])
    assert (folder / "lib.idx").read_bytes() == before


def test_new_changed_broken_and_vanished_sounds(folder: Path) -> None:
    sounds = folder / "sounds"
    write_sound(sounds / "new.wav", tone(440, 3.0))
    write_sound(sounds / "coin1.wav", tone(880, 3.0))
    (sounds / "broken.wav").write_text("no sound")
    (sounds / "coin2.wav").unlink()
    for script, code in ((NIGHTLY, 2), (NIGHTLY, 0), (NIGHTLY.replace("--new", "--retry --new"), 2)):
        done = sh(script, folder)  # what cannot be read is remembered until it changes, or is tried again
        assert done.returncode == code
        assert any("broken.wav: not audio" in line for line in said(done)) == (code == 2)
    assert facts(folder)[0] == 7
    write_sound(folder / "query.wav", tone(880, 2.0))
    assert [row[1] for row in rows(sh("qbe search lib.idx query.wav -k 1", folder))] == ["sounds/coin1.wav"]
    done = sh("qbe index --remove sounds/coin2.wav sounds/broken.wav sounds/none.wav -o lib.idx", folder)
    assert (done.returncode, said(done)) == (2, ["qbe: sounds/none.wav: not in lib.idx"])
    assert facts(folder)[0] == 5


def test_only_what_differs_is_embedded(folder: Path) -> None:
    def embedded() -> set[str]:
        sh("qbe embed --new lib.idx sounds | qbe index -o some.idx", folder)
        return {row[1] for row in rows(sh("qbe search some.idx sounds/coin1.wav --include-self -k 9", folder))}

    for name in ("coin3.wav", "silent.wav"):
        os.utime(folder / "sounds" / name, ns=(0, 5))
    assert embedded() == {"sounds/coin3.wav"}
    assert sh("qbe segment sounds | qbe embed | qbe index --append -o lib.idx", folder).returncode == 0
    assert b"vector" not in sh("qbe embed --new lib.idx sounds", folder).stdout


def test_removed_sounds_are_not_found_and_can_come_back(folder: Path) -> None:
    everything = facts(folder)
    assert sh("qbe index --remove sounds/ -o lib.idx", folder).returncode == 0
    assert facts(folder) == (0, 0)
    assert sh("qbe search lib.idx sounds/coin1.wav --include-self", folder).returncode == 1
    assert sh(NIGHTLY, folder).returncode == 0
    assert facts(folder) == everything


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("qbe embed --new lib.idx < /dev/null", "--new goes with files and folders"),
        (": | qbe index --append -o lib.idx", "the stream is empty"),
        ("qbe index --append -o lib.idx < cut.emb", "the stream is cut"),
        ("qbe index --append -o lib.idx < other.emb", "with mmmmm (abababababab): nothing is appended"),
        ("qbe embed --new other.idx sounds > /dev/null", "other.idx was built with model mmmmm (abababababab)"),
        ("qbe index --append --remove sounds -o lib.idx", "give one of them"),
        ("qbe index --remove -o lib.idx", "--remove: name the PATHS"),
        ("qbe index sounds -o lib.idx", "sounds: embeddings come on stdin; only --remove takes PATHS"),
        ("qbe index --remove sounds -o none.idx", "none.idx: no library can be read (No such file"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(first_night: Path, script: str, message: str) -> None:
    before = (first_night / "lib.idx").read_bytes()
    done = sh(script, first_night)
    assert done.returncode == 2
    assert message in said(done)[-1]
    assert (first_night / "lib.idx").read_bytes() == before
