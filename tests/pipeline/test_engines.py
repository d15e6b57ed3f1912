"""A library on a server, in a shell: the commands say what they say of the same library in a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from conftest import DATA, tone, write_sound
from serving import serving
from shell import rows, said, sh

QUERY = DATA / "queries" / "snare.mp3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some sounds, one of them twice, their stream, and a library of them in a file."""
    folder = tmp_path_factory.mktemp("engines")
    for name in ("drums", "game", "water"):
        shutil.copytree(DATA / "library" / name, folder / "sounds" / name)
    shutil.copy(folder / "sounds" / "drums" / "snare.mp3", folder / "sounds" / "copy.mp3")
    (folder / "sounds" / "broken.wav").write_text("no sound")
    assert sh("qbe embed sounds > all.emb; qbe index -o lib.idx < all.emb", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def library(folder: Path) -> str:
    """The same on the server."""
    name = servers.library()
    done = sh(f"qbe index -o {name} < all.emb", folder)
    assert (done.returncode, said(done)) == (0, [f"qbe: {name}: written without the 1 inputs that could not be read"])
    return name


@pytest.mark.parametrize(
    "command",
    [
        f"search LIBRARY {QUERY} --exact -k 0",
        f"search LIBRARY {QUERY} --in sounds/drums",
        f"search LIBRARY {QUERY} --places -k 5",
        f"search LIBRARY {QUERY} --unique -k 20",
        "search LIBRARY --like sounds/drums/kick.mp3 --unlike 'sounds/water/stream 1.ogg' --exact",
        "search LIBRARY sounds/drums/snare.mp3",
        "dups LIBRARY",
        "tag LIBRARY",
    ],
)
def test_a_command_answers_as_it_does_of_a_file(folder: Path, library: str, command: str) -> None:
    of_file, of_server = (sh(f"qbe {command.replace('LIBRARY', name)} --json", folder) for name in ("lib.idx", library))
    assert of_server.returncode == of_file.returncode == 0
    some, others = ([json.loads(line) for line in done.stdout.splitlines()] for done in (of_file, of_server))
    assert some
    assert [one.pop("score", None) for one in others] == pytest.approx(
        [one.pop("score", None) for one in some], abs=1e-3
    )
    assert others == some


def test_words_find_what_they_find_in_a_file(folder: Path, library: str) -> None:
    """In the order of scores, of which some are equal but for their rounding."""
    of_file, of_server = (rows(sh(f"qbe search {name} --text snare -k 0", folder)) for name in ("lib.idx", library))
    assert of_file
    assert sorted(row[1:4] for row in of_server) == sorted(row[1:4] for row in of_file)


def test_info_tells_of_it_and_of_its_server(folder: Path, library: str) -> None:
    of_file, of_server = (json.loads(sh(f"qbe info {name} --json", folder).stdout) for name in ("lib.idx", library))
    assert {name for name in of_file if of_file[name] == of_server.get(name)} >= {
        "files",
        "segments",
        "unread",
        "model",
    }
    assert of_server["server"].startswith("Milvus ")


def test_a_map_has_all_its_files(folder: Path, library: str) -> None:
    of_file, of_server = (rows(sh(f"qbe map {name}", folder)) for name in ("lib.idx", library))
    assert [row[:3] for row in of_server] == [row[:3] for row in of_file]


def test_the_page_shows_it_and_finds_in_it(folder: Path, library: str) -> None:
    with serving(folder, library) as served:
        assert len(served.json("/1/found?words=snare")["rows"]) == 2


def test_a_token_is_in_nothing_that_is_said(folder: Path, library: str) -> None:
    name = library.replace("://", "://root:geheim@")
    for command in ("info", "map", "dups", "index --check", f"search {name}x", "tag --write", "embed sounds --new"):
        done = sh(
            f"XDG_CACHE_HOME=cache qbe {command} {name} ; QBE_MILVUS_TOKEN=geheim qbe {command} {library}", folder
        )
        assert b"geheim" not in done.stdout + done.stderr


def test_kept_tags_are_for_files(folder: Path, library: str) -> None:
    done = sh(f"qbe tag {library} --write", folder)
    assert done.returncode == 2
    [line] = said(done)
    assert "give a table" in line


@pytest.fixture
def grown(folder: Path, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A library of a folder of its own."""
    shutil.copytree(folder / "sounds" / "game", tmp_path / "sounds")
    yield tmp_path, servers.library()


def test_it_is_kept_up_to_date_night_by_night(grown: tuple[Path, str]) -> None:
    folder, name = grown
    nightly = f"qbe embed --new {name} sounds | qbe index --append -o {name}"
    done = sh(nightly, folder)
    assert (done.returncode, said(done)) == (0, [f"qbe: {name}: not there yet: all sounds are new"])
    assert (sh(nightly, folder).returncode, facts(name, folder)) == (0, facts(name, folder))
    before = facts(name, folder)
    (folder / "sounds" / "broken.wav").write_text("no sound")
    write_sound(folder / "sounds" / "new.wav", tone(440, 3.0))
    write_sound(folder / "sounds" / "coin1.wav", tone(880, 3.0))
    assert sh(nightly, folder).returncode == 2
    assert facts(name, folder)[0] == before[0] + 2
    again = f"qbe: {name}: 0 new, 0 changed, 0 moved, 13 unchanged, 0 gone"
    assert said(sh(nightly, folder)) == [again]  # what could not be read is not tried again
    found = rows(sh(f"qbe search {name} sounds/coin1.wav --include-self -k 1", folder))
    assert (found[0][1], float(found[0][0])) == ("sounds/coin1.wav", pytest.approx(1, abs=1e-4))
    assert sh(f"qbe index --remove sounds/new.wav sounds/broken.wav -o {name}", folder).returncode == 0
    assert facts(name, folder)[0] == before[0]
    assert said(sh(f"qbe index --check {name}", folder)) == []


def test_what_is_gone_from_the_disk_is_pruned_but_not_a_whole_folder(grown: tuple[Path, str]) -> None:
    folder, name = grown
    assert sh(f"qbe embed sounds | qbe index -o {name}", folder).returncode == 0
    files, segments = facts(name, folder)
    (folder / "sounds" / "coin1.wav").unlink()
    [line] = said(sh(f"qbe index --prune -o {name} --dry-run | grep -x sounds/coin1.wav", folder))
    assert line == f"qbe: {name}: 1 of {files} files are gone and would be removed"
    assert facts(name, folder) == (files, segments)
    done = sh(f"qbe index --prune -o {name}", folder)
    assert (done.returncode, said(done)) == (0, [f"qbe: {name}: 1 files that are gone are removed"])
    assert b"coin1.wav" not in sh(f"qbe list {name}", folder).stdout
    assert facts(name, folder)[0] == files - 1
    (folder / "sounds").rename(folder / "elsewhere")
    done = sh(f"qbe index --prune -o {name}", folder)
    assert done.returncode == 2
    [line] = said(done)
    assert "is a disk not mounted?" in line
    assert facts(name, folder)[0] == files - 1


def facts(name: str, folder: Path) -> tuple[int, int]:
    """Files and segments."""
    told = json.loads(sh(f"qbe info --json {name}", folder).stdout)
    return told["files"], told["segments"]


def test_a_cut_stream_and_one_of_another_model_leave_it_as_it_was(folder: Path, library: str) -> None:
    tell = f"qbe info {library} && qbe search {library} {QUERY} --exact"
    before = sh(tell, folder).stdout
    other = json.loads(sh("qbe info lib.idx --json", folder).stdout)["model_sha256"]
    cut = "head -c 20000 all.emb"
    for command in (
        f"{cut} | qbe index",
        f"{cut} | qbe index --append",
        f"sed s/{other}/{'ab' * 32}/ all.emb | qbe index --append",
    ):
        done = sh(f"{command} -o {library}", folder)
        assert done.returncode == 2
        assert len(said(done)) == 1
        assert sh(tell, folder).stdout == before
