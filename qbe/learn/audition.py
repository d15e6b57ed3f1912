"""What a network will be taught, as files to listen to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qbe.audio.chain import describe
from qbe.audio.segmentation import SAMPLE_RATE
from qbe.audio.sound import from_samples
from qbe.audio.writing import write_file
from qbe.learn.corpus import Corpus
from qbe.learn.materials import Materials
from qbe.learn.settings import Settings
from qbe.learn.triplets import Place, Triplets

PAIRS = 8
NOTHING = Materials()


@dataclass(frozen=True)
class Audition:
    """A pair on disk: of anchor and positive the file and start (seconds) they are from, and what was done."""

    anchor: Path
    positive: Path
    path: bytes
    start: float
    positive_path: bytes
    positive_start: float
    changes: str


def write_pairs(corpus: Corpus, settings: Settings, folder: Path, materials: Materials = NOTHING) -> list[Audition]:
    """The first PAIRS pairs that a training on a CPU with these settings would draw, as WAV files in `folder`."""
    grouping = materials.grouping(corpus, settings.balance)
    triplets, rng = Triplets(corpus, settings, grouping), np.random.default_rng([settings.seed, 0])
    folder.mkdir(parents=True, exist_ok=True)

    def seconds(place: Place) -> float:
        return (int(corpus.runs["start"][place.run]) + place.start) / SAMPLE_RATE

    written = []
    for number, pair in enumerate([triplets.draw(rng) for _ in range(PAIRS)], 1):
        anchor, positive = folder / f"{number}-anchor.wav", folder / f"{number}-positive.wav"
        for file, audio in ((anchor, triplets.read(pair.anchor)), (positive, triplets.positive(pair))):
            sound = from_samples(audio[:, None], SAMPLE_RATE)
            write_file(bytes(file), sound, sound.blocks())
        path, other_path = (corpus.paths[corpus.runs["file"][place.run]] for place in (pair.anchor, pair.positive))
        start, other = seconds(pair.anchor), seconds(pair.positive)
        elsewhere = "neighbour" if path != other_path else f"near{other - start:+.2f}" if other != start else ""
        changes = f"{elsewhere} {describe(pair.deformations)}".strip()
        written.append(Audition(anchor, positive, path, start, other_path, other, changes))
    return written
