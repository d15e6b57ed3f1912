"""The decoded sounds in the memory of the device that learns, and places in them, drawn by the batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from qbe.audio.segmentation import WINDOW
from qbe.learn.corpus import Corpus
from qbe.learn.kinds import Grouping, is_mixed
from qbe.learn.triplets import NEIGHBOURS

ALONE = -1


@dataclass(frozen=True)
class Places:
    """run, start : int64 [B], runs of the corpus and samples in them"""

    run: Tensor
    start: Tensor

    def where(self, condition: Tensor, other: Places) -> Places:
        """These where the condition holds, bool [B], and the other ones elsewhere."""
        return Places(torch.where(condition, self.run, other.run), torch.where(condition, self.start, other.start))

    def __getitem__(self, which: slice) -> Places:
        return Places(self.run[which], self.start[which])

    @staticmethod
    def joined(*parts: Places) -> Places:
        return Places(torch.cat([part.run for part in parts]), torch.cat([part.start for part in parts]))


class Pool:
    """All sounds of a corpus on a device, 2 bytes a sample.

    Chances to be drawn follow the grouping; held-out files have none. The generator of every draw is of the device.
    """

    def __init__(self, corpus: Corpus, grouping: Grouping, device: torch.device) -> None:
        weights, runs = grouping.weights(corpus), corpus.runs
        kinds = grouping.doses()
        kind = grouping.kind[runs["file"]]
        surrounds = weights * np.array([kind.surrounds for kind in kinds])[kind]
        self.corpus, self.device = corpus, device
        self.audio = torch.from_numpy(np.array(corpus.audio)).to(device)
        self.offset, self.length = (torch.tensor(runs[name].copy(), device=device) for name in ("offset", "length"))
        self.folder = torch.tensor(corpus.folders[runs["file"]], device=device)
        self.kind = torch.tensor(kind, device=device)
        self.pitch = torch.tensor([kind.pitch for kind in kinds], device=device)
        self.background = torch.tensor([kind.background for kind in kinds], device=device)
        self.beside = torch.tensor(neighbouring_runs(corpus, weights), device=device)
        self.chances = _cumulative(weights, device)
        self.surrounding = _cumulative(surrounds if surrounds.any() else weights, device)

    def draw(self, count: int, generator: Generator) -> Places:
        """Anywhere in the sounds to learn from."""
        return self._anywhere(self._runs(self.chances, count, generator), generator)

    def surroundings(self, count: int, generator: Generator) -> Places:
        """In sounds that others may lie over; in any, where no kind surrounds others."""
        return self._anywhere(self._runs(self.surrounding, count, generator), generator)

    def near(self, places: Places, reach: int, generator: Generator) -> Places:
        """Elsewhere in the same run, at most `reach` samples away."""
        low = (places.start - reach).clamp_min(0)
        high = torch.minimum(places.start + reach, self._last(places.run))
        share = self._uniform(len(places.run), generator)
        return Places(places.run, low + (share * (high - low + 1)).long())

    def neighbours(self, places: Places, generator: Generator) -> tuple[Places, Tensor]:
        """In one of the files before or after that of each place, and whether there is one, bool [B]."""
        beside = self.beside[places.run]
        count = (beside != ALONE).sum(1)
        chosen = (self._uniform(len(count), generator) * count).long()
        run = beside.gather(1, chosen[:, None])[:, 0]
        there = count > 0
        return self._anywhere(torch.where(there, run, places.run), generator), there

    def read(self, places: Places, length: int) -> Tensor:
        """Samples from each place on, zeros beyond both ends of its run: float32 [B, length]."""
        index = places.start[:, None] + torch.arange(length, device=self.device)
        inside = (index >= 0) & (index < self.length[places.run][:, None])
        index = (index + self.offset[places.run][:, None]).clamp_(0, len(self.audio) - 1)
        return self.audio[index].float().mul_(inside).mul_(1 / 32768)

    def _anywhere(self, run: Tensor, generator: Generator) -> Places:
        return Places(run, (self._uniform(len(run), generator) * (self._last(run) + 1)).long())

    def _last(self, run: Tensor) -> Tensor:
        """As when a file is cut for searching, the last window holds at least half a window of sound."""
        return (self.length[run] - WINDOW // 2).clamp_min(0)

    def _runs(self, chances: Tensor, count: int, generator: Generator) -> Tensor:
        return torch.searchsorted(chances, self._uniform(count, generator), right=True)

    def _uniform(self, count: int, generator: Generator) -> Tensor:
        return torch.rand(count, generator=generator, device=self.device, dtype=torch.float64)


def _cumulative(weights: NDArray[np.float64], device: torch.device) -> Tensor:
    """Runs up to and with each, as a share of all: 1 from the last one on that has a weight, whatever is rounded."""
    chances = np.cumsum(weights / weights.sum())
    chances[chances == chances[-1]] = 1.0
    return torch.tensor(chances, device=device)


def neighbouring_runs(corpus: Corpus, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of every run the first runs of the NEIGHBOURS files before and after its own, by name, [R, 2 NEIGHBOURS].

    Only files with something to learn from; ALONE fills up. In folders of mixed sources nothing is beside.
    """
    first: dict[int, int] = {}
    for run in np.flatnonzero(weights).tolist():
        first.setdefault(int(corpus.runs["file"][run]), run)
    order = sorted(first, key=lambda file: (corpus.folders[file], corpus.paths[file]))
    position = {file: k for k, file in enumerate(order)}
    beside = np.full((len(corpus.runs), 2 * NEIGHBOURS), ALONE)
    for run, file in enumerate(corpus.runs["file"].tolist()):
        if file not in position or is_mixed(corpus.paths[file]):
            continue
        k = position[file]
        near = order[max(0, k - NEIGHBOURS) : k] + order[k + 1 : k + NEIGHBOURS + 1]
        found = [first[other] for other in near if corpus.folders[other] == corpus.folders[file]]
        beside[run, : len(found)] = found
    return beside
