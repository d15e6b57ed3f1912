"""qbe clip as the end of a pipeline: what search found, cut out."""

from __future__ import annotations

import base64
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import noise, tone, write_sound
from hostile import ODD_SOUNDS, SOUNDS, write_sounds
from shell import in_terminal, rows, said, sh

RATE = 22_050


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A field recording with three calls in it, in 24 bits and stereo, one in 16, and a query."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "field").mkdir()
    long = noise(30.0, rate=RATE, amplitude=0.003)
    for at in (5, 14, 22):
        long[at * RATE : (at + 1) * RATE] += tone(1200, 1.0, rate=RATE)
    write_sound(folder / "field" / "dawn.flac", np.stack([long, long / 2], axis=1), RATE, subtype="PCM_24")
    write_sound(folder / "field" / "dusk\n1\u00e9.wav", long[::-1], RATE)
    write_sound(folder / "call.wav", tone(1200, 1.0))
    assert sh("qbe embed -q field | qbe index -o lib.idx", folder).returncode == 0
    return folder


@pytest.fixture
def folder(library: Path, tmp_path: Path) -> Path:
    shutil.copytree(library, tmp_path / "work")
    return tmp_path / "work"


SEARCH = "qbe search lib.idx call.wav -k 6 --places"


@pytest.mark.parametrize("form", ["", "-0", "--json", "--json -0"])
def test_every_result_becomes_a_sound(folder: Path, form: str) -> None:
    null = "-0" if "-0" in form else ""
    keep = "" if "-0" in form or "json" in form else "--in field/dawn.flac"  # the other's name holds a newline
    done = sh(f"{SEARCH} {keep} {form} | tee found | qbe clip -o calls/ {null}", folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    clips = sorted((folder / "calls").iterdir())
    assert len(clips) == 6
    for clip in clips:
        source, place = clip.stem.rsplit("_", 1)
        start, end = map(float, place.split("-"))
        path = folder / "field" / ("dawn.flac" if source == "dawn" else "dusk\n1\u00e9.wav")
        whole, cut = soundfile.info(path), soundfile.info(clip)
        assert (cut.samplerate, cut.channels, cut.subtype) == (whole.samplerate, whole.channels, whole.subtype)
        expected = soundfile.read(path, dtype="int32")[0][round(start * RATE) : round(end * RATE)]
        np.testing.assert_array_equal(soundfile.read(clip, dtype="int32")[0], expected[: cut.frames])
        assert abs(cut.frames - len(expected)) <= 1


def test_more_on_both_sides(folder: Path) -> None:
    lines = "field/dawn.flac\\t5\\t6\\nfield/dawn.flac\\t0:00.2\\t1\\nfield/dawn.flac\\t29\\t0:30.0\\n"
    assert sh(f"printf '{lines}' | qbe clip -o calls --pad 0:00.5", folder).returncode == 0
    seconds = {clip.name: soundfile.info(clip).duration for clip in (folder / "calls").iterdir()}
    assert seconds == {
        "dawn_5.000-6.000.wav": pytest.approx(2.0),
        "dawn_0.200-1.000.wav": pytest.approx(1.5),
        "dawn_29.000-30.000.wav": pytest.approx(1.5),
    }


def test_what_cannot_be_cut_is_said_and_the_rest_is_done(folder: Path) -> None:
    (folder / "empty.wav").touch()
    lines = [
        "field/dawn.flac\t1\t2", "field/none.wav\t1\t2", "hello", "field/dawn.flac\t31\t32", "empty.wav\t0\t1",
        "field/dawn.flac\t2\t1", "field\t1\t2", "field/dawn.flac\t3\t4",
    ]  # fmt: skip
    (folder / "lines").write_text("\n".join(lines))
    done = sh("qbe clip -o calls/ < lines", folder)
    messages = said(done)
    assert done.returncode == 2
    assert [line.split(":")[1].strip() for line in messages] == [
        "field/none.wav", "line 3", "field/dawn.flac", "empty.wav", "line 6", "field",
    ]  # fmt: skip
    assert "beyond the end at 30.000 s" in messages[2]
    assert sorted(os.listdir(folder / "calls")) == ["dawn_1.000-2.000.wav", "dawn_3.000-4.000.wav"]


def test_nothing_is_overwritten_and_nothing_half_written(folder: Path) -> None:
    line = "printf 'field/dawn.flac\\t1\\t2\\n'"
    assert sh(f"{line} | qbe clip -o calls/", folder).returncode == 0
    before = (folder / "calls" / "dawn_1.000-2.000.wav").stat()
    done = sh(f"{line} | qbe clip -o calls/ --pad 1", folder)
    assert (done.returncode, len(said(done))) == (2, 1)
    assert "calls/dawn_1.000-2.000.wav: is there already" in said(done)[0]
    assert (folder / "calls" / "dawn_1.000-2.000.wav").stat().st_mtime_ns == before.st_mtime_ns
    done = sh(f"ulimit -f 8; {line.replace('1', '3').replace('2', '9')} | qbe clip -o calls/", folder)
    assert (done.returncode, len(said(done))) == (2, 1)
    assert os.listdir(folder / "calls") == ["dawn_1.000-2.000.wav"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("qbe clip < /dev/null", "name the folder that the clips go into: -o FOLDER"),
        ("qbe clip -o calls/ --pad -1 < /dev/null", "'--pad': -1: not a time"),
        ("qbe clip -o call.wav < /dev/null", "call.wav: File exists"),
        ("qbe clip -o calls/ <&-", "nothing to read"),
        ("qbe embed -q field | qbe clip -o calls/", "line 1: "),
    ],
)
def test_wrong_usage_is_said(folder: Path, script: str, message: str) -> None:
    done = sh(script, folder)
    assert done.returncode == 2
    assert message in said(done)[0]


def test_nothing_found_leaves_nothing_to_cut(folder: Path) -> None:
    done = sh(f"{SEARCH} --min-score 1 | qbe clip -o calls/; echo ${{PIPESTATUS[*]}}", folder)
    assert (done.stdout, done.stderr) == (b"1 0\n", b"")


def test_how_many_is_shown_and_said(folder: Path) -> None:
    sh(f"{SEARCH} --json > found", folder)
    code, shown = in_terminal("qbe clip -o calls/ < found", folder)
    assert code == 0
    assert "6 clips" in shown
    (line,) = said(sh("qbe clip -v -o again/ < found", folder))
    assert line.startswith("qbe: clip: 6 clips, in 0:0")
    assert rows(sh("ls again | wc -l", folder)) == [["6"]]


def test_bad_sounds_are_named_and_odd_ones_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_sounds(Path())
    names = [name for name, (_, message) in SOUNDS.items() if message and name != "nan.wav"]
    paths = [f"bad/{name}" for name in names] + [f"odd/{name}" for name in ODD_SOUNDS]
    objects = [{"path_base64": base64.b64encode(os.fsencode(path)).decode(), "start": 0, "end": 0.05} for path in paths]
    (tmp_path / "found").write_text("".join(json.dumps(found) + "\n" for found in objects))
    done = sh("qbe clip -o calls/ < found", tmp_path)
    lines = said(done)
    assert done.returncode == 2
    cut = {"cut.wav", "cut.flac", "cut.mp3", "cut.ogg", "1 GB.wav", "4 GB.wav", "inf.wav"}  # their beginning is there
    for name in names:
        assert any(SOUNDS[name][1] in line for line in lines) or name in cut, name
    clips = os.listdir(tmp_path / "calls")
    assert len(clips) + len(lines) == len(paths)
    assert len([name for name in clips if "unknown size" in name]) == 3
