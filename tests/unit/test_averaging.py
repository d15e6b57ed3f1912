"""The average of a network over its training, against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import pytest
import torch

from qbe.learn.averaging import Average
from qbe.learn.network import Network

SMALL = (8, 16, 16, 32)


def set_to(network: Network, value: float) -> None:
    """All that is averaged, parameters and statistics."""
    with torch.no_grad():
        for tensor in (*network.encoder.parameters(), *network.encoder.buffers()):
            tensor.fill_(value)


def averaged_after(steps: int, decay: float, value: Callable[[int], float]) -> Average:
    """Of a network that begins at 0 and is set to value(n) before update n, from 1 on."""
    network = Network(widths=SMALL)
    set_to(network, 0.0)
    average = Average(network, decay)
    for n in range(1, steps + 1):
        set_to(network, value(n))
        average.update()
    return average


def assert_all(average: Average, expected: float) -> None:
    """Every parameter and every statistic has this value."""
    encoder = average.network.encoder
    for tensor in (*encoder.parameters(), *(b for b in encoder.buffers() if b.is_floating_point())):
        torch.testing.assert_close(tensor, torch.full_like(tensor, expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 9, 40])
def test_early_on_the_beginning_is_forgotten_by_a_binomial(steps: int) -> None:
    """The product of n / (n + 10) over n = 1 ... N is 1 / C(N + 10, 10)."""
    assert_all(averaged_after(steps, 0.999, lambda _: 1.0), 1 - 1 / comb(steps + 10, 10))


@pytest.mark.parametrize("steps", [9, 10, 11, 15])
def test_later_the_beginning_is_forgotten_exponentially(steps: int) -> None:
    """n / (n + 10) reaches a decay of 1/2 at n = 10."""
    left = 0.5 ** (steps - 9) / comb(19, 10)
    assert_all(averaged_after(steps, 0.5, lambda _: 1.0), 1 - left)


def test_an_average_follows_what_rises_evenly_at_a_distance() -> None:
    """An exponential average of n, far from its beginning, is n - d / (1 - d)."""
    assert_all(averaged_after(60, 0.6, float), 60 - 0.6 / 0.4)


def test_an_average_learns_nothing_and_counts_no_batches() -> None:
    network = Network(widths=SMALL).train()
    average = Average(network)
    network(torch.randn(2, 16_384))
    average.update()
    assert not average.network.training and network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert int(network.encoder.stem[1].num_batches_tracked) == 1
    assert int(average.network.encoder.stem[1].num_batches_tracked) == 0
    mean = network.encoder.stem[1].running_mean
    torch.testing.assert_close(average.network.encoder.stem[1].running_mean, mean * 10 / 11)
