"""What a query is compared by: windows of it, one slot after the other, each also a little earlier and later.

Not all slots count alike. What is louder counts more, and what is farther from the middle of the library, that is from
what all of it has in common; and what comes again in the query counts once for all its times. So neither a noise floor
nor a long tail, a pause or a background outvotes the sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Numbers, Vector
from qbe.support.distinct import distinct

LOUDNESS = 0.25  # the weight of a slot goes with its amplitude to the power of this
UNUSUALNESS = 4  # and its distance from the library's middle to the power of this
LEAST_DISTANCE = 1e-6
ALIKENESS = 4  # and is shared with slots like it, as their cosine with it to the power of this
BLOCK = 1024  # vectors compared with all at a time
LEAST = -2.0  # of a cosine: where there is none


@dataclass(frozen=True)
class Windows:
    """A sound as a row of slots that cover it.

    vectors : float32 [n, D], the embeddings of its windows, at unit length
    starts : int64 [n], where they begin in the sound, samples; negative: silence is before it
    laid : int64 [Q, O], which of them stand in each slot, a window for each shift, the first not shifted; -1 where that
        is silence
    weights : float64 [Q], how much the slots count; their sum is 1
    length : of the sound, samples
    """

    vectors: Vector
    starts: Numbers
    laid: Numbers
    weights: NDArray[np.float64]
    length: int

    @classmethod
    def of(
        cls, vectors: Vector, starts: Numbers | None = None, levels: Vector | None = None, length: int | None = None
    ) -> Windows:
        """A slot for each vector.

        starts : samples; None: all at once, so that there is no order to find again
        levels : dBFS, NaN where not known; None: all count alike
        length : of the sound; None: up to the last start
        """
        begins = np.zeros(len(vectors), np.int64) if starts is None else starts
        end = int(begins.max(initial=0)) if length is None else length
        weights = loudness(np.full(len(vectors), np.nan) if levels is None else levels)
        return cls(vectors, begins, np.arange(len(vectors))[:, None], weights, end)

    def seen(self, see: Callable[[Vector], Vector], distances: Callable[[Vector], Vector]) -> Windows:
        """As a store sees them, and weighs them. see, distances : as `Store.seen` and `Store.distances`"""
        vectors, unshifted = see(self.vectors), self.laid[:, 0]
        far = np.maximum(distances(self.vectors[unshifted]).astype(np.float64), LEAST_DISTANCE)
        weights = self.weights * far**UNUSUALNESS / _repetitions(vectors[unshifted])
        return replace(self, vectors=vectors, weights=weights / weights.sum())

    @property
    def used(self) -> Windows:
        """Without the windows that stand in no slot."""
        return self._part(slice(None))

    @property
    def leads(self) -> NDArray[np.bool_]:
        """Which slots begin before the sound, [Q]: they count where there is a row under them."""
        leads: NDArray[np.bool_] = self.starts[self.laid[:, 0]] < 0
        return leads

    @property
    def centre(self) -> NDArray[np.float64]:
        """The mean of the windows that are not shifted, weighted, [D]."""
        mean: NDArray[np.float64] = self.weights @ self.vectors[self.laid[:, 0]].astype(np.float64)
        return mean

    def of_slots(self, cosines: Vector) -> Vector:
        """Of cosines with its windows [..., n] the best in each slot, [..., Q]."""
        if self.laid.shape[1] == 1:
            return cosines[..., self.laid[:, 0]]
        none = np.full((*cosines.shape[:-1], 1), LEAST, cosines.dtype)
        best: Vector = np.concatenate([cosines, none], axis=-1)[..., self.laid].max(-1)
        return best

    def score(self, cosines: NDArray[Any]) -> NDArray[np.float64]:
        """The weighted mean of the best cosine in each slot, of [..., n]: [...]."""
        weighted = self.of_slots(cosines).astype(np.float64, order="C")  # so that equals add up alike
        weighted *= self.weights
        scores: NDArray[np.float64] = weighted.sum(-1)
        return scores

    @cached_property
    def shifts(self) -> Numbers:
        """How much later than the slots the windows of each shift begin, samples [O]; 0 where there are none."""
        later = self.starts[self.laid] - self.starts[self.laid[:, :1]]
        first = (self.laid >= 0).argmax(0)
        shifts: Numbers = np.where((self.laid >= 0).any(0), later[first, np.arange(len(first))], 0)
        return shifts

    @cached_property
    def shifted_weights(self) -> NDArray[np.float64]:
        """How much each slot counts where all windows are shifted alike, [Q, O]: if there are any, their sum is 1."""
        weights = np.where(self.laid >= 0, self.weights[:, None], 0)
        total = weights.sum(0)
        shifted: NDArray[np.float64] = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        return shifted

    def parts(self, slots: int) -> Sequence[Windows]:
        """Itself, so many slots at a time: their scores add up to its own."""
        if len(self.laid) <= slots:
            return [self]
        return [self._part(slice(first, first + slots)) for first in range(0, len(self.laid), slots)]

    def _part(self, slots: slice) -> Windows:
        used, laid = renumbered(self.laid[slots])
        return Windows(self.vectors[used], self.starts[used], laid, self.weights[slots], self.length)


def renumbered(laid: Numbers) -> tuple[Numbers, Numbers]:
    """The windows that stand in some slots, rising, and the slots with these counted from 0. -1 stays."""
    used = distinct(laid[laid >= 0])
    return used, np.where(laid < 0, -1, np.searchsorted(used, laid))


def loudness(levels: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """How much segments count by their levels, dBFS [n]: their sum is 1. All alike where one is not known (NaN)."""
    decibels = np.zeros(len(levels)) if np.isnan(levels).any() else np.asarray(levels, np.float64)
    weights: NDArray[np.float64] = 10 ** (LOUDNESS / 20 * (decibels - decibels.max(initial=-np.inf)))
    weights /= weights.sum()
    return weights


def _repetitions(vectors: Vector) -> NDArray[np.float64]:
    """How often what each vector stands for comes among them, [n], 1 or more."""
    counts = [
        (np.maximum(0, vectors[first : first + BLOCK] @ vectors.T) ** ALIKENESS).sum(1, dtype=np.float64)
        for first in range(0, len(vectors), BLOCK)
    ]
    often: NDArray[np.float64] = np.maximum(1, np.concatenate([np.zeros(0), *counts]))
    return often
