"""Query-by-example mAP of models on labelled tasks, with the log-mel baseline beside them in the same run.

    python tests/bench/retrieval.py CORPUS TASKS_FOLDER [MODEL.onnx ...]

CORPUS is the folder the tasks' paths are relative to; the default model is measured where none is named. The baseline
is the mean and the deviation over time of 64 log-mel bands of every 1.024 s window (128 numbers); of its variants (raw
or z-scored over the task, windows compared one by one or averaged) the best one is shown for every task.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from qbe.audio.reading import read_blocks
from qbe.audio.segmentation import SAMPLE_RATE, cut
from qbe.encoder import Encoder, open_encoder
from qbe.errors import AudioError
from qbe.evaluation import Item, Retrieval, read_task, retrieval
from qbe.streams.records import Audio, Vector

Embed = Callable[[Audio], Vector]
BANDS, FFT, FRAME_HOP = 64, 400, 160


def mel_filters() -> np.ndarray:
    """Triangles evenly spaced on the mel scale from 50 to 8000 Hz, [BANDS, FFT / 2 + 1]."""
    mel = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (50, 8000)), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.clip(np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)), 0, None).astype(np.float32)


MELS = mel_filters()


def log_mel(audio: Audio) -> Vector:
    """Mean and deviation over time of log-mel energies: [B, T] -> [B, 2 BANDS]."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, FFT, axis=1)[:, ::FRAME_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(FFT).astype(np.float32))) ** 2
    logs = np.log(power.astype(np.float32) @ MELS.T + 1e-6)
    return np.concatenate([logs.mean(1), logs.std(1)], axis=1)


def windows(corpus: Path, item: Item) -> Audio:
    """The segments of an item, [n, T]; silence as one segment, so that every item has an answer."""
    source = os.fsencode(corpus / item.path)
    blocks = list(salvaged(read_blocks(source, SAMPLE_RATE, start=item.start, duration=item.duration)))
    pieces = list(cut(blocks, source)) or list(cut(blocks, source, keep_silence=True))[:1]
    return np.stack([piece.audio for piece in pieces])


def salvaged(blocks: Iterator[Audio]) -> Iterator[Audio]:
    """Blocks until the first fault, which is named on stderr."""
    try:
        yield from blocks
    except AudioError as error:
        print(error, file=sys.stderr)


def batched(encoder: Encoder) -> Embed:
    return lambda audio: np.concatenate([encoder.embed(audio[i : i + 16]) for i in range(0, len(audio), 16)])


def unit(vectors: Vector) -> Vector:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def best_baseline(sounds: list[Vector], labels: list[str], groups: list[str]) -> Retrieval:
    """The best of raw and z-scored features, compared window by window or by their mean."""
    stacked = np.concatenate(sounds)
    scale, shift = stacked.std(0) + 1e-6, stacked.mean(0)
    outcomes = []
    for features in (sounds, [(sound - shift) / scale for sound in sounds]):
        outcomes.append(retrieval([unit(f) for f in features], labels, groups))
        outcomes.append(retrieval([unit(f.mean(0, keepdims=True)) for f in features], labels, groups))
    return max(outcomes, key=lambda outcome: outcome.mean_average_precision)


def embed_all(corpus: Path, items: set[Item], embedders: dict[str, Embed]) -> dict[str, dict[Item, Vector]]:
    """Every item by every embedder, decoding it once."""

    def one(item: Item) -> dict[str, Vector]:
        audio = windows(corpus, item)
        return {name: embed(audio) for name, embed in embedders.items()}

    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(one, items))
    return {name: {item: row[name] for item, row in zip(items, rows, strict=True)} for name in embedders}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("tasks", type=Path)
    parser.add_argument("models", nargs="*")
    arguments = parser.parse_args()
    encoders = {path or "default model": open_encoder(path) for path in arguments.models or [None]}
    embedders: dict[str, Embed] = {"log-mel": log_mel} | {name: batched(e) for name, e in encoders.items()}
    tasks = {path.stem: read_task(path) for path in sorted(arguments.tasks.glob("*.tsv"))}
    began = time.monotonic()
    # The same piece of a file stands in several tasks under other labels; it is embedded once.
    place = {item: Item(item.path, "", "", item.start, item.duration) for items in tasks.values() for item in items}
    vectors = embed_all(arguments.corpus, set(place.values()), embedders)
    print(f"{len(set(place.values()))} sounds, {time.monotonic() - began:.0f} s\n")
    print("| task | chance |" + "".join(f" {name} |" for name in embedders))
    print("|---|---|" + "---|" * len(embedders))
    columns: dict[str, list[float]] = {name: [] for name in embedders}
    for task, items in tasks.items():
        labels, groups = [item.label for item in items], [item.group for item in items]
        cells, chance = [], 0.0
        for name, of in vectors.items():
            sounds = [of[place[item]] for item in items]
            outcome = (best_baseline if name == "log-mel" else retrieval)(sounds, labels, groups)
            columns[name].append(outcome.mean_average_precision)
            half = 1.96 * outcome.average_precisions.std() / np.sqrt(len(outcome.average_precisions))
            cells.append(f" {outcome.mean_average_precision:.3f} +- {half:.3f} |")
            chance = outcome.chance
        print(f"| {task} | {chance:.3f} |" + "".join(cells), flush=True)
    print("| mean | |" + "".join(f" {np.mean(values):.3f} |" for values in columns.values()))


if __name__ == "__main__":
    main()
