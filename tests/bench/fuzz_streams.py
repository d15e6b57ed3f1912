"""Fuzz the stream reader: changed, cut and spliced streams must be read or refused with one line, in little memory.

python tests/bench/fuzz_streams.py --seconds 60 --seed 0
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from hostile import EMBEDDING_STREAMS, SEGMENT_STREAMS, WHOLE_STREAMS

from qbe.streams.framing import StreamReader
from qbe.support.errors import StreamError

INTERESTING = bytes.fromhex(
    "00 01 7f 80 8f 90 9f a0 c0 c1 c4 c5 c6 c7 c8 c9 ca cb cc cf d0 d3 d4 d9 db dc dd de df e0 ff"
)


def mutated(rng: np.random.Generator, seeds: list[bytes]) -> bytes:
    """One of the seeds with a few bytes changed, put in, left out, or with a piece of another in it."""
    data = bytearray(seeds[rng.integers(len(seeds))])
    for _ in range(rng.integers(1, 6)):
        at, size = int(rng.integers(len(data) + 1)), int(rng.integers(1, 9))
        what = rng.integers(5)
        if what == 0:
            data[at : at + 1] = rng.choice(list(INTERESTING), 1).astype(np.uint8).tobytes()
        elif what == 1:
            data[at : at + size] = rng.bytes(size)
        elif what == 2:
            del data[at : at + size]
        elif what == 3:
            data[at:at] = rng.bytes(size)
        else:
            other = seeds[rng.integers(len(seeds))]
            first = int(rng.integers(len(other) + 1))
            data[at:at] = other[first : first + int(rng.integers(200))]
    return bytes(data)


def outcome(data: bytes) -> str:
    """What the reader makes of it: the kind of its refusal, or how many records. Any other exception is a fault."""
    try:
        return f"{len(list(StreamReader(io.BytesIO(data))))} records"
    except StreamError as error:
        assert "\n" not in str(error)
        return "refused"


def fuzz(inputs: int | None, seconds: float | None, seed: int) -> tuple[Counter[str], int]:
    """How many inputs came to what, and the most memory that one took, bytes."""
    rng, peak, began = np.random.default_rng(seed), 0, time.monotonic()
    bad = [data for data in (*EMBEDDING_STREAMS.values(), *SEGMENT_STREAMS.values()) if len(data) < 100_000]
    seeds = bad + WHOLE_STREAMS * (len(bad) // len(WHOLE_STREAMS))
    counts: Counter[str] = Counter()
    tracemalloc.start()
    while (inputs is None or counts.total() < inputs) and (seconds is None or time.monotonic() - began < seconds):
        data = mutated(rng, seeds)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        counts[outcome(data)] += 1
        peak = max(peak, tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    return counts, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts, peak = fuzz(None, options.seconds, options.seed)
    print(f"{counts.total()} inputs, at most {peak / 1e6:.1f} MB")
    for what, count in counts.most_common():
        print(f"{count:8d} {what}")


if __name__ == "__main__":
    main()
