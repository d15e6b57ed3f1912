"""The triplet loss against a plain loop over its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from qbe.learn.losses import semi_hard_negatives, triplet_loss


def views(seed: int, count: int, dimension: int = 4) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.nn.functional.normalize(torch.tensor(rng.normal(size=(count, dimension)), dtype=torch.float64), dim=1)


def looped_loss(anchors: Tensor, positives: Tensor, files: list[int], margin: float) -> tuple[float, int, int]:
    """(mean hinge over kept triplets, kept, violations), one triplet at a time."""
    everything = [*anchors, *positives]
    owners, partners = files * 2, [*positives, *anchors]
    hinges = []
    for view, owner, partner in zip(everything, owners, partners, strict=True):
        to_positive = 1 - float(view @ partner)
        further = [1 - float(view @ other) for other, o in zip(everything, owners, strict=True) if o != owner]
        further = [distance for distance in further if distance > to_positive]
        if further:
            hinges.append(max(0.0, margin + to_positive - min(further)))
    return float(np.mean(hinges)) if hinges else 0.0, len(hinges), sum(hinge > 0 for hinge in hinges)


@given(seed=st.integers(0, 10_000), batch=st.integers(1, 12), files=st.integers(1, 5), margin=st.floats(0.01, 1))
def test_the_loss_is_its_definition(seed: int, batch: int, files: int, margin: float) -> None:
    anchors, positives = views(seed, batch), views(seed + 1, batch)
    owners = np.random.default_rng(seed).integers(0, files, batch)
    outcome = triplet_loss(anchors, positives, torch.tensor(owners), margin)
    loss, kept, violations = looped_loss(anchors, positives, owners.tolist(), margin)
    assert float(outcome.loss) == pytest.approx(loss, abs=1e-9)
    assert outcome.kept == pytest.approx(kept / (2 * batch))
    assert outcome.violations == pytest.approx(violations / kept if kept else 0.0)


def test_never_a_negative_from_the_own_file() -> None:
    similarity = torch.tensor([[1.0, 0.79, 0.5, 0.1]])
    allowed = torch.tensor([[False, False, True, True]])
    index, found = semi_hard_negatives(similarity, torch.tensor([0.8]), allowed)
    assert (index.tolist(), found.tolist()) == ([2], [True])


def test_harder_than_the_positive_is_passed_over_and_none_is_said() -> None:
    similarity = torch.tensor([[0.9, 0.6], [0.9, 0.95]])
    index, found = semi_hard_negatives(similarity, torch.tensor([0.8, 0.7]), torch.ones(2, 2, dtype=torch.bool))
    assert found.tolist() == [True, False]
    assert int(index[0]) == 1


def test_one_negative_may_serve_several_anchors() -> None:
    similarity = torch.tensor([[0.1, 0.5], [0.2, 0.6]])
    index, _ = semi_hard_negatives(similarity, torch.tensor([0.8, 0.8]), torch.ones(2, 2, dtype=torch.bool))
    assert index.tolist() == [1, 1]


def test_without_any_negative_the_loss_is_zero_and_still_has_a_gradient() -> None:
    anchors = views(0, 3).requires_grad_()
    outcome = triplet_loss(anchors, views(1, 3), torch.zeros(3, dtype=torch.long), 0.25)
    outcome.loss.backward()  # type: ignore[no-untyped-call]
    assert (float(outcome.loss.detach()), outcome.kept) == (0.0, 0.0)
    assert anchors.grad is not None
    assert not anchors.grad.any()


def test_a_step_down_the_gradient_lowers_the_loss() -> None:
    anchors, positives = views(0, 8).requires_grad_(), views(1, 8)
    files = torch.arange(8)
    before = triplet_loss(anchors, positives, files, 0.25)
    before.loss.backward()  # type: ignore[no-untyped-call]
    assert anchors.grad is not None
    moved = torch.nn.functional.normalize(anchors.detach() - 0.01 * anchors.grad, dim=1)
    assert triplet_loss(moved, positives, files, 0.25).loss < before.loss
