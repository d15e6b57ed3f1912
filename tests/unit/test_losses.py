"""The losses against plain loops over their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from qbe.learn.losses import Views, batch_loss, compare, mine, nt_xent, triplet_loss
from qbe.learn.settings import Loss, Mining, Settings


def unit(seed: int, count: int, dimension: int = 4) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.nn.functional.normalize(torch.tensor(rng.normal(size=(count, dimension)), dtype=torch.float64), dim=1)


def looped_hinges(
    anchors: Tensor, positives: Tensor, files: list[int], loss: Loss, mining: Mining, margin: float
) -> list[float]:
    """One triplet at a time, distances by their definition."""

    def distance(one: Tensor, other: Tensor) -> float:
        return float((one - other).square().sum()) if loss == "l2" else 1 - float(one @ other)

    everything = [*anchors, *positives]
    owners, partners = files * 2, [*positives, *anchors]
    hinges = []
    for place, (view, owner, partner) in enumerate(zip(everything, owners, partners, strict=True)):
        to_positive = distance(view, partner)
        # From the view on, once around the batch.
        turned = [*range(place, len(everything)), *range(place)]
        others = [distance(view, everything[k]) for k in turned if owners[k] != owner]
        if mining == "semi-hard":
            others = [d for d in others if d > to_positive]
        if others:
            negative = others[0] if mining == "none" else min(others)
            hinges.append(max(0.0, margin + to_positive - negative))
    return hinges


@given(
    seed=st.integers(0, 10_000),
    batch=st.integers(1, 12),
    files=st.integers(1, 5),
    margin=st.floats(0.01, 1),
    loss=st.sampled_from(["cosine", "l2"]),
    mining=st.sampled_from(["none", "semi-hard", "hardest"]),
)
def test_the_triplet_loss_is_its_definition(
    seed: int, batch: int, files: int, margin: float, loss: Loss, mining: Mining
) -> None:
    anchors, positives = unit(seed, batch), unit(seed + 1, batch)
    owners = np.random.default_rng(seed).integers(0, files, batch)
    settings = Settings(loss=loss, mining=mining, margin=margin)
    outcome = triplet_loss(compare(anchors, positives, torch.tensor(owners)), settings)
    hinges = looped_hinges(anchors, positives, owners.tolist(), loss, mining, margin)
    assert float(outcome.loss) == pytest.approx(float(np.mean(hinges)) if hinges else 0.0, abs=1e-9)
    assert outcome.active == pytest.approx(sum(hinge > 0 for hinge in hinges) / (2 * batch))


def test_the_usual_margins() -> None:
    assert (Settings(loss="cosine").hinge, Settings(loss="l2").hinge) == (0.25, 0.1)
    assert Settings(loss="l2", margin=0.7).hinge == 0.7


@given(seed=st.integers(0, 10_000), batch=st.integers(1, 10), files=st.integers(1, 5), t=st.floats(0.05, 2))
def test_nt_xent_is_its_definition(seed: int, batch: int, files: int, t: float) -> None:
    anchors, positives = unit(seed, batch), unit(seed + 1, batch)
    owners = np.random.default_rng(seed).integers(0, files, batch).tolist() * 2
    everything, partners = [*anchors, *positives], [*positives, *anchors]
    losses, wrong = [], 0
    for view, owner, partner in zip(everything, owners, partners, strict=True):
        negatives = [float(view @ other) for other, o in zip(everything, owners, strict=True) if o != owner]
        positive = float(view @ partner)
        total = math.exp(positive / t) + sum(math.exp(cosine / t) for cosine in negatives)
        losses.append(math.log(total) - positive / t)
        wrong += any(cosine > positive for cosine in negatives)
    outcome = nt_xent(compare(anchors, positives, torch.tensor(owners[:batch])), t)
    assert float(outcome.loss) == pytest.approx(np.mean(losses), abs=1e-6)
    assert outcome.active == pytest.approx(wrong / (2 * batch))


def views(similarity: list[list[float]], positive: list[float], allowed: list[list[bool]] | None = None) -> Views:
    cosines = torch.tensor(similarity)
    return Views(cosines, torch.tensor(positive), torch.tensor(allowed) if allowed else torch.ones_like(cosines) > 0)


@pytest.mark.parametrize("mining", ["none", "semi-hard", "hardest"])
def test_never_a_negative_from_the_own_file(mining: Mining) -> None:
    files = torch.tensor([0, 0, 1, 2, 2, 2])
    found = compare(unit(0, 6), unit(1, 6), files)
    owners = files.repeat(2)
    index, there = mine(found, mining)
    assert (owners[index] != owners)[there].all()
    assert there.any()


def test_harder_than_the_positive_is_passed_over_and_none_is_said() -> None:
    index, found = mine(views([[0.9, 0.6], [0.9, 0.95]], [0.8, 0.7]), "semi-hard")
    assert found.tolist() == [True, False]
    assert int(index[0]) == 1
    assert mine(views([[0.9, 0.6], [0.9, 0.95]], [0.8, 0.7]), "hardest")[0].tolist() == [0, 1]


def test_one_negative_may_serve_several_anchors() -> None:
    assert mine(views([[0.1, 0.5], [0.2, 0.6]], [0.8, 0.8]), "semi-hard")[0].tolist() == [1, 1]


@pytest.mark.parametrize("loss", ["cosine", "l2", "nt-xent"])
def test_without_any_negative_the_loss_is_zero_and_still_has_a_gradient(loss: Loss) -> None:
    anchors = unit(0, 3).requires_grad_()
    settings = Settings(loss=loss)
    outcome = batch_loss(compare(anchors, unit(1, 3), torch.zeros(3, dtype=torch.long)), settings)
    outcome.loss.backward()  # type: ignore[no-untyped-call]
    assert (float(outcome.loss.detach()), outcome.active) == (0.0, 0.0)
    assert anchors.grad is not None
    assert not anchors.grad.any()


@pytest.mark.parametrize("loss", ["cosine", "l2", "nt-xent"])
def test_a_step_down_the_gradient_lowers_the_loss(loss: Loss) -> None:
    anchors, positives = unit(0, 8).requires_grad_(), unit(1, 8)
    files, settings = torch.arange(8), Settings(loss=loss)
    before = batch_loss(compare(anchors, positives, files), settings)
    before.loss.backward()  # type: ignore[no-untyped-call]
    assert anchors.grad is not None
    moved = torch.nn.functional.normalize(anchors.detach() - 0.01 * anchors.grad, dim=1)
    assert batch_loss(compare(moved, positives, files), settings).loss < before.loss


def test_the_mean_cosine_is_that_of_different_files() -> None:
    same = views([[1.0, 0.2], [0.2, 1.0]], [0.2, 0.2], [[False, True], [True, False]])
    assert same.mean_cosine == pytest.approx(0.2)
