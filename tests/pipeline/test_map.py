"""`qbe map` in a shell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, noise, tone, write_sound
from shell import in_terminal, rows, said, sh


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    shutil.copytree(DATA / "library" / "drums", folder / "sounds" / "drums")
    shutil.copytree(DATA / "library" / "water", folder / "sounds" / "water")
    assert sh("qbe embed sounds | qbe index -o lib.idx", folder).returncode == 0
    return folder


def test_every_file_has_a_place_and_a_level(folder: Path) -> None:
    done = sh("qbe map lib.idx", folder)
    assert said(done) == []
    found = rows(done)
    listed = sh("find sounds -type f | sort", folder).stdout.decode().splitlines()
    assert sorted(row[0] for row in found) == listed
    numbers = np.array([row[1:] for row in found], float)
    assert numbers.shape == (len(listed), 5)
    assert (numbers[:, 0] == 0).all()
    assert (numbers[:, 1] > 0).all()
    assert (numbers[:, 4] < 0).all()


def test_segments_have_places_up_to_the_end_of_their_file(folder: Path) -> None:
    found = [json.loads(line) for line in sh("qbe map lib.idx --segments --json", folder).stdout.splitlines()]
    assert list(found[0]) == ["path", "start", "length", "x", "y", "level"]
    held = json.loads(sh("qbe info lib.idx --json", folder).stdout)
    assert len(found) == held["segments"]
    ends = {row[0]: float(row[2]) for row in rows(sh("qbe map lib.idx", folder))}
    for path, end in ends.items():
        own = [row for row in found if row["path"] == path]
        assert [row["start"] for row in own] == sorted({row["start"] for row in own})
        assert own[-1]["start"] + own[-1]["length"] == pytest.approx(end, abs=1e-3)


def test_a_space_has_a_third_axis(folder: Path) -> None:
    assert {len(row) for row in rows(sh("qbe map lib.idx --dimensions 3", folder))} == {7}


def test_the_same_seed_gives_the_same_bytes(folder: Path) -> None:
    script = """
    qbe map lib.idx -o a.tsv; qbe map lib.idx > b.tsv; cmp a.tsv b.tsv
    qbe map lib.idx --seed 1 | cmp -s a.tsv -; echo $?
    for form in svg png; do
        qbe map lib.idx -o a.$form; qbe map lib.idx -o b.$form; cmp a.$form b.$form
    done
    """
    done = sh(script, folder)
    assert (done.stdout, done.stderr) == (b"1\n", b"")


def test_what_an_old_table_has_does_not_move(folder: Path) -> None:
    (folder / "more").mkdir()
    write_sound(folder / "more" / "a.wav", tone(440, 2))
    shutil.copy(folder / "sounds" / "water" / "stream 1.ogg", folder / "more" / "copy.ogg")
    write_sound(folder / "more" / "b.wav", noise(2))
    script = """
    cp lib.idx grown.idx
    qbe map lib.idx -o old.tsv
    qbe embed more | qbe index --append -o grown.idx
    qbe map grown.idx --keep old.tsv
    """
    done = sh(script, folder)
    assert said(done) == []
    old = {row[0]: row for row in rows(sh("cat old.tsv", folder))}
    new = {row[0]: row for row in rows(done)}
    assert len(new) == len(old) + 3
    assert all(new[path] == row for path, row in old.items())
    where = {path: np.array(row[3:5], float) for path, row in new.items()}
    apart = {path: float(np.linalg.norm(where["more/copy.ogg"] - where[path])) for path in old}
    assert min(apart, key=lambda path: apart[path]) == "sounds/water/stream 1.ogg"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("lib.idx -o map.pdf", "told by its ending"),
        ("lib.idx -o map.svg --json", "leave out -o"),
        ("lib.idx -o map.svg -0", "-0 goes with tables"),
        ("lib.idx -o map.png --dimensions 3", "a picture is flat"),
        ("lib.idx --dimensions 4", "--dimensions"),
        ("lib.idx --colour sound", "--colour"),
        ("lib.idx --seed -1", "--seed"),
        ("lib.idx --keep nowhere.tsv", "nowhere.tsv: No such file"),
        ("lib.idx --keep lib.idx", "lib.idx: line 1"),
        ("lib.idx --keep other.tsv", "nothing of that table is in lib.idx"),
        ("lib.idx --keep space.tsv --dimensions 2", "space.tsv has 3"),
        ("lib.idx --keep space.tsv -o map.svg", "a picture is flat"),
        ("nowhere.idx", "nowhere.idx"),
        ("lib.idx -o nowhere/map.svg", "nowhere"),
        ("lib.idx > /dev/full", "No space left"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(folder: Path, arguments: str, says: str) -> None:
    (folder / "other.tsv").write_bytes(b"other.wav\t0.0\t1.0\t2.0\t3.0\t-20\n")
    (folder / "space.tsv").write_bytes(b"other.wav\t0.0\t1.0\t2.0\t3.0\t4.0\t-20\n")
    done = sh(f"qbe map {arguments}", folder)
    assert done.returncode == 2
    (line,) = said(done)
    assert says in line
    assert not list(folder.glob("map.*")) + list(folder.glob(".*"))


def test_a_closed_pipe_ends_it_quietly(folder: Path) -> None:
    done = sh("qbe map lib.idx --segments | head -1 > /dev/null; echo ${PIPESTATUS[0]}", folder)
    assert said(done) == []
    assert done.stdout.strip() in (b"0", b"141")


def test_a_level_that_is_not_known_is_null(folder: Path) -> None:
    script = """
    python -c 'import sys, numpy; numpy.save(sys.stdout.buffer, numpy.eye(3, 8, dtype="f4"))' > rows.npy
    printf 'a.wav\\nb.wav\\nc.wav\\n' > paths
    qbe index -o rows.idx --paths paths < rows.npy
    qbe map rows.idx --json
    """
    found = [json.loads(line) for line in sh(script, folder).stdout.splitlines()]
    assert [row["level"] for row in found] == [None] * 3


def test_people_see_a_table_and_progress(folder: Path) -> None:
    code, shown = in_terminal("qbe map lib.idx", folder)
    assert code == 0
    assert "file" in shown
    assert " dB" in shown
