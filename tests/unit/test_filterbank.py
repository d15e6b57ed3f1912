"""The filter bank against the transform it stands for."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from conftest import DATA
from numpy.typing import NDArray

from qbe.audio.reading import read_blocks
from qbe.learn.filterbank import (
    CHANNELS,
    DYNAMIC_RANGE_DB,
    GROUPS,
    HOP,
    Decimator,
    FilterBank,
    frequencies,
    level_normalised,
    sigmas,
)

SAMPLES = 16_384
RATE = 16_000


def reference(audio: NDArray[np.float64]) -> NDArray[np.float64]:
    """|complex Morlet|^2 at every sample in float64, averaged over each hop: [CHANNELS, SAMPLES / HOP]."""
    size = 1 << 16
    spectrum = np.fft.fft(audio, size)
    rows = []
    for frequency, sigma in zip(frequencies(), sigmas(frequencies()), strict=True):
        half = int(np.ceil(6 * sigma * RATE))
        t = np.arange(-half, half + 1) / RATE
        envelope = np.exp(-0.5 * (t / sigma) ** 2)
        wavelet = envelope / envelope.sum() * np.exp(2j * np.pi * frequency * t)
        filtered = np.fft.ifft(spectrum * np.fft.fft(wavelet, size))[half : half + len(audio)]
        rows.append((np.abs(filtered) ** 2).reshape(-1, HOP).mean(1))
    return np.stack(rows)


def sounds() -> dict[str, NDArray[np.float64]]:
    t = np.arange(SAMPLES) / RATE
    click = np.zeros(SAMPLES)
    click[8000] = 1
    made = {
        "tone 60 Hz": np.sin(2 * np.pi * 60 * t),
        "tone 440 Hz": np.sin(2 * np.pi * 440 * t),
        "tone 5 kHz": np.sin(2 * np.pi * 5000 * t),
        "click": click,
        "clicks": (np.arange(SAMPLES) % 1777 == 500).astype(float),
        "chirp": np.sin(2 * np.pi * 50 * 1.024 / np.log(150) * (150 ** (t / 1.024) - 1)),
        "noise": np.random.default_rng(0).normal(size=SAMPLES),
    }
    for name in ("water/stream 1.ogg", "drums/snare.mp3", "speech/carlo-conf-kicked.wav", "notes/cello-A2.mp3"):
        audio = np.concatenate(list(read_blocks(os.fsencode(DATA / "library" / name), RATE)))[:SAMPLES]
        made[name] = np.pad(audio.astype(float), (0, SAMPLES - len(audio)))
    return made


def decibels(power: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
    """Under the maximum, so deep and no deeper."""
    return 10 * np.log10(np.maximum(power / power.max(), 10 ** (-depth / 10)))


@pytest.mark.parametrize(("depth", "mean", "worst"), [(60.0, 0.3, 0.7), (DYNAMIC_RANGE_DB, 0.7, 1.2)])
def test_the_scalogram_is_that_of_complex_morlet_wavelets(depth: float, mean: float, worst: float) -> None:
    """As deep as the network sees the ends of the wavelets, which are cut, show beside tones."""
    bank, errors = FilterBank(), {}
    for name, audio in sounds().items():
        power = bank(torch.tensor(audio[None], dtype=torch.float32))[0, 0].double().numpy()
        errors[name] = np.abs(decibels(power, depth) - decibels(reference(audio), depth)).mean()
    assert np.mean(list(errors.values())) < mean, errors
    assert max(errors.values()) < worst, errors


@pytest.mark.parametrize("channel", [0, 20, 60, 90, 127])
def test_a_tone_excites_its_own_filter_by_a_quarter_of_its_square(channel: int) -> None:
    frequency = frequencies()[channel]
    audio = 0.8 * np.sin(2 * np.pi * frequency * np.arange(SAMPLES) / RATE)
    power = FilterBank()(torch.tensor(audio[None], dtype=torch.float32))[0, 0, :, 32:-32].mean(1)
    assert int(power.argmax()) == channel
    assert float(power[channel]) == pytest.approx(0.8**2 / 4, rel=0.03)


def test_shapes_and_layout() -> None:
    assert sum(group.filters for group in GROUPS) == CHANNELS
    assert FilterBank()(torch.zeros(3, SAMPLES)).shape == (3, 1, CHANNELS, SAMPLES // HOP)
    np.testing.assert_allclose(frequencies()[[0, -1]], [50, 7600])


def test_decimation_keeps_what_is_under_the_new_limit() -> None:
    t = np.arange(SAMPLES) / RATE
    low, high = np.sin(2 * np.pi * 400 * t), np.sin(2 * np.pi * 3000 * t)
    decimated = Decimator()(torch.tensor(np.stack([low, high]), dtype=torch.float32)).numpy()
    np.testing.assert_allclose(decimated[0, 50:-50], low[::4][50:-50], atol=1e-3)
    assert np.abs(decimated[1, 50:-50]).max() < 1e-3


def test_level_normalisation() -> None:
    power = torch.rand(2, 1, 8, 8) + 0.1
    levels = level_normalised(power)
    torch.testing.assert_close(level_normalised(power * 1e-6), levels, atol=1e-4, rtol=0)
    assert levels.max() == 0
    assert torch.isfinite(level_normalised(torch.zeros(1, 1, 4, 4))).all()


def test_nothing_of_the_bank_is_trained() -> None:
    assert not any(parameter.requires_grad for parameter in FilterBank().parameters())
