"""How words spread from the sounds that bear them to those that are like these.

A word's votes are its share among the NEAREST examples, of which each counts exp(SHARP (cosine - 1)), and one more that
is FAR away and bears nothing: where nothing is near, nothing gets many votes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qbe.streams.records import Numbers
from qbe.tags.calibration import Values
from qbe.tags.examples import Borne
from qbe.tags.neighbours import Neighbours

NEAREST = 10
SHARP, FAR = 12.0, 0.6
AT_ONCE = 4096  # sounds


class Votes(NamedTuple):
    """Which sounds get votes for which words, and how many, [n] each, in the order of sounds and words."""

    sounds: Numbers
    words: Numbers
    votes: Values


def count_votes(near: Neighbours, words: Borne) -> Votes:
    """The votes that each sound gets from its neighbours. words : of the examples"""
    parts = [_votes(near, words, first) for first in range(0, max(1, len(near.examples)), AT_ONCE)]
    return Votes(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _votes(near: Neighbours, borne: Borne, first: int) -> Votes:
    voters, cosines = near.examples[first : first + AT_ONCE], near.cosines[first : first + AT_ONCE]
    counts = np.where(cosines > -1, np.exp(SHARP * (cosines.astype(np.float64) - 1)), 0)
    counts /= counts.sum(1, keepdims=True) + np.exp(SHARP * (FAR - 1))
    words, voter = borne.of(voters.ravel())
    span = 1 + int(words.max(initial=0))
    keys, place = np.unique(voter // voters.shape[1] * span + words, return_inverse=True)
    votes = np.bincount(place, counts.ravel()[voter], len(keys)).astype(np.float64)
    there = votes > 0
    return Votes((keys // span + first)[there], (keys % span)[there], votes[there])
