"""Where in a file its sound is, whatever its header says."""

from __future__ import annotations

import io
import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import noise, tone, write_sound

from qbe.audio.containers import chunks, flac, mpeg, ogg
from qbe.audio.containers.splicing import Spliced, find
from qbe.audio.reading import decode, read_blocks
from qbe.streams.records import Audio
from qbe.support.errors import AudioError, AudioWarning

RATE = 16_000


def encoded(audio: Audio, format: str, subtype: str | None = None, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, audio, rate, subtype, format=format)
    return file.getvalue()


def read(data: bytes) -> Audio:
    """At the sound's own rate, one channel."""
    return np.concatenate([block[:, 0] for block in decode(io.BytesIO(data)).blocks])


def told(data: bytes, path: Path) -> tuple[Audio, list[str]]:
    """What is read of a file, and what is said of it."""
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sound = decode(bytes(path))
        blocks = [block[:, 0] for block in sound.blocks]
    return np.concatenate(blocks), [str(one.message) for one in caught if one.category is AudioWarning]


def test_a_spliced_file_reads_as_its_bytes_would() -> None:
    head, body = b"a new head", bytes(range(256)) * 40
    whole = head + body[100:9000]
    spliced = Spliced(head, io.BytesIO(body), 100, 9000)
    for offset, size in ((0, 3), (5, 100), (9, 1), (10, 10), (8909, 20), (20_000, 5)):
        spliced.seek(offset)
        assert spliced.read(size) == whole[offset : offset + size]
        assert spliced.tell() == min(offset + size, max(offset, len(whole)))
    assert spliced.seek(-4, os.SEEK_END) == len(whole) - 4
    assert spliced.readall() == whole[-4:]


def test_bytes_are_found_across_the_pieces_that_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qbe.audio.containers.splicing.SEARCHED", 16)
    data = bytes(30) + b"OggS" + bytes(40)
    assert find(io.BytesIO(data), b"OggS", 0) == 30
    assert find(io.BytesIO(data), b"OggS", 31) == -1


SOUNDS = {"WAV": "data", "WAVEX": "data", "AIFF": "SSND", "RF64": "data", "CAF": "data"}


@pytest.mark.parametrize("format", SOUNDS)
def test_a_whole_file_is_left_as_it_is(format: str) -> None:
    assert list(chunks.parts(io.BytesIO(encoded(noise(1.0), format)))) == []


@pytest.mark.parametrize("format", ["WAV", "WAVEX", "AIFF", "CAF"])
@pytest.mark.parametrize("claimed", [0.0, 0.25])
def test_sound_behind_the_end_that_the_header_tells_is_read(tmp_path: Path, format: str, claimed: float) -> None:
    audio = noise(4.0)
    data = bytearray(encoded(audio, format, "PCM_16"))
    order, width = (">", 8) if format == "CAF" else (">" if format == "AIFF" else "<", 4)
    at = data.index(SOUNDS[format].encode()) + 4
    size = int(claimed * 2 * len(audio)) + (8 if format == "AIFF" else 4 if format == "CAF" else 0)
    data[at : at + width] = size.to_bytes(width, "little" if order == "<" else "big")
    found, said = told(bytes(data), tmp_path / "a")
    np.testing.assert_array_equal(found, read(encoded(audio, format, "PCM_16")))
    assert said == [f"{tmp_path / 'a'}: holds more than its header tells: 4.000 s, all read"]


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT", "ULAW", "MS_ADPCM"])
def test_a_recorder_that_died_whatever_it_wrote(tmp_path: Path, subtype: str) -> None:
    whole = encoded(tone(440, 4.0), "WAV", subtype)
    at = whole.index(b"data") + 4
    found, said = told(whole[:at] + bytes(4) + whole[at + 4 :], tmp_path / "a.wav")
    assert len(said) == 1
    np.testing.assert_array_equal(found[: 4 * RATE - 2000], read(whole)[: 4 * RATE - 2000])


@pytest.mark.parametrize("format", ["WAV", "AIFF", "RF64", "CAF"])
def test_chunks_behind_the_sound_are_no_sound(tmp_path: Path, format: str) -> None:
    audio = noise(1.0)
    order = ">" if format in ("AIFF", "CAF") else "<"
    size = struct.pack(f"{order}{'q' if format == 'CAF' else 'I'}", 50_000)
    found, said = told(encoded(audio, format) + b"note" + size + noise(2.0).tobytes()[:50_000], tmp_path / "a")
    assert (len(found), said) == (len(audio), [])


def test_zeros_behind_the_sound_are_none(tmp_path: Path) -> None:
    found, said = told(encoded(noise(1.0), "WAV") + bytes(100_000), tmp_path / "a")
    assert (len(found), said) == (RATE, [])


def test_a_wav_of_over_4_gib_whose_size_has_wrapped(tmp_path: Path) -> None:
    """Nearly all of it is a hole that takes no place on disk."""
    path, second = tmp_path / "long.wav", noise(1.0)
    pcm = encoded(second, "WAV", "PCM_16")[44:]
    size = (1 << 32) + 20 * len(pcm)
    header = bytearray(encoded(second[:0], "WAV", "PCM_16"))
    struct.pack_into("<I", header, 40, size & 0xFFFFFFFF)
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + size - len(pcm))
        file.seek(0, os.SEEK_END)
        file.write(pcm)
    last = size / 2 / RATE - 1
    blocks = np.concatenate(list(read_blocks(bytes(path), RATE, start=last)))
    np.testing.assert_allclose(blocks, second, atol=1e-4)


def test_the_end_that_a_header_cannot_tell_is_named(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.sds", noise(1.0), format="SDS")
    path.write_bytes(path.read_bytes() + b"\1" * 10_000)
    with pytest.raises(AudioError, match=r"10\d\d\d bytes behind it are of no format that is known: not read"):
        list(read_blocks(bytes(path), RATE))


def mp3(seconds: float, seed: int = 0, rate: int = 44_100) -> bytes:
    return encoded(noise(seconds, seed=seed, rate=rate), "MP3", rate=rate)


def test_the_frames_of_an_mp3_are_counted() -> None:
    data = mp3(5.0)
    (stretch,) = mpeg.stretches(io.BytesIO(data))
    assert stretch.frames == mpeg.promised(io.BytesIO(data))
    assert (stretch.end, stretch.junk) == (len(data), 0)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_frames_at_every_rate(rate: int) -> None:
    data = mp3(3.0, rate=rate)
    (stretch,) = mpeg.stretches(io.BytesIO(data))
    samples = stretch.frames * (1152 if rate >= 32_000 else 576)
    assert samples / rate == pytest.approx(3.0, abs=0.2)


def test_tags_between_joined_files_are_passed_over_without_a_word(tmp_path: Path) -> None:
    one, other = mp3(3.0), mp3(2.0, seed=1)
    picture = b"ID3\4\0\0\0\0\x10\0" + b"\xff\xfb\x90\0" * 512  # frames that are none
    found, said = told(one + b"TAG" + bytes(125) + picture + other, tmp_path / "a.mp3")
    assert len(found) == pytest.approx(len(read(one)) + len(read(other)), abs=2 * 1152)
    assert said == []


def test_junk_between_joined_files_is_told(tmp_path: Path) -> None:
    junk = np.random.default_rng(0).integers(1, 250, 5000).astype(np.uint8).tobytes()
    found, said = told(mp3(3.0) + junk + mp3(2.0, seed=1), tmp_path / "a.mp3")
    assert len(found) / 44_100 == pytest.approx(5.0, abs=0.1)
    assert said == [f"{tmp_path / 'a.mp3'}: 5000 bytes at 3.000 s are no MP3: passed over"]


def test_joined_files_of_other_rates_and_channels_come_at_the_first_ones(tmp_path: Path) -> None:
    stereo = np.stack([tone(440, 2.0, rate=22_050)] * 2, axis=1)
    found, _ = told(mp3(2.0) + encoded(stereo, "MP3", rate=22_050), tmp_path / "a.mp3")
    assert len(found) / 44_100 == pytest.approx(4.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(found[-44_100:-4410]))
    assert spectrum.argmax() / len(spectrum) * 22_050 == pytest.approx(440, abs=2)


def test_a_header_that_counts_too_few_frames_costs_no_sample(tmp_path: Path) -> None:
    whole = mp3(6.0)
    data = bytearray(whole)
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    struct.pack_into(">I", data, at, 100)
    found, said = told(bytes(data), tmp_path / "a.mp3")
    assert len(said) == 1
    np.testing.assert_allclose(found, read(whole), atol=1e-6)


def test_parts_of_a_joined_mp3_lie_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(mp3(3.0) + mp3(3.0, seed=1))
    whole = np.concatenate([block[:, 0] for block in decode(bytes(path)).blocks])
    for start in (1.0, 2.9, 4.0, 5.5):
        part = np.concatenate([block[:, 0] for block in decode(bytes(path), start=start, duration=0.4).blocks])
        np.testing.assert_allclose(part, whole[round(start * 44_100) :][: len(part)], atol=1e-3)
        assert len(part) == 17_640
    with pytest.raises(AudioError, match=r"start 7 s lies beyond the end at 6\.\d+ s"):
        list(decode(bytes(path), start=7.0).blocks)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_chained_ogg_goes_on_with_the_next_link(tmp_path: Path, subtype: str) -> None:
    links = [encoded(noise(seconds, seed=k), "OGG", subtype) for k, seconds in enumerate((2.0, 3.0, 1.0))]
    found, said = told(b"".join(links), tmp_path / "a.ogg")
    np.testing.assert_array_equal(found, np.concatenate([read(link) for link in links]))
    assert said == []
    assert len(list(ogg.parts(io.BytesIO(b"".join(links))))) == 3


def test_the_last_page_of_an_ogg_file_is_whole_or_not() -> None:
    data = encoded(noise(3.0), "OGG", "VORBIS")
    assert not ogg.is_cut(io.BytesIO(data))
    assert ogg.is_cut(io.BytesIO(data[:-1]))
    last = max(page.begin for page in ogg.pages(io.BytesIO(data)))
    assert not ogg.is_cut(io.BytesIO(data[:last]))
    assert ogg.is_cut(io.BytesIO(data[: last + 10]))


def counting(data: bytes, count: int) -> bytes:
    """FLAC that says to have so many samples."""
    out = bytearray(data)
    at = out.index(b"fLaC") + 21
    out[at] = out[at] & 0xF0 | count >> 32
    out[at + 1 : at + 5] = (count & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(out)


@pytest.mark.parametrize("count", [0, RATE])
def test_flac_of_unknown_or_wrong_length_is_read_whole(tmp_path: Path, count: int) -> None:
    whole = encoded(noise(9.5), "FLAC")
    found, said = told(counting(whole, count), tmp_path / "a.flac")
    np.testing.assert_array_equal(found, read(whole))
    assert len(said) == bool(count)


def test_a_part_of_flac_of_unknown_length(tmp_path: Path) -> None:
    audio = noise(9.5)
    path = tmp_path / "a.flac"
    path.write_bytes(counting(encoded(audio, "FLAC"), 0))
    part = np.concatenate([block[:, 0] for block in decode(bytes(path), start=4.0, duration=2.0).blocks])
    np.testing.assert_allclose(part, audio[4 * RATE : 6 * RATE], atol=1e-4)


def test_flac_that_ends_too_early_is_told_up_to_its_last_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(encoded(noise(3.0), "FLAC")[:-20_000])
    got = []
    with pytest.raises(AudioError, match=r"broken at 2\.\d+ s"):
        got.extend(decode(bytes(path)).blocks)
    assert 2.0 < sum(map(len, got)) / RATE < 3.0


def test_whether_flac_goes_on_is_told_by_a_frame_and_its_checksum() -> None:
    data = encoded(noise(2.0), "FLAC")
    junk = np.random.default_rng(3).integers(0, 256, 5000).astype(np.uint8).tobytes()
    assert flac.goes_on(io.BytesIO(data), 1000)
    assert not flac.goes_on(io.BytesIO(data + junk), len(data))
