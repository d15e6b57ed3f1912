"""Libraries outlive killed writers, full disks and each other's writers. tests/bench/kills.py kills many more."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from kills import Content, kill_writers, write_stream
from shell import ENVIRONMENT, said, sh, wait_for

from qbe.index.file.library import open_library


def test_killed_writers_leave_the_old_library_or_the_new_one(tmp_path: Path) -> None:
    outcomes = kill_writers(tmp_path, 10, files=100, readers=1)
    assert sum(count for outcome, count in outcomes.items() if "killed" in outcome) == 10


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """lib.idx of 400 files, and new.emb with 20 more."""
    streams: dict[str, Content] = {
        "old": {b"%d/%d.wav" % (k % 40, k): 0 for k in range(400)},
        "new": {b"new/%d.wav" % k: 1 for k in range(20)},
    }
    for name, content in streams.items():
        write_stream(tmp_path / f"{name}.emb", content)
    assert sh("qbe index -o lib.idx < old.emb", tmp_path).returncode == 0
    return tmp_path / "lib.idx"


def test_the_second_of_two_writers_says_so(library: Path) -> None:
    stream = (library.parent / "new.emb").read_bytes()
    command = ["qbe", "index", "--append", "-o", "lib.idx"]
    first = subprocess.Popen(command, cwd=library.parent, env=ENVIRONMENT, stdin=subprocess.PIPE)
    assert first.stdin
    first.stdin.write(stream[:9000])
    first.stdin.flush()
    wait_for((library.parent / ".lib.idx.lock").exists)
    for second in ("index --append -o lib.idx < new.emb", "index -o lib.idx < new.emb", "index --remove 1 -o lib.idx"):
        done = sh(f"qbe {second}", library.parent)
        message = "qbe: lib.idx: another process is writing it: try again when that has finished"
        assert (done.returncode, said(done)) == (2, [message])
    first.communicate(stream[9000:])
    assert first.returncode == 0
    assert open_library(str(library)).held() == (420, 4200)
    assert not list(library.parent.glob(".*"))


@pytest.mark.parametrize("writer", ["--append -o lib.idx < new.emb", "-o lib.idx < old.emb", "--remove 1 -o lib.idx"])
def test_a_full_disk_leaves_the_old_library(library: Path, writer: str) -> None:
    before = library.read_bytes()
    blocks = len(before) // 1024 if "old" not in writer else 10
    done = sh(f"ulimit -f {blocks}; trap '' XFSZ; qbe index {writer}", library.parent)
    assert done.returncode == 2
    assert said(done)[0].endswith("lib.idx: File too large")
    assert library.read_bytes() == before
    assert not list(library.parent.glob(".*"))
    assert sh(f"qbe index {writer}", library.parent).returncode == 0
    assert open_library(str(library)).damaged_blocks() == []
