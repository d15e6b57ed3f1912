"""What `qbe embed` makes of more cores, and what would keep it from more.

    python tests/bench/cores.py FOLDER [--minutes M] [--rounds R]

Three tables. The sounds in FOLDER (the first M minutes of them, 20 by default) embedded by a process that may use one
core, then two, and so on, as many as there are: R rounds (3), the best counts. Then decoding that waits as long as on
a slow core or a slow disk, 100 times as fast as the sound is, with a model that takes no time: how many of the workers
are busy, on average, however few cores there are here. Last, what is done by one thread at a time, whatever the number
of cores, each alone and on one core, in times real time: the slowest of these is as fast as `embed | index` can be.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from speed import QBE, choose

from qbe.audio import segmentation
from qbe.audio.decoding import BLOCK_SECONDS, Decoding
from qbe.embedding import files_embedded
from qbe.encoder import Encoder, open_encoder
from qbe.streams.framing import StreamReader, StreamWriter
from qbe.streams.records import Audio, Embedding, Segment, Vector
from qbe.support.errors import raise_error

FILES, SECONDS = 200, 60.0  # of the sounds that are not there
SLOW = 100  # times real time: what one waiting worker decodes
WORKERS = (1, 2, 4, 8, 16)
HOP = segmentation.HOP / segmentation.SAMPLE_RATE  # seconds that a segment stands for
ROWS = 200_000


class Model:
    """In the place of a session of ONNX Runtime: the same vector for all, at once."""

    def __init__(self, dimension: int) -> None:
        self._vector = np.full(dimension, dimension**-0.5, np.float32)

    def run(self, _: list[str], inputs: dict[str, Vector]) -> list[Vector]:
        return [np.tile(self._vector, (len(inputs["audio"]), 1))]


def waiting(seconds: float) -> Callable[..., Decoding]:
    """A decoder of SECONDS of noise that waits so long before each of its blocks."""
    noise: Audio = np.random.default_rng(0).normal(0, 0.1, (round(BLOCK_SECONDS * segmentation.SAMPLE_RATE), 1))
    noise = noise.astype(np.float32)

    def blocks() -> Iterator[Audio]:
        for _ in range(round(SECONDS / BLOCK_SECONDS)):
            time.sleep(seconds)
            yield noise

    return lambda *_, **__: Decoding(segmentation.SAMPLE_RATE, 1, blocks())


def simulated(encoder: Encoder, jobs: int, wait: float, files: int) -> float:
    """Seconds that so many files take whose decoding waits."""
    with mock.patch.object(segmentation, "decode", waiting(wait)):
        began = time.perf_counter()
        sources = [b"%d" % number for number in range(files)]
        found = files_embedded(
            sources, encoder, raise_error, lambda _: None, jobs=jobs, hop=segmentation.HOP, silence=None
        )
        count = sum(1 for _ in found)
        assert count >= files * SECONDS / HOP - 2 * files
        return time.perf_counter() - began


def embedded(names: Path, cores: set[int]) -> float:
    """Seconds that `qbe embed` takes on some cores."""
    began = time.perf_counter()
    command = [QBE, "embed", "-q", "--files-from", str(names)]
    with open(os.devnull, "wb") as sink:
        subprocess.run(command, stdout=sink, check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    return time.perf_counter() - began


def rate(work: Callable[[], Any], seconds: float) -> float:
    """Times real time, on one core."""
    began = time.process_time()
    work()
    return seconds / (time.process_time() - began)


def serial(encoder: Encoder, folder: Path) -> Iterator[tuple[str, float]]:
    """What one thread does at a time, and how fast."""
    still = replace(encoder, session=Model(encoder.dimension))  # type: ignore[arg-type]
    seconds = FILES * SECONDS
    audio = np.zeros(encoder.samples, np.float32)
    segments = [Segment(b"a.wav", 0, encoder.samples, audio)] * round(seconds / HOP)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(ROWS, encoder.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [Embedding(b"%d" % (k // 12), k % 12 * 8192, 16_384, 16_000, v, -20.0) for k, v in enumerate(vectors)]
    stream = folder / "rows.emb"

    def cut() -> None:
        with mock.patch.object(segmentation, "decode", waiting(0.0)):
            sources = [b"%d" % number for number in range(FILES)]
            assert sum(1 for _ in segmentation.segments(sources, raise_error))

    def written() -> None:
        with open(stream, "wb") as file, StreamWriter(file, encoder.header) as writer:
            for row in rows:
                writer.write(row)

    def read() -> None:
        with open(stream, "rb") as file:
            assert sum(1 for _ in StreamReader(file, "embeddings").embeddings()) == ROWS

    yield "cutting, all of it", rate(cut, seconds)
    yield "around the model", rate(lambda: list(still.embeddings(iter(segments), 1)), seconds)
    yield "writing the stream", rate(written, ROWS * HOP)
    yield "reading it", rate(read, ROWS * HOP)
    before = os.times()
    with open(stream, "rb") as file:
        subprocess.run([QBE, "index", "-q", "-o", str(folder / "lib.idx")], stdin=file, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    yield "`qbe index`, all of it", ROWS * HOP / used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    encoder = open_encoder(None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen, hours = choose(arguments.folder, arguments.minutes / 60)
        (folder / "names").write_bytes(b"\n".join(chosen))
        cores = sorted(os.sched_getaffinity(0))
        took = [
            [embedded(folder / "names", set(cores[:count])) for count in range(1, len(cores) + 1)]
            for _ in range(arguments.rounds)
        ]
        best = np.min(took, axis=0)
        print(f"| cores | x real time, {60 * hours:.0f} min in {len(chosen)} files | of one core |\n|---|---|---|")
        for count, seconds in enumerate(best.tolist(), 1):
            print(f"| {count} | {3600 * hours / seconds:.0f} | {best[0] / seconds:.2f} |", flush=True)
        still = replace(encoder, session=Model(encoder.dimension))  # type: ignore[arg-type]
        wait = BLOCK_SECONDS / SLOW
        print("\n| workers | x real time | busy, on average |\n|---|---|---|")
        for jobs in WORKERS:
            files = 4 * jobs
            seconds = simulated(still, jobs, wait, files)
            print(f"| {jobs} | {files * SECONDS / seconds:.0f} | {files * SECONDS / SLOW / seconds:.1f} |", flush=True)
        print("\n| by one thread at a time | x real time |\n|---|---|")
        for what, times in serial(encoder, folder):
            print(f"| {what} | {times:.0f} |", flush=True)


if __name__ == "__main__":
    main()
