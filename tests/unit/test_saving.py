"""A file is the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qbe.support.errors import UsageError
from qbe.support.names import same_file
from qbe.support.saving import save_file


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    with save_file(str(tmp_path / "a")) as file:
        file.write(b"new")
        assert not (tmp_path / "a").exists()
    (tmp_path / "b").touch()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(RuntimeError), save_file(str(tmp_path / "a")) as file:
        file.write(b"new")
        raise RuntimeError
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with save_file(bytes(tmp_path / "link")) as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(UsageError, match="not a file that could be replaced"), save_file(str(path)):
            pass


def test_errors_name_the_file_that_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, save_file(str(tmp_path / "none" / "a")):
        pass
    assert caught.value.filename == str(tmp_path / "none" / "a")


def test_same_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.touch()
    link = tmp_path / "b.wav"
    link.symlink_to(path)
    assert same_file(bytes(path), bytes(link))
    assert same_file(b"gone.wav", b"gone.wav")
    assert not same_file(bytes(path), bytes(tmp_path / "c.wav"))


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("\u97f3" * 85)
    with save_file(str(path)) as file:
        file.write(b"sound")
    assert path.read_bytes() == b"sound"
    assert list(tmp_path.iterdir()) == [path]
