"""A sound on standard input, to the commands that read sounds."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import RATE, noise, write_sound
from shell import said, sh

from qbe.streams.framing import StreamReader
from qbe.streams.records import Embedding, Segment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stdin")
    write_sound(folder / "a.wav", noise(3.0))
    write_sound(folder / "-", noise(2.0, seed=1), format="WAV")
    (folder / "text").write_text("no sound")
    return folder


def records(stream: bytes) -> list[Segment | Embedding]:
    return list(StreamReader(io.BytesIO(stream)))


@pytest.mark.parametrize("script", ["qbe embed < a.wav", "qbe embed - < a.wav", "cat a.wav | qbe embed"])
def test_a_sound_is_embedded_as_the_file_is(folder: Path, script: str) -> None:
    done = sh(script, folder)
    assert (done.returncode, said(done)) == (0, [])
    found, expected = records(done.stdout), records(sh("qbe embed a.wav", folder).stdout)
    assert [record.path for record in found] == [b"-"] * len(expected)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Embedding)
        assert isinstance(other, Embedding)
        assert (one.start, one.length, one.level) == (other.start, other.length, other.level)
        np.testing.assert_array_equal(one.vector, other.vector)


@pytest.mark.parametrize("script", ["qbe segment < a.wav", "qbe segment - < a.wav"])
def test_a_sound_is_cut_as_the_file_is(folder: Path, script: str) -> None:
    embedded = sh(f"{script} | qbe embed", folder)
    assert (embedded.returncode, said(embedded)) == (0, [])
    assert embedded.stdout == sh("qbe embed < a.wav", folder).stdout


def test_a_sound_on_stdin_is_of_the_hop_and_part_that_options_say(folder: Path) -> None:
    starts = [record.start for record in records(sh("qbe embed --hop 0.25 - < a.wav", folder).stdout)]
    assert starts == list(range(0, max(starts) + 1, RATE // 4))
    assert len(starts) > 4


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("qbe embed < text", "standard input: not audio"),
        ("qbe segment < text", "standard input: not audio"),
        ("qbe embed - a.wav < a.wav", "'-' is standard input: give it alone (a file of that name: ./-)"),
        ("qbe segment a.wav - < a.wav", "'-' is standard input: give it alone (a file of that name: ./-)"),
        ("qbe embed < /dev/null", "the stream is empty"),
        ("qbe segment < /dev/null", "standard input: not audio: empty"),
        ("qbe embed --new lib.idx < a.wav", "--new goes with files and folders"),
        ("qbe embed --shard 1/2 - < a.wav", "--shard goes with files and folders"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(folder: Path, script: str, message: str) -> None:
    done = sh(script, folder)
    assert done.returncode == 2
    (line,) = said(done)
    assert message in line


def test_a_file_called_as_stdin_is_can_be_named(folder: Path) -> None:
    assert {record.path for record in records(sh("qbe embed ./-", folder).stdout)} == {b"./-"}


def test_verbose_counts_silence_and_failures_apart(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_sound(tmp_path / name, np.zeros(RATE, np.float32))
    write_sound(tmp_path / "c.wav", noise(1.0))
    (tmp_path / "d.wav").write_text("no sound")
    for command in ("segment", "embed"):
        done = sh(f"qbe {command} -v . none.wav > x", tmp_path)
        assert done.returncode == 2
        assert f"qbe: {command}: 2 only silence, 2 could not be read" in said(done)
    done = sh("qbe segment . | qbe embed -v > x", tmp_path)
    assert "qbe: embed: 2 only silence, 1 could not be read" in said(done)
    assert not [line for line in said(sh("qbe embed -v c.wav > x", tmp_path)) if "silence" in line]
