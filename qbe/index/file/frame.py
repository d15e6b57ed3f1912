"""The frame in which a library keeps its vectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from qbe.search.centring import Vectors, centred, middle, restored
from qbe.streams.records import Vector

HEAD_DIMENSIONS = 32


@dataclass(frozen=True)
class Frame:
    """Vectors are seen from the middle and told along axes, those first along which they spread most.

    middle : float32 [D]; axes : float32 [D, K], orthonormal columns
    """

    middle: Vector
    axes: Vector

    @classmethod
    def of(cls, total: NDArray[np.float64], moment: NDArray[np.float64], count: int) -> Self:
        """Of so many vectors, by the sums of them [D] and of their outer products [D, D]."""
        origin = middle(total, count)
        shifted = np.outer(total, origin.astype(np.float64))
        _, axes = np.linalg.eigh(moment - shifted - shifted.T + count * np.outer(origin, origin))
        return cls(origin, np.ascontiguousarray(axes[:, ::-1], np.float32))

    @property
    def heads(self) -> Frame:
        """The first HEAD_DIMENSIONS axes."""
        return Frame(self.middle, self.axes[:, :HEAD_DIMENSIONS])

    @property
    def tails(self) -> Frame:
        """The others."""
        return Frame(self.middle, self.axes[:, HEAD_DIMENSIONS:])

    @cached_property
    def _exact_axes(self) -> NDArray[np.float64]:
        return self.axes.astype(np.float64)

    def seen(self, vectors: Vectors) -> Vector:
        """What vectors [n, D] are kept as: [n, K].

        By way of float64, so that equal vectors stay equal wherever in an array they lie.
        """
        return (centred(vectors, self.middle) @ self._exact_axes).astype(np.float32)

    def given(self, kept: Vectors) -> Vector:
        """The vectors [n, D] that were kept as these, along all axes."""
        return restored(kept @ self.axes.T, self.middle).astype(np.float32)
