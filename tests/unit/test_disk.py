"""How sounds on disk are to those that a library holds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from dict_store import HOP, KEPT, DictStore, Sounds

from qbe.audio.identity import identified
from qbe.disk import Changes, Standing, changes, emptied_folder, gone_files, is_gone, once, standing
from qbe.search.store import About, FileEntry
from qbe.streams.records import Embedding, File

ABOUT = About("ab" * 32, "m", 16_000, 3, HOP)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")


def write(path: str, content: bytes | None = None, mtime: int = 1) -> bytes:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(path.encode() if content is None else content)
    os.utime(path, ns=(mtime, mtime))
    return path.encode()


def held(*paths: bytes) -> list[FileEntry]:
    """What a library holds that has heard these files as they are."""
    files = [identified(path) or File(path, -1, 0) for path in paths]
    return [
        FileEntry(number, file.path, file.size, file.mtime, 9, 1, file.content) for number, file in enumerate(files)
    ]


def told(paths: list[bytes], entries: list[FileEntry], *, retry: bool = False, can_move: bool = True) -> Changes:
    return changes(paths, entries, None, retry=retry, can_move=can_move)


def counts(found: Changes) -> tuple[int, int, int, int, int]:
    assert len(found.lacking) == found.new + found.changed
    assert len(found.known) >= found.moved
    return found.new, found.changed, found.moved, found.unchanged, found.gone


def test_new_changed_moved_unchanged_and_gone() -> None:
    paths = [write(f"{name}.wav") for name in "abcde"]
    entries = held(*paths)
    write("b.wav", b"another")
    os.rename("c.wav", "moved.wav")
    os.unlink("d.wav")
    found = told([b"a.wav", b"b.wav", b"moved.wav", b"e.wav", write("new.wav")], entries)
    assert counts(found) == (1, 1, 1, 2, 1)
    assert found.lacking == [b"b.wav", b"new.wav"]
    [moved] = found.known
    assert (moved.path, moved.was) == (b"moved.wav", b"c.wav")
    assert moved.content == entries[2].content
    assert str(found) == "1 new, 1 changed, 1 moved, 2 unchanged, 1 gone"


def test_a_copy_has_not_moved_and_of_two_copies_of_what_is_gone_one_has() -> None:
    entries = held(write("a.wav"))
    write("copy.wav", b"a.wav")
    assert counts(told([b"a.wav", b"copy.wav"], entries)) == (1, 0, 0, 1, 0)
    os.rename("a.wav", "other.wav")
    found = told([b"copy.wav", b"other.wav"], entries)
    assert counts(found) == (1, 0, 1, 0, 0)
    assert found.known[0].path == b"copy.wav"


@pytest.mark.parametrize(
    ("size", "mtime", "is_known"), [(3 << 16, 2, True), (1 + (3 << 16), 2, False), (1 << 18, 1, True)]
)
def test_of_large_files_the_time_must_be_the_same(size: int, mtime: int, is_known: bool) -> None:
    content = np.random.default_rng(0).bytes(size)
    entries = held(write("a.wav", content))
    os.unlink("a.wav")
    found = told([write("b.wav", content, mtime)], entries)
    assert counts(found) == ((0, 0, 1, 0, 0) if is_known else (1, 0, 0, 0, 1))


def test_a_file_that_was_only_touched_is_unchanged_and_its_time_is_told() -> None:
    entries = held(write("a.wav"))
    os.utime("a.wav", ns=(5, 5))
    found = told([b"a.wav"], entries)
    assert counts(found) == (0, 0, 0, 1, 0)
    assert [(file.path, file.was, file.mtime) for file in found.known] == [(b"a.wav", b"a.wav", 5)]


def test_files_that_have_changed_places_have_moved() -> None:
    entries = held(write("a.wav", b"one"), write("b.wav", b"other one"))
    os.rename("a.wav", "x")
    os.rename("b.wav", "a.wav")
    os.rename("x", "b.wav")
    found = told([b"a.wav", b"b.wav"], entries)
    assert counts(found) == (0, 0, 2, 0, 0)
    assert {(file.path, file.was) for file in found.known} == {(b"a.wav", b"b.wav"), (b"b.wav", b"a.wav")}


def test_what_could_not_be_read_is_known_unless_it_is_to_be_tried_again() -> None:
    entries = [entry._replace(failed=True) for entry in held(write("a.wav"))]
    assert counts(told([b"a.wav"], entries)) == (0, 0, 0, 1, 0)
    assert told([b"a.wav"], entries, retry=True).lacking == [b"a.wav"]


def test_where_nothing_can_be_named_anew_what_has_moved_is_new() -> None:
    entries = held(write("a.wav"))
    os.rename("a.wav", "b.wav")
    assert counts(told([b"b.wav"], entries, can_move=False)) == (1, 0, 0, 0, 1)


def test_other_names_of_a_file_are_its_own(tmp_path: Path) -> None:
    entries = held(write("a.wav"), write("b.wav"))
    os.link("a.wav", "hard.wav")
    os.symlink("b.wav", "soft.wav")
    names = [b"./a.wav", bytes(tmp_path / "home" / "a.wav"), b"hard.wav", b"soft.wav"]
    assert counts(told(names, entries)) == (0, 0, 0, 2, 0)
    for name in names:
        assert counts(told([name], entries))[3:] == (1, 0)
    with open("hard.wav", "ab") as file:
        file.write(b"more")
    found = told([b"hard.wav"], entries)
    assert found.changed == 1
    assert found.lacking == [b"a.wav"]  # by the name that the library has


def test_names_begin_where_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries, home = held(write("a.wav")), os.getcwdb()
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    found = changes([b"../home/a.wav"], entries, home, retry=False)
    assert counts(found) == (0, 0, 0, 1, 0)
    assert standing(entries[0], ABOUT) is Standing.GONE
    write("a.wav", b"another file of that name")
    assert counts(changes([b"a.wav"], entries, home, retry=False)) == (1, 0, 0, 0, 0)


def test_each_file_once_by_the_first_of_its_names() -> None:
    write("a.wav")
    os.link("a.wav", "b.wav")
    os.symlink("a.wav", "c.wav")
    os.mkfifo("pipe")
    names = [b"c.wav", b"a.wav", b"none", b"b.wav", b"./a.wav", b"none", b"pipe", b"./pipe"]
    assert list(once(names)) == [b"c.wav", b"none", b"pipe", b"./pipe"]


def test_a_file_is_gone_only_where_it_is_not_there() -> None:
    write("a.wav")
    os.symlink("nowhere", "broken.wav")
    assert not is_gone(b"a.wav")
    assert all(map(is_gone, (b"b.wav", b"a.wav/under", b"broken.wav")))
    assert not is_gone(b"x" * 5000)  # the system does not say
    assert not is_gone(b"a\0b")


def test_the_standing_of_a_file() -> None:
    [entry] = held(write("a.wav"))
    assert standing(entry, ABOUT) is Standing.HERE
    write("a.wav", b"another")
    assert standing(entry, ABOUT) is Standing.CHANGED
    assert standing(entry._replace(size=-1), ABOUT) is Standing.HERE
    os.unlink("a.wav")
    assert standing(entry, ABOUT) is Standing.GONE


@pytest.mark.parametrize(
    ("files", "gone", "emptied"),
    [
        ("a/1 a/2 a/3 a/4 a/5", "a/1 a/2", None),
        ("a/1 a/2 a/3 a/4 a/5", "a/1 a/2 a/3", ("a", 3, 5)),
        ("a/1 a/2 b/1 b/2 b/3", "a/1 a/2", None),  # so few may well have been removed
        ("a/1 a/2", "a/1 a/2", ("a", 2, 2)),  # but not all there are
        ("a/x/1 a/x/2 a/x/3 b/1 b/2 b/3 b/4", "a/x/1 a/x/2 a/x/3", ("a/x", 3, 3)),
        ("a/1 a/2 a/3 a/4", "", None),
        ("1 2 3 4 5", "1 2 3", ("", 3, 5)),
    ],
)
def test_a_folder_most_of_which_is_gone(files: str, gone: str, emptied: tuple[str, int, int] | None) -> None:
    vector = np.array([1, 0, 0], np.float32)
    of_files = {write(path): [Embedding(path.encode(), 0, 9, 16_000, vector)] for path in files.split()}
    KEPT["disk"] = Sounds(ABOUT, of_files)
    for path in gone.split():
        os.unlink(path)
    store = DictStore("disk")
    names = gone_files(store)
    assert names == gone.encode().split()
    found = emptied_folder(store, names)
    expected = emptied and (os.path.join(os.getcwdb(), emptied[0].encode()).rstrip(b"/"), *emptied[1:])
    assert (found and (found.folder, found.gone, found.files)) == expected
