"""Sounds as WAV files that are decoded where they are asked for: against the file that libsndfile would write."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE, noise, tone, write_sound

from qbe.browse.replies import sound
from qbe.browse.wav import HEAD, Wav
from qbe.support.errors import AudioError


def content(wav: Wav) -> bytes:
    return b"".join(wav.bytes_from(0, len(wav)))


@pytest.mark.parametrize(("name", "channels"), [("a.wav", 1), ("a.flac", 2), ("a.ogg", 2)])
def test_it_is_the_part_as_a_reader_reads_it(tmp_path: Path, name: str, channels: int) -> None:
    path = tmp_path / name
    soundfile.write(path, np.stack([noise(3.0, seed=k) for k in range(channels)], 1), RATE)
    wav = Wav.of(bytes(path), 0.5, 2.0)
    whole = content(wav)
    assert len(whole) == len(wav) == HEAD + 2 * RATE * 2 * channels
    samples, rate = soundfile.read(io.BytesIO(whole), always_2d=True)
    wanted, _ = soundfile.read(path, start=RATE // 2, frames=2 * RATE, always_2d=True)
    assert rate == RATE
    np.testing.assert_allclose(samples, wanted, atol=1 / 32000)


@pytest.mark.parametrize(
    ("begin", "end"), [(0, 10), (0, 45), (43, 44), (44, 46), (45, 52), (1001, 200_000), (90_003, 90_004)]
)
def test_any_bytes_are_those_of_the_whole(tmp_path: Path, begin: int, end: int) -> None:
    path = write_sound(tmp_path / "a.wav", np.stack([noise(2.0), tone(440, 2.0)], 1))
    wav = Wav.of(bytes(path), 0.1, 1.9)
    end = min(end, len(wav))
    assert b"".join(wav.bytes_from(begin, end)) == content(wav)[begin:end]


def test_many_channels_are_mixed_to_one(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", np.stack([noise(1.0, seed=k) for k in range(8)], 1))
    samples, _ = soundfile.read(io.BytesIO(content(Wav.of(bytes(path), 0, 1))))
    wanted, _ = soundfile.read(path)
    np.testing.assert_allclose(samples, wanted.mean(1), atol=1e-4)


def test_what_is_over_full_scale_is_cut(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", 4 * tone(440, 1.0), subtype="FLOAT")
    samples, _ = soundfile.read(io.BytesIO(content(Wav.of(bytes(path), 0, 1))))
    wanted, _ = soundfile.read(path)
    np.testing.assert_allclose(samples, np.clip(wanted, -1, 1), atol=1e-4)  # not wrapped around


def test_a_file_that_ends_early_is_filled_with_silence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(1.0))
    wav = Wav(bytes(path), RATE, 1, 0, 2 * RATE)
    whole = content(wav)
    assert len(whole) == len(wav)
    assert not any(whole[HEAD + 2 * RATE :])


def test_peaks_are_the_highest_of_equal_stretches(tmp_path: Path) -> None:
    audio = tone(440, 4.0) * np.linspace(0, 1, 4 * RATE, dtype=np.float32)
    peaks = Wav.of(bytes(write_sound(tmp_path / "a.wav", audio)), 0, 4).peaks()
    wanted = np.abs(audio).reshape(len(peaks), -1).max(1)
    np.testing.assert_allclose(peaks, wanted, atol=1e-3)


@pytest.mark.parametrize("what", ["missing", "text", "late"])
def test_what_is_no_sound_is_told(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.wav"
    if what == "text":
        path.write_text("hello")
    if what == "late":
        write_sound(path, noise(1.0))
    with pytest.raises(AudioError, match=r"a\.wav"):
        sound(Wav.of(bytes(path), 5.0, 1.0), None)


# RFC 9110, 14.1.2 and 14.4, of 1000 bytes and a header
@pytest.mark.parametrize(
    ("asked", "span"),
    [("bytes=0-", (0, 1044)), ("bytes=10-19", (10, 20)), ("bytes=1000-5000", (1000, 1044)), ("bytes=-4", (1040, 1044)),
     ("bytes=-5000", (0, 1044))],
)  # fmt: skip
def test_a_range_gives_these_bytes_and_says_so(tmp_path: Path, asked: str, span: tuple[int, int]) -> None:
    wav = Wav.of(bytes(write_sound(tmp_path / "a.wav", noise(500 / RATE))), 0, 500 / RATE)
    reply = sound(wav, asked)
    assert reply.status == 206
    assert reply.headers["Content-Range"] == f"bytes {span[0]}-{span[1] - 1}/1044"
    assert b"".join(reply.pieces()) == content(wav)[slice(*span)]
    assert reply.size == span[1] - span[0]


@pytest.mark.parametrize(("asked", "status"), [
    (None, 200), ("bytes=-", 200), ("lines=1-2", 200), ("bytes=1-2,5-6", 200), ("bytes=2000-", 416), ("bytes=-0", 416),
    ("bytes=9-3", 416), ("bytes=" + "9" * 5000 + "-", 200),
])  # fmt: skip
def test_what_is_no_range_gives_all_and_one_beyond_the_end_nothing(
    tmp_path: Path, asked: str | None, status: int
) -> None:
    wav = Wav.of(bytes(write_sound(tmp_path / "a.wav", noise(500 / RATE))), 0, 500 / RATE)
    reply = sound(wav, asked)
    assert reply.status == status
    assert b"".join(reply.pieces()) == (content(wav) if status == 200 else b"")
