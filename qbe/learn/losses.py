"""The triplet loss and where its negatives come from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class TripletLoss:
    """loss : scalar, the mean over kept triplets; kept, violations : shares of all anchors and of the kept triplets"""

    loss: Tensor
    kept: float
    violations: float


def semi_hard_negatives(similarity: Tensor, positive: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """For each anchor the nearest allowed candidate that is still further away than its positive.

    similarity : [A, N], cosine of every anchor with every candidate
    positive : [A], cosine with the positive
    allowed : bool [A, N], False for candidates of the anchor's own file

    Returns the index of the negative [A] and whether there is one, bool [A]. Several anchors may share a negative
    (Schroff et al., "FaceNet", arXiv 1503.03832).
    """
    candidates = similarity.masked_fill(~allowed | (similarity >= positive[:, None]), -torch.inf)
    nearest, index = candidates.max(1)
    return index, nearest > -torch.inf


def triplet_loss(anchors: Tensor, positives: Tensor, files: Tensor, margin: float) -> TripletLoss:
    """Hinge on cosine distance, max(0, margin + d(a, p) - d(a, n)), with semi-hard negatives out of the whole batch.

    anchors, positives : [B, D], unit norm; each of a pair is also the anchor of the other
    files : [B]

    An anchor without a semi-hard negative is left out; with none at all the loss is zero.
    """
    views = torch.cat([anchors, positives])
    owners = torch.cat([files, files])
    similarity = views @ views.T
    positive = (anchors * positives).sum(1).repeat(2)
    with torch.no_grad():
        allowed = owners[:, None] != owners[None, :]
        negative, found = semi_hard_negatives(similarity, positive, allowed)
    hinge = functional.relu(margin - positive + similarity.gather(1, negative[:, None])[:, 0])[found]
    kept = int(found.sum())
    loss = hinge.sum() / max(1, kept)
    return TripletLoss(loss, kept / len(views), float((hinge > 0).float().mean()) if kept else 0.0)
