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
    return folder.rename(folder.with_name("moved"))  # names begin where the program runs, if that folder is gone


@pytest.fixture
def folder(first_night: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_night, tmp_path, dirs_exist_ok=True))


def test_a_night_on_which_nothing_changed(folder: Path) -> None:
    before = (folder / "lib.idx").read_bytes()
    done = sh(NIGHTLY, folder)
    assert (done.returncode, said(done)) == (0, ["qbe: lib.idx: 0 new, 0 changed, 0 moved, 5 unchanged, 0 gone"])
    assert said(sh(NIGHTLY.replace("--new", "-q --new"), folder)) == []
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

    write_sound(folder / "sounds" / "coin3.wav", tone(880, 3.0))
    os.utime(folder / "sounds" / "silent.wav", ns=(0, 5))  # only touched: of so small a file all is compared
    assert embedded() == {"sounds/coin3.wav"}
    assert sh("qbe segment sounds | qbe embed | qbe index --append -o lib.idx", folder).returncode == 0
    assert b"vector" not in sh("qbe embed --new lib.idx sounds", folder).stdout


def told(folder: Path, held: str = "lib.idx", sounds: str = "sounds") -> dict[str, int]:
    """How many sounds are new, changed ..., and how many embeddings come."""
    done = sh(f"qbe embed --new {held} {sounds}", folder)
    counts = dict(reversed(word.split()) for word in said(done)[0].rpartition(": ")[2].split(", "))
    return {what: int(count) for what, count in counts.items()} | {"embeddings": done.stdout.count(b"\xa6vector")}


def test_moved_renamed_and_swapped_sounds_are_not_embedded_again(folder: Path) -> None:
    sounds, before = folder / "sounds", facts(folder)
    (sounds / "kit").mkdir()
    (sounds / "coin1.wav").rename(sounds / "kit" / "one.wav")
    (sounds / "coin2.wav").rename(sounds / "x")
    (sounds / "coin3.wav").rename(sounds / "coin2.wav")
    (sounds / "x").rename(sounds / "coin3.wav")
    (sounds / "silent.wav").unlink()
    assert told(folder) == {"new": 0, "changed": 0, "moved": 3, "unchanged": 1, "gone": 1, "embeddings": 0}
    with_kept = {row[1]: row for row in rows(sh("qbe search lib.idx sounds/kit/one.wav --include-self", folder))}
    assert sh(NIGHTLY, folder).returncode == 0
    assert told(folder) == {"new": 0, "changed": 0, "moved": 0, "unchanged": 4, "gone": 1, "embeddings": 0}
    assert facts(folder) == before
    found = {row[1]: row for row in rows(sh("qbe search lib.idx sounds/kit/one.wav --include-self", folder))}
    old = {"kit/one.wav": "coin1.wav", "coin2.wav": "coin3.wav", "coin3.wav": "coin2.wav"}
    for new, name in old.items():
        assert found[f"sounds/{new}"][2:] == with_kept[f"sounds/{name}"][2:]
        assert float(found[f"sounds/{new}"][0]) == pytest.approx(float(with_kept[f"sounds/{name}"][0]), abs=2e-3)


def test_a_copy_is_new_and_a_large_file_that_was_touched_is_heard_again(folder: Path) -> None:
    sounds = folder / "sounds"
    shutil.copy2(sounds / "coin1.wav", sounds / "copy.wav")
    write_sound(sounds / "long.wav", tone(440, 7.0))
    assert (sounds / "long.wav").stat().st_size > 3 << 16
    assert sh(NIGHTLY, folder).returncode == 0
    os.utime(sounds / "long.wav", ns=(0, 5))
    counts = told(folder)
    assert (counts["changed"], counts["unchanged"], counts["moved"]) == (1, 6, 0)
    assert counts["embeddings"] > 10


@pytest.mark.parametrize("names", ["./sounds", "$PWD/sounds", "sounds/../sounds", "link", "hard"])
def test_other_names_of_the_same_files_are_known(folder: Path, names: str) -> None:
    (folder / "link").symlink_to("sounds")
    (folder / "hard").mkdir()
    for path in (folder / "sounds").iterdir():
        os.link(path, folder / "hard" / path.name)
    assert told(folder, sounds=names) == {
        "new": 0, "changed": 0, "moved": 0, "unchanged": 5, "gone": 0, "embeddings": 0
    }  # fmt: skip
    write_sound(folder / "sounds" / "coin1.wav", tone(880, 3.0))
    if names != "hard":  # what was written there is another file than what was
        assert told(folder, sounds=names)["changed"] == 1
    os.utime(folder / "sounds" / "silent.wav", ns=(0, 5))
    before = facts(folder)[0]
    assert sh(f"qbe embed --new lib.idx {names} | qbe index --append -o lib.idx", folder).returncode == 0
    held = rows(sh("qbe search lib.idx sounds/coin1.wav --include-self", folder))
    assert facts(folder)[0] == before
    assert {row[1] for row in held} == {f"sounds/coin{k}.wav" for k in range(1, 5)}


def test_from_another_folder_a_library_is_up_to_date_too(folder: Path) -> None:
    (folder / "else").mkdir()
    assert sh("qbe embed sounds | qbe index -o lib.idx", folder).returncode == 0
    done = sh("qbe embed --new ../lib.idx ../sounds", folder / "else")
    assert said(done)[0].endswith("0 new, 0 changed, 0 moved, 5 unchanged, 0 gone")
    write_sound(folder / "sounds" / "coin1.wav", tone(880, 3.0))
    write_sound(folder / "sounds" / "new.wav", tone(440, 3.0))
    script = "qbe embed --new ../lib.idx ../sounds | qbe index --append -o ../lib.idx"
    assert sh(script, folder / "else").returncode == 0
    held = {row[1] for row in rows(sh("qbe search lib.idx sounds/coin2.wav", folder))}
    assert held == {f"sounds/{name}.wav" for name in ("coin1", "coin3", "coin4", "new")}  # not the query itself


def test_one_file_under_several_names_is_embedded_once(folder: Path) -> None:
    os.link(folder / "sounds" / "coin1.wav", folder / "hard.wav")
    (folder / "soft.wav").symlink_to("sounds/coin1.wav")
    names = "./sounds/coin1.wav sounds $PWD/sounds/coin1.wav hard.wav soft.wav sounds/../sounds/coin1.wav"
    for script in (f"qbe embed {names}", f"qbe segment {names} | qbe embed"):
        assert sh(f"{script} | qbe index -o once.idx", folder).returncode == 0
        assert json.loads(sh("qbe info once.idx --json", folder).stdout)["files"] == 5
    found = {row[1] for row in rows(sh("qbe search once.idx sounds/coin2.wav", folder))}
    assert "./sounds/coin1.wav" in found
    assert not found & {"sounds/coin1.wav", "hard.wav", "soft.wav"}
    assert "./sounds/coin1.wav" not in {row[1] for row in rows(sh("qbe search once.idx hard.wav", folder))}


def test_a_stream_in_a_file_is_up_to_date_too(folder: Path) -> None:
    assert told(folder, "all.emb") == {
        "new": 0, "changed": 0, "moved": 0, "unchanged": 5, "gone": 0, "embeddings": 0
    }  # fmt: skip
    (folder / "sounds" / "coin1.wav").rename(folder / "sounds" / "one.wav")
    counts = told(folder, "all.emb")
    assert (counts["new"], counts["moved"], counts["gone"]) == (1, 0, 1)  # a stream names nothing anew
    assert counts["embeddings"] > 0
    done = sh("qbe embed --new cut.emb sounds > x.emb", folder)
    assert "the stream is cut" in said(done)[-1]
    done = sh("qbe embed --new other.emb sounds > x.emb", folder)
    assert "other.emb was built with model mmmmm" in said(done)[-1]
    done = sh("qbe embed --new all.emb -o ./all.emb sounds", folder)
    assert (done.returncode, "would be replaced" in said(done)[-1]) == (2, True)


def test_what_moved_in_another_library_is_left_out(folder: Path) -> None:
    (folder / "sounds" / "coin1.wav").rename(folder / "sounds" / "one.wav")
    write_sound(folder / "sounds" / "new.wav", tone(440, 3.0))
    done = sh("qbe embed -q --new lib.idx sounds | qbe index -o some.idx", folder)
    assert (done.returncode, said(done)) == (
        0, ["qbe: some.idx: 1 files that moved are not in it: `qbe embed --new` finds them again"]
    )  # fmt: skip
    assert told(folder, "some.idx")["new"] == 5


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
