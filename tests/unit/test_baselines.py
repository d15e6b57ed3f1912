"""Features to compare with, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conftest import noise, tone

from qbe.audio.segmentation import WINDOW
from qbe.measure.baselines import BANDS, COEFFICIENTS, best_variant, dct, log_mel, log_mel_frames, mel_edges, mfcc
from qbe.measure.evaluation import retrieval
from qbe.search.windows import Windows
from qbe.streams.records import Audio, Vector


def window(audio: Audio) -> Audio:
    """One window of a sound, [1, WINDOW]."""
    return audio[None, :WINDOW]


def test_bands_are_even_on_the_mel_scale_from_50_to_8000_hz() -> None:
    edges = mel_edges()
    assert (edges[0], edges[-1]) == (pytest.approx(50), pytest.approx(8000))
    mel = [1127.01048 * math.log(1 + f / 700) for f in edges]  # the natural logarithm's form of the scale
    np.testing.assert_allclose(np.diff(mel), (mel[-1] - mel[0]) / (BANDS + 1), rtol=1e-4)


@pytest.mark.parametrize("band", [20, 35, 50, 60])
def test_a_tone_lands_in_its_band(band: int) -> None:
    frequency = mel_edges()[band + 1]
    assert log_mel(window(tone(frequency, 1.1)))[0, :BANDS].argmax() == band


def test_ten_times_the_amplitude_is_twenty_decibels_in_every_band() -> None:
    quiet, loud = (log_mel(window(noise(1.1, amplitude=a)))[0] for a in (0.1, 1.0))
    np.testing.assert_allclose(loud[:BANDS] - quiet[:BANDS], math.log(100), atol=1e-2)
    np.testing.assert_allclose(loud[BANDS:], quiet[BANDS:], atol=1e-2)


def test_the_mean_and_the_deviation_over_time() -> None:
    half = np.concatenate([tone(1000, 0.5), np.zeros(WINDOW - 8000, np.float32)])[None]
    frames = log_mel_frames(half)[0]
    assert len(frames) == 1 + (WINDOW - 400) // 160  # 25 ms every 10 ms
    features = log_mel(half)[0]
    for band in range(BANDS):
        column = [float(frame[band]) for frame in frames]
        mean = sum(column) / len(column)
        deviation = math.sqrt(sum((x - mean) ** 2 for x in column) / len(column))
        assert (features[band], features[BANDS + band]) == (pytest.approx(mean), pytest.approx(deviation))


def test_cepstral_coefficients_by_the_definition_of_the_dct() -> None:
    audio = window(noise(1.1))
    bands = log_mel_frames(audio)[0].mean(0)  # the transform is linear: of the mean it is the mean
    for k, coefficient in enumerate(mfcc(audio)[0, :COEFFICIENTS]):
        total = sum(float(bands[n]) * math.cos(math.pi * k * (2 * n + 1) / (2 * BANDS)) for n in range(BANDS))
        assert coefficient == pytest.approx(total * math.sqrt((1 if k == 0 else 2) / BANDS), abs=1e-3)


def test_the_dct_is_orthonormal() -> None:
    np.testing.assert_allclose(dct() @ dct().T, np.eye(COEFFICIENTS), atol=1e-12)


@pytest.mark.parametrize("features", [log_mel, mfcc])
@pytest.mark.parametrize("level", [0.0, 1e-30, 1e37])
def test_silence_and_odd_levels_have_features(features: object, level: float) -> None:
    assert np.isfinite(features(window(noise(1.1) * np.float32(level)))).all()  # type: ignore[operator]


def sounds_with_the_label_in(place: str, rng: np.random.Generator) -> list[Vector]:
    """40 sounds, labels in turn, of four windows: only one variant of the features brings the label out."""
    sounds = []
    for k in range(40):
        vectors = rng.normal(0, 1, (4, 42))
        if place == "z-scored means":  # a small part beside a large one, which is the same in all means
            vectors[:, 2:] -= vectors[:, 2:].mean(0) - 1
            vectors[:, :2] = 1e-3 * (0.3 * vectors[:, :2] + np.eye(2)[k % 2])
        else:  # a large part beside a small one, and gone from the mean
            vectors[:, :2] = 0
            vectors[:, k % 2] += np.array([5, -5, 5, -5])
        sounds.append(vectors.astype(np.float32))
    return sounds


@pytest.mark.parametrize("place", ["z-scored means", "raw windows"])
def test_the_best_variant_is_taken(place: str) -> None:
    sounds = sounds_with_the_label_in(place, np.random.default_rng(0))
    labels, groups = [str(k % 2) for k in range(40)], [str(k) for k in range(40)]
    raw = retrieval([Windows.of(v / np.linalg.norm(v, axis=1, keepdims=True)) for v in sounds], labels, groups)
    best = best_variant([Windows.of(v) for v in sounds], labels, groups)
    assert best.mean_average_precision > 0.95
    assert (best.mean_average_precision == raw.mean_average_precision) == (place == "raw windows")
