"""Which files a name means: globs, and one file under several names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbe.support.names import absolute, key, led_from, lies_inside, same_file, spelt_from

names = st.binary(min_size=1, max_size=8).filter(lambda name: not set(name) & set(b"*?[/\0"))
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)


@pytest.mark.parametrize(
    ("glob", "inside", "outside"),
    [
        (b"drums", [b"drums", b"drums/a.wav", b"drums/x/a.wav"], [b"drums2/a.wav", b"x/drums/a.wav", b"drum"]),
        (b"drums/", [b"drums", b"drums/a.wav"], [b"drumsa.wav"]),
        (b"drums//", [b"drums/a.wav"], [b"drumsa.wav"]),
        (b"*.wav", [b"a.wav", b"drums/a.wav", b".wav", b"x.wav/inner.ogg"], [b"a.WAV", b"a.wave"]),
        (b"*/kick*", [b"drums/kick.wav", b"a/b/kick", b"/kick"], [b"kick.wav", b"drums/a kick"]),
        (b"a?.wav", [b"a1.wav", b"a/.wav", b"a\n.wav", b"a\xff.wav"], [b"a.wav", b"a12.wav"]),
        (b"take[12].wav", [b"take1.wav", b"take2.wav"], [b"take3.wav", b"take12.wav", b"take[12].wav"]),
        (b"take[!1].wav", [b"take2.wav", b"take!.wav"], [b"take1.wav", b"take.wav"]),
        (b"[a-c]", [b"b", b"c/x.wav"], [b"d", b"-", b"ab"]),
        (b"[[]1].wav", [b"[1].wav"], [b"1.wav"]),
        (b"[]].wav", [b"].wav"], [b"[]].wav"]),
        (b"[1.wav", [b"[1.wav", b"[1.wav/x"], [b"1.wav"]),  # a bracket that is never closed is one
        (b"a.b", [b"a.b"], [b"axb"]),
        (b"/", [b"/abs.wav", b"/a/b"], [b"a/b"]),
        (b"caf\xe9", [b"caf\xe9/a.wav"], [b"caf\xc3\xa9/a.wav", b"cafe/a.wav"]),
        (b"[\xe0-\xef]*", [b"\xe9.wav"], [b"\xff.wav", b"e.wav"]),
        (b"*\xff", [b"a\xff", b"\xff", b"a/\xff/b.wav"], [b"a\xfe"]),
    ],
)
def test_globs(glob: bytes, inside: list[bytes], outside: list[bytes]) -> None:
    assert [path for path in inside if not lies_inside(path, [glob])] == []
    assert [path for path in outside if lies_inside(path, [glob])] == []


@given(path=paths, other=paths)
def test_a_name_without_signs_means_itself_and_what_lies_under_it(path: bytes, other: bytes) -> None:
    assert lies_inside(path, [path])
    assert lies_inside(path + b"/" + other, [path])
    assert lies_inside(path + b"/" + other, [path + b"/"])
    assert lies_inside(other, [path]) == (other + b"/").startswith(path + b"/")


@given(path=paths, globs=st.lists(paths | st.sampled_from([b"*", b"a*", b"?", b"[a-z]*", b""]), max_size=4))
def test_one_of_several_globs_is_enough(path: bytes, globs: list[bytes]) -> None:
    assert lies_inside(path, globs) == any(lies_inside(path, [glob]) for glob in globs)


@pytest.fixture
def file(tmp_path: Path) -> bytes:
    (tmp_path / "a.wav").write_bytes(b"the same")
    return bytes(tmp_path / "a.wav")


def test_links_are_the_file_that_they_lead_to(file: bytes) -> None:
    hard, symbolic, second = file + b".hard", file + b".link", file + b".second"
    os.link(file, hard)
    os.symlink(file, symbolic)
    os.symlink(symbolic, second)
    for one in (file, hard, symbolic, second):
        for other in (file, hard, symbolic, second):
            assert same_file(one, other)


def test_a_copy_is_another_file(file: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_bytes(b"the same")
    assert not same_file(file, bytes(tmp_path / "b.wav"))


def test_a_name_that_goes_another_way_means_the_same(
    file: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    for other in (b"a.wav", b"./a.wav", b"sub/../a.wav", bytes(tmp_path) + b"//a.wav"):
        assert same_file(file, other)
        assert same_file(other, file)


def test_files_that_are_not_there_are_the_same_by_name_only(file: bytes, tmp_path: Path) -> None:
    missing = bytes(tmp_path / "none.wav")
    assert same_file(missing, missing)
    assert not same_file(missing, file)
    assert not same_file(file, missing)
    assert not same_file(missing, bytes(tmp_path / "sub" / ".." / "none.wav"))
    assert not same_file(file + b"/under", file)
    assert not same_file(b"x" * 10_000, file)
    os.symlink(missing, missing + b".link")
    assert not same_file(missing + b".link", missing)
    os.symlink(b"loop.wav", tmp_path.joinpath("loop.wav"))
    assert not same_file(bytes(tmp_path / "loop.wav"), file)


def test_bytes_that_are_no_text_name_a_file(file: bytes) -> None:
    os.link(file, file + b"\xff")
    assert same_file(file + b"\xff", file)
    assert not same_file(file + b"\xfe", file)


def test_a_name_with_a_nul_is_no_file_s(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    assert not same_file(b"a\0b", os.fsencode(tmp_path / "x"))
    assert same_file(b"a\0b", b"a\0b")


def test_names_of_one_path_have_one_key() -> None:
    home = b"/home/me"
    for name in (
        b"a/x",
        b"./a/x",
        b"a//x",
        b"a/b/../x",
        b"/home/me/a/x",
        b"/home/./me/a/x",
        b"../me/a/x",
        b"//home/me/a/x",
    ):
        assert key(name, home, None) == key(name, home, home) == b"a/x"
    assert key(b"x", home, b"/home/me/a") == b"a/x"
    assert key(b"../x", home, b"/home/me/a") == b"x"
    assert key(b"../x", home, None) == b"/home/x"
    assert key(b"..x", home, None) == b"..x"
    assert key(b"/home/me", home, None) == key(b".", home, None) == b"."
    assert key(b"/home/mex", home, None) == b"/home/mex"
    assert key(b"a/./x", None, home) == b"a/x"
    assert key(b"x", b"/", b"/a") == b"a/x"


@given(paths, st.sampled_from([b"/", b"/home", b"/home/me"]), st.sampled_from([b"/", b"/home", b"/else"]))
def test_a_key_leads_where_the_name_does(name: bytes, folder: bytes, given_in: bytes) -> None:
    assert absolute(key(name, folder, given_in), folder) == absolute(name, given_in)
    assert absolute(spelt_from(name, folder, given_in), folder) == absolute(name, given_in)
    assert key(key(name, folder, given_in), folder, None) == key(name, folder, given_in)


def test_the_way_to_a_file_goes_round_links_but_ends_in_one(tmp_path: Path) -> None:
    disk, there = tmp_path / "disk", tmp_path / "there"
    (disk / "sounds").mkdir(parents=True)
    (disk / "sounds" / "a.wav").write_bytes(b"a")
    os.symlink("a.wav", disk / "sounds" / "link.wav")
    os.symlink(disk, there)
    for name in (b"sounds/a.wav", bytes(disk / "sounds/a.wav"), bytes(there / "sounds/a.wav")):
        assert led_from(name, bytes(there), bytes(disk)) == b"sounds/a.wav"
    assert led_from(b"link.wav", bytes(disk), bytes(there / "sounds")) == b"sounds/link.wav"
    assert led_from(b"x.wav", bytes(disk / "sounds"), bytes(disk)) == b"../x.wav"
