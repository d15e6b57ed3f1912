"""Whether two files hold the same: equal samples, or one recording in other encodings, at other levels, cut otherwise.

Two sounds are one recording where one, moved by up to a second, is the other times a factor: their normalised
cross-correlation there is near 1. Codecs and dither leave it so; other takes and other pitches do not, and less the
longer and the brighter a sound is. A short low drum is much like itself a semitone away: what is near enough is
therefore measured on the sound, which must be nearer to the other than to itself a semitone up or down. Two hits of one
drum, or two plucks of one string, share its low, loud ring, and differ in what is quicker: the second differences of
the samples, in which an octave counts 12 dB more than the one below it, are correlated too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qbe.audio.mixing import mixed
from qbe.audio.reading import decode
from qbe.audio.resampling import resampled
from qbe.audio.segmentation import SAMPLE_RATE
from qbe.streams.records import Audio

OFFSET = SAMPLE_RATE  # samples by which one sound may begin later than the other
SHORT = 16 * SAMPLE_RATE  # a longer one is aligned by so much of it
PIECE = SAMPLE_RATE // 2  # samples that are compared at a time
MEAN = SAMPLE_RATE // 20  # samples: what is slower than 20 Hz counts little
KEPT = 64  # short sounds that stay in memory

LEAST = 0.8  # of the correlation of what both have
LEAST_DIFFERENCES = 0.65  # of that of the second differences of its samples
EDGE = 32  # samples at the ends of a piece whose differences do not count: where a sound was cut, filters ring
NEARLY = 0.75  # where the energy of what both have is not yet known exactly, as it moves by a part of a sample
LEAST_PIECE = 0.3  # of that of every piece that is no more than FAINT dB under the loudest one
FAINT = 20.0
LEAST_OVERLAP, LEAST_SHARE = 0.5, 0.1  # what both have, of the shorter one's length, and of each one's energy
SEMITONE = 2 ** (1 / 12)

# A correlation between two lags, from TAPS on both sides: by windowed sines.
TAPS = 32
STEPS = np.linspace(-0.75, 0.75, 61)
_AWAY = STEPS[:, None] - np.arange(-TAPS, TAPS + 1)
BETWEEN = np.sinc(_AWAY) * np.cos(np.pi * _AWAY / (2 * TAPS + 2)) ** 2


class Aligned(NamedTuple):
    """lag : how much later the second of two sounds begins, samples; score : their correlation there, 0 to 1"""

    lag: float
    score: float


def same_samples(one: bytes, other: bytes) -> bool:
    """Whether two files decode to equal samples, channels and rates. Raises AudioError."""
    first, second = decode(one), decode(other)
    if (first.sample_rate, first.channels) != (second.sample_rate, second.channels):
        return False
    both = zip_longest(_pieces(first.blocks), _pieces(second.blocks), fillvalue=None)
    return all(p is not None and q is not None and np.array_equal(p, q) for p, q in both)


class Matcher:
    """Tells whether two files are one recording; keeps the short sounds that it has read last."""

    def __init__(self) -> None:
        self._short = lru_cache(KEPT)(_short)
        self._needed = lru_cache(KEPT)(self._score_needed)

    def is_same(self, one: bytes, other: bytes, loud: float | None = None) -> bool:
        """Whether they are. Raises AudioError.

        loud : seconds; where the first can be heard, if one of them is known to be long: there they are aligned
        """
        if loud is None:
            x, y = self._short(one), self._short(other)
            if x is not None and y is not None:
                lag, score = align(x, y)
                return score >= NEARLY and compared([x], [y], lag) >= self._needed(one, None)
            loud = 0.0
        begin = max(0.0, loud - OFFSET / SAMPLE_RATE)
        moved = round((loud - begin) * SAMPLE_RATE)
        lag, score = align(_part(one, loud, 0), _part(other, begin, 2 * OFFSET), moved)
        if score < NEARLY:
            return False
        return compared(mono(one), mono(other), lag) >= self._needed(one, loud)

    def _score_needed(self, path: bytes, loud: float | None) -> float:
        """Halfway from the score with itself a semitone away to 1, LEAST at least."""
        sound = self._short(path) if loud is None else _part(path, loud, 0)
        return score_needed(_part(path, 0.0, 0) if sound is None else sound)


def score_needed(sound: Audio) -> float:
    """How well another must correlate with a sound to be the same one."""
    at = np.arange(len(sound))
    moved = (np.interp(np.arange(0, len(sound), step), at, sound) for step in (SEMITONE, 1 / SEMITONE))
    return max(LEAST, *((1 + align(sound, one).score) / 2 for one in moved))


def align(x: Audio, y: NDArray[np.floating], moved: int = 0) -> Aligned:
    """Where the second of two sounds, [n] and [m], lies against the first, up to OFFSET earlier or later.

    moved : samples by which y was taken from earlier in its file than x
    """
    size = _fast_size(len(x) + len(y))
    products = np.fft.irfft(np.fft.rfft(x, size) * np.conj(np.fft.rfft(y, size)), size)
    lags = np.arange(max(1 - len(y), -OFFSET - moved), min(len(x) - 1, OFFSET - moved) + 1)
    first, last = np.maximum(0, lags), np.minimum(len(x), len(y) + lags)
    of_x, of_y = _energies(x), _energies(y)
    share_x, share_y = of_x[last] - of_x[first], of_y[last - lags] - of_y[first - lags]
    is_enough = (
        (last - first >= LEAST_OVERLAP * min(len(x), len(y)))
        & (share_x > LEAST_SHARE * of_x[-1])
        & (share_y > LEAST_SHARE * of_y[-1])
    )
    scale = np.sqrt(share_x * share_y)
    scores = np.divide(np.abs(products[lags]), scale, out=np.zeros(len(lags)), where=is_enough)
    best = int(scores.argmax())
    if not scores[best]:
        return Aligned(0.0, 0.0)
    around = products[(lags[best] + np.arange(-TAPS, TAPS + 1)) % size]
    between = np.abs(BETWEEN @ around)
    return Aligned(float(lags[best] + moved + STEPS[between.argmax()]), float(min(1.0, between.max() / scale[best])))


def compared(x: Iterable[Audio], y: Iterable[Audio], lag: float) -> float:
    """The correlation of two sounds, blocks [n] each, of which the second begins `lag` samples later: of all that both
    have. 0 where a piece of that differs, or what is quick in it, where it is little of one of them, or one goes on."""
    whole = round(lag)
    first, second = _Skipping(x, max(0, whole)), _Skipping(y, max(0, -whole))
    sums, alone = _sums(first, second, lag - whole)
    product, of_x, of_y, of_differences, *of_each = sums.sum(0)
    rest_x, rest_y = alone.sum(0)
    if of_x <= LEAST_SHARE * (of_x + rest_x + first.skipped) or of_y <= LEAST_SHARE * (of_y + rest_y + second.skipped):
        return 0.0
    if abs(of_differences) < LEAST_DIFFERENCES * np.sqrt(of_each[0] * of_each[1]):
        return 0.0
    loudest, faint = sums[:, 1:3].max(0), 10 ** (-FAINT / 10)
    if np.count_nonzero(alone > faint * loudest) * PIECE > OFFSET:
        return 0.0
    heard = sums[(sums[:, 1:3] > faint * loudest).any(1)]
    of_pieces = np.sign(product) * heard[:, 0] / np.sqrt(np.maximum(heard[:, 1] * heard[:, 2], 1e-30))
    return float(abs(product) / np.sqrt(of_x * of_y)) if of_pieces.min() >= LEAST_PIECE else 0.0


class _Skipping:
    """The pieces of a sound after its first samples. skipped : the energy of those, as far as it has been read"""

    def __init__(self, blocks: Iterable[Audio], skip: int) -> None:
        self._blocks, self._skip, self.skipped = blocks, skip, 0.0

    def __iter__(self) -> Iterator[Audio]:
        return _pieces(self._rest())

    def _rest(self) -> Iterator[Audio]:
        for block in self._blocks:
            before = block[: self._skip]
            self.skipped += float(np.dot(before, before))
            self._skip -= len(before)
            yield block[len(before) :]


def _sums(x: Iterable[Audio], y: Iterable[Audio], delay: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of every two pieces, as far as both go, their product and energies, and those of their second differences,
    [n, 6]; and the energies of each, where the other has ended, [m, 2]. delay : of the second, a part of a sample"""
    sums, alone, nothing = [np.zeros(6)], [np.zeros(2)], np.zeros(0, np.float32)
    for one, other in zip_longest(x, y, fillvalue=nothing):
        size = min(len(one), len(other))
        if size:
            p, q = one[:size].astype(np.float64), _delayed(other[:size].astype(np.float64), delay)
            r, s = np.diff(p[EDGE:-EDGE], 2), np.diff(q[EDGE:-EDGE], 2)
            sums.append(np.array([p @ q, p @ p, q @ q, r @ s, r @ r, s @ s]))
        p, q = one[size:].astype(np.float64), other[size:].astype(np.float64)
        alone.append(np.array([p @ p, q @ q]))
    return np.array(sums), np.array(alone)


def _pieces(blocks: Iterable[Audio]) -> Iterator[Audio]:
    """The same samples, PIECE frames at a time; the last has fewer."""
    held: list[Audio] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= PIECE:
            samples = np.concatenate(held)
            whole = len(samples) - len(samples) % PIECE
            yield from np.split(samples[:whole], range(PIECE, whole, PIECE))
            held = [samples[whole:]]
    rest = np.concatenate(held) if held else np.zeros(0, np.float32)
    if len(rest):
        yield rest


def _delayed(samples: NDArray[np.float64], by: float) -> NDArray[np.float64]:
    """By a part of a sample."""
    turn = np.exp(-2j * np.pi * by * np.fft.rfftfreq(len(samples)))
    return np.fft.irfft(np.fft.rfft(samples) * turn, len(samples))


def _energies(sound: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of the first 0, 1, 2 ... samples."""
    return np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])


def _fast_size(least: int) -> int:
    """Of a transform: a small number times a power of two."""
    return min(factor << max(0, math.ceil(math.log2(least / factor))) for factor in (1, 3, 5, 9, 15))


def _short(path: bytes) -> Audio | None:
    """A whole sound; None where it is long."""
    held, length = [], 0
    for block in mono(path):
        held.append(block)
        length += len(block)
        if length > SHORT:
            return None
    return np.concatenate(held)


def _part(path: bytes, start: float, more: int) -> Audio:
    """SHORT samples of a long sound, and some more."""
    return np.concatenate(list(mono(path, start, (SHORT + more) / SAMPLE_RATE)))


def mono(path: bytes, start: float = 0.0, duration: float | None = None) -> Iterator[Audio]:
    """The blocks of a sound at SAMPLE_RATE; without a constant, which codecs leave out. Nothing is done to them that
    depends on what they hold or where they begin."""
    sound = decode(path, start=start, duration=duration)
    blocks = mixed(sound.blocks, sound.channels, sound.sample_rate)
    return _centred(resampled(blocks, sound.sample_rate, SAMPLE_RATE))


def _centred(blocks: Iterable[Audio]) -> Iterator[Audio]:
    """Less the mean of the MEAN samples around each; before the first and after the last are zeros."""
    half = MEAN // 2
    held = np.zeros(half)
    for block in chain(blocks, [np.zeros(half, np.float32)]):
        held = np.concatenate([held, block])
        sums = np.concatenate([[0.0], np.cumsum(held)])
        if len(held) > MEAN:
            yield (held[half:-half] - (sums[MEAN:-1] - sums[: -MEAN - 1]) / MEAN).astype(np.float32)
            held = held[-MEAN:]
