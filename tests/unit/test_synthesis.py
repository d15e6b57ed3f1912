"""Synthesised families: patches whose sound is known, and members that are alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import RATE, cents, frequency

from qbe.audio.segmentation import WINDOW
from qbe.learn.synthesis import PARAMETERS, families, render

ONCE, REPEATED, MODULATED, PARTIAL, PITCHED, NOISE = 0.9, 0.1, 0.1, 0.9, 0.9, 0.1
# Numbers of parameters.
AGAIN, DECAY, GLIDE, GLIDE_TIME, PITCH, BRIGHTNESS, STRETCH, CUTOFF, STEEPNESS = 0, 3, 7, 8, 9, 13, 15, 16, 17


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def octaves(value: float, low: float, high: float) -> float:
    """The parameter, 0 to 1, of a value that is even over octaves."""
    return math.log(value / low) / math.log(high / low)


def patch(*changes: tuple[int, float]) -> torch.Tensor:
    """A sine at 400 Hz that begins at once and lasts, unfiltered up to 7 kHz, [1, PARAMETERS]."""
    p = torch.zeros(PARAMETERS)
    p[DECAY], p[GLIDE], p[PITCH], p[CUTOFF] = 1.0, 0.5, octaves(400, 40, 4000), 1.0
    for parameter, value in changes:
        p[parameter] = value
    return p[None]


def rendered(p: torch.Tensor, *choices: float, seed: int = 0) -> np.ndarray:
    """repeated or once, waveform, noise only: [WINDOW]"""
    return render(p, torch.tensor([[*choices, 0.1]]), generator(seed))[0].numpy()


@pytest.mark.parametrize("hz", [41.0, 400.0, 3000.0])
def test_without_modulation_a_patch_is_a_decaying_sine(hz: float) -> None:
    sound = rendered(patch((PITCH, octaves(hz, 40, 4000))), ONCE, MODULATED, PITCHED)
    t = np.arange(WINDOW) / RATE
    envelope = (1 - np.exp(-t / 0.001)) * np.exp(-t / 3.0)
    expected = envelope * np.sin(2 * np.pi * hz / RATE * np.arange(1, WINDOW + 1))
    assert np.abs(sound - expected)[:-200].max() < 0.02


def test_a_repeated_sound_comes_again_after_its_period() -> None:
    p = patch((AGAIN, octaves(4, 1, 15)), (DECAY, octaves(0.05, 0.02, 3)))
    sound = rendered(p, REPEATED, MODULATED, PITCHED)
    np.testing.assert_allclose(sound[8000:12_000], sound[4000:8000], atol=0.02)
    assert np.abs(sound[4100:4500]).max() > 10 * np.abs(sound[7500:7900]).max()


@pytest.mark.parametrize(("glide", "away"), [(0.0, -2), (0.5, 0), (0.75, 0.25), (1.0, 2)])
def test_a_glide_begins_up_to_two_octaves_away_and_comes_home(glide: float, away: float) -> None:
    """The distance in octaves falls to 1/e of it every 50 ms; it goes by the cube of what the parameter says."""
    sound = rendered(patch((GLIDE, glide), (GLIDE_TIME, octaves(0.05, 0.01, 0.5))), ONCE, MODULATED, PITCHED)
    t = np.arange(WINDOW) / RATE
    phase = np.cumsum(400 / RATE * 2 ** (away * np.exp(-t / 0.05)))
    expected = (1 - np.exp(-t / 0.001)) * np.exp(-t / 3.0) * np.sin(2 * np.pi * phase)
    assert np.abs(sound - expected)[:-200].max() < 0.02
    assert abs(cents(frequency(sound[8000:]), 400)) < 5


def test_partials_are_harmonic_or_stretched() -> None:
    for stretch, of_third in ((0.0, 3.0), (1.0, 3**1.5)):
        sound = rendered(patch((BRIGHTNESS, 0.0), (STRETCH, stretch)), ONCE, PARTIAL, PITCHED)[:16_000]
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))  # of 1 Hz a bin
        third = round(400 * of_third)
        assert abs(int(spectrum[third - 50 : third + 51].argmax()) - 50) <= 1
        assert spectrum[third - 5 : third + 6].max() > 100 * spectrum[third + 100]


def test_noise_differs_by_the_generator_and_a_tone_does_not() -> None:
    tones = [rendered(patch(), ONCE, PARTIAL, PITCHED, seed=seed) for seed in (0, 1)]
    np.testing.assert_array_equal(*tones)
    one, other = (rendered(patch(), ONCE, PARTIAL, NOISE, seed=seed) for seed in (0, 1))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    spectrum = np.square(np.abs(np.fft.rfft(one)))
    bands = spectrum[: len(spectrum) * 7 // 8].reshape(-1, 1024).mean(1)  # up to the cutoff it is white
    assert bands.max() < 2 * bands.min()


def levels(sound: np.ndarray) -> np.ndarray:
    """dB around 250, 500, 2000 and 4000 Hz."""
    power = np.square(np.abs(np.fft.rfft(sound * np.hanning(WINDOW))))
    return np.array([10 * np.log10(power[hz - 12 : hz + 13].sum()) for hz in (256, 512, 2048, 4096)])


@pytest.mark.parametrize(("steepness", "slope"), [(0.0, 6.02), (0.5, 15.05), (1.0, 24.08)])
def test_a_filter_falls_by_its_slope_on_one_side_of_its_cutoff(steepness: float, slope: float) -> None:
    p = patch((CUTOFF, octaves(1000, 60, 7000)), (STEEPNESS, steepness)).repeat(2, 1)
    choices = torch.tensor([[ONCE, PARTIAL, NOISE, choice] for choice in (0.1, 0.9)])
    low, high = render(p, choices, generator()).numpy()
    whites = render(patch().repeat(2, 1), choices[:1].repeat(2, 1), generator()).numpy()
    gains = [levels(sound) - levels(white) for sound, white in zip((low, high), whites, strict=True)]
    assert gains[0] == pytest.approx(slope * np.array([0, 0, -1, -2]), abs=1)
    assert gains[1] == pytest.approx(slope * np.array([-2, -1, 0, 0]), abs=1)


def log_spectra(sounds: torch.Tensor) -> np.ndarray:
    """dB in 40 bands over octaves, of four parts of each, at one level: [n, 160]."""
    parts = sounds.numpy().reshape(len(sounds), 4, WINDOW // 4)
    power = np.square(np.abs(np.fft.rfft(parts * np.hanning(WINDOW // 4))))
    edges = np.unique(np.geomspace(8, power.shape[2] - 1, 41).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=2).reshape(len(sounds), -1)
    return 10 * np.log10(bands / bands.max(1, keepdims=True) + 1e-6)


def test_members_of_a_family_are_nearer_to_each_other_than_to_others() -> None:
    first, second = families(64, generator(5))
    one, other = log_spectra(first), log_spectra(second)
    distance = np.abs(one[:, None] - other).mean(2)
    rank = (distance < distance.diagonal()[:, None]).sum(1)
    assert np.median(rank) <= 2, "of 63 others, where chance were 31"
    assert distance.diagonal().min() > 0.1, "no member is the other one again"


def test_patches_at_the_corners_of_what_is_possible_sound_and_are_finite() -> None:
    corners = torch.randint(0, 2, (100, PARAMETERS), generator=generator(7)).float()
    corners[:2] = torch.tensor([[0.0], [1.0]])
    choices = torch.randint(0, 2, (100, 4), generator=generator(8)).float()
    sounds = render(corners, choices, generator())
    assert sounds.shape == (100, WINDOW) and sounds.dtype == torch.float32
    assert torch.isfinite(sounds).all()
    assert (sounds.abs().amax(1) > 1e-5).all()


def test_the_same_seed_gives_the_same_families_and_another_one_others() -> None:
    one, again, other = (torch.cat(families(3, generator(seed))) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not any(torch.equal(a, b) for a in one for b in other)
