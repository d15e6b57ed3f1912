"""The decoded sounds, and which of them are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import noise

from qbe.audio.segmentation import WINDOW, cut
from qbe.learn.corpus import Corpus, open_corpus, write_corpus
from qbe.learn.settings import Balance
from qbe.streams.records import Audio, Segment
from qbe.support.errors import TrainingError


def cuts(sounds: dict[bytes, Audio], hop: int = WINDOW) -> Iterator[Segment]:
    for path, audio in sounds.items():
        yield from cut([audio], path, hop=hop)


def quantised(audio: Audio) -> Audio:
    return (np.rint(audio * 32768) / 32768).astype(np.float32)


@pytest.mark.parametrize("hop", [WINDOW, WINDOW // 2, 5000])
def test_overlapping_segments_give_every_sample_once(tmp_path: Path, hop: int) -> None:
    sounds = {b"a": noise(5.3), b"b": noise(0.4, seed=1), b"c": noise(1.9, seed=2)}
    corpus = write_corpus(cuts(sounds, hop), tmp_path)
    assert [len(a) for a in sounds.values()] == corpus.runs["length"].tolist()
    for run, audio in enumerate(sounds.values()):
        np.testing.assert_array_equal(corpus.read(run, 0, len(audio)), quantised(audio))


def test_silence_parts_a_file_into_runs(tmp_path: Path) -> None:
    gap = np.concatenate([noise(2.0), np.zeros(WINDOW * 3, np.float32), noise(2.0, seed=1)])
    corpus = write_corpus(cuts({b"a": gap, b"b": noise(1.0, seed=2)}), tmp_path)
    assert corpus.runs["file"].tolist() == [0, 0, 1]
    assert corpus.runs["start"][1] > 32_000
    start = int(corpus.runs["start"][1])
    np.testing.assert_array_equal(corpus.read(1, 0, 5000), quantised(gap[start : start + 5000]))


def test_reading_beyond_a_run_gives_zeros(tmp_path: Path) -> None:
    corpus = write_corpus(cuts({b"a": noise(0.5), b"b": noise(0.5, seed=1)}), tmp_path)
    assert not corpus.read(0, 0, WINDOW)[8000:].any()


def test_loud_samples_do_not_wrap(tmp_path: Path) -> None:
    corpus = write_corpus(cuts({b"a": np.full(9000, 1.7, np.float32), b"b": noise(1.0)}), tmp_path)
    assert corpus.read(0, 0, 10)[0] == pytest.approx(1, abs=1e-4)


def test_too_little_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="at least two files, and there is some in"):
        write_corpus(cuts({b"a": noise(9.0)}), tmp_path)
    with pytest.raises(TrainingError, match="at least two files, and there is some in"):
        write_corpus([], tmp_path)


def with_lengths(folder: Path, seconds: dict[bytes, float]) -> Corpus:
    return write_corpus(cuts({path: noise(length, seed=k) for k, (path, length) in enumerate(seconds.items())}), folder)


@pytest.mark.parametrize(
    ("balance", "weights"), [("duration", [16, 4, 1, 4]), ("sqrt", [4, 2, 1, 2]), ("folder", [8, 2, 0.5, 10.5])]
)
def test_files_weigh_by_duration_its_root_or_their_folder(
    tmp_path: Path, balance: Balance, weights: list[float]
) -> None:
    corpus = with_lengths(tmp_path, {b"a/long": 16, b"a/middle": 4, b"a/short": 1, b"b/alone": 4})
    np.testing.assert_allclose(corpus.weights(balance), np.array(weights) / sum(weights), rtol=0.01)


def test_one_file_in_twenty_is_held_out_and_stays_so(tmp_path: Path) -> None:
    names = [b"%d.wav" % k for k in range(40)]
    corpus = with_lengths(tmp_path, dict.fromkeys(names, 0.6))
    held = {path for path, is_held in zip(corpus.paths, corpus.held_out(), strict=True) if is_held}
    assert len(held) == 2
    for balance in ("duration", "sqrt", "folder"):
        weights = corpus.weights(balance)  # type: ignore[arg-type]
        assert {corpus.paths[f] for f in corpus.runs["file"][weights == 0]} == held
        assert weights.sum() == pytest.approx(1)
    fewer = with_lengths(tmp_path, dict.fromkeys(sorted(names, reverse=True)[:30], 0.6))
    kept = {path for path, is_held in zip(fewer.paths, fewer.held_out(), strict=True) if is_held}
    assert kept & held or not held & set(fewer.paths)


def test_of_few_files_none_is_held_out(tmp_path: Path) -> None:
    assert not with_lengths(tmp_path, {b"a": 1, b"b": 1, b"c": 1, b"d": 1}).held_out().any()


def test_decoded_sounds_that_are_gone_are_named(tmp_path: Path) -> None:
    with_lengths(tmp_path, {b"a": 1, b"b": 1})
    (tmp_path / "audio.i16").unlink()
    with pytest.raises(TrainingError, match=r"audio\.i16: No such file or directory: the decoded sounds are gone"):
        open_corpus(tmp_path)


def test_memory_is_given_back_and_read_again(tmp_path: Path) -> None:
    corpus = with_lengths(tmp_path, {b"a": 2, b"b": 2})
    before = corpus.read(1, 100, 5000)
    corpus.forget()
    np.testing.assert_array_equal(corpus.read(1, 100, 5000), before)


def test_names_of_any_bytes(tmp_path: Path) -> None:
    names = [b"new\nline", b"\xff\xfe", b"tab\t"]
    assert with_lengths(tmp_path, dict.fromkeys(names, 1.0)).paths == names
