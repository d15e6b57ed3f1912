"""What a batch is measured by: triplets with negatives mined out of the batch, or NT-Xent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from qbe.learn.settings import Mining, Settings


@dataclass(frozen=True)
class Views:
    """Both sides of every pair of a batch, N = 2 B of them; each is the anchor of its other side.

    similarity : [N, N], cosine of all views
    positive : [N], cosine with the other side
    allowed : bool [N, N], False for views of one source, which are never each other's negatives
    """

    similarity: Tensor
    positive: Tensor
    allowed: Tensor

    @property
    def mean_cosine(self) -> float:
        """Of views of different sources; near 1 where all embeddings have become one."""
        return float(self.similarity.detach()[self.allowed].mean()) if self.allowed.any() else 0.0


@dataclass(frozen=True)
class Outcome:
    """loss : scalar; active : the share of all views that it still pulls at"""

    loss: Tensor
    active: float


def compare(anchors: Tensor, positives: Tensor, sources: Tensor) -> Views:
    """anchors, positives : [B, D], unit norm; sources : [B], which file or folder each pair is from"""
    views, owners = torch.cat([anchors, positives]), torch.cat([sources, sources])
    positive = (anchors * positives).sum(1).repeat(2)
    return Views(views @ views.T, positive, owners[:, None] != owners[None, :])


def mine(views: Views, mining: Mining) -> tuple[Tensor, Tensor]:
    """For each view the index of its negative [N], and whether there is one, bool [N]. Several may share a negative.

    none : the next view of another source, in the batch's order, which is random
    semi-hard : the nearest that is still further away than the positive (Schroff et al., arXiv 1503.03832)
    hardest : the nearest
    """
    similarity = views.similarity.detach()
    if mining == "none":
        count = len(similarity)
        place = torch.arange(count, device=similarity.device)
        similarity = -((place[None, :] - place[:, None]) % count).float()
    elif mining == "semi-hard":
        similarity = similarity.masked_fill(similarity >= views.positive.detach()[:, None], -torch.inf)
    best, index = similarity.masked_fill(~views.allowed, -torch.inf).max(1)
    return index, best > -torch.inf


def triplet_loss(views: Views, settings: Settings) -> Outcome:
    """max(0, margin + d(a, p) - d(a, n)), d the cosine distance or the squared L2 distance, which is twice that.

    The mean over the views that have a negative; without any, zero.
    """
    scale = 2.0 if settings.loss == "l2" else 1.0
    negative, found = mine(views, settings.mining)
    gap = views.positive - views.similarity.gather(1, negative[:, None])[:, 0]
    hinge = functional.relu(settings.hinge - scale * gap)[found]
    return Outcome(hinge.sum() / max(1, len(hinge)), int((hinge > 0).sum()) / len(found))


def nt_xent(views: Views, temperature: float) -> Outcome:
    """Cross-entropy of finding the other side among the views of all other sources (Chen et al., arXiv 2002.05709).

    `active` is the share of views that have a negative nearer than their positive.
    """
    loss, active = nt_xent_parts(views, temperature)
    return Outcome(loss, float(active))


def nt_xent_parts(views: Views, temperature: float) -> tuple[Tensor, Tensor]:
    """The loss and the share of `nt_xent`, both still where the views are: nothing waits for the device."""
    negatives = views.similarity.masked_fill(~views.allowed, -torch.inf)
    logits = torch.cat([views.positive[:, None], negatives], 1) / temperature
    target = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    wrong = negatives.detach().amax(1) > views.positive.detach()
    return functional.cross_entropy(logits, target), wrong.float().mean()


def loss_parts(views: Views, settings: Settings) -> tuple[Tensor, Tensor, Tensor]:
    """The loss that the settings ask for, its share of active views, and the mean cosine of views of different
    sources: scalars, where the views are."""
    if settings.loss == "nt-xent":
        loss, active = nt_xent_parts(views, settings.temperature)
    else:
        outcome = triplet_loss(views, settings)
        loss, active = outcome.loss, torch.tensor(outcome.active, device=outcome.loss.device)
    cosine = (views.similarity.detach() * views.allowed).sum() / views.allowed.sum().clamp_min(1)
    return loss, active, cosine


def batch_loss(views: Views, settings: Settings) -> Outcome:
    """The loss that the settings ask for."""
    if settings.loss == "nt-xent":
        return nt_xent(views, settings.temperature)
    return triplet_loss(views, settings)
