"""Cut a query into the windows it is compared by, laid out in slots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from qbe.audio.segmentation import cut
from qbe.audio.silence import BELOW, FAINT
from qbe.streams.records import Audio, Numbers, Segment

FINE, COARSE = 16, 64  # windows: a sound no longer than so many has windows at quarters of a hop, at halves
SHIFTS = (0, -1, -2, -3)  # of the windows in a slot, quarters of a hop


def windows_of(blocks: Iterable[Audio], path: bytes, window: int, hop: int) -> tuple[list[Segment], Numbers, int]:
    """The windows of a sound, its slots (int64 [Q, O]: which of them stand in each, -1 where that is silence), and how
    long it is.

    blocks : float32 [n] each, its samples; window, hop : of the library that is asked, samples

    Slots follow each other at multiples of the hop, half a window or less apart, and cover the sound. A window that
    is shifted begins before its slot: so of all of them one lies, to an eighth of a hop, as segments of the library do,
    wherever in a recording the sound comes. Of a long sound they are fewer, of one of minutes there are none, and its
    samples are not in memory at once.
    """
    step = hop * max(1, window // 2 // hop)
    audio, rest = _beginning(iter(blocks), COARSE * window)
    if len(audio) > COARSE * window:
        windows = list(cut(chain([audio], rest), path, window=window, hop=step))
        return windows, np.arange(len(windows))[:, None], max((one.start + one.length for one in windows), default=0)
    shifts = SHIFTS if len(audio) <= FINE * window else SHIFTS[::2]
    starts = step * np.arange(1 + -(-max(0, len(audio) - window) // step))
    at = starts[:, None] + np.array(shifts) * hop // 4
    begins, laid = np.unique(at, return_inverse=True)
    cuts = [_window(audio, path, int(begin), window) for begin in begins]
    sounding = _sounding(cuts, laid.reshape(at.shape))
    kept = np.cumsum(sounding) - 1
    laid = np.where(sounding[laid], kept[laid], -1).reshape(at.shape)
    return [one for one, sounds in zip(cuts, sounding, strict=True) if sounds], laid[laid[:, 0] >= 0], len(audio)


def _beginning(blocks: Iterator[Audio], samples: int) -> tuple[Audio, Iterator[Audio]]:
    """More than so many samples of a sound, or all, and what is left."""
    first = [np.zeros(0, np.float32)]
    while sum(map(len, first)) <= samples and (block := next(blocks, None)) is not None:
        first.append(block)
    return np.concatenate(first), blocks


def _window(audio: Audio, path: bytes, begin: int, window: int) -> Segment:
    """Silence is before the sound, and after it."""
    lead = max(0, -begin)
    heard = audio[max(0, begin) : begin + window]
    padded = np.zeros(window, np.float32)
    padded[lead : lead + len(heard)] = heard
    return Segment(path, begin, lead + len(heard), padded)


def _sounding(cuts: list[Segment], laid: Numbers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which are no silence, by the loudest of those that are not shifted."""
    levels = np.array([one.level for one in cuts])
    loudest = levels[laid[:, 0]].max(initial=-np.inf)
    sounding: np.ndarray[tuple[int], np.dtype[np.bool_]] = levels >= max(FAINT, loudest - BELOW)
    return sounding
