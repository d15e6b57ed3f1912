"""Finding the sounds in folders."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import pytest

from qbe.audio.finding import Finder, find_audio
from qbe.support.errors import QbeError, raise_error


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder: Path, finder: Finder | None = None) -> list[bytes]:
    root = os.fsencode(folder)
    return [os.path.relpath(path, root) for path in (finder or Finder()).find([root], raise_error)]


def test_folders_are_walked_by_name_for_known_endings(tmp_path: Path) -> None:
    make(tmp_path, "b/2.WAV", "b/1.flac", "a.ogg", "notes.txt", "c/deep/x.mp3", "d/film.MKV", "caf\udce9\n.wav")
    assert found(tmp_path) == [b"a.ogg", b"caf\xe9\n.wav", b"b/1.flac", b"b/2.WAV", b"c/deep/x.mp3", b"d/film.MKV"]


def test_a_named_file_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    make(tmp_path, "sound", ".hidden.wav", "._x.mp3", ".Trash-1000/a.wav")
    for name in ("sound", ".hidden.wav", "._x.mp3"):
        path = os.fsencode(tmp_path / name)
        assert list(find_audio([path], raise_error)) == [path]
    assert found(tmp_path / ".Trash-1000") == [b"a.wav"]


def test_missing_names_are_reported_and_the_rest_is_found(tmp_path: Path) -> None:
    make(tmp_path, "a.wav")
    errors: list[QbeError] = []
    assert len(list(find_audio([b"/no/such", os.fsencode(tmp_path)], errors.append))) == 1
    assert [str(error) for error in errors] == ["/no/such: no such file or folder"]


HIDDEN = ["._a.wav", ".hidden.wav", ".Trash-1000/b.wav", "@eaDir/c.mp3", "__MACOSX/._d.wav", "__MACOSX/e.wav"]


def test_what_is_hidden_or_the_systems_is_passed_over_and_counted(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "text.txt", "sub/@eaDir", ".note", *HIDDEN)  # a file of that name is no system folder
    finder = Finder()
    assert found(tmp_path, finder) == [b"a.wav"]
    assert finder.passed == {"hidden folders": 3, "hidden sounds": 2, "other files": 2}


def test_hidden_sounds_are_found_when_asked_for_but_halves_of_files_never(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", *HIDDEN)
    expected = {b"a.wav", b".hidden.wav", b".Trash-1000/b.wav", b"@eaDir/c.mp3", b"__MACOSX/e.wav"}
    assert set(found(tmp_path, Finder(hidden=True))) == expected


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        (b"*.mp3", [b"a.wav", b"old/c.wav"]),
        (b"old", [b"a.wav", b"b.mp3"]),
        (b"*/old/*.wav", [b"a.wav", b"b.mp3", b"old/d.mp3"]),
        (b"nothing", [b"a.wav", b"b.mp3", b"old/c.wav", b"old/d.mp3"]),
    ],
)
def test_globs_exclude_by_name_and_by_path(tmp_path: Path, glob: bytes, left: list[bytes]) -> None:
    make(tmp_path, "a.wav", "b.mp3", "old/c.wav", "old/d.mp3")
    finder = Finder(exclude=[glob])
    assert found(tmp_path, finder) == left
    assert bool(finder.passed) == (len(left) < 4)


def test_links_to_folders_are_followed_on_demand_and_none_leads_round(tmp_path: Path) -> None:
    make(tmp_path, "here/a.wav", "there/b.wav")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "there")
    (tmp_path / "there" / "up").symlink_to(tmp_path / "here")
    (tmp_path / "here" / "self").symlink_to(tmp_path / "here")
    plain, follower = Finder(), Finder(follow=True)
    assert found(tmp_path / "here", plain) == [b"a.wav"]
    assert plain.passed == {"links to folders": 2}
    assert found(tmp_path / "here", follower) == [b"a.wav", b"link/b.wav"]
    assert follower.passed == {"links that lead round": 2}


def test_a_link_to_a_file_is_a_sound_and_one_to_itself_is_left_to_the_reader(tmp_path: Path) -> None:
    make(tmp_path, "real")
    (tmp_path / "a.wav").symlink_to("real")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    assert found(tmp_path) == [b"a.wav", b"loop.wav"]


def test_a_pipe_and_a_folder_that_cannot_be_listed_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.wav", "closed/b.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    scandir = os.scandir

    def closed(path: bytes) -> object:
        if path.endswith(b"closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    errors: list[QbeError] = []
    root = os.fsencode(tmp_path)
    assert list(find_audio([root], errors.append)) == [root + b"/a.wav"]
    assert [str(error).removeprefix(str(tmp_path)) for error in errors] == [
        "/pipe.wav: not a file",
        "/closed: Permission denied",
    ]


def test_folders_deeper_than_calls_may_be(tmp_path: Path) -> None:
    limit = sys.getrecursionlimit()
    make(tmp_path, "/".join("d" * 100) + "/a.wav")
    sys.setrecursionlimit(len(inspect.stack()) + 60)
    try:
        sounds = found(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert len(sounds) == 1
