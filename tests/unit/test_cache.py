"""Decoded once, used again, never half there."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import noise, write_sound

from qbe.audio.segmentation import segments
from qbe.learn import cache as caching
from qbe.learn.cache import decode_once, default_cache
from qbe.learn.corpus import open_corpus
from qbe.streams.records import Segment
from qbe.support.errors import OnError, QbeError, TrainingError


class Decoding:
    """One call of `decode_once`, and all that it says."""

    def __init__(self, paths: list[Path], cache: Path) -> None:
        self.told: list[str] = []
        self.errors: list[str] = []
        self.decoded = 0
        self.paths = [bytes(path) for path in paths]
        self.folder = decode_once(self.paths, cache, self.decode, self.failed, self.told.append)

    def failed(self, error: QbeError) -> None:
        self.errors.append(str(error))

    def decode(self, on_error: OnError) -> Iterable[Segment]:
        self.decoded += 1
        return segments(self.paths, on_error)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write_sound(tmp_path / f"{k}.wav", noise(2.0, seed=k)) for k in range(3)]


def test_the_second_time_nothing_is_decoded(files: list[Path], tmp_path: Path) -> None:
    first, second = (Decoding(files, tmp_path / "cache") for _ in range(2))
    assert (first.folder, first.decoded, second.decoded) == (second.folder, 1, 0)
    assert "decoding 3 sounds once takes about 0.2 MB in" in first.told[0]
    assert "decoded already: 0.2 MB in" in second.told[0]
    assert len(open_corpus(first.folder).paths) == 3


def test_a_file_that_changed_is_decoded_again(files: list[Path], tmp_path: Path) -> None:
    first = Decoding(files, tmp_path / "cache")
    os.utime(files[0], (1, 1))
    assert Decoding(files, tmp_path / "cache").folder != first.folder
    assert Decoding(files[1:], tmp_path / "cache").folder != first.folder


def test_what_could_not_be_read_is_said_every_time(files: list[Path], tmp_path: Path) -> None:
    files[0].write_bytes(b"no sound")
    files[1].unlink()
    write_sound(tmp_path / "4.wav", noise(1.0, seed=4))
    first, second = (Decoding([*files, tmp_path / "4.wav"], tmp_path / "cache") for _ in range(2))
    assert len(first.errors) == 2
    assert second.errors == first.errors
    assert second.decoded == 0


def test_a_decoding_that_fails_leaves_nothing(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="at least two files"):
        Decoding(files[:1], tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]


def test_what_a_killed_decoding_left_is_no_hindrance(files: list[Path], tmp_path: Path) -> None:
    folder = Decoding(files, tmp_path / "cache").folder
    expected = (folder / "audio.i16").read_bytes()
    part = folder.with_name(folder.name + ".part")
    folder.rename(part)
    (part / "audio.i16").write_bytes(expected[:1000])
    assert (Decoding(files, tmp_path / "cache").folder / "audio.i16").read_bytes() == expected
    assert not part.exists()


def test_a_disk_that_is_too_small_is_said_before(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(TrainingError, match=r"3 sounds take about 0.2 MB when decoded, and 0.0 MB are free.*--cache"):
        Decoding(files, tmp_path / "cache")


def test_a_cache_that_is_no_folder(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for cache in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(TrainingError, match=r"file.*: name another folder with --cache"):
            Decoding(files, cache)


def test_a_second_training_waits_for_the_first(files: list[Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results: list[Decoding | QbeError] = []
        thread = threading.Thread(target=lambda: results.append(Decoding(files, cache)))
        thread.start()
        thread.join(0.5)
        assert not results
    thread.join(30)
    assert isinstance(results[0], Decoding)
    assert "waiting" in results[0].told[0]


def test_the_default_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    assert default_cache() == Path("/some/where/qbe")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "qbe"


def test_a_header_that_promises_too_much_counts_by_its_size(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", np.zeros(16_000, np.float32))
    assert caching._expected(bytes(path)) == 32_000
    assert caching._expected(b"/none") == 0
