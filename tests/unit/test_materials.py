"""Responses of rooms out of files, and what is kept beside a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import RATE, noise, write_sound

from qbe.learn.corpus import write_corpus
from qbe.learn.kinds import Kinds
from qbe.learn.materials import Materials
from qbe.learn.rooms import LONGEST, read_rooms
from qbe.streams.records import Segment
from qbe.support.errors import AudioError, QbeError, TrainingError

TABLE = b"path\tkind\tsource\r\n\xff.wav\tdrums\tbox\r\nb.wav\tspeech\tbook"


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 96_000])
def test_responses_of_other_rates_keep_their_times_and_level(tmp_path: Path, rate: int) -> None:
    """A sine of 500 Hz from 0.1 s to 0.6 s."""
    t = np.arange(rate) / rate
    sound = (0.5 * np.sin(2 * np.pi * 500 * t) * ((t >= 0.1) & (t < 0.6))).astype(np.float32)
    write_sound(tmp_path / "a.wav", sound, rate)
    (room,) = read_rooms(tmp_path)
    assert room.dtype == np.float32
    assert len(room) == pytest.approx(RATE, abs=2)
    at = np.arange(RATE) / RATE
    middle = (at > 0.12) & (at < 0.58)
    np.testing.assert_allclose(room[:RATE][middle], (0.5 * np.sin(2 * np.pi * 500 * at))[middle], atol=2e-3)
    assert np.abs(room[: int(0.08 * RATE)]).max() < 2e-3 and np.abs(room[int(0.62 * RATE) :]).max() < 2e-3


def test_rooms_come_in_the_order_of_their_paths_from_all_folders(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for k, name in enumerate(["c.flac", "a.wav", "b/z.wav", "b/y.wav"]):
        write_sound(tmp_path / name, np.full(100 + k, 0.5, np.float32))
    (tmp_path / "notes.txt").write_text("no sound")
    assert [len(room) for room in read_rooms(tmp_path)] == [101, 103, 102, 100]


def test_channels_of_a_response_are_averaged_and_no_more_is_read_than_is_used(tmp_path: Path) -> None:
    left = noise(LONGEST + 2)
    write_sound(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], 1), subtype="FLOAT")
    (room,) = read_rooms(tmp_path)
    np.testing.assert_allclose(room, left[: round(LONGEST * RATE)] / 2, atol=1e-7)


def silent(path: Path) -> None:
    write_sound(path, np.zeros(1000, np.float32))


def empty(path: Path) -> None:
    write_sound(path, np.zeros(0, np.float32))


def no_sound(path: Path) -> None:
    path.write_text("no sound")


def link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere.wav")


def no_numbers(path: Path) -> None:
    write_sound(path, np.full(10, np.nan, np.float32), subtype="FLOAT")


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (silent, TrainingError, "silent: no impulse response"),
        (empty, AudioError, "holds no samples"),
        (no_sound, AudioError, "not audio: text"),
        (link_to_nowhere, AudioError, "No such file"),
        (no_numbers, AudioError, "not numbers"),
    ],
)
def test_one_bad_file_among_good_ones_is_named_in_one_line(
    tmp_path: Path, made: Callable[[Path], None], error: type[QbeError], message: str
) -> None:
    write_sound(tmp_path / "a.wav", noise(0.1))
    made(tmp_path / "bad.wav")
    with pytest.raises(error, match=rf"^{tmp_path}/bad\.wav: .*{message}.*$") as raised:
        read_rooms(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_file_is_no_folder_of_rooms(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"a\.wav: no such folder: --rooms takes one"):
        read_rooms(write_sound(tmp_path / "a.wav", noise(0.1)))


def test_what_is_kept_comes_back_to_the_byte_and_in_order(tmp_path: Path) -> None:
    rooms = [noise(0.001 * (k + 1), seed=k) for k in range(12)]  # more than ten: names of numbers sort badly
    Materials(Kinds("given.tsv", TABLE), rooms).keep(tmp_path)
    kept = Materials.kept(tmp_path)
    assert kept.kinds and kept.kinds.content == TABLE
    assert kept.kinds.known == {b"\xff.wav": ("drums", "box"), b"b.wav": ("speech", "book")}
    assert len(kept.rooms) == 12
    for room, back in zip(rooms, kept.rooms, strict=True):
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back, room)


def test_a_table_decides_the_grouping_and_without_it_the_balance(tmp_path: Path) -> None:
    sounds = {b"x/\xff.wav": 100, b"b.wav": 300}
    corpus = write_corpus([Segment(n, 0, k, np.ones(k, np.float32)) for n, k in sounds.items()], tmp_path)
    grouping = Materials(Kinds("t", TABLE)).grouping(corpus, "duration")
    assert [grouping.kinds[k] for k in grouping.kind] == ["drums", "speech"]
    assert grouping.weights(corpus) == pytest.approx(np.array([0.10, 0.22]) / 0.32)
    assert Materials().grouping(corpus, "duration").weights(corpus) == pytest.approx([0.25, 0.75])
    assert Materials().grouping(corpus, "folder").weights(corpus) == pytest.approx([0.5, 0.5])
