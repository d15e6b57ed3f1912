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
