"""The fast engine against the laws of pitch and duration."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import cents, frequency, noise, tone
from hypothesis import given, settings
from hypothesis import strategies as st

from qbe.audio.wsola import shift_pitch, stretch


@pytest.mark.parametrize("semitones", [-10, -3.5, -0.1, 0.5, 7, 10])
@pytest.mark.parametrize("pitch", [110, 440, 1500])
def test_pitch_law(semitones: float, pitch: float) -> None:
    audio = tone(pitch, 1.024)
    shifted = shift_pitch(audio, semitones)
    assert shifted.shape == audio.shape
    assert abs(cents(frequency(shifted), pitch * 2 ** (semitones / 12))) < 5
    assert shifted.std() == pytest.approx(audio.std(), rel=0.1)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.3, 2.0])
@pytest.mark.parametrize("pitch", [110, 440, 1500])
def test_stretch_keeps_the_pitch(factor: float, pitch: float) -> None:
    assert abs(cents(frequency(stretch(tone(pitch, 1.024), factor)), pitch)) < 5


@settings(deadline=None)
@given(length=st.integers(0, 5000), factor=st.floats(0.5, 2.0))
def test_duration_law(length: int, factor: float) -> None:
    out = stretch(np.ones(length, np.float32), factor)
    assert out.shape == (round(length * factor),)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()


def test_stretch_moves_events_with_the_tempo() -> None:
    audio = noise(2.0, amplitude=1e-4)
    for at in (4000, 16_000, 28_000):
        audio[at : at + 800] += tone(1000, 0.05)
    out = np.abs(stretch(audio, 1.5))
    for at in (4000, 16_000, 28_000):
        near = out[round(at * 1.5) - 800 : round(at * 1.5) + 1600]
        assert abs(int(np.argmax(near > 0.1)) - 800) < 480, "an onset further than 30 ms off"


def test_neutral_values_change_nothing() -> None:
    audio = noise(0.5)
    np.testing.assert_array_equal(stretch(audio, 1), audio)
    np.testing.assert_array_equal(shift_pitch(audio, 0), audio)
