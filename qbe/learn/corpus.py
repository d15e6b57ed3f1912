"""The sounds to learn from: decoded once to 16 bits on disk, read at random through a memory map."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qbe.errors import TrainingError
from qbe.streams.records import Audio, Segment

Balance = Literal["duration", "sqrt"]

# An unbroken stretch of one file: its place there (start) and in the decoded audio (offset), in samples.
RUN = np.dtype([("file", np.int32), ("start", np.int64), ("offset", np.int64), ("length", np.int64)])


@dataclass(frozen=True)
class Corpus:
    """audio : int16 [N], all runs one after the other; runs : RUN [R]"""

    audio: NDArray[np.int16]
    runs: NDArray[np.void]

    def read(self, run: int, start: int, length: int) -> Audio:
        """Samples from `start` on (0: the run's beginning), zeros beyond the run's end: float32 [length]."""
        offset, end = int(self.runs["offset"][run]), int(self.runs["length"][run])
        samples = self.audio[offset + start : offset + min(start + length, end)]
        out = np.zeros(length, np.float32)
        out[: len(samples)] = samples
        out *= 1 / 32768
        return out

    def weights(self, balance: Balance) -> NDArray[np.float64]:
        """The chance of every run to give the next anchor, [R]: its share of its file's weight, which is the file's
        duration or the square root of it."""
        length = self.runs["length"].astype(np.float64)
        of_file = np.bincount(self.runs["file"], length)[self.runs["file"]]
        weight = length if balance == "duration" else length / np.sqrt(of_file)
        share: NDArray[np.float64] = weight / weight.sum()
        return share


def write_corpus(segments: Iterable[Segment], folder: Path) -> Corpus:
    """Write the audio of segments to `folder`, each sample once where segments overlap, and open it.

    Neighbouring segments of one file join into a run; where some were left out (silence), a new run begins.
    """
    files: dict[bytes, int] = {}
    runs: list[list[int]] = []
    end = written = 0  # in the file; in the decoded audio
    last = -1
    with open(folder / "audio.i16", "wb") as out:
        for segment in segments:
            file = files.setdefault(segment.path, len(files))
            known = max(0, end - segment.start)
            if file != last or segment.start > end or segment.start < runs[-1][1]:
                runs.append([file, segment.start, written, 0])
                known = 0
            last = file
            fresh = segment.audio[known : segment.length]
            np.clip(np.rint(fresh * 32768), -32768, 32767).astype("<i2").tofile(out)
            written += len(fresh)
            runs[-1][3] += len(fresh)
            end = segment.start + max(known, segment.length)
    np.save(folder / "runs.npy", np.array([tuple(run) for run in runs], RUN))
    return open_corpus(folder)


def open_corpus(folder: Path) -> Corpus:
    """The corpus that `write_corpus` left in `folder`. TrainingError where it holds too little to learn from."""
    runs = np.load(folder / "runs.npy")
    if len(np.unique(runs["file"])) < 2:
        raise TrainingError("training needs at least two files with sound: the negatives come from other files")
    size = os.path.getsize(folder / "audio.i16") // 2
    return Corpus(np.memmap(folder / "audio.i16", "<i2", "r", shape=(size,)), runs)
