"""The studio engine: tempo and pitch of whole recordings, any rate and channels, in constant memory.

Tempo is changed by Signalsmith Stretch. Pitch is changed by a stretch and a resampling by the same factor: exact to a
fraction of a cent, where the stretcher's own transposition is up to a quarter of a semitone off on low harmonics.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from python_stretch import Signalsmith

from qbe.audio.resampling import resampled
from qbe.audio.sound import Sound, fitted
from qbe.streams.records import Audio

# A stretcher takes a piece whole, so a long sound is cut into pieces (of output) that are joined where they match.
PIECE_SECONDS = 30.0
CONTEXT_SECONDS = 0.5  # what is made on both sides of a piece and thrown away: there the stretcher has settled
SEAM_SECONDS = 0.02  # of crossfade
MAX_LEVEL = 10 ** (1.5 / 20)
SEARCH_SECONDS = 0.0025  # how far a piece may be moved to fit


def stretch(sound: Sound, factor: float) -> Sound:
    """Change the tempo and keep the pitch; `factor` 2 makes it twice as long: round(frames * factor) frames."""
    if factor == 1:
        return sound
    frames = round(sound.frames * factor)
    channels, rate = sound.channels, sound.sample_rate
    raw = Sound(rate, channels, frames, lambda: fitted(_joined(_pieces(sound, factor, frames), rate), frames, channels))

    def blocks() -> Iterator[Audio]:
        # The stretcher takes about 1 dB from noise and nothing from tones: bring the mean power back.
        level = math.sqrt(sound.power / raw.power) if raw.power else 1.0
        level = min(max(level, 1 / MAX_LEVEL), MAX_LEVEL)
        for block in raw.blocks():
            yield block * np.float32(level)

    return Sound(rate, channels, frames, blocks)


def _pieces(sound: Sound, factor: float, frames: int) -> Iterator[Audio]:
    """Stretched pieces: SEARCH, then PIECE_SECONDS of new output, then SEAM and twice SEARCH of the next one's."""
    rate = sound.sample_rate
    size, context = round(PIECE_SECONDS * rate), round(CONTEXT_SECONDS * rate)
    before, after = _margins(rate)
    reader = _Reader(sound)
    for begin in range(0, frames, size):
        end = min(begin + size, frames)
        first = math.floor(max(0, begin - before - context) / factor)
        last = math.ceil((end + after + context) / factor)
        out = _stretched(reader.read(first, last), rate, factor)
        out = np.pad(out, ((before, after), (0, 0)))
        start = begin - round(first * factor)
        yield out[start : start + before + end - begin + after]


def _margins(rate: int) -> tuple[int, int]:
    """What a piece holds before and after its own frames, so that it can be moved and faded."""
    return round(SEARCH_SECONDS * rate), round(SEAM_SECONDS * rate) + 2 * round(SEARCH_SECONDS * rate)


class _Reader:
    """Reads overlapping ranges of a sound, in ascending order, going through it once."""

    def __init__(self, sound: Sound) -> None:
        self.blocks = sound.blocks()
        self.held = np.zeros((0, sound.channels), np.float32)
        self.first = 0

    def read(self, first: int, last: int) -> Audio:
        """Frames first to last, float32 [last - first, channels]."""
        held = [self.held[first - self.first :]]
        length = len(held[0])
        while length < last - first and (block := next(self.blocks, None)) is not None:
            held.append(block)
            length += len(block)
        self.held, self.first = np.concatenate(held), first
        return self.held[: last - first]


def _stretched(samples: Audio, rate: int, factor: float) -> Audio:
    stretcher = Signalsmith.Stretch()
    stretcher.preset(samples.shape[1], rate)
    stretcher.setTimeFactor(1 / factor)
    out: Audio = np.asarray(stretcher.process(np.ascontiguousarray(samples.T))).T
    return out


def _joined(pieces: Iterator[Audio], rate: int) -> Iterator[Audio]:
    """Pieces one after the other, each faded in over what the one before it would have gone on with."""
    before, after = _margins(rate)
    seam = after - 2 * before
    fade = (np.sin(np.linspace(0, np.pi / 2, seam)) ** 2).astype(np.float32)[:, None]
    tail = None
    for piece in pieces:
        frames, begin = len(piece) - before - after, before
        if tail is not None:
            begin = _best_fit(piece[: seam + 2 * before], tail)
            piece[begin : begin + seam] = tail * (1 - fade) + piece[begin : begin + seam] * fade
        yield piece[begin : begin + frames]
        tail = piece[begin + frames : begin + frames + seam]


def _best_fit(samples: Audio, tail: Audio) -> int:
    """Where in `samples` [n, C] the `tail` [m, C] fits best by correlation; the middle where all fit alike."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, len(tail), axis=0)  # [n - m + 1, C, m]
    products = np.einsum("kcm,mc->k", windows, tail)
    energy = np.einsum("kcm,kcm->k", windows, windows)
    correlation = products / np.sqrt(energy * np.sum(tail * tail) + 1e-12)
    off_centre = np.abs(np.linspace(-1, 1, len(windows)))
    return int((correlation - 1e-3 * off_centre).argmax())


def shift_pitch(sound: Sound, semitones: float) -> Sound:
    """Change the pitch and keep the length: stretched by 2^(semitones/12), then read that much faster."""
    if semitones == 0:
        return sound
    ratio = 2.0 ** (semitones / 12)
    stretched = stretch(sound, ratio)

    def blocks() -> Iterator[Audio]:
        faster = resampled(stretched.blocks(), ratio, 1.0, sound.channels)
        return fitted(faster, sound.frames, sound.channels)

    return Sound(sound.sample_rate, sound.channels, sound.frames, blocks)
