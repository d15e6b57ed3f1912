"""From how near a word is to how likely it is right: isotonic regression, by pooling adjacent violators.

Ayer et al., "An empirical distribution function for sampling with incomplete information" (1955); as a calibration of
scores, Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates" (2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """at : votes, rising, [n]; chances : that a word with so many is right, never falling, [n]"""

    at: Values
    chances: Values

    def __call__(self, votes: Values) -> Values:
        """Between the points on a straight line, beyond them as at the last."""
        return np.interp(votes, self.at, self.chances)


def isotonic(values: Values, weights: Values) -> tuple[Values, NDArray[np.intp]]:
    """The never-falling sequence with the least weighted squared distance to another: as its levels, each the weighted
    mean of neighbouring values, and how many values are on each.

    values, weights : [n], weights over 0
    """
    levels: list[tuple[float, float, int]] = []  # mean, weight, count
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        level = (value, weight, 1)
        while levels and levels[-1][0] >= level[0]:
            mean, before, count = levels.pop()
            total = before + level[1]
            level = ((mean * before + level[0] * level[1]) / total, total, count + level[2])
        levels.append(level)
    return np.array([mean for mean, _, _ in levels]), np.array([count for _, _, count in levels], np.intp)


def fit(votes: Values, right: NDArray[np.bool_], weights: Values) -> Curve:
    """The curve of tried words: [n], at least one; whether each was right; how much each counts, 1 on average.

    Words of about as many votes stand together, sqrt(n) of them, so that no chance is learned from a few; what is right
    of them is counted by the rule of succession, (right + 1) / (tried + 2), so that none is certain. No votes are no
    chance, and fewer than any that was tried are accordingly less.
    """
    at, place = np.unique(votes, return_inverse=True)
    tried = np.bincount(place, weights).astype(np.float64)
    hits = np.bincount(place, weights * right)
    group = ((tried.cumsum() - tried) / np.sqrt(len(votes))).astype(np.intp)
    first = np.unique(group, return_index=True)[1]
    many, hits, votes = (np.add.reduceat(column, first) for column in (tried, hits, tried * at))
    levels, counts = isotonic((hits + 1) / (many + 2), many)
    return Curve(np.append(0, votes / many), np.append(0, np.repeat(levels, counts)))
