"""What any embedding must beat: statistics of log-mel bands and of cepstral coefficients, compared as embeddings are.

Of every 1.024 s window at 16 kHz the mean and the deviation over time are taken, of 64 log-mel bands or of 20 cepstral
coefficients. Of the variants (raw or z-scored over the task, windows compared one by one or by their mean) the best one
stands for the baseline: chosen with the labels, it flatters the baseline, never the model beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qbe.audio.segmentation import SAMPLE_RATE
from qbe.measure.evaluation import Retrieval, retrieval
from qbe.search.windows import Windows
from qbe.streams.records import Audio, Vector

Frames = NDArray[np.float64]
BANDS, COEFFICIENTS = 64, 20
LOWEST, HIGHEST = 50.0, 8000.0  # Hz
FFT, FRAME_HOP = 400, 160
FLOOR = 1e-6  # of the energy, so that silence has a logarithm
LEAST = 1e-9  # of a norm: no direction is made out of nothing


def mel_edges() -> Frames:
    """The corners of the bands in Hz, evenly spaced on the mel scale, [BANDS + 2]: each band's are its low end, its
    peak and its high end, three in a row."""
    lowest, highest = (2595 * np.log10(1 + f / 700) for f in (LOWEST, HIGHEST))
    edges: Frames = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)
    return edges


@cache
def mel_filters() -> Frames:
    """Triangles over the bins of the spectrum, [BANDS, FFT / 2 + 1]."""
    edges, bins = mel_edges(), np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.clip(np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)), 0, None)


@cache
def dct() -> Frames:
    """The first rows of the orthonormal DCT-II, [COEFFICIENTS, BANDS]."""
    k, n = np.arange(COEFFICIENTS)[:, None], np.arange(BANDS)
    rows: Frames = np.sqrt(2 / BANDS) * np.cos(np.pi / BANDS * (n + 0.5) * k)
    rows[0] /= np.sqrt(2)
    return rows


def log_mel_frames(audio: Audio) -> Frames:
    """[B, T] at SAMPLE_RATE -> [B, frames, BANDS], T >= FFT."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, FFT, axis=1)[:, ::FRAME_HOP]
    # The Hann window makes it float64: the energy of a float32 sample may be too large for another float32.
    power = np.abs(np.fft.rfft(frames * np.hanning(FFT))) ** 2
    logs: Frames = np.log(power @ mel_filters().T + FLOOR)
    return logs


def log_mel(audio: Audio) -> Vector:
    """[B, T] -> [B, 2 BANDS]"""
    return _statistics(log_mel_frames(audio))


def mfcc(audio: Audio) -> Vector:
    """[B, T] -> [B, 2 COEFFICIENTS]"""
    return _statistics(log_mel_frames(audio) @ dct().T)


def _statistics(frames: Frames) -> Vector:
    """Mean and deviation over time: [B, frames, F] -> [B, 2 F]."""
    return np.concatenate([frames.mean(1), frames.std(1)], axis=1).astype(np.float32)


FEATURES: dict[str, Callable[[Audio], Vector]] = {"logmel": log_mel, "mfcc": mfcc}


def best_variant(sounds: Sequence[Windows], labels: Sequence[str], groups: Sequence[str]) -> Retrieval:
    """As `qbe.measure.evaluation.retrieval`, of the variant of the features with the highest mean average precision."""
    outcomes = (retrieval([see(sound) for sound in sounds], labels, groups) for see in variants(sounds))
    return max(outcomes, key=lambda outcome: outcome.mean_average_precision)


def variants(sounds: Sequence[Windows]) -> list[Callable[[Windows], Windows]]:
    """What can be made of the features of a sound among those of others: unit vectors, raw or z-scored, of windows that
    all count alike or their mean."""
    windows = np.concatenate([sound.vectors for sound in sounds])
    shift, scale = windows.mean(0), windows.std(0) + 1e-6
    return [
        lambda sound: _unit(sound.vectors),
        lambda sound: _unit(sound.vectors.mean(0, keepdims=True)),
        lambda sound: _unit((sound.vectors - shift) / scale),
        lambda sound: _unit(((sound.vectors - shift) / scale).mean(0, keepdims=True)),
    ]


def _unit(vectors: Vector) -> Windows:
    return Windows.of(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), LEAST))
