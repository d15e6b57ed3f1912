"""Finding and decoding sounds."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import loaded, noise, tone, write_sound

from qbe.audio.reading import read_blocks
from qbe.streams.records import Audio
from qbe.support.errors import AudioError


def decode(path: Path, rate: int = 16_000, **part: float) -> Audio:
    return np.concatenate(list(read_blocks(os.fsencode(path), rate, **part)))


def dominant(audio: Audio, rate: int) -> float:
    """The frequency of the strongest bin, Hz."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(np.argmax(spectrum)) * rate / len(audio)


@pytest.mark.parametrize("rate", [8000, 11127, 16000, 22050, 44100, 48000, 96000])
def test_any_rate_becomes_the_wanted_one(tmp_path: Path, rate: int) -> None:
    path = write_sound(tmp_path / "a.wav", tone(1000, 3.0, rate=rate), rate, subtype="FLOAT")
    audio = decode(path)
    assert abs(len(audio) - 48_000) <= 1
    assert dominant(audio, 16_000) == pytest.approx(1000, abs=1)
    assert np.abs(audio[1000:-1000]).max() == pytest.approx(0.5, rel=0.02)


def test_blocks_of_a_long_sound_join_without_a_seam(tmp_path: Path) -> None:
    audio = noise(9.3)
    path = write_sound(tmp_path / "a.wav", audio, subtype="FLOAT")
    blocks = list(read_blocks(os.fsencode(path), 16_000))
    assert len(blocks) > 3
    np.testing.assert_array_equal(np.concatenate(blocks), audio)


def test_resampling_in_blocks_is_resampling_at_once(tmp_path: Path) -> None:
    import soxr

    audio = noise(7.0, rate=44_100)
    path = write_sound(tmp_path / "a.wav", audio, 44_100, subtype="FLOAT")
    np.testing.assert_allclose(decode(path), soxr.resample(audio, 44_100, 16_000, quality="HQ"), atol=1e-5)


def test_channels_are_averaged(tmp_path: Path) -> None:
    channels = np.stack([noise(1.0, seed=k) for k in range(8)], axis=1)
    path = write_sound(tmp_path / "a.wav", channels, subtype="FLOAT")
    np.testing.assert_allclose(decode(path), channels.mean(1), atol=1e-6)


@pytest.mark.parametrize(("format", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_compressed_formats(tmp_path: Path, format: str, subtype: str) -> None:
    path = write_sound(tmp_path / "a", tone(700, 2.0), format=format, subtype=subtype)
    assert dominant(decode(path), 16_000) == pytest.approx(700, abs=2)


def test_an_ogg_file_that_is_cut_within_a_page(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.ogg", noise(8.0), format="OGG", subtype="VORBIS")
    whole = path.read_bytes()
    pages = {at for at in range(len(whole)) if whole.startswith(b"OggS", at)}
    assert len(pages) > 8
    assert len(decode(path)) == 8 * 16_000
    for size in range(6000, len(whole), 997):
        path.write_bytes(whole[:size])
        for source in (os.fsencode(path), io.BytesIO(whole[:size])):
            blocks = list[object]()
            if size in pages:
                blocks.extend(read_blocks(source, 16_000))
            else:
                with pytest.raises(AudioError, match=r"truncated\?|not audio|holds no samples"):
                    blocks.extend(read_blocks(source, 16_000))
            assert blocks or size < len(whole) / 4


def test_a_part(tmp_path: Path) -> None:
    audio = noise(5.0)
    path = write_sound(tmp_path / "a.wav", audio, subtype="FLOAT")
    np.testing.assert_array_equal(decode(path, start=1.5, duration=0.25), audio[24_000:28_000])
    np.testing.assert_array_equal(decode(path, start=4.5, duration=60), audio[72_000:])


def test_a_part_that_is_not_there(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(1.0))
    with pytest.raises(AudioError, match=r"start 3 s lies beyond the end at 1\.000 s"):
        decode(path, start=3.0)


@pytest.mark.parametrize(("name", "slack"), [("a.flac", 0.0), ("a.ogg", 0.0), ("a.aiff", 0.0), ("a.mp3", 0.1)])
def test_a_part_beyond_the_end_is_told_where_that_is(tmp_path: Path, name: str, slack: float) -> None:
    path = write_sound(tmp_path / name, noise(2.0))
    with pytest.raises(AudioError) as error:
        decode(path, start=3.0)
    end = float(str(error.value).rpartition(" at ")[2].removesuffix(" s"))
    assert end == pytest.approx(2.0, abs=slack + 1e-9)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e308, -1.0])
def test_a_part_that_is_no_part(tmp_path: Path, seconds: float) -> None:
    path = write_sound(tmp_path / "a.wav", noise(1.0))
    with pytest.raises(AudioError, match=r"start .* is not a number of seconds"):
        list(read_blocks(bytes(path), 16_000, start=seconds))
    with pytest.raises(AudioError, match=r"duration .* is not a number of seconds"):
        list(read_blocks(bytes(path), 16_000, duration=seconds))


def test_an_open_file_reads_like_a_path(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(1.0), subtype="FLOAT")
    read = np.concatenate(list(read_blocks(io.BytesIO(path.read_bytes()), 16_000)))
    np.testing.assert_array_equal(read, decode(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not audio"), (b"hello, world\n" * 100, "not audio"), (b"RIFF\x24\x00\x00\x00WAVEfmt ", "not audio")],
)
def test_what_is_no_audio(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=message):
        decode(path)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="No such file"):
        decode(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="Is a directory"):
        decode(tmp_path)


def test_header_without_samples(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="holds no samples"):
        decode(write_sound(tmp_path / "a.wav", np.zeros(0, np.float32)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers(tmp_path: Path, bad: float) -> None:
    audio = noise(5.0)
    audio[70_000] = bad
    path = write_sound(tmp_path / "a.wav", audio, subtype="FLOAT")
    good = []
    with pytest.raises(AudioError, match=r"near 4\.000 s are not numbers"):
        good.extend(read_blocks(os.fsencode(path), 16_000))
    good_so_far = []
    try:
        for block in read_blocks(os.fsencode(path), 16_000):
            good_so_far.append(block)
    except AudioError:
        np.testing.assert_array_equal(np.concatenate(good_so_far), audio[:64_000])


@pytest.mark.parametrize("format", ["WAV", "AIFF", "AU", "FLAC", "MP3"])
@pytest.mark.parametrize("rate", [44_100, 16_000])
def test_a_cut_file_gives_what_it_holds_and_says_so(tmp_path: Path, format: str, rate: int) -> None:
    whole = write_sound(tmp_path / "a", noise(10.0, rate=rate), rate, format=format)
    path = tmp_path / "cut"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    blocks = []
    with pytest.raises(AudioError, match=r"truncated|broken"):
        for block in read_blocks(os.fsencode(path), 16_000):
            blocks.append(block)
    assert 3 * 16_000 < sum(map(len, blocks)) < 6 * 16_000


def test_a_header_from_a_pipe_that_knows_no_size_is_taken_as_it_is(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(2.0))
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = data[4:8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert len(decode(path)) == 32_000


def test_one_sample(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", np.full(1, 0.5, np.float32), subtype="FLOAT")
    assert decode(path).tolist() == [0.5]


def test_odd_rates_are_refused(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(0.1), 3)
    with pytest.raises(AudioError, match="sample rate 3 Hz"):
        decode(path)


def test_changed_files_are_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small form of tests/bench/fuzz_decoding.py, with the formats that can be written without other programs."""
    monkeypatch.setenv("QBE_FFMPEG", "")
    bench = loaded("tests/bench/fuzz_decoding.py")
    seeds = bench.write_seeds(
        tmp_path, [name for name in bench.LIBSNDFILES if name.startswith(("plain", "sound.a", "sound.f"))]
    )
    counts, peak, faults = bench.fuzz(seeds, tmp_path, 300, seed=1)
    assert (counts.total(), faults) == (300, [])
    assert peak < bench.MEMORY
    assert sum(n for what, n in counts.items() if what.endswith(": read")) > 50


def test_every_demo_sound_decodes_to_its_length(library_sounds: list[Path]) -> None:
    for path in library_sounds:
        audio, rate = soundfile.read(path)
        assert len(decode(path)) == pytest.approx(len(audio) * 16_000 / rate, abs=2), path
