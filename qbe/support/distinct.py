"""The different numbers among some."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.integer[Any])


def distinct(numbers: NDArray[Number]) -> NDArray[Number]:
    """Each once, rising. np.unique, asked for no more, loads NumPy's masked arrays, as slow to start as a library."""
    once: NDArray[Number] = np.unique(numbers, return_index=True)[0]
    return once
