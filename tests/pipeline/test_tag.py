"""Tags in the shell: from names and tables, kept with a library, and searched for by text."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, noise, write_sound
from shell import in_terminal, rows, said, sh

SCRIPT = "qbe embed -q sounds | tee all.emb | qbe index -q -o lib.idx"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the demo's sounds, of which a third have lost their names."""
    folder = tmp_path_factory.mktemp("tags")
    for at, path in enumerate(sorted((DATA / "library").rglob("*"))):
        if path.is_file():
            name = f"unnamed/{at:02}{path.suffix}" if at % 3 == 0 else f"{path.parent.name}/{path.name}"
            (folder / "sounds" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "sounds" / name)
    assert sh(SCRIPT, folder).returncode == 0
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "sounds", tmp_path / "home" / "sounds")
    shutil.copy(made / "all.emb", tmp_path)
    assert sh("qbe index -o lib.idx < ../all.emb", tmp_path / "home").returncode == 0
    return tmp_path / "home"


def test_names_are_tags_and_spread_to_what_has_none(home: Path) -> None:
    done = sh("qbe tag lib.idx", home)
    assert (done.returncode, said(done)) == (0, [])
    tags = rows(done)
    assert ["sounds/water/stream 1.ogg", "water", "1.0000", "name"] in tags
    near = [tag for tag in tags if tag[3] == "near"]
    assert near
    assert all(0.5 <= float(tag[2]) < 1 for tag in near)
    bearers = Counter(tag[1] for tag in tags if tag[3] == "name")
    spoken_of = {tag[0] for tag in tags if tag[3] == "name" and bearers[tag[1]] > 2}
    assert not spoken_of & {tag[0] for tag in near}
    assert sh("qbe tag lib.idx", home).stdout == done.stdout
    least = rows(sh("qbe tag lib.idx --min-score 0.8", home))
    assert least == [tag for tag in tags if float(tag[2]) >= 0.8]


def test_names_are_taken_from_where_is_asked(home: Path) -> None:
    words = {
        places: {row[1] for row in rows(sh(f"qbe tag lib.idx --from-names {places}", home)) if row[3] == "name"}
        for places in ("file", "folder", "folder,file", "none")
    }
    assert "stream" in words["file"] - words["folder"]
    assert "water" in words["folder"] - words["file"]
    assert words["none"] == set()
    assert words["folder,file"] <= words["folder"] | words["file"]
    done = sh("qbe tag lib.idx --from-names names", home)
    assert (done.returncode, len(said(done))) == (2, 1)


def test_labels_win_and_their_lines_are_named(home: Path) -> None:
    stream = "sounds/water/stream 1.ogg"
    (home / "mine.tsv").write_text(f"path\ttag\n{stream}\tRuisseau\n{stream}\t-water\nnothing.wav\tx\n")
    done = sh("qbe tag lib.idx --labels mine.tsv", home)
    assert done.returncode == 2
    assert said(done) == ["qbe: mine.tsv line 4: nothing.wav: 1 of 3 lines name no file of lib.idx"]
    own = [row[1:] for row in rows(done) if row[0] == stream]
    assert own[0] == ["stream", "1.0000", "user"]  # its common name
    assert "water" not in [row[0] for row in own]
    (home / "mine.tsv").write_text(f"{stream}\tx\n{stream}\n")
    done = sh("qbe tag lib.idx --labels mine.tsv", home)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said(done)[0].startswith("qbe: mine.tsv line 2: a path and a tag")
    (home / "names.tsv").write_text("brook\tstream\n")
    words = {row[1] for row in rows(sh("qbe tag lib.idx --aliases names.tsv", home))}
    assert "brook" in words
    assert "stream" not in words


def test_kept_tags_are_found_by_text_and_edited_by_hand(home: Path) -> None:
    done = sh("qbe tag lib.idx --write", home)
    assert (done.returncode, done.stdout, said(done)) == (0, b"", [])
    kept = home / "lib.idx.tags.tsv"
    lines = kept.read_text().splitlines()
    told = json.loads(sh("qbe info lib.idx --json", home).stdout)
    tagged = [line.split("\t") for line in lines[1:] if line.split("\t")[1]]
    assert (told["tagged"], told["tags"]) == (len({row[0] for row in tagged}), len({row[1] for row in tagged}))
    assert lines[0] == "path\ttag\tscore\tsource"
    assert {line.split("\t")[0] for line in lines[1:]} == {
        str(path.relative_to(home)) for path in (home / "sounds").rglob("*") if path.is_file()
    }
    kept.write_text("\n".join([*lines, "sounds/glass/break-2.ogg\tbottle", "sounds/water/stream 1.ogg\t-water"]) + "\n")
    assert [row[1] for row in rows(sh("qbe search -q lib.idx --text bottles", home))] == ["sounds/glass/break-2.ogg"]
    before = {row[1] for row in rows(sh("qbe search -q lib.idx --text water -k 99 --tags lib.idx.tags.tsv", home))}
    assert "sounds/water/stream 1.ogg" not in before
    assert sh("qbe tag lib.idx --write", home).returncode == 0
    assert "sounds/glass/break-2.ogg\tbottle\t1.0000\tuser\n" in kept.read_text()
    assert "sounds/water/stream 1.ogg\t-water\t1.0000\tuser\n" in kept.read_text()
    assert "sounds/water/stream 1.ogg\twater" not in kept.read_text()
    assert "bottle" in {row[1] for row in rows(sh("qbe tag lib.idx", home))}


def test_files_that_came_since_get_tags_and_the_others_keep_theirs(home: Path) -> None:
    assert sh(SCRIPT, home).returncode == 0  # here: else its names would lead to where the sounds were copied from
    assert sh("qbe tag lib.idx --write", home).returncode == 0
    kept = home / "lib.idx.tags.tsv"
    before = [line.replace("\t1.0000\t", "\t0.1234\t") for line in kept.read_text().splitlines()]  # to be known again
    kept.write_text("\n".join(before) + "\n")
    (home / "sounds" / "new").mkdir()
    shutil.copy(home / "sounds" / "water" / "stream 1.ogg", home / "sounds" / "new" / "1.ogg")
    shutil.copy(home / "sounds" / "fire" / "burning-1.ogg", home / "sounds" / "new" / "oddity 2.ogg")
    script = "qbe embed -q --new lib.idx sounds | qbe index -q --append -o lib.idx && qbe tag lib.idx --write --new"
    assert sh(script, home).returncode == 0
    after = kept.read_text().splitlines()
    assert [line for line in after if line in set(before)] == before
    new = [line.split("\t") for line in after if line not in set(before)]
    assert {row[0] for row in new} == {"sounds/new/1.ogg", "sounds/new/oddity 2.ogg"}
    assert ["sounds/new/oddity 2.ogg", "oddity", "1.0000", "name"] in new
    assert {row[3] for row in new if row[0] == "sounds/new/1.ogg"} == {"near"}
    done = sh("qbe tag lib.idx --new", home)
    assert (done.returncode, said(done)) == (2, ["qbe: --new goes with --write"])


def test_text_and_a_sound_are_asked_for_together(home: Path) -> None:
    alone = rows(sh("qbe search -q lib.idx sounds/drums/snare.mp3 -k 60 --exact", home))
    both = rows(sh("qbe search -q lib.idx sounds/drums/snare.mp3 -k 60 --text drum", home))
    bearers = {row[1] for row in rows(sh("qbe search -q lib.idx --text drum -k 60", home))}
    assert [row[:4] for row in both] == [row[:4] for row in alone if row[1] in bearers]
    assert both


def test_text_says_how_many_bear_a_word_and_what_is_known_instead(home: Path) -> None:
    done = sh("qbe search lib.idx --text 'door -steel' -k 2", home)
    assert done.returncode == 0
    assert [row[5] for row in rows(done)] == ["1", "2"]
    assert said(done)[0].startswith("qbe: door: ")
    assert not [row for row in rows(done) if "steel" in row[1]]
    done = sh("qbe search lib.idx --text foostep", home)
    assert (done.returncode, done.stdout) == (1, b"")
    assert said(done)[0].startswith("qbe: no sound bears foostep; known words near it: footstep")
    found = [json.loads(line) for line in sh("qbe search -q lib.idx --text stream --json", home).stdout.splitlines()]
    assert {key for row in found for key in row} == {"score", "path", "start", "end", "query", "rank", "missing"}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("qbe tag none.idx", "none.idx: no library can be read"),
        ("qbe tag none.idx --write", "none.idx: no library can be read"),
        ("head -c 3000 lib.idx > cut.idx; qbe tag cut.idx", "cut.idx: not a qbe library, or cut short"),
        ("qbe tag lib.idx > /dev/full", "No space left"),
        ("qbe tag lib.idx --labels none.tsv", "none.tsv: No such file"),
        ("mkdir lib.idx.tags.tsv; qbe tag lib.idx --write", "Is a directory"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_in_a_line(home: Path, script: str, message: str) -> None:
    done = sh(script, home)
    (line,) = said(done)
    assert done.returncode == 2
    assert message in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--text ''", "name the sounds to search for"),
        ("--text '\"open'", "without its other"),
        ("--text=-kick", "name a word"),
        ("--text kick --places", "need a sound"),
        ("--tags x.tsv query.wav", "--tags goes with --text"),
        ("--text kick --tags none.tsv", "o such file"),
        ("--text kick --tags lib.idx", "line 1"),
    ],
)
def test_what_a_text_search_cannot_do_is_said_in_a_line(home: Path, arguments: str, message: str) -> None:
    done = sh(f"qbe search lib.idx {arguments}", home)
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = said(done)
    assert message in line


def test_odd_names_are_tagged_and_what_no_table_can_hold_is_named(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    names = [b"kick caf\xe9.wav", b"kick new\nline.wav", b"kick\ttab.wav", b"kick\\back.wav"]
    for at, name in enumerate(names):
        write_sound(tmp_path / "plain.wav", noise(0.5, seed=at))
        os.rename(tmp_path / "plain.wav", os.fsencode(tmp_path / "sounds") + b"/" + name)
    assert sh(SCRIPT, tmp_path).returncode == 0
    done = sh("qbe tag -0 lib.idx", tmp_path)
    assert done.returncode == 0
    for name in names:
        assert b"sounds/" + name + b"\tkick\t1.0000\tname" in done.stdout.split(b"\0")
    done = sh("qbe tag lib.idx --write", tmp_path)
    assert done.returncode == 2
    lost = [line for line in said(done) if "stands in no table" in line]
    assert len(lost) == 2
    table = (tmp_path / "lib.idx.tags.tsv").read_bytes()
    assert b"sounds/kick caf\xe9.wav\tkick\t1.0000\tname\n" in table
    assert b"sounds/kick\\back.wav\tkick\t1.0000\tname\n" in table
    found = sh("qbe search -q -0 lib.idx --text kick", tmp_path).stdout
    assert found.count(b"\0") == len(names)  # by their names, tag or not


def test_few_words_are_said_to_be_too_few(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    for at in range(4):
        write_sound(tmp_path / "sounds" / f"{'hiss' if at else 'x'} {at}.wav", noise(0.5, seed=at))
    assert sh(SCRIPT, tmp_path).returncode == 0
    done = sh("qbe tag lib.idx --min-score 0", tmp_path)
    assert done.returncode == 0
    assert said(done) == ["qbe: lib.idx: scores are no chances: 3 files bear words, to learn from takes 30"]
    assert rows(done)[-1][:2] == ["sounds/x 0.wav", "hiss"]


def test_a_table_is_written_whole_or_not_at_all(home: Path) -> None:
    assert sh("qbe tag lib.idx --write", home).returncode == 0
    before = (home / "lib.idx.tags.tsv").read_bytes()
    done = sh("ulimit -f 1; qbe tag lib.idx --write --min-score 0.9", home)
    assert done.returncode == 2
    assert (home / "lib.idx.tags.tsv").read_bytes() == before
    assert sorted(path.name for path in home.iterdir()) == ["lib.idx", "lib.idx.tags.tsv", "sounds"]
    (home / "lib.idx.tags.tsv").write_bytes(np.random.default_rng(0).bytes(5000))
    for command in ("qbe tag lib.idx", "qbe tag lib.idx --write", "qbe search lib.idx --text kick"):
        done = sh(command, home)
        assert (done.returncode, len(said(done))) == (2, 1)


def test_what_the_user_alone_has_said_does_not_stand_in_for_all_that_is_known(home: Path) -> None:
    (home / "lib.idx.tags.tsv").write_text("sounds/glass/break-2.ogg\tbottle\n")
    assert rows(sh("qbe search lib.idx --text bottle", home))[0][1] == "sounds/glass/break-2.ogg"
    beside = sh("qbe search lib.idx --text drum; rm lib.idx.tags.tsv", home)
    assert len(rows(beside)) > 3
    assert rows(beside) == rows(sh("qbe search lib.idx --text drum", home))


def test_a_list_shows_the_tags_that_are_kept(home: Path) -> None:
    (home / "lib.idx.tags.tsv").write_text("sounds/glass/break-2.ogg\tbottle\nsounds/glass/break-2.ogg\tloud\n")
    found = [json.loads(line) for line in sh("qbe list lib.idx --json", home).stdout.splitlines()]
    assert {row["path"]: row["tags"] for row in found if row["tags"]} == {"sounds/glass/break-2.ogg": "bottle, loud"}
    assert "bottle, loud" in in_terminal("qbe list lib.idx '*/break-2.ogg'", home, COLUMNS="140")[1]
    (home / "lib.idx.tags.tsv").unlink()
    assert "tags" not in json.loads(sh("qbe list lib.idx --json", home).stdout.splitlines()[0])
