"""The embedding's last step against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import noise, tone

from qbe.learn.components import WHITENING, fit_components, principal_components
from qbe.learn.network import DIMENSION, Network


def correlated(count: int, dimensions: int) -> torch.Tensor:
    """Numbers of many scales, most of their variance in few directions, which are well apart."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(count, dimensions)) * 1.5 ** -np.arange(dimensions)
    turned = hidden @ np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0]
    return torch.tensor(turned * rng.uniform(0.1, 10, dimensions) + rng.normal(size=dimensions), dtype=torch.float32)


def test_they_are_the_principal_components_of_standardised_numbers() -> None:
    x = correlated(500, 40)
    weight, bias = principal_components(x, 6)
    found = (x @ weight.T + bias).numpy()
    standard = ((x - x.mean(0)) / x.std(0)).double().numpy()
    variance, directions = np.linalg.eigh(standard.T @ standard / len(x))
    expected = standard @ directions[:, ::-1][:, :6] * variance[::-1][:6] ** -WHITENING
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-2)
    np.testing.assert_allclose(found.var(0), variance[::-1][:6] ** (1 - 2 * WHITENING), rtol=1e-3)


def test_numbers_that_never_change_and_components_that_are_not_there_count_nothing() -> None:
    x = correlated(20, 4)
    x[:, 2] = 7.0
    weight, bias = principal_components(x, 5)
    assert torch.isfinite(weight).all() and torch.isfinite(bias).all()
    assert not weight[:, 2].any()
    assert weight[:3].any(1).all()
    assert not weight[3:].any()


def test_a_network_gets_components_of_the_sounds_it_is_given() -> None:
    torch.manual_seed(0)
    network = Network().eval()
    sounds = np.stack([tone(100.0 * 1.1**k, 1.024) + noise(1.024, seed=k, amplitude=0.1) for k in range(40)])
    before = torch.get_rng_state()
    fit_components(network, sounds)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        embeddings = network(torch.from_numpy(sounds))
        features = network.encoder.features(network.decibels(torch.from_numpy(sounds)))
    assert embeddings.shape == (40, DIMENSION)
    parts = []
    for layer, numbers in zip((network.encoder.of_blocks, network.encoder.of_projection), features, strict=True):
        components = layer(numbers).detach()
        assert float(components.mean(0).abs().max()) == pytest.approx(0, abs=1e-2)
        assert not layer.weight.requires_grad
        parts.append(components / components.norm(dim=1, keepdim=True) / 2**0.5)
    torch.testing.assert_close(embeddings, torch.cat(parts, 1), atol=1e-5, rtol=0)
