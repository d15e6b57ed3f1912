"""A network's weights averaged over its training: what it has been lately, without the last steps' restlessness."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from qbe.learn.network import Network

DECAY = 0.999
EARLY = 10  # steps; before so many the average forgets faster


class Average:
    """network : its exponential moving average, in eval mode; statistics of batches are averaged as weights are"""

    def __init__(self, network: Network, decay: float = DECAY) -> None:
        self.decay, self.steps = decay, 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.averaged, self.latest = _numbers(self.network), _numbers(network)

    @torch.no_grad()
    def update(self) -> None:
        """Take in what the network is now."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + EARLY))
        torch._foreach_lerp_(self.averaged, self.latest, 1 - decay)


def _numbers(network: Network) -> list[Tensor]:
    """Parameters and running statistics; counts of batches stay out, and so does what is frozen."""
    learned = [p.data for p in network.encoder.parameters()]
    return learned + [b for b in network.encoder.buffers() if b.is_floating_point()]
