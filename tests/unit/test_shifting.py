"""Reading faster and resizing frames, against exact sines and sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qbe.learn.shifting import EDGE, resample, resize_frames

LENGTH = 4096


def sine(cycles: float, samples: int = LENGTH, phase: float = 0.3) -> torch.Tensor:
    """Of a frequency in cycles per sample, [samples]."""
    return torch.from_numpy(np.sin(2 * np.pi * cycles * np.arange(samples) + phase).astype(np.float32))


@given(st.floats(0.5, 2.0), st.floats(0.01, 0.94), st.floats(0, 6))
@settings(deadline=None, max_examples=40)
def test_a_sine_read_faster_is_the_sine_of_the_higher_frequency(factor: float, share: float, phase: float) -> None:
    """share : of the highest frequency that can be kept"""
    highest = 0.5 * min(1.0, 1 / factor) * (1 - EDGE)
    whole = round(share * highest * LENGTH) / LENGTH  # in whole periods the sound has no edge that rings
    read = resample(sine(whole, phase=phase)[None], torch.tensor([factor]), LENGTH)[0]
    inside = int((LENGTH - 1) / factor) - 1
    expected = sine(whole * float(np.float32(factor)), phase=phase)
    assert (read - expected)[2:inside].abs().max() < 10 ** (-40 / 20)


@given(st.floats(1.05, 2.0), st.floats(0, 1))
@settings(deadline=None, max_examples=20)
def test_what_would_be_mirrored_is_taken_out(factor: float, share: float) -> None:
    lowest = 0.5 / factor
    cycles = round((lowest + share * (0.499 - lowest)) * LENGTH + 1) / LENGTH
    assert resample(sine(cycles)[None], torch.tensor([factor]), LENGTH).abs().max() < 1e-4


def test_between_what_is_kept_and_what_is_taken_out_the_low_pass_falls() -> None:
    factor = 1.25
    shares = np.array([0.93, 0.9625, 0.975, 0.9875, 1.02])  # of the highest frequency there is room for
    cycles = np.round(0.5 / factor * shares * LENGTH) / LENGTH
    sounds = torch.stack([sine(c) for c in cycles])
    read = resample(sounds, torch.full((5,), factor), 2800)[:, 100:]
    level = (2 * read.square().mean(1)).sqrt().numpy()
    assert level == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=0.02)


@given(st.floats(0.5, 2.0))
@settings(deadline=None, max_examples=20)
def test_beyond_the_end_of_a_sound_there_is_nothing(factor: float) -> None:
    read = resample(torch.ones(1, 512), torch.tensor([factor]), 1200)[0].numpy()
    at = np.arange(1200) * factor
    assert not read[at > 512].any()
    np.testing.assert_allclose(read[at < 511], 1, atol=1e-3)


def test_sounds_of_a_batch_are_read_each_at_its_own_speed() -> None:
    sounds, factors = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0)), [0.7, 1.0, 1.3, 2.0]
    together = resample(sounds, torch.tensor(factors), 900)
    for k, factor in enumerate(factors):
        torch.testing.assert_close(together[k], resample(sounds[k : k + 1], torch.tensor([factor]), 900)[0])


def resized_slowly(power: np.ndarray, factor: float, frames: int) -> np.ndarray:
    """Every new frame is the integral of the step function of the old ones over what it covers, [F, frames]."""
    integral = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, 1)], 1)
    edges = np.arange(frames + 1) / factor
    at = np.stack([np.interp(edges, np.arange(integral.shape[1]), row) for row in integral])
    return np.diff(at) * factor


@given(st.floats(0.3, 3.0), st.integers(1, 60), st.integers(0, 100))
@settings(deadline=None, max_examples=40)
def test_resized_frames_are_means_over_what_they_cover(factor: float, frames: int, seed: int) -> None:
    power = torch.rand(2, 1, 3, 25, generator=torch.Generator().manual_seed(seed))
    resized = resize_frames(power, torch.tensor([factor, 1.0]), frames)
    assert resized.shape == (2, 1, 3, frames)
    expected = resized_slowly(power[0, 0].double().numpy(), float(np.float32(factor)), frames)
    np.testing.assert_allclose(resized[0, 0].numpy(), expected, atol=1e-4)
    same = torch.zeros(3, max(25, frames))
    same[:, :25] = power[1, 0]
    torch.testing.assert_close(resized[1, 0], same[:, :frames])


@given(st.floats(0.3, 3.0))
@settings(deadline=None, max_examples=20)
def test_a_scalogram_made_longer_has_that_much_more_energy_and_no_other_peak(factor: float) -> None:
    power = torch.rand(1, 1, 4, 30, generator=torch.Generator().manual_seed(1))
    resized = resize_frames(power, torch.tensor([factor]), 100)
    torch.testing.assert_close(resized.sum(3), factor * power.sum(3), rtol=1e-4, atol=1e-4)
    assert resized.max() <= power.max() + 1e-4 and resized.min() >= 0
