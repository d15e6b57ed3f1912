"""The embedding's last step against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import noise, tone

from qbe.learn.components import LEAST_WITHIN, WHITENING, WITHIN, components, fit_components
from qbe.learn.network import DIMENSION, OF_PROJECTION, Network


def correlated(count: int, dimensions: int) -> torch.Tensor:
    """Numbers of many scales, most of their variance in few directions, which are well apart."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(count, dimensions)) * 1.5 ** -np.arange(dimensions)
    turned = hidden @ np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0]
    return torch.tensor(turned * rng.uniform(0.1, 10, dimensions) + rng.normal(size=dimensions), dtype=torch.float32)


def pairs(count: int, dimensions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers, and others that differ from them most in one direction."""
    x = correlated(count, dimensions)
    rng = np.random.default_rng(1)
    difference = rng.normal(size=(count, dimensions)) * np.linspace(0.1, 2.0, dimensions)
    return x, x + torch.tensor(difference, dtype=torch.float32) * x.std(0)


def test_they_are_the_components_of_the_definition() -> None:
    x, y = pairs(500, 40)
    weight, bias = components(x, y, 6, torch.ones(500))
    found = (x @ weight.T + bias).numpy()
    z, d = (((v / x.std(0)).double().numpy()) for v in (x - x.mean(0), x - y))
    within = d.T @ d / 2 / len(d) + LEAST_WITHIN * np.trace(z.T @ z / len(z)) / 40 * np.eye(40)
    values, vectors = np.linalg.eigh(within)
    z = z @ (vectors * values**-WITHIN) @ vectors.T
    variance, directions = np.linalg.eigh(z.T @ z / len(z))
    expected = z @ directions[:, ::-1][:, :6] * variance[::-1][:6] ** -WHITENING
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-2)
    np.testing.assert_allclose(found.var(0), variance[::-1][:6] ** (1 - 2 * WHITENING), rtol=1e-3)


def test_without_differences_they_are_the_principal_components() -> None:
    x = correlated(500, 40)
    weight, bias = components(x, x, 6, torch.ones(500))
    found = (x @ weight.T + bias).numpy()
    z = ((x - x.mean(0)) / x.std(0)).double().numpy()
    _, directions = np.linalg.eigh(z.T @ z)
    principal = z @ directions[:, ::-1][:, :6]
    cosines = (found * principal).sum(0) / np.linalg.norm(found, axis=0) / np.linalg.norm(principal, axis=0)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-4)


def test_what_differs_within_pairs_counts_less() -> None:
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(1000, 2)), dtype=torch.float32)
    y = x + torch.tensor(rng.normal(size=(1000, 2)) * [1.0, 0.1], dtype=torch.float32)
    weight, _ = components(x, y, 1, torch.ones(1000))
    assert abs(weight[0, 1]) > 3 * abs(weight[0, 0])


def test_pairs_count_as_often_as_they_are_said_to() -> None:
    """A pair that counts three times, and one that counts nothing, as if they were there so often."""
    x, y = pairs(300, 10)
    counts = torch.tensor([0.0, 1.0, 3.0]).repeat(100)
    weight, _ = components(x, y, 4, counts)
    differences = (x - y).repeat_interleave(counts.long(), 0)
    scale = x.std(0)
    z = ((x - x.mean(0)) / scale).double().numpy()
    d = (differences / scale).double().numpy()
    within = d.T @ d / 2 / len(d) + LEAST_WITHIN * np.trace(z.T @ z / len(z)) / 10 * np.eye(10)
    values, vectors = np.linalg.eigh(within)
    smaller = (vectors * values**-WITHIN) @ vectors.T
    variance, directions = np.linalg.eigh(smaller @ (z.T @ z / len(z)) @ smaller)
    expected = smaller @ directions[:, ::-1][:, :4] * variance[::-1][:4] ** -WHITENING / scale.numpy()[:, None]
    np.testing.assert_allclose(np.abs(weight.T.numpy()), np.abs(expected), rtol=1e-2, atol=1e-4)


def test_numbers_that_never_change_and_components_that_are_not_there_count_nothing() -> None:
    x, y = pairs(20, 4)
    x[:, 2] = y[:, 2] = 7.0
    weight, bias = components(x, y, 5, torch.ones(20))
    assert torch.isfinite(weight).all() and torch.isfinite(bias).all()
    assert not weight[:, 2].any()
    assert weight[:3].any(1).all()
    assert not weight[3:].any()


def test_a_network_gets_components_of_the_sounds_it_is_given() -> None:
    torch.manual_seed(0)
    network = Network().eval()
    sounds = np.stack([tone(100.0 * 1.1**k, 1.024) + noise(1.024, seed=k, amplitude=0.1) for k in range(40)])
    before = torch.get_rng_state()
    fit_components(network, sounds, np.roll(sounds, 1, axis=0), np.ones(40, np.float32))
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        embeddings = network(torch.from_numpy(sounds))
        features = network.encoder.features(network.decibels(torch.from_numpy(sounds)))
    assert embeddings.shape == (40, DIMENSION)
    parts = []
    for layer, numbers in zip((network.encoder.of_blocks, network.encoder.of_projection), features, strict=True):
        found = layer(numbers).detach()
        assert float(found.mean(0).abs().max()) == pytest.approx(0, abs=1e-2)
        assert not layer.weight.requires_grad
        parts.append(found / found.norm(dim=1, keepdim=True))
    both = torch.cat([parts[0], OF_PROJECTION * parts[1]], 1)
    torch.testing.assert_close(embeddings, both / (1 + OF_PROJECTION**2) ** 0.5, atol=1e-5, rtol=0)
