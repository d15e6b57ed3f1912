"""Anchors and their positives, drawn without labels.

Three observations make the signal (Jansen et al., arXiv 1711.02209): pitch shift, time stretch and noise keep a sound's
class, and sounds near in time share one. Everything happens in the time domain, with the functions of
`qbe.audio.deformation`, so that what the network is taught can be heard.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from qbe.audio.deformation import Shares, deformed, draw, duration_factor
from qbe.learn.corpus import Balance, Corpus
from qbe.streams.records import Audio, Deformation


@dataclass(frozen=True)
class Recipe:
    """How positives are made: the share of them that each observation touches. They combine.

    near : seconds between an anchor and a positive elsewhere in its file
    """

    balance: Balance = "duration"
    near: float = 10.0
    proximity_share: float = 0.6
    pitch_share: float = 0.5
    stretch_share: float = 0.5
    noise_share: float = 0.15

    @property
    def shares(self) -> Shares:
        return Shares(self.pitch_share, self.stretch_share, self.noise_share)


@dataclass(frozen=True)
class Batch:
    """anchors, positives : float32 [B, T]; files : int64 [B], which file each pair is from"""

    anchors: Tensor
    positives: Tensor
    files: Tensor


class Triplets(Dataset[Batch]):
    """Batch number `step` of training. It depends on the seed and on `step` alone, so a run can be taken up anywhere.

    The third part of a triplet, the negative, is found among the other files of the batch: `qbe.learn.losses`.
    """

    def __init__(self, corpus: Corpus, recipe: Recipe, *, batch: int, window: int, sample_rate: int, seed: int) -> None:
        self.corpus, self.recipe = corpus, recipe
        self.batch, self.window, self.sample_rate, self.seed = batch, window, sample_rate, seed
        self.reach = round(recipe.near * sample_rate)
        self.chances = np.cumsum(corpus.weights(recipe.balance))

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        runs = np.searchsorted(self.chances, rng.random(self.batch) * self.chances[-1], side="right")
        pairs = [self.pair(int(run), rng) for run in runs]
        return Batch(
            torch.from_numpy(np.stack([anchor for anchor, _ in pairs])),
            torch.from_numpy(np.stack([positive for _, positive in pairs])),
            torch.from_numpy(self.corpus.runs["file"][runs].astype(np.int64)),
        )

    def pair(self, run: int, rng: np.random.Generator) -> tuple[Audio, Audio]:
        """An anchor anywhere in a run and its positive, float32 [window] each."""
        # As when a file is cut for searching, the last window holds at least half a window of sound.
        last = max(0, int(self.corpus.runs["length"][run]) - self.window // 2)
        start = int(rng.integers(last + 1))
        near = start
        if rng.random() < self.recipe.proximity_share:
            near = int(rng.integers(max(0, start - self.reach), min(last, start + self.reach) + 1))
        # A sound is no positive of itself.
        deformations = draw(rng, self.recipe.shares, at_least_one=near == start)
        return self.corpus.read(run, start, self.window), self._deformed(run, near, deformations)

    def _deformed(self, run: int, start: int, deformations: Sequence[Deformation]) -> Audio:
        """Just so much of the run as fills a window when deformed."""
        wanted = math.ceil(self.window / duration_factor(deformations))
        audio = deformed(self.corpus.read(run, start, wanted), self.sample_rate, deformations)
        return np.pad(audio[: self.window], (0, max(0, self.window - len(audio))))
