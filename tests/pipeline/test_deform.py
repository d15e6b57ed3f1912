"""qbe deform as people and scripts run it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import DATA, cents, frequency, noise, tone, write_sound
from shell import in_terminal, peak_memory, rows, said, sh

LIBRARY = DATA / "library"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stereo sound at 48 kHz and a mono one at 8 kHz."""
    stereo = np.stack([tone(440, 2.0, rate=48_000), tone(440, 2.0, rate=48_000, amplitude=0.1)], axis=1)
    write_sound(tmp_path / "a.flac", stereo, 48_000)
    write_sound(tmp_path / "b.wav", tone(300, 1.0, rate=8000), 8000)
    return tmp_path


def wav(data: bytes) -> tuple[np.ndarray, int]:
    samples, rate = soundfile.read(io.BytesIO(data), always_2d=True)
    return samples, rate


def test_rate_channels_and_length_stay(folder: Path) -> None:
    done = sh("qbe deform --pitch +2 a.flac | cat", folder)
    assert (done.returncode, said(done)) == (0, [])
    samples, rate = wav(done.stdout)
    assert (samples.shape, rate) == ((96_000, 2), 48_000)
    assert abs(cents(frequency(samples[:, 0], rate), 440 * 2 ** (2 / 12))) < 10
    assert abs(20 * np.log10(samples[:, 0].std() / samples[:, 1].std()) - 20 * np.log10(5)) < 0.2


def test_nothing_to_do_changes_nothing(folder: Path) -> None:
    samples, _ = wav(sh("qbe deform --pitch 0 --stretch 1 a.flac | cat", folder).stdout)
    np.testing.assert_array_equal(samples, soundfile.read(folder / "a.flac")[0])


def test_a_part_of_each_sound(folder: Path) -> None:
    done = sh("qbe deform --start 0:00.5 --duration 0:00:01.25 a.flac | cat", folder)
    samples, _ = wav(done.stdout)
    np.testing.assert_array_equal(samples, soundfile.read(folder / "a.flac")[0][24_000:84_000])
    assert sh("qbe deform --start 0.75 --stretch 2 a.flac b.wav -o parts/", folder).returncode == 0
    lengths = {path.name: soundfile.info(path).duration for path in (folder / "parts").iterdir()}
    assert lengths == {"a.stretch2.wav": pytest.approx(2.5), "b.stretch2.wav": pytest.approx(0.5)}


def test_a_part_that_one_of_the_sounds_does_not_have(folder: Path) -> None:
    done = sh("qbe deform --start 1.5 a.flac b.wav -o parts/", folder)
    assert (done.returncode, len(said(done))) == (2, 1)
    assert "b.wav: start 1.5 s lies beyond the end at 1.000 s" in said(done)[0]
    assert [path.name for path in (folder / "parts").iterdir()] == ["a.wav"]


def test_order_of_different_options(folder: Path) -> None:
    one = sh("qbe deform --stretch 2 --near 0 b.wav | cat", folder)
    two = sh("qbe deform --near=0 --stretch=2 b.wav | cat", folder)
    assert wav(one.stdout)[0].shape == (8192, 1)  # 2 s, of which 1.024 s
    assert wav(two.stdout)[0].shape == (16_000, 1)  # 1 s, twice as long
    done = sh("qbe deform --gain 6 --pitch 3 --gain -6 --pitch -3 b.wav | cat", folder)
    assert abs(cents(frequency(wav(done.stdout)[0][:, 0], 8000), 300)) < 10


def test_files_of_every_format(folder: Path) -> None:
    for name in ("o.wav", "o.flac", "o.ogg", "o.mp3", "o.aiff", "o.opus"):
        done = sh(f"qbe deform --stretch 1.5 a.flac -o {name}", folder)
        assert (done.returncode, said(done)) == (0, []), name
        info = soundfile.info(folder / name)
        assert (info.samplerate, info.channels) == (48_000, 2)
        assert info.frames == pytest.approx(144_000, abs=3000 if name == "o.mp3" else 0)


def test_a_folder_for_many(folder: Path) -> None:
    write_sound(folder / "b.flac", tone(500, 1.0))
    assert sh("qbe deform --pitch -1.5 --noise 20 . -o out/", folder).returncode == 0
    names = sorted(path.name for path in (folder / "out").iterdir())
    assert names == ["a.pitch-1.5.noise20.wav", "b.flac.pitch-1.5.noise20.wav", "b.pitch-1.5.noise20.wav"] or names == [
        "a.pitch-1.5.noise20.wav",
        "b.pitch-1.5.noise20.wav",
        "b.wav.pitch-1.5.noise20.wav",
    ]


def test_random_is_said_and_follows_the_seed(folder: Path) -> None:
    first, again, other = (sh(f"qbe deform --random --seed {s} b.wav | cat", folder) for s in (4, 4, 5))
    assert first.stdout == again.stdout != other.stdout
    assert first.stderr == again.stderr
    (line,) = said(first)
    assert line.startswith("qbe: b.wav: ")
    assert sh("qbe deform -q --random b.wav | cat", folder).stderr == b""


def test_a_deformed_sound_finds_its_original(tmp_path: Path) -> None:
    sh(f"qbe embed '{LIBRARY}' | qbe index -o lib.idx", tmp_path)
    query = LIBRARY / "speech" / "carlo-conf-kicked.wav"
    for script in (
        f"qbe deform --pitch 1 {query} | qbe search lib.idx - -k 1",
        f"qbe segment {query} | qbe deform --pitch 1 | qbe embed | qbe search lib.idx - -k 1 --include-self",
    ):
        done = sh(script, tmp_path)
        assert done.returncode == 0
        assert "speech" in rows(done)[0][1]


def test_a_stream_keeps_its_records(tmp_path: Path) -> None:
    deform = "qbe deform --random --near 3 --seed 1 < a"
    done = sh(f"qbe segment '{LIBRARY}/game' > a; {deform} > b; {deform} > c", tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    assert len(said(done)) > 10
    assert sh("qbe deform < a | cmp - a", tmp_path).returncode == 0


def test_peaks_over_full_scale_are_said_once_and_limited_on_demand(folder: Path) -> None:
    done = sh("qbe deform --gain 20 --bits 32 b.wav | cat", folder)
    assert np.abs(wav(done.stdout)[0]).max() == pytest.approx(5, rel=0.01)
    (line,) = said(done)
    assert "+14.0 dB over full scale" in line
    done = sh("qbe deform --gain 20 --limit b.wav -o l.flac", folder)
    assert np.abs(soundfile.read(folder / "l.flac")[0]).max() == pytest.approx(1, abs=1e-3)
    sh("qbe deform --gain 20 b.wav -o clipped.flac", folder)
    clipped = soundfile.read(folder / "clipped.flac")[0]
    loud = np.abs(soundfile.read(folder / "b.wav")[0]) > 0.11
    assert np.abs(clipped[loud]).min() > 0.99, "samples over full scale wrapped around"


def test_a_terminal_plays(folder: Path) -> None:
    player = folder / "player"
    player.write_text('#!/bin/sh\ncp "$1" played.wav\necho played\n')
    player.chmod(0o755)
    code, shown = in_terminal("QBE_PLAYER=./player qbe deform --pitch 2 b.wav", folder)
    assert (code, shown.strip()) == (0, "played")
    assert soundfile.info(folder / "played.wav").frames == 8000
    sh("qbe embed a.flac b.wav | qbe index -o lib.idx", folder)
    done = sh("QBE_PLAYER=./player qbe search lib.idx b.wav --play --include-self", folder)
    assert done.stdout.count(b"played") == 2
    code, shown = in_terminal("QBE_PLAYER=./nothing qbe deform b.wav", folder)
    assert (code, "./nothing: cannot be run" in shown) == (2, True)
    code, shown = in_terminal("PATH=$(dirname $(which qbe)) qbe deform b.wav", folder)
    assert (code, "write a file with -o" in shown) == (2, True)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("qbe deform --stretch 0 b.wav", "--stretch 0: must be from 0.1 to 10"),
        ("qbe deform --stretch -1 b.wav", "--stretch -1: must be"),
        ("qbe deform --pitch 500 b.wav", "--pitch 500: must be from -48 to 48"),
        ("qbe deform --pitch nan b.wav", "--pitch nan"),
        ("qbe deform --pitch two b.wav", "'two' is not a valid float"),
        ("qbe deform --mix none.wav b.wav", "none.wav: No such file"),
        ("qbe deform --near -1 b.wav", "--near -1"),
        ("qbe deform a.flac b.wav", "2 sounds do not go into one pipe"),
        ("qbe deform a.flac b.wav -o c.wav", "c.wav: not a folder"),
        ("qbe deform b.wav -o b.wav", "b.wav: is an input"),
        ("qbe deform b.wav -o ./../$(basename $PWD)/b.wav", "is an input"),
        ("qbe deform b.wav -o c.xyz", "c.xyz: no format is known"),
        ("qbe deform b.wav -o none/c.wav", "none/c.wav: No such file"),
        ("qbe deform eight.wav -o c.mp3", "MP3 cannot hold 8 channels"),
        ("qbe deform empty.wav", "holds no samples"),
        ("qbe deform nan.wav", "are not numbers"),
        ("qbe deform < /dev/null", "standard input: "),
        ("qbe deform nothere.wav", "nothere.wav: no such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(folder: Path, script: str, message: str) -> None:
    write_sound(folder / "eight.wav", np.stack([noise(0.5)] * 8, axis=1))
    write_sound(folder / "empty.wav", np.zeros(0, np.float32))
    write_sound(folder / "nan.wav", np.full(100, np.nan, np.float32), subtype="FLOAT")
    before = (folder / "b.wav").read_bytes()
    done = sh(script + " | head -c 1000000 > out; exit ${PIPESTATUS[0]}", folder)
    assert done.returncode == 2
    assert message in said(done)[-1]
    assert (folder / "b.wav").read_bytes() == before
    assert not list(folder.glob("c.*"))


def test_odd_sounds(folder: Path) -> None:
    write_sound(folder / "one.wav", np.full(1, 0.5, np.float32))
    write_sound(folder / "eight.wav", np.stack([noise(1.5, seed=k) for k in range(8)], axis=1))
    for name, shape in (("one.wav", (2, 1)), ("eight.wav", (48_000, 8))):
        samples, _ = wav(sh(f"qbe deform --pitch 3 --stretch 2 --eq 3 --noise 30 {name} | cat", folder).stdout)
        assert samples.shape == shape
        assert np.isfinite(samples).all()


def test_standard_input_and_a_bad_one_among_good(folder: Path) -> None:
    (folder / "bad.wav").write_text("no sound")
    done = sh("qbe deform --gain -6 a.flac bad.wav b.wav -o out/", folder)
    assert done.returncode == 2
    assert "bad.wav: not audio" in said(done)[0]
    assert len(os.listdir(folder / "out")) == 2
    samples, _ = wav(sh("qbe deform --gain -6 < b.wav | cat", folder).stdout)
    np.testing.assert_array_equal(samples[:, 0], soundfile.read(folder / "out" / "b.gain-6.wav")[0])


def test_a_long_sound_in_little_memory(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 16_000, 1, "PCM_16") as file:
        for seed in range(20):
            file.write(noise(60.0, seed=seed))
    write_sound(tmp_path / "short.wav", noise(60.0))
    short, long = (peak_memory(f"qbe deform --pitch 2 --eq 1 {n}.wav > /dev/null", tmp_path) for n in ("short", "long"))
    assert long < short + 40


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_file_that_does_not_go_on_the_disk_is_said_in_one_line(folder: Path, ending: str) -> None:
    done = sh(f"ulimit -f 4; qbe deform --stretch 2 a.flac -o long.{ending}", folder)
    assert (done.returncode, len(said(done))) == (2, 1)
    assert f"long.{ending}: File too large" in said(done)[0]
    assert sorted(path.name for path in folder.iterdir()) == ["a.flac", "b.wav"]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("frames", [4001, 4002])
def test_samples_stay_as_the_sound_has_them(tmp_path: Path, subtype: str, frames: int) -> None:
    """Nothing is done to them, so that they are the same to the last bit; in a file, and down a pipe."""
    audio = noise(1.0)[:frames]
    write_sound(tmp_path / "a.wav", audio, subtype=subtype)
    done = sh(
        "qbe deform --gain 0 a.wav > b.wav; qbe deform --gain 0 < a.wav > c.wav; qbe deform --gain 0 a.wav -o d.wav",
        tmp_path,
    )
    assert (done.returncode, said(done)) == (0, [])
    expected = soundfile.read(tmp_path / "a.wav", dtype="float32")[0]
    for name in ("b.wav", "c.wav", "d.wav"):
        assert soundfile.info(tmp_path / name).subtype == subtype
        np.testing.assert_array_equal(soundfile.read(tmp_path / name, dtype="float32")[0], expected)


def test_bits_are_as_they_were_asked_for(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", noise(0.5))
    write_sound(tmp_path / "b.ogg", noise(0.5))
    for bits, subtype in ((16, "PCM_16"), (24, "PCM_24"), (32, "FLOAT")):
        sh(
            f"qbe deform --pitch 1 --bits {bits} b.ogg -o b.wav; qbe deform --pitch 1 --bits {bits} a.wav > c.wav",
            tmp_path,
        )
        assert {soundfile.info(tmp_path / name).subtype for name in ("b.wav", "c.wav")} == {subtype}
    sh("qbe deform --gain -6 b.ogg -o d.wav; qbe deform --gain -6 a.wav -o e.flac", tmp_path)
    assert [soundfile.info(tmp_path / name).subtype for name in ("d.wav", "e.flac")] == ["FLOAT", "PCM_16"]
    done = sh("qbe deform --gain -6 --bits 32 a.wav -o f.flac", tmp_path)
    assert (done.returncode, said(done)) == (2, ["qbe: f.flac: FLAC cannot hold samples of FLOAT: leave out --bits"])


def test_integers_are_rounded_and_peaks_are_cut(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", noise(1.0, amplitude=0.3))
    exact = soundfile.read(tmp_path / "a.wav", dtype="float64")[0] * 10 ** (3 / 20)
    done = sh("qbe deform --gain 3 a.wav -o b.wav", tmp_path)
    (line,) = said(done)
    assert "over full scale and are cut; --gain avoids them, --bits 32 holds them" in line
    found = soundfile.read(tmp_path / "b.wav", dtype="float64")[0]
    assert np.abs(found - np.clip(exact, -1, 1 - 2**-15)).max() <= 0.51 / 2**15
