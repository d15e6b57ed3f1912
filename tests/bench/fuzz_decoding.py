"""Fuzz the reading of sounds: changed files of many formats must be read or refused with one line, in bounded time and
memory. A process that dies takes nobody with it: each batch is read by one of its own.

    python tests/bench/fuzz_decoding.py --rounds 20000 --seed 0
    python tests/bench/fuzz_decoding.py --rounds 2000 --ffmpeg
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))
from formats import FORMS, RATE, plain
from fuzzing import cut, cut_out, flip_bits, overwrite, zero

from qbe.audio.ffmpeg import PROGRAM
from qbe.audio.reading import read_blocks
from qbe.support.errors import AudioError

LIBSNDFILES = ["plain.wav", "float.wav", "sound.aiff", "sound.caf", "sound.au", "sound.w64", "sound.rf64", "sound.flac",
               "sound.mp3", "sound.ogg", "sound.opus", "joined.mp3", "chained.ogg"]  # fmt: skip
FFMPEGS = [
    "sound.m4a",
    "aac named.mp3",
    "lossless.m4a",
    "sound.wma",
    "sound.webm",
    "sound.wv",
    "sound.ac3",
    "flac in.oga",
]
SECONDS = 10  # for a file
MEMORY = 1 << 30  # bytes more than in the beginning
BATCH = 200
HEADER = 200  # bytes

Mutation = Callable[[bytearray, np.random.Generator], object]


def forge_header(data: bytearray, rng: np.random.Generator) -> None:
    """A few numbers in the first bytes, small, large or odd."""
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(min(len(data), HEADER)))
        size = int(rng.choice([1, 2, 4, 8]))
        number = int(rng.choice([0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, int(rng.integers(1 << 32))]))
        data[at : at + size] = (number & (1 << 8 * size) - 1).to_bytes(size, str(rng.choice(["little", "big"])))  # type: ignore[arg-type]


MUTATIONS: tuple[Mutation, ...] = (flip_bits, cut, cut_out, overwrite, zero, forge_header, forge_header)


def write_seeds(folder: Path, names: list[str]) -> dict[str, bytes]:
    """A sound of three seconds in each format."""
    source = folder / "source.wav"
    soundfile.write(source, plain(3.0), RATE)
    seeds = {}
    for form in (form for form in FORMS if form.name in names):
        form.write(source, folder / form.name)
        seeds[form.name] = (folder / form.name).read_bytes()
    return seeds


def outcome(path: Path) -> str:
    """What becomes of one file; any exception but AudioError is a fault."""
    frames = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for block in read_blocks(bytes(path), 16_000):
                frames += len(block)
                if frames > 3600 * 16_000:
                    return "read for an hour, and left"
    except AudioError as error:
        assert "\n" not in str(error)
        return "read in part" if frames else "refused"
    return "read"


def batch(seeds: dict[str, bytes], path: Path, rounds: range, seed: int, tell: Callable[[bytes], object]) -> None:
    """Read changed files one by one, and tell of each."""
    names = sorted(seeds)
    for number in rounds:
        rng = np.random.default_rng([seed, number])
        name, mutate = names[number % len(names)], MUTATIONS[number // len(names) % len(MUTATIONS)]
        data = bytearray(seeds[name])
        mutate(data, rng)
        path.write_bytes(data)
        signal.alarm(SECONDS)
        tell(f"{number}\t{name}\t{outcome(path)}\n".encode())
        signal.alarm(0)


def in_process(seeds: dict[str, bytes], path: Path, rounds: range, seed: int) -> tuple[list[list[str]], int, int]:
    """What a process of its own tells of its files, how it ended, and how much memory it took, bytes."""
    reader, writer = os.pipe()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if not (child := os.fork()):
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            batch(seeds, path, rounds, seed, lambda line: os.write(writer, line))
            code = 0
        except BaseException as error:
            os.write(writer, f"-1\t{path.name}\t{type(error).__name__}: {error}\n".replace("\n", " ").encode())
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as told:
        lines = [line.split("\t") for line in told.read().decode(errors="replace").splitlines()]
    _, status, usage = os.wait4(child, 0)
    return lines, os.waitstatus_to_exitcode(status), (usage.ru_maxrss - before) * 1024


def fuzz(seeds: dict[str, bytes], folder: Path, rounds: int, seed: int) -> tuple[Counter[str], int, list[str]]:
    """How many files came to what, by name; the most memory that a process took, bytes; and the faults."""
    counts: Counter[str] = Counter()
    peak, faults, at = 0, list[str](), 0
    while at < rounds:
        lines, code, memory = in_process(seeds, folder / "changed", range(at, min(at + BATCH, rounds)), seed)
        peak = max(peak, memory)
        done = [line for line in lines if line[0] != "-1"]
        counts.update(f"{name}: {what}" for _, name, what in done)
        at += len(done)
        if code:
            faults.append(f"round {at}: code {code} {lines[-1] if lines else ''}")
            at += 1
    return counts, peak, faults


def table(counts: Counter[str]) -> Iterator[str]:
    for name in sorted({key.partition(":")[0] for key in counts}):
        outcomes = ", ".join(
            f"{what.partition(': ')[2]} {n}" for what, n in counts.items() if what.startswith(f"{name}:")
        )
        yield f"{name:16} {outcomes}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ffmpeg", action="store_true", help="formats that ffmpeg decodes, instead of libsndfile's")
    options = parser.parse_args()
    if not options.ffmpeg:
        os.environ[PROGRAM] = ""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        seeds = write_seeds(Path(name), FFMPEGS if options.ffmpeg else LIBSNDFILES)
        counts, peak, faults = fuzz(seeds, Path(name), options.rounds, options.seed)
    print(*table(counts), sep="\n")
    took = f"{time.monotonic() - began:.0f} s, at most {peak / 1e6:.0f} MB more"
    print(f"{counts.total()} files in {took}, {len(faults)} faults")
    print(*faults, sep="\n")


if __name__ == "__main__":
    main()
