"""Sounds at other rates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qbe.streams.records import Audio
from qbe.support.errors import AudioError


def resampled(blocks: Iterator[Audio], rate: float, wanted: float, channels: int = 1) -> Iterator[Audio]:
    """Blocks [n] or [n, channels] at another rate. What came before an AudioError of theirs is given in full first."""
    if rate == wanted:
        yield from blocks
        return
    import soxr  # only here: a search for a sound that is already at the model's rate starts without it

    resampler = soxr.ResampleStream(rate, wanted, channels, dtype="float32", quality="HQ")
    rest, fault = None, None
    try:
        for block in blocks:
            rest = block[:0]
            yield resampler.resample_chunk(np.ascontiguousarray(block))
    except AudioError as error:
        fault = error
    if rest is not None:
        yield resampler.resample_chunk(rest, last=True)
    if fault:
        raise fault
