"""Vectors as a collection sees them: from the middle of its own.

In a library of voices everything is like a voice, and cosines measure little else. Seen from the mean of all its
vectors, what is left is what tells them apart (Mu and Viswanath, "All-but-the-top", arXiv 1702.01417, take away more).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating[Any]]

# A few sounds say little of what others have in common: so the mean is drawn to zero, where training has put that of
# all sounds, as if by so many vectors.
PRIOR = 256
LEAST = 1e-12  # no vector is divided by less than this


def middle(total: Vectors, count: int) -> NDArray[np.float32]:
    """The point that a collection is seen from, float32 [D], shorter than 1.

    total : the sum of its `count` unit vectors
    """
    return (total / (count + PRIOR)).astype(np.float32)


def centred(vectors: Vectors, middle: Vectors) -> NDArray[np.float64]:
    """Unit vectors [n, D] seen from the middle: in their directions from there, at unit length. float64 [n, D]

    A vector at the very middle has no direction, and becomes zero.
    """
    seen = vectors.astype(np.float64) - middle
    lengths = np.sqrt(np.einsum("nd,nd->n", seen, seen))  # half the time of np.linalg.norm for a few
    unit: NDArray[np.float64] = seen / np.maximum(lengths, LEAST)[:, None]
    return unit


def distances(vectors: Vectors, middle: Vectors) -> NDArray[np.float32]:
    """How far vectors [n, D] are from the middle, [n]."""
    far: NDArray[np.float32] = np.linalg.norm(vectors - middle, axis=1).astype(np.float32)
    return far


def restored(seen: Vectors, middle: Vectors) -> NDArray[np.float64]:
    """The unit vectors that `centred` made these of: where the rays from the middle meet the sphere. float64 [n, D]"""
    seen, middle = seen.astype(np.float64), middle.astype(np.float64)
    along = seen @ middle
    vectors = middle + seen * (np.sqrt(along**2 + 1 - middle @ middle) - along)[:, None]
    unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
