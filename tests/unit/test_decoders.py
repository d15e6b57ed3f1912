"""What a file is, by its first bytes, and what is said of those that are no sound."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import noise, write_sound
from formats import HAS_PROGRAMS, run
from shell import children

from qbe.audio import ffmpeg
from qbe.audio.kinds import PATTERNS, kind_of
from qbe.audio.reading import decode, read_blocks
from qbe.support.errors import AudioError, FormatError

NO_SOUND = {
    b"": "empty",
    b"hello, world\n" * 100: "text",
    b"<!DOCTYPE html><html><body>404": "an HTML page",
    b"\n<html>": "an HTML page",
    b"%PDF-1.7 ...": "a PDF document",
    b"PK\x03\x04....": "an archive",
    b"\x89PNG\r\n": "a picture",
    b"MThd\0\0\0\6": "MIDI, notes without sound",
    b"\0\5\x16\7\0\2\0\0": "macOS's notes on another file",
    b"#EXTM3U\nhttp://example.com/a.mp3\n": "a playlist",
    bytes(4000): "nothing but zeros",
    b"\x93\x87junk\xee": "of no format that is known",
}


@pytest.mark.parametrize("content", NO_SOUND, ids=NO_SOUND.values())
@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.m4a"])
def test_what_is_no_sound_is_told_whatever_its_name(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError) as error:
        list(read_blocks(bytes(path), 16_000))
    assert str(error.value) == f"{path}: not audio: {NO_SOUND[content]}"


@pytest.mark.parametrize(
    ("content", "kind", "short"),
    [
        (b"\0\0\0\x20ftypM4A ", "MPEG-4", "m4a"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media", "wma"),
        (b"\x1a\x45\xdf\xa3", "Matroska or WebM", "webm"),
        (b"wvpk....", "WavPack", "wv"),
        (b"\xff\xf1\x50\x80", "AAC", "aac"),
        (b"ID3\4\0\0\0\0\0\x05.....\xff\xf1\x50\x80", "AAC", "aac"),
        (b"\x0b\x77\0\0\0\x40", "AC-3", "ac3"),
        (b"\x0b\x77\0\0\0\x80", "E-AC-3", "eac3"),
        (b"OggS" + bytes(24) + b"\x7fFLAC", "FLAC in Ogg", "oga"),
    ],
)
def test_what_needs_ffmpeg_is_told_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, kind: str, short: str
) -> None:
    monkeypatch.setenv(ffmpeg.PROGRAM, "")
    path = tmp_path / "a.mp3"
    path.write_bytes(content + bytes(100))
    with pytest.raises(FormatError) as error:
        decode(bytes(path))
    assert str(error.value) == f"{path}: {kind}: needs ffmpeg, which is not there: install it"
    assert error.value.format == short


def test_libsndfiles_own_kinds_need_no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ffmpeg.PROGRAM, "")
    with pytest.raises(AudioError, match="not audio that can be read: WAV") as error:
        decode(io.BytesIO(b"RIFF\x24\x00\x00\x00WAVEfmt "))
    assert not isinstance(error.value, FormatError)


def test_every_kind_that_is_sound_has_a_demuxer_that_ffmpeg_knows() -> None:
    if not ffmpeg.program():
        pytest.skip("no ffmpeg")
    listed = subprocess.run(["ffmpeg", "-v", "error", "-demuxers"], capture_output=True, text=True, check=True).stdout
    known = {name for line in listed.splitlines()[4:] for name in line.split()[1].split(",")}
    assert {kind.demuxer for _, kind in PATTERNS if kind.demuxer} <= known


def test_a_healthy_file_beside_its_macos_half_is_read(tmp_path: Path) -> None:
    audio = noise(1.0)
    path = write_sound(tmp_path / "x.mp3", audio, format="MP3")
    (tmp_path / "._x.mp3").write_bytes(b"\0\5\x16\7\0\2\0\0" + bytes(4000))
    assert sum(map(len, read_blocks(bytes(path), 16_000))) == pytest.approx(16_000, abs=2000)


def fake(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in ffmpeg's place, and a file for it."""
    program = tmp_path / "fake"
    program.write_text(f"#!{sys.executable}\nimport os, struct, sys, time\n{script}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(ffmpeg.PROGRAM, str(program))
    path = tmp_path / "a.wv"
    path.write_bytes(b"wvpk" + bytes(100))
    return path


HEAD = "out = sys.stdout.buffer\nout.write(struct.pack('>6I', 0x2e736e64, 28, 0, 6, 16000, 1) + b'note')\n"
SECOND = "out.write(struct.pack('>16000f', *[0.25] * 16000))\nout.flush()\n"


def test_what_ffmpeg_says_comes_as_one_line_after_what_it_gave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = "sys.stderr.write('[wv @ 0x55] Broken block.\\nmore\\n' * 10000)\n"
    path = fake(tmp_path, HEAD + noisy + SECOND + "sys.exit(1)\n", monkeypatch)
    got = []
    with pytest.raises(AudioError) as error:
        got.extend(decode(bytes(path)).blocks)
    assert str(error.value) == f"{path}: broken near 1.000 s (ffmpeg: broken block)"
    np.testing.assert_array_equal(np.concatenate(got), np.full((16_000, 1), 0.25))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sys.exit(0)", "ffmpeg finds no sound in it"),
        ("sys.stderr.write(\"Stream map '0:a:0' matches no streams.\\n\")", "holds no sound"),
        ("os.kill(os.getpid(), 11)", "ffmpeg finds no sound in it"),
        ("sys.stdout.write('short')", "ffmpeg finds no sound in it"),
    ],
)
def test_an_ffmpeg_that_gives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    path = fake(tmp_path, script, monkeypatch)
    with pytest.raises(AudioError) as error:
        decode(bytes(path))
    assert str(error.value) == f"{path}: {message}"


def test_an_ffmpeg_that_hangs_is_given_up_and_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "STALLED", 0.5)
    path = fake(tmp_path, HEAD + SECOND + "time.sleep(600)\n", monkeypatch)
    before = children()
    with pytest.raises(AudioError, match=r"ffmpeg has given nothing for 0\.5 s"):
        list(decode(bytes(path)).blocks)
    assert children() <= before


def test_an_ffmpeg_whose_reader_stops_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake(tmp_path, HEAD + f"while True:\n {SECOND.splitlines()[0]}\n", monkeypatch)
    began = time.monotonic()
    blocks = decode(bytes(path), duration=1.0).blocks
    assert sum(map(len, blocks)) == 16_000
    assert time.monotonic() - began < 60  # it would go on for ever


@pytest.mark.skipif(not HAS_PROGRAMS, reason="ffmpeg, lame and opusenc are not all here")
def test_stereo_8svx_is_not_mixed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = noise(1.0, seed=1)[:8000], noise(1.0, seed=2)[:8000]
    body = b"".join((np.clip(side, -1, 1) * 127).astype(np.int8).tobytes() for side in (left, right))
    voice = (8000).to_bytes(4, "big") + bytes(8) + (8000).to_bytes(2, "big") + b"\1\0\0\1\0\0"
    parts = b"VHDR" + len(voice).to_bytes(4, "big") + voice + b"CHAN\0\0\0\4\0\0\0\6BODY"
    content = b"8SVX" + parts + len(body).to_bytes(4, "big") + body
    path = tmp_path / "a.8svx"
    path.write_bytes(b"FORM" + len(content).to_bytes(4, "big") + content)
    sound = decode(bytes(path))
    samples = np.concatenate(list(sound.blocks))
    assert sound.by_ffmpeg
    np.testing.assert_allclose(samples, np.stack([left, right], axis=1), atol=0.02)
    monkeypatch.setenv(ffmpeg.PROGRAM, "")
    with pytest.raises(AudioError, match="8SVX"):
        decode(bytes(path))


@pytest.mark.skipif(not HAS_PROGRAMS, reason="ffmpeg, lame and opusenc are not all here")
def test_a_playlist_that_claims_to_be_a_film_opens_no_other_file(tmp_path: Path) -> None:
    other = write_sound(tmp_path / "secret.wav", noise(1.0))
    run("ffmpeg", "-v", "error", "-i", other, "-c:a", "aac", tmp_path / "good.m4a")
    path = tmp_path / "a.m4a"
    path.write_bytes(b"#EXTM3U\n#EXTINF:1,\nfile://" + bytes(other) + b"\n")
    with pytest.raises(AudioError, match="not audio: a playlist"):
        decode(bytes(path))
    path.write_bytes(b"\0\0\0\x08free#EXTM3U\n#EXTINF:1,\n" + bytes(other) + b"\n")
    with pytest.raises(AudioError):
        decode(bytes(path))


def test_a_sound_in_memory_is_known_too() -> None:
    kind = kind_of(io.BytesIO(b"wvpk...."))
    assert kind
    assert (kind.name, kind.demuxer, kind.is_libsndfiles) == ("WavPack", "wv", False)
