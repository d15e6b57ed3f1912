"""`qbe embed -o` that is killed: in the end the file is the one that an uninterrupted run writes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from qbe.streams.packing import Unpacker
from qbe.streams.records import File
from qbe.support.errors import StreamError

COMMAND = [sys.executable, "-m", "qbe", "embed", "-q", "-o", "out.emb", "sounds"]
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
LOST = 64  # bytes of FILE.part that a loss of power takes, at most: as if they had not been on disk yet


def whole_files(part: Path) -> dict[bytes, int]:
    """The files of FILE.part that are whole, and where each ends."""
    found: dict[bytes, int] = {}
    if part.exists():
        with open(part, "rb") as file:
            unpacker = Unpacker(file)
            with suppress(StreamError):
                for record in unpacker:
                    if isinstance(record, File):
                        found[record.path] = unpacker.end
    return found


class Stopper:
    """Runs `qbe embed -o out.emb sounds` in a folder again and again, and stops it at random moments.

    expected : what an uninterrupted run writes; outcomes : what became of the runs
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.out, self.part = folder / "out.emb", folder / "out.emb.part"
        self.outcomes: Counter[str] = Counter()
        began = time.monotonic()
        subprocess.run(COMMAND, cwd=folder, check=True, stderr=subprocess.DEVNULL)
        self.longest = time.monotonic() - began
        self.expected = self.out.read_bytes()
        self.out.unlink()

    def stop(self) -> None:
        """One run that is stopped, or comes to its end. AssertionError where what was whole is lost, or readers get a
        part."""
        before, last = whole_files(self.part), self.part.read_bytes() if self.part.exists() else b""
        process = subprocess.Popen(COMMAND, cwd=self.folder, stderr=subprocess.DEVNULL)
        how = self.random.choice(SIGNALS)
        try:
            code = process.wait(self.random.uniform(0, 1.1 * self.longest))
        except subprocess.TimeoutExpired:
            process.send_signal(how)
            code = process.wait()
        if code == 0:
            self.finish()
            return
        self.outcomes[f"stopped, {how.name}"] += 1
        after = whole_files(self.part)
        if self.out.exists():  # all was done, but perhaps the removal of the part
            assert self.out.read_bytes() == self.expected
            self.out.unlink()
        else:
            assert before.items() <= after.items(), "whole files are lost"
            end = max(before.values(), default=0)
            assert self.part.exists() or not before
            assert not end or self.part.read_bytes()[:end] == last[:end], "what was whole is embedded again"
        if self.random.random() < 0.2 and self.part.exists():
            self.lose_power()

    def lose_power(self) -> None:
        """What was written last is not on disk: missing, or zeros."""
        size = self.part.stat().st_size
        lost = self.random.randint(0, min(size, LOST))
        with open(self.part, "r+b") as file:
            file.truncate(size - lost)
            if self.random.random() < 0.5:
                file.truncate(size)
        self.outcomes["and its last bytes lost"] += 1

    def finish(self) -> None:
        assert self.out.read_bytes() == self.expected, "not what an uninterrupted run writes"
        assert not self.part.exists()
        left = {entry.name for entry in self.folder.iterdir() if entry.name.startswith(".out.emb")}
        assert not left, left
        self.out.unlink()
        self.outcomes["came to its end, the same bytes"] += 1


def stop_embedding(folder: Path, stops: int, seed: int = 0) -> Counter[str]:
    """Stop so many runs, and let the last one end. What became of them, how often."""
    stopper = Stopper(folder, seed)
    while sum(count for what, count in stopper.outcomes.items() if what.startswith("stopped")) < stops:
        stopper.stop()
    subprocess.run(COMMAND, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    stopper.finish()
    return stopper.outcomes


def sounds_of(folder: Path, sources: list[Path]) -> None:
    """A folder `sounds` with copies of some."""
    (folder / "sounds").mkdir()
    for number, path in enumerate(sources):
        shutil.copy2(path, folder / "sounds" / f"{number}{path.suffix}")
        os.utime(folder / "sounds" / f"{number}{path.suffix}", ns=(0, 10**18))
