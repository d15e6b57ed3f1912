"""Collapse is noticed, once, and not where there is none."""

from __future__ import annotations

from qbe.learn.collapse import WINDOW, CollapseWatch
from qbe.learn.settings import Settings


def heard(settings: Settings, loss: float, cosine: float, steps: int = 3 * WINDOW) -> list[str]:
    watch = CollapseWatch(settings)
    return [warning for _ in range(steps) if (warning := watch.sees(loss, cosine))]


def test_embeddings_that_are_all_alike() -> None:
    (warning,) = heard(Settings(mining="hardest"), 0.1, 0.97)
    assert "mean cosine of 0.970: the embeddings have collapsed" in warning
    assert "--mining semi-hard" in warning
    assert "0.002" in warning


def test_a_loss_that_stays_at_the_margin() -> None:
    (warning,) = heard(Settings(loss="l2"), 0.1005, 0.5)
    assert "the loss stays at the margin, 0.1" in warning
    assert "--mining" not in warning
    assert heard(Settings(loss="nt-xent"), 0.0, 0.5) == []


def test_a_training_that_goes_well_and_one_that_has_just_begun() -> None:
    assert heard(Settings(), 0.12, 0.1) == []
    assert heard(Settings(), 0.25, 0.99, steps=WINDOW - 1) == []


def test_a_bad_beginning_is_forgotten() -> None:
    watch = CollapseWatch(Settings())
    warnings = [watch.sees(0.25, 0.99) for _ in range(WINDOW // 2)] + [watch.sees(0.1, 0.1) for _ in range(WINDOW)]
    assert not any(warnings)
