"""Cut a query into the windows it is compared by, laid out in slots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from qbe.audio.segmentation import cut
from qbe.audio.silence import BELOW, FAINT
from qbe.search.windows import renumbered
from qbe.streams.records import Audio, Numbers, Segment, level

FINE, COARSE = 16, 64  # windows: a sound no longer than so many has windows at quarters of a hop, at halves
SHIFTS = (0, -1, -2, -3)  # of the windows in a slot, quarters of a hop


@dataclass(frozen=True)
class Cuts:
    """windows : of a query, by their starts; each stands in a slot
    laid : its slots, int64 [Q, O]: which windows stand in each, a window for each shift; -1 where that is silence
    line : the same, to lay along files
    length : of the query, samples
    """

    windows: list[Segment]
    laid: Numbers
    line: Numbers
    length: int


def cut_query(blocks: Iterable[Audio], path: bytes, window: int, hop: int) -> Cuts:
    """The windows of a sound, in slots.

    blocks : float32 [n] each, its samples; window, hop : of the library that is asked, samples

    Slots follow each other at multiples of the hop, half a window or less apart, and cover the sound. A window that
    is shifted begins before its slot: so of all of them one lies, to an eighth of a hop, as segments of the library do,
    wherever in a recording the sound comes. Of a long sound they are fewer, of one of minutes there are none, and its
    samples are not in memory at once.

    A sound of one window lies under two segments of a recording: so along files it has a slot a hop earlier, too, and
    of the shifts every other one.
    """
    step = hop * max(1, window // 2 // hop)
    audio, rest = _beginning(iter(blocks), COARSE * window)
    if len(audio) > COARSE * window:
        windows = list(cut(chain([audio], rest), path, window=window, hop=step))
        laid = np.arange(len(windows))[:, None]
        return Cuts(windows, laid, laid, max((one.start + one.length for one in windows), default=0))
    starts = step * np.arange(1 + -(-max(0, len(audio) - window) // step))
    shifts = np.array(SHIFTS if len(audio) <= FINE * window else SHIFTS[::2]) * hop // 4
    at = starts[:, None] + shifts
    line = np.concatenate([at - step, at])[:, ::2] if len(starts) == 1 else at
    begins, number = np.unique(np.concatenate([at.ravel(), line.ravel()]), return_inverse=True)
    windows = [_window(audio, path, int(begin), window) for begin in begins]
    levels = np.array([one.level for one in windows])
    unshifted = number[0 : at.size : at.shape[1]]
    least = max(FAINT, levels[unshifted].max(initial=-np.inf) - BELOW)
    sounding = levels >= least
    number = np.where(sounding[number], number, -1)
    laid, line = number[: at.size].reshape(at.shape), number[at.size :].reshape(line.shape)
    slots = _needed(audio, starts, at.min(1), least, sounding[unshifted])
    laid, line = laid[slots], line[line[:, 0] >= 0] if len(starts) == 1 else line[slots]
    used, number = renumbered(np.concatenate([laid.ravel(), line.ravel()]))
    laid, line = number[: laid.size].reshape(laid.shape), number[laid.size :].reshape(line.shape)
    return Cuts([windows[at] for at in used.tolist()], laid, line, len(audio))


def _needed(
    audio: Audio, starts: Numbers, earliest: Numbers, least: float, sounding: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which slots count: not those of silence, nor one of which all that sounds lies in the first window of the next
    one that does: else the beginning of a sound after a pause would count in a window that is half a pause.

    earliest : where the first window of each slot begins; least : dBFS, what is less is silence
    """
    needed, following = sounding.copy(), len(starts)
    for slot in np.flatnonzero(sounding)[::-1].tolist():
        if following < len(starts):
            needed[slot] = level(audio[starts[slot] : max(0, earliest[following])]) >= least
        following = slot if needed[slot] else following
    return needed


def _beginning(blocks: Iterator[Audio], samples: int) -> tuple[Audio, Iterator[Audio]]:
    """More than so many samples of a sound, or all, and what is left."""
    first = [np.zeros(0, np.float32)]
    while sum(map(len, first)) <= samples and (block := next(blocks, None)) is not None:
        first.append(block)
    return np.concatenate(first), blocks


def _window(audio: Audio, path: bytes, begin: int, window: int) -> Segment:
    """Silence is before the sound, and after it."""
    lead = min(window, max(0, -begin))
    heard = audio[max(0, begin) : max(0, begin + window)]
    padded = np.zeros(window, np.float32)
    padded[lead : lead + len(heard)] = heard
    return Segment(path, begin, lead + len(heard), padded)
