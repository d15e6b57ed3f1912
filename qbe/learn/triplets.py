"""Anchors and their positives, drawn without labels.

Everything happens in the time domain, with the functions of `qbe.audio.deformation`, so that what the network is taught
can be heard.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from qbe.audio.deformation import FAST, apply, duration_factor, mix
from qbe.audio.recipe import DEFORMATIONS, ELSEWHERE, Recipe, choose, draw
from qbe.audio.segmentation import SAMPLE_RATE, WINDOW
from qbe.audio.sound import from_samples
from qbe.learn.corpus import Corpus
from qbe.learn.kinds import Grouping, is_mixed, ungrouped
from qbe.learn.settings import Settings
from qbe.streams.records import Audio, Deformation
from qbe.support.errors import TrainingError

NEIGHBOURS = 3  # files before and after one in its folder


@dataclass(frozen=True)
class Place:
    """A run of the corpus and a sample in it."""

    run: int
    start: int


@dataclass(frozen=True)
class Pair:
    """An anchor and its positive, as places and what is done there; `mixed_in` is what "mix" lays under it."""

    anchor: Place
    positive: Place
    deformations: list[Deformation]
    mixed_in: Place


@dataclass(frozen=True)
class Batch:
    """anchors, positives : float32 [B, T]; sources : int64 [B], which file or folder the anchor of each pair is from"""

    anchors: Tensor
    positives: Tensor
    sources: Tensor


class Triplets(Dataset[Batch]):
    """Batch number `step` of training. It depends on the seed and on `step` alone, so a run can be taken up anywhere.

    The third part of a triplet, the negative, is found among the other sources of the batch: `qbe.learn.losses`.

    grouping : what is drawn by, if not by the settings' balance

    TrainingError where negatives are to come from other folders and all sounds are in one.
    """

    def __init__(self, corpus: Corpus, settings: Settings, grouping: Grouping | None = None) -> None:
        self.corpus, self.settings = corpus, settings
        self.reach = round(settings.near * SAMPLE_RATE)
        weights = (grouping or ungrouped(corpus, settings.balance)).weights(corpus)
        self.chances = np.cumsum(weights)
        self.sources = sources(corpus, settings)
        self.neighbours = _Neighbours(corpus, weights)

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.settings.seed, step])
        pairs = [self.draw(rng) for _ in range(self.settings.batch)]
        batch = Batch(
            torch.from_numpy(np.stack([self.read(pair.anchor) for pair in pairs])),
            torch.from_numpy(np.stack([self.positive(pair) for pair in pairs])),
            torch.tensor([int(self.sources[self.corpus.runs["file"][pair.anchor.run]]) for pair in pairs]),
        )
        self.corpus.forget()
        return batch

    def place(self, rng: np.random.Generator) -> Place:
        """Anywhere in the sounds to learn from."""
        run = int(np.searchsorted(self.chances, rng.random() * self.chances[-1], side="right"))
        return self._anywhere(rng, run)

    def same(self, rng: np.random.Generator, place: Place) -> Place:
        """One that counts as the same: in a file beside it, or where there is none, near it."""
        run = self.neighbours.draw(rng, place.run)
        return self._near(rng, place) if run is None else self._anywhere(rng, run)

    def _anywhere(self, rng: np.random.Generator, run: int) -> Place:
        return Place(run, int(rng.integers(self._last(run) + 1)))

    def _near(self, rng: np.random.Generator, place: Place) -> Place:
        low, high = max(0, place.start - self.reach), min(self._last(place.run), place.start + self.reach)
        return Place(place.run, int(rng.integers(low, high + 1)))

    def _last(self, run: int) -> int:
        """As when a file is cut for searching, the last window holds at least half a window of sound."""
        return max(0, int(self.corpus.runs["length"][run]) - WINDOW // 2)

    def draw(self, rng: np.random.Generator) -> Pair:
        """An anchor, and how its positive is to be made."""
        anchor, mixed_in = self.place(rng), self.place(rng)
        changes, positive = choose(rng, self.settings.recipe), anchor
        if "neighbour" in changes and (run := self.neighbours.draw(rng, anchor.run)) is not None:
            positive = self._anywhere(rng, run)
        elif any(change in ELSEWHERE for change in changes):
            positive = self._near(rng, anchor)
        deformations = [change for change in changes if change not in ELSEWHERE]
        if positive == anchor and not deformations:  # a short sound: it is no positive of itself
            deformations = choose(rng, self.settings.recipe, DEFORMATIONS)
        name = self.corpus.paths[int(self.corpus.runs["file"][mixed_in.run])]
        drawn = [draw(rng, self.settings.recipe, change, name) for change in deformations]
        return Pair(anchor, positive, drawn, mixed_in)

    def read(self, place: Place) -> Audio:
        """float32 [WINDOW]"""
        return self.corpus.read(place.run, place.start, WINDOW)

    def positive(self, pair: Pair) -> Audio:
        """float32 [WINDOW]"""
        return deformed_window(
            self.corpus, pair.positive, pair.deformations, self.read(pair.mixed_in) if _mixes(pair) else None
        )


def sources(corpus: Corpus, settings: Settings) -> NDArray[np.int64]:
    """The number of the file or folder that each file stands for: those of one number are no negatives, [F]."""
    numbers = corpus.folders if settings.negatives == "folders" else np.arange(len(corpus.paths))
    if not numbers.any():
        raise TrainingError("--negatives folders: all sounds are in one folder; leave it out")
    return numbers


def _mixes(pair: Pair) -> bool:
    return any(deformation.name == "mix" for deformation in pair.deformations)


def deformed_window(
    corpus: Corpus, place: Place, deformations: Sequence[Deformation], mixed_in: Audio | None = None
) -> Audio:
    """What is at a place, deformed: float32 [WINDOW]. Just so much is read as fills a window then."""
    wanted = math.ceil(WINDOW / duration_factor(deformations))
    sound = from_samples(corpus.read(place.run, place.start, wanted)[:, None], SAMPLE_RATE)
    for deformation in deformations:
        if deformation.name == "mix" and mixed_in is not None:
            sound = mix(sound, from_samples(mixed_in[:, None], SAMPLE_RATE), deformation.parameters["db"])
        else:
            sound = apply(sound, [deformation], FAST)
    audio = sound.samples()[:WINDOW, 0]
    return np.pad(audio, (0, WINDOW - len(audio)))


class _Neighbours:
    """Which files lie next to one in its folder, by name. Those with nothing to learn from are no neighbours, and in
    folders of mixed sources nothing is."""

    def __init__(self, corpus: Corpus, weights: NDArray[np.float64]) -> None:
        self.corpus = corpus
        self.runs: dict[int, list[int]] = {}
        for run in np.flatnonzero(weights):
            self.runs.setdefault(int(corpus.runs["file"][run]), []).append(int(run))
        self.order = sorted(self.runs, key=lambda file: (corpus.folders[file], corpus.paths[file]))
        self.position = {file: k for k, file in enumerate(self.order)}

    def draw(self, rng: np.random.Generator, run: int) -> int | None:
        """A run of one of the NEIGHBOURS files before and after that of `run`. None where it is alone."""
        file, folders = int(self.corpus.runs["file"][run]), self.corpus.folders
        if is_mixed(self.corpus.paths[file]):
            return None
        position = self.position[file]
        near = self.order[max(0, position - NEIGHBOURS) : position + NEIGHBOURS + 1]
        others = [other for other in near if other != file and folders[other] == folders[file]]
        if not others:
            return None
        runs = self.runs[others[int(rng.integers(len(others)))]]
        return runs[int(rng.integers(len(runs)))]


class HeldOut:
    """Segments of the files that are never trained on, and the same deformed, drawn once and for all.

    Deformed as the default recipe does it whatever the training's own is, so that runs can be compared.
    """

    SEGMENTS = 512

    def __init__(self, corpus: Corpus) -> None:
        runs = np.flatnonzero(corpus.held_out()[corpus.runs["file"]])
        rng = np.random.default_rng(0)
        rng.shuffle(runs)
        places = [Place(int(run), start) for run in runs for start in range(0, int(corpus.runs["length"][run]), WINDOW)]
        if len(places) > self.SEGMENTS:  # first one of every run, then more of the long ones
            firsts = [place for place in places if place.start == 0][: self.SEGMENTS]
            rest = [place for place in places if place.start]
            more = rng.permutation(len(rest))[: self.SEGMENTS - len(firsts)]
            places = firsts + [rest[k] for k in more]
        changes = ("pitch", "stretch", "noise")
        self.originals = [corpus.read(place.run, place.start, WINDOW) for place in places]
        self.deformed = [
            deformed_window(corpus, p, [draw(rng, Recipe(), c) for c in choose(rng, Recipe(), changes)]) for p in places
        ]
