"""qbe dups as people and scripts run it: above all, what the README's recipe would delete."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import soundfile
from conftest import DATA, ROOT, noise, write_sound
from shell import in_terminal, rows, said, sh

README = (ROOT / "README.md").read_text()
RECIPE = next(line.partition("    #")[0].strip() for line in README.splitlines() if "qbe dups lib.idx | awk" in line)
LIBRARY = DATA / "library"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Drums, three of them more than once: as copies, links and by other names."""
    sounds = tmp_path / "sounds"
    shutil.copytree(LIBRARY / "drums", sounds / "drums")
    (sounds / "drums" / "copies").mkdir()
    drums, copies = sounds / "drums", sounds / "drums" / "copies"
    shutil.copy(drums / "snare.mp3", copies / "again.mp3")
    os.link(drums / "kick.mp3", copies / "hard.mp3")
    (copies / "soft.mp3").symlink_to("../kick.mp3")
    (copies / "soft too.mp3").symlink_to("again.mp3")
    (sounds / "all").symlink_to("drums")
    audio, rate = soundfile.read(drums / "tom 1.flac")
    write_sound(copies / "tom.wav", audio / 2, rate, subtype="PCM_24")
    shutil.copy(copies / "tom.wav", copies / "tom 2.wav")
    os.link(copies / "tom 2.wav", copies / "tom 3.wav")
    return tmp_path


def contents(folder: Path) -> dict[tuple[int, int], int]:
    """Of every file that can be reached, how many names lead to it."""
    found: dict[tuple[int, int], int] = {}
    for path in (folder / "sounds").rglob("*"):
        if path.is_file():
            status = path.stat()
            found[status.st_dev, status.st_ino] = found.get((status.st_dev, status.st_ino), 0) + 1
    return found


STREAMS = [  # of the same files, under some or all of their names
    "qbe embed sounds",
    "qbe embed sounds ./sounds sounds/drums $PWD/sounds",
    "qbe embed -L sounds/all sounds sounds/../sounds",
    "qbe embed sounds; qbe embed -L sounds/all; qbe embed sounds/drums/copies/hard.mp3; qbe embed sounds/*/*/soft*",
    "qbe embed sounds; qbe embed $PWD/sounds; qbe embed sounds/all/; qbe embed sounds",
]


@pytest.mark.parametrize("streams", STREAMS)
def test_the_recipe_leaves_one_of_every_sound(folder: Path, streams: str) -> None:
    before = contents(folder)
    assert sh(f"{{ {streams}; }} | qbe index -o lib.idx", folder).returncode == 0
    listed = rows(sh("qbe dups lib.idx", folder))
    deleted = sh(RECIPE, folder).stdout.decode().splitlines()
    assert deleted
    assert sh(f"{RECIPE} | tr '\\n' '\\0' | xargs -0 rm -f", folder).returncode == 0
    after = contents(folder)
    assert len(before) - len(after) == 3  # a snare and two toms
    groups: dict[str, list[list[str]]] = {}
    for row in listed:
        groups.setdefault(row[0], []).append(row)
    for (_, kind, _, first), *_ in groups.values():
        assert kind == "first"
        assert (folder / first).exists()  # and is no link to what is gone
    kept = sh("qbe embed sounds | qbe index -o kept.idx && qbe dups kept.idx | cut -f 2 | sort -u", folder)
    assert set(kept.stdout.decode().split("\n")) <= {"", "first", "same file"}


def test_kinds_are_told_as_they_are(folder: Path) -> None:
    names = ("hard.mp3", "soft.mp3", "tom 3.wav")
    streams = "".join(f"qbe embed 'sounds/drums/copies/{name}'; " for name in names)
    sh(f"{{ qbe embed sounds; {streams} }} | qbe index -o lib.idx", folder)
    kinds = {row[3].removeprefix("sounds/drums/"): row[1] for row in rows(sh("qbe dups lib.idx", folder))}
    kicks = [kinds[name] for name in ("kick.mp3", "copies/hard.mp3", "copies/soft.mp3")]
    assert sorted(kicks) == ["first", "same file", "same file"]
    assert {kinds["snare.mp3"], kinds["copies/again.mp3"]} == {"first", "same bytes"}
    toms = [kinds["tom 1.flac"], *(kinds[f"copies/tom{k}.wav"] for k in ("", " 2", " 3"))]
    assert sorted(toms).count("first") == 1
    assert set(toms) <= {"first", "same file", "same bytes", "same recording"}


def test_only_what_is_asked_for_is_alike(folder: Path) -> None:
    sh("qbe embed sounds | qbe index -o lib.idx", folder)
    without, with_alike = (rows(sh(f"qbe dups lib.idx {option}", folder)) for option in ("", "--alike --min-score 0.6"))
    assert "alike" not in {row[1] for row in without}
    assert "alike" in {row[1] for row in with_alike}
    assert all(float(row[2]) >= 0.6 for row in with_alike if row[1] == "alike")


def test_what_is_gone_is_said_in_one_line(folder: Path) -> None:
    sh("qbe embed sounds | qbe index -o lib.idx; rm sounds/drums/snare.mp3 sounds/drums/tom*.mp3", folder)
    done = sh("qbe dups lib.idx", folder)
    assert done.returncode == 2
    (line,) = said(done)
    assert re.fullmatch(r"qbe: lib\.idx: \d+ of its files are no longer there, and cannot be compared", line)
    assert not any(row[3].endswith(("drums/snare.mp3", "tomLow.mp3")) for row in rows(done))


def test_people_see_the_kinds(folder: Path) -> None:
    write_sound(folder / "a.wav", noise(1.0))
    write_sound(folder / "b.wav", 0.5 * noise(1.0))
    sh("qbe embed a.wav b.wav | qbe index -o lib.idx", folder)
    code, shown = in_terminal("qbe dups lib.idx", folder, NO_COLOR="1", TERM="dumb")
    assert code == 0
    shown_rows = [re.split(r"  +", line.strip()) for line in shown.splitlines()[1:]]
    assert [row[:2] + row[3:] for row in shown_rows] == [
        ["group", "kind", "file"],
        ["1", "first", "a.wav"],
        ["1", "same recording", "b.wav"],
    ]
