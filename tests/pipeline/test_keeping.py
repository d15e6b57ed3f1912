"""Libraries beside the disk: what they list, what is gone, what is taken out, and libraries that travel."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import DATA, tone, write_sound
from shell import in_terminal, rows, said, sh

from qbe.index.file.library import open_library


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three folders of sounds on a disk, one of which is broken, and a library of them."""
    folder = tmp_path_factory.mktemp("keeping")
    for name in ("game", "glass", "footsteps"):
        (folder / "disk" / name).mkdir(parents=True)
        for path in sorted((DATA / "library" / name).iterdir())[:4]:
            shutil.copy2(path, folder / "disk" / name)
    (folder / "disk" / "glass" / "broken.wav").write_text("no sound")
    write_sound(folder / "silent.wav", tone(440, 1.0) * 0)
    write_sound(folder / "query.wav", tone(880, 2.0))
    assert sh("qbe embed disk silent.wav | qbe index -o lib.idx", folder).returncode == 2
    return folder.rename(folder.with_name("keeping-moved"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path, dirs_exist_ok=True))


def listed(done_script: str, folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in sh(done_script, folder).stdout.splitlines()]


def test_a_list_says_of_each_file_what_the_library_knows(folder: Path) -> None:
    found = {str(row["path"]): row for row in listed("qbe list lib.idx --json", folder)}
    entries = {os.fsdecode(entry.path): entry for entry in open_library(str(folder / "lib.idx")).entries()}
    assert found.keys() == entries.keys()
    model = json.loads(sh("qbe info lib.idx --json", folder).stdout)["model"]
    for path, row in found.items():
        assert list(row) == ["path", "segments", "seconds", "level", "model"]
        assert (row["segments"], row["model"]) == (entries[path].segments, model)
        assert row["seconds"] == pytest.approx(entries[path].end / 16_000, abs=1e-4)
        assert (row["level"] is None) == (path in ("silent.wav", "disk/glass/broken.wav"))
    tabs = rows(sh("qbe list lib.idx", folder))
    assert [row[0] for row in tabs] == list(found)
    assert sh("qbe list lib.idx -0", folder).stdout.count(b"\0") == len(found)


@pytest.mark.parametrize("glob", ["'*/game'", "disk/game", "./disk/game/", "$PWD/disk/game", "'disk/g*e/*'"])
def test_a_list_of_some(folder: Path, glob: str) -> None:
    found = {row[0] for row in rows(sh(f"qbe list lib.idx {glob}", folder))}
    assert found == {f"disk/game/{path.name}" for path in (folder / "disk" / "game").iterdir()}
    assert found == {row[1] for row in rows(sh(f"qbe search lib.idx query.wav -k 0 --in {glob}", folder))}


def test_a_list_of_nothing(folder: Path) -> None:
    done = sh("qbe list lib.idx nowhere", folder)
    assert (done.returncode, said(done)[0]) == (2, said(done)[0])
    assert "nowhere: no file of lib.idx matches" in said(done)[0]
    assert sh("qbe index --remove . -o lib.idx && qbe list lib.idx", folder).returncode == 1


def test_what_is_gone_is_marked(folder: Path) -> None:
    (folder / "disk" / "game" / "boom.wav").unlink()
    os.utime(folder / "silent.wav", ns=(0, 5))
    tabs = rows(sh("qbe list lib.idx --missing", folder))
    assert [row[0] for row in tabs if row[5] == "true"] == ["disk/game/boom.wav"]
    assert {row[5] for row in tabs} == {"true", "false"}
    assert [row["path"] for row in listed("qbe list lib.idx --missing --json", folder) if row["missing"]] == [
        "disk/game/boom.wav"
    ]
    facts = json.loads(sh("qbe info lib.idx --check-files --json", folder).stdout)
    assert (facts["gone"], facts["changed"]) == (1, 1)
    assert "gone" not in json.loads(sh("qbe info lib.idx --json", folder).stdout)
    results = listed("qbe search lib.idx query.wav -k 0 --json", folder)
    assert [row["path"] for row in results if row["missing"]] == ["disk/game/boom.wav"]
    assert all(len(row) == 6 for row in rows(sh("qbe search lib.idx query.wav", folder)))
    for command in ("qbe search lib.idx query.wav -k 0", "qbe list lib.idx --missing"):
        _, shown = in_terminal(command, folder)
        assert [line for line in shown.splitlines() if "(gone)" in line] == [
            line for line in shown.splitlines() if "boom.wav" in line
        ]


def test_duplicates_that_are_gone_are_marked(folder: Path) -> None:
    shutil.copy(folder / "disk/game/boom.wav", folder / "disk/game/again.wav")
    sh("qbe embed -q --new lib.idx disk | qbe index --append -o lib.idx", folder)
    (folder / "disk" / "game" / "boom.wav").unlink()
    found = {row["path"]: row["missing"] for row in listed("qbe dups lib.idx --alike --json", folder)}
    assert found["disk/game/boom.wav"] is True
    assert found["disk/game/again.wav"] is False
    assert "boom.wav (gone)" in in_terminal("qbe dups lib.idx --alike", folder)[1]


def test_what_is_gone_is_taken_out(folder: Path) -> None:
    before = (folder / "lib.idx").read_bytes()
    gone = ["disk/game/boom.wav", "disk/glass/break-1.ogg"]
    for path in gone:
        (folder / path).unlink()
    done = sh("qbe index --prune --dry-run -o lib.idx", folder)
    assert (done.returncode, sorted(done.stdout.decode().splitlines())) == (0, gone)
    assert said(done) == ["qbe: lib.idx: 2 of 12 files are gone and would be removed"]
    assert (folder / "lib.idx").read_bytes() == before
    done = sh("qbe index --prune -o lib.idx", folder)
    assert (done.returncode, done.stdout, said(done)) == (
        0, b"", ["qbe: lib.idx: 2 files that are gone are removed"]
    )  # fmt: skip
    left = {row[0] for row in rows(sh("qbe list lib.idx", folder))}
    assert len(left) == 10
    assert not left & set(gone)
    after = (folder / "lib.idx").read_bytes()
    assert said(sh("qbe index --prune -o lib.idx", folder)) == []
    assert (folder / "lib.idx").read_bytes() == after


@pytest.mark.parametrize("lost", ["disk", "disk/game"])
def test_a_folder_that_is_gone_is_taken_out_by_force_only(folder: Path, lost: str) -> None:
    (folder / lost).rename(folder / "unmounted")
    before = (folder / "lib.idx").read_bytes()
    for options in ("", "--dry-run"):
        done = sh(f"qbe index --prune {options} -o lib.idx", folder)
        assert done.returncode == 2
        assert f"{lost}: " in said(done)[-1]
        assert "is a disk not mounted? Nothing is removed" in said(done)[-1]
        assert (folder / "lib.idx").read_bytes() == before
    assert sh("qbe index --prune --force -o lib.idx", folder).returncode == 0
    assert not [row for row in rows(sh("qbe list lib.idx", folder)) if row[0].startswith(lost)]


def test_a_folder_that_took_the_name_of_a_file_keeps_its_sounds(folder: Path) -> None:
    """Only what is gone is taken out, not what lies under the same name."""
    library = "qbe embed disk/game/boom.wav disk/glass/break-1.ogg disk/footsteps | qbe index -o new.idx"
    assert sh(library, folder).returncode == 0
    (folder / "disk/game/boom.wav").unlink()
    (folder / "disk/game/boom.wav").mkdir()
    shutil.copy(folder / "query.wav", folder / "disk/game/boom.wav")
    assert sh("qbe embed -q --new new.idx disk/game/boom.wav | qbe index --append -o new.idx", folder).returncode == 0
    (folder / "disk/game/boom.wav/query.wav").rename(folder / "x.wav")
    (folder / "disk/game/boom.wav").rmdir()
    sh("qbe index --prune -o new.idx", folder)
    assert "disk/game/boom.wav" not in {row[0] for row in rows(sh("qbe list new.idx", folder))}


def test_from_any_folder_it_is_known_what_is_gone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert sh("qbe embed disk/game | qbe index -o lib.idx", folder).returncode == 0
    (folder / "disk" / "game" / "boom.wav").unlink()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for options in ("--missing", ""):
        found = rows(sh(f"qbe list {folder}/lib.idx {options}", elsewhere))
        assert {row[0] for row in found} == {f"disk/game/{name}.wav" for name in ("boom", "coin1", "coin2", "coin3")}
    gone = [row[0] for row in rows(sh(f"qbe list {folder}/lib.idx --missing", elsewhere)) if row[5] == "true"]
    assert gone == ["disk/game/boom.wav"]
    assert sh(f"qbe index --prune -o {folder}/lib.idx", elsewhere).returncode == 0
    assert len(rows(sh(f"qbe list {folder}/lib.idx", elsewhere))) == 3


def test_a_library_travels_with_its_sounds(folder: Path) -> None:
    """As on a disk that is mounted under another name."""
    script = "qbe embed $PWD/disk/game disk/glass/*.ogg | qbe index --relative-to disk -o disk/lib.idx"
    assert sh(script, folder).returncode == 0
    names = {f"game/{path.name}" for path in (folder / "disk/game").iterdir()} | {
        "glass/break-1.ogg",
        "glass/break-2.ogg",
    }
    assert {entry.path.decode() for entry in open_library(str(folder / "disk/lib.idx")).entries()} == names
    assert sh("qbe tag disk/lib.idx --write", folder).returncode == 0
    table = (folder / "disk/lib.idx.tags.tsv").read_text().splitlines()[1:]
    assert {line.partition("\t")[0] for line in table} == names
    (folder / "mnt").mkdir()
    (folder / "disk").rename(folder / "mnt" / "usb")
    library = f"{folder}/mnt/usb/lib.idx"
    for number, (cwd, name, place) in enumerate((
        (folder, "mnt/usb/lib.idx", "mnt/usb/"), (folder / "mnt", "usb/lib.idx", "usb/"),
        (folder / "mnt" / "usb", "lib.idx", ""), (folder, library, f"{folder}/mnt/usb/"),
    )):  # fmt: skip
        found = rows(sh(f"qbe list {name} --missing", cwd))
        assert {row[0] for row in found} == {place + path for path in names}
        assert {row[5] for row in found} == {"false"}
        results = {row[1] for row in rows(sh(f"qbe search {name} {place}game/boom.wav -k 0", cwd))}
        assert results == {place + path for path in names if path != "game/boom.wav"}  # its own file does not count
        bearing = rows(sh(f"qbe search {name} --text game", cwd))  # by the tags that were kept
        assert {row[1] for row in bearing} == {place + path for path in names if path.startswith("game")}
        script = f"qbe search {name} {place}game/boom.wav --in '{place}game' -k 1"
        done = sh(f"{script} | qbe clip -o {folder}/clips-{number}", cwd)
        assert (done.returncode, said(done)) == (0, [])
        done = sh(f"qbe embed --new {name} {place or './'}game", cwd)
        assert said(done)[0].endswith("0 new, 0 changed, 0 moved, 4 unchanged, 0 gone")
    assert sh("qbe map usb/lib.idx -o map.tsv && qbe map usb/lib.idx --keep map.tsv", folder / "mnt").returncode == 0


def test_what_is_added_to_a_library_that_travels_follows(folder: Path) -> None:
    assert sh("qbe embed disk/game | qbe index --relative-to disk -o disk/lib.idx", folder).returncode == 0
    shutil.copy(folder / "query.wav", folder / "disk" / "new.wav")
    (folder / "disk/game/boom.wav").rename(folder / "disk" / "bang.wav")
    script = "qbe embed -q --new disk/lib.idx $PWD/disk/new.wav disk/bang.wav | qbe index --append -o disk/lib.idx"
    for options in ("", "--relative-to disk "):
        assert sh(script.replace("--append", f"{options}--append"), folder).returncode == 0
        kept = {entry.path for entry in open_library(str(folder / "disk/lib.idx")).entries()}
        assert kept == {b"bang.wav", b"new.wav", b"game/coin1.wav", b"game/coin2.wav", b"game/coin3.wav"}
    done = sh("qbe embed disk/glass | qbe index --append --relative-to . -o disk/lib.idx", folder)
    assert "disk/lib.idx: holds names that begin elsewhere" in said(done)[-1]
    assert sh("qbe index --remove ./disk/x/../game -o lib.idx", folder / "disk").returncode == 2
    assert sh("qbe index --remove ./x/../game -o lib.idx", folder / "disk").returncode == 0
    assert len(rows(sh("qbe list disk/lib.idx", folder))) == 2


@pytest.fixture
def several_names(folder: Path) -> list[str]:
    """Of one file, that a library has as disk/game/bang.wav: as they are typed in the folder of it."""
    sound = next((folder / "disk" / "game").glob("*.*"))
    sound.rename(folder / "disk" / "game" / "bang.wav")
    sh("qbe embed -q disk silent.wav | qbe index -o lib.idx", folder)
    os.link(folder / "disk/game/bang.wav", folder / "hard.wav")
    (folder / "link.wav").symlink_to("disk/game/bang.wav")
    (folder / "games").symlink_to("disk/game")
    names = ["disk/game/bang.wav", "disk//game/../game/bang.wav", "$PWD/disk/game/bang.wav"]
    return [*names, "hard.wav", "link.wav", "games/bang.wav", "$PWD/games/bang.wav"]


@pytest.mark.parametrize("change", ["", "printf x >> disk/game/bang.wav; ", "touch disk/game/bang.wav; "])
def test_what_is_added_under_another_name_replaces_the_file(
    folder: Path, several_names: list[str], change: str
) -> None:
    held = rows(sh("qbe list lib.idx", folder))
    for name in several_names:
        assert sh(f"{change}qbe embed -q {name} | qbe index --append -o lib.idx", folder).returncode == 0
        assert sorted(rows(sh("qbe list lib.idx", folder))) == sorted(held), name
    (folder / "elsewhere").mkdir()
    script = "qbe embed -q ../disk/game/bang.wav ../games/bang.wav | qbe index --append -o ../lib.idx"
    assert sh(script, folder / "elsewhere").returncode == 0
    assert sorted(rows(sh("qbe list lib.idx", folder))) == sorted(held)


@pytest.mark.parametrize("option", ["--relative-to .", "--absolute", "--relative-to disk"])
def test_it_does_so_whatever_names_are_kept(folder: Path, several_names: list[str], option: str) -> None:
    sh(f"qbe embed -q disk silent.wav | qbe index {option} -o lib.idx", folder)
    held = rows(sh("qbe list lib.idx", folder))
    for name in several_names:
        assert sh(f"qbe embed -q {name} | qbe index --append -o lib.idx", folder).returncode == 0
        assert sorted(rows(sh("qbe list lib.idx", folder))) == sorted(held), name


def test_a_copy_is_added(folder: Path) -> None:
    """It has the same last name, the same bytes, size and time."""
    (folder / "more").mkdir()
    name = next((folder / "disk" / "game").iterdir()).name
    shutil.copy2(folder / "disk" / "game" / name, folder / "more" / name)
    count = len(rows(sh("qbe list lib.idx", folder)))
    assert sh("qbe embed -q more | qbe index --append -o lib.idx", folder).returncode == 0
    found = {row[0] for row in rows(sh("qbe list lib.idx", folder))}
    assert f"more/{name}" in found and len(found) == count + 1


def test_names_can_be_made_absolute(folder: Path) -> None:
    assert sh("qbe embed ./disk/game silent.wav | qbe index --absolute -o lib.idx", folder).returncode == 0
    names = {row[0] for row in rows(sh("qbe list lib.idx", folder))}
    assert names == {f"{folder}/disk/game/{path.name}" for path in (folder / "disk/game").iterdir()} | {
        f"{folder}/silent.wav"
    }
    assert said(sh("qbe embed --new lib.idx disk/game", folder))[0].endswith("4 unchanged, 0 gone")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--dry-run -o lib.idx < /dev/null", "--dry-run and --force go with --prune"),
        ("--prune --append -o lib.idx", "give one of them"),
        ("--prune -o none.idx", "none.idx: no library can be read"),
        ("--absolute --relative-to . -o lib.idx < /dev/null", "give one of them"),
        ("--relative-to none -o x.idx < all.emb", "--relative-to none: not a folder"),
        ("--relative-to . -o milvus://h/x < all.emb", "is no file that could be moved"),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, options: str, message: str) -> None:
    sh("qbe embed disk/game/boom.wav > all.emb", folder)
    done = sh(f"qbe index {options}", folder)
    assert (done.returncode, len(said(done))) == (2, 1)
    assert message in said(done)[0]
