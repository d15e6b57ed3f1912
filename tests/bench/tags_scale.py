"""How long tags of a large library take: its sounds are those of a stream, copied under a little noise.

    python tests/bench/tags_scale.py STREAM.emb [--files 100000]

Every copy of the stream is a folder of its own, with the names of the stream in it. Prints wall time, the processor's
time, and peak memory, of which the building of the library is no part: it is done by another process.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import get_context

import numpy as np

from qbe.stores import open_store, open_writer
from qbe.streams.files import read_stream
from qbe.streams.records import Embedding
from qbe.tags.aliases import read_aliases
from qbe.tags.bearing import FILE, FOLDER
from qbe.tags.tagging import Sources, Tagger

NOISE = 0.03  # of each number of a vector
MOST = 8  # segments of a file


def copies(sounds: list[list[Embedding]], files: int) -> Iterator[Embedding]:
    rng = np.random.default_rng(0)
    for number in range(files):
        copy, sound = divmod(number, len(sounds))
        for segment in sounds[sound]:
            vector = segment.vector + rng.normal(size=len(segment.vector)) * NOISE
            vector = (vector / np.linalg.norm(vector)).astype(np.float32)
            yield replace(segment, path=b"%d/%s" % (copy, segment.path), vector=vector)


def build(stream: str, files: int, name: str) -> None:
    sounds: dict[bytes, list[Embedding]] = {}
    with read_stream(stream) as opened:
        for embedding in opened.embeddings():
            sounds.setdefault(embedding.path, []).append(embedding)
        with open_writer(name) as writer:
            writer.replace(opened.header, copies([own[:MOST] for own in sounds.values()], files), [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stream")
    parser.add_argument("--files", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(arguments.stream))) as folder:
        name = os.path.join(folder, "lib.idx")
        process = get_context("spawn").Process(target=build, args=(arguments.stream, arguments.files, name))
        process.start()
        process.join()
        wall, own = time.monotonic(), time.process_time()
        store = open_store(name)
        tagger = Tagger(store, Sources([], frozenset([FOLDER, FILE]), read_aliases()))
        tags = sum(1 for _ in tagger.tags(0.5))
        spent = f"{time.monotonic() - wall:.1f} s, {time.process_time() - own:.1f} s of the processor"
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        words = len(tagger.examples.vocabulary)
        print(f"{arguments.files} files, {store.rows} segments, {words} words, {tags} tags: {spent}, {memory:.0f} MB")


if __name__ == "__main__":
    main()
