"""Whether two sounds may be one recording at all: told in microseconds, by two kilobytes that are kept of each.

The differences of a sound's samples are folded: TURN at a time, they are laid over each other and added up. A sound
that begins later, folded, is the same but turned round; so two sounds are compared at all offsets by one circular
correlation, whose highest value is 1 where one is the other at any level, and loses what a codec has changed and what
was cut off. That is often the loud beginning: so what is loud is made less so before. Sounds that are only alike have
little of it in common.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbe.audio.segmentation import SAMPLE_RATE
from qbe.streams.records import Audio, Vector

Folded = NDArray[np.float16]

TURN = 1024  # samples
LEVELLED = SAMPLE_RATE // 10  # samples, of whose level LEFT is left: 10 dB become 3
LEFT = 0.3
ALIKE, ALIKE_DIFFERENCES = 0.35, 0.2  # what copies reach, and few sounds that are only alike


def folded(sound: Audio) -> Folded:
    """The differences of a sound [n] at SAMPLE_RATE, levelled, folded and of unit length, [TURN]; of silence zeros."""
    differences = np.diff(sound, append=sound[-1:]).astype(np.float64)
    energies = np.cumsum(np.pad(np.square(differences), (LEVELLED // 2 + 1, LEVELLED // 2 - 1)))
    powers = np.maximum(energies[LEVELLED:] - energies[:-LEVELLED], 1e-20) / LEVELLED
    levelled = differences * powers ** ((LEFT - 1) / 2)
    total = np.pad(levelled, (0, -len(sound) % TURN)).reshape(-1, TURN).sum(0)
    unit: Folded = (total / (np.linalg.norm(total) or 1.0)).astype(np.float16)
    return unit


def resemblance(one: Folded, others: NDArray[np.float16]) -> Vector:
    """The highest correlation of a folded sound with each of others [n, TURN], whichever of them begins later, [n]."""
    products = np.fft.rfft(others.astype(np.float32)) * np.conj(np.fft.rfft(one.astype(np.float32)))
    highest: Vector = np.abs(np.fft.irfft(products, TURN)).max(-1).astype(np.float32)
    return highest


def may_be_one(one: Folded, others: NDArray[np.float16]) -> NDArray[np.bool_]:
    """Whether a folded sound may be one recording with each of others [n, TURN]: they resemble each other, and so do
    their differences, in which takes that share a low ring do not."""
    may: NDArray[np.bool_] = resemblance(one, others) >= ALIKE
    may[may] = resemblance(_differences(one), _differences(others[may])) >= ALIKE_DIFFERENCES
    return may


def _differences(folds: NDArray[np.float16]) -> NDArray[np.float16]:
    """Round the turn, of unit length."""
    whole = folds.astype(np.float32)
    found = np.diff(whole, append=whole[..., :1])
    unit: NDArray[np.float16] = (found / np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-9)).astype("f2")
    return unit
