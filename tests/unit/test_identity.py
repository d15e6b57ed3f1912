"""By what a file is known again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from qbe.audio.identity import PIECE, content, file_state, identified


def write(path: Path, data: bytes) -> bytes:
    path.write_bytes(data)
    return bytes(path)


@pytest.mark.parametrize("size", [0, 1, PIECE, 3 * PIECE, 3 * PIECE + 1, 10 * PIECE])
def test_the_checksum_goes_with_a_file_and_not_with_its_name(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    one, other = write(tmp_path / "a", data), write(tmp_path / "b", data)
    assert content(one) == content(other) != 0
    assert -(1 << 63) <= content(one) < 1 << 63


@pytest.mark.parametrize("size", [1, PIECE, 3 * PIECE, 10 * PIECE])
def test_another_beginning_end_or_length_is_another_file(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    flipped = bytes([data[0] ^ 1]), bytes([data[-1] ^ 1])
    others = [flipped[0] + data[1:], data[:-1] + flipped[1], data + b"\0", data[:-1]]
    checksum = content(write(tmp_path / "a", data))
    assert all(content(write(tmp_path / "b", other)) != checksum for other in others)


def test_of_a_small_file_every_byte_counts(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(2 * PIECE)
    checksum = content(write(tmp_path / "a", data))
    for at in range(0, len(data), 9973):
        assert content(write(tmp_path / "b", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])) != checksum


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    assert content(bytes(tmp_path / "none")) == 0
    assert identified(bytes(tmp_path / "none")) is None
    assert file_state(bytes(tmp_path)) is None


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert identified(bytes(tmp_path / "pipe")) is None


def test_an_identity_is_size_time_and_content(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"sound")
    known = identified(path)
    assert known is not None
    assert (known.path, known.size, known.mtime) == (path, 5, os.stat(path).st_mtime_ns)
    assert known.content == content(path)
    assert not known.failed
