"""The sounds to learn from: decoded once to 16 bits on disk, read at random through a memory map."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qbe.audio.segmentation import SAMPLE_RATE
from qbe.learn.settings import Balance
from qbe.streams.records import Audio, Segment
from qbe.support.bounded import forget
from qbe.support.errors import TrainingError

HELD_OUT = 0.05  # of all files
FEW_FILES = 5  # from so many on, one is held out

# An unbroken stretch of one file: its place there (start) and in the decoded audio (offset), in samples.
RUN = np.dtype([("file", np.int32), ("start", np.int64), ("offset", np.int64), ("length", np.int64)])


@dataclass(frozen=True)
class Corpus:
    """audio : int16 [N], all runs one after the other; runs : RUN [R]; paths : of the files that runs speak of [F]"""

    audio: np.memmap[tuple[int], np.dtype[np.int16]]
    runs: NDArray[np.void]
    paths: list[bytes]

    def __reduce__(self) -> tuple[Callable[[Path], Corpus], tuple[Path]]:
        """To another process goes the name of the folder: a memory map would be copied, all of it."""
        return open_corpus, (Path(str(self.audio.filename)).parent,)

    def read(self, run: int, start: int, length: int) -> Audio:
        """Samples from `start` on (0: the run's beginning), zeros beyond the run's end: float32 [length]."""
        offset, end = int(self.runs["offset"][run]), int(self.runs["length"][run])
        samples = self.audio[offset + start : offset + min(start + length, end)]
        out = np.zeros(length, np.float32)
        out[: len(samples)] = samples
        out *= 1 / 32768
        return out

    def forget(self) -> None:
        """Give back the memory of pages that were read: else a long training holds the whole corpus."""
        forget(self.audio._mmap)  # type: ignore[attr-defined]

    def held_out(self) -> NDArray[np.bool_]:
        """Which files are never trained on, [F]: one in twenty, the same ones whatever else is there."""
        count = max(1, round(HELD_OUT * len(self.paths))) if len(self.paths) >= FEW_FILES else 0
        order = sorted(range(len(self.paths)), key=lambda k: hashlib.sha256(self.paths[k]).digest())
        held = np.zeros(len(self.paths), bool)
        held[order[:count]] = True
        return held

    def weights(self, balance: Balance) -> NDArray[np.float64]:
        """The chance of every run to give the next anchor, [R], zero for held-out files.

        Files weigh by duration, by its square root, or by duration within folders that all weigh the same.
        """
        length = self.runs["length"] * ~self.held_out()[self.runs["file"]]
        weight = length.astype(np.float64)
        if balance == "sqrt":
            weight /= np.sqrt(np.bincount(self.runs["file"], self.runs["length"])[self.runs["file"]])
        elif balance == "folder":
            folder = self.folders[self.runs["file"]]
            weight /= np.maximum(1, np.bincount(folder, length))[folder]
        share: NDArray[np.float64] = weight / weight.sum()
        return share

    @cached_property
    def folders(self) -> NDArray[np.int64]:
        """The number of the folder that every file is in, [F]."""
        _, number = np.unique([os.path.dirname(path) for path in self.paths], return_inverse=True)
        return number

    @property
    def hours(self) -> float:
        return len(self.audio) / SAMPLE_RATE / 3600


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
            out.write(np.clip(np.rint(fresh * 32768), -32768, 32767).astype("<i2").tobytes())
            written += len(fresh)
            runs[-1][3] += len(fresh)
            end = segment.start + max(known, segment.length)
    (folder / "paths").write_bytes(b"".join(path + b"\0" for path in files))
    with open(folder / "runs.npy", "wb") as out:
        np.save(out, np.array([tuple(run) for run in runs], RUN))
    return open_corpus(folder)


def open_corpus(folder: Path) -> Corpus:
    """The corpus that `write_corpus` left in `folder`. TrainingError where it is gone, or too little to learn from."""
    try:
        paths = (folder / "paths").read_bytes().split(b"\0")[:-1]
        runs = np.load(folder / "runs.npy")
        size = os.path.getsize(folder / "audio.i16") // 2
    except OSError as error:
        raise TrainingError(
            f"{error.filename}: {error.strerror}: the decoded sounds are gone; remove what is left and begin again"
        ) from None
    if len(paths) < 2:
        raise TrainingError(
            f"training needs sound in at least two files, and there is some in {len(paths)}: the negatives come from "
            "other files"
        )
    return Corpus(np.memmap(folder / "audio.i16", "<i2", "r", shape=(size,)), runs, paths)
