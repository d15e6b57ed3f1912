"""What a deformation does to a sound, by definition."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import noise, tone
from hypothesis import given, settings
from hypothesis import strategies as st

from qbe.audio import deformation
from qbe.audio.deformation import add_noise, apply, shift_pitch, stretch
from qbe.streams.records import Audio, Deformation


def frequency(audio: Audio, rate: int = 16_000) -> float:
    """Of the strongest partial, to a fraction of a cent by zero padding."""
    middle = audio[len(audio) // 4 : -len(audio) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 20))
    return float(spectrum.argmax()) * rate / (1 << 20)


def cents(measured: float, wanted: float) -> float:
    return float(1200 * np.log2(measured / wanted))


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


@pytest.mark.parametrize("snr", [-5.0, 10.0, 30.0])
def test_noise_law(snr: float) -> None:
    audio = tone(300, 4.0)
    added = add_noise(audio, snr, seed=1) - audio
    assert 10 * np.log10(np.mean(audio**2) / np.mean(added**2)) == pytest.approx(snr, abs=0.1)
    np.testing.assert_array_equal(add_noise(audio, snr, seed=1) - audio, added)
    assert not np.array_equal(add_noise(audio, snr, seed=2) - audio, added)


def test_noise_under_silence_is_silence() -> None:
    assert not add_noise(np.zeros(100, np.float32), 10, seed=0).any()


def test_the_same_record_gives_the_same_samples() -> None:
    rng = np.random.default_rng(5)
    history = [deformation.draw_pitch(rng), deformation.draw_stretch(rng), deformation.draw_noise(rng)]
    audio = noise(1.0)
    np.testing.assert_array_equal(apply(audio, history), apply(audio, history))
    np.testing.assert_array_equal(apply(audio, history[:1]), shift_pitch(audio, history[0].parameters["semitones"]))


def test_duration_factor() -> None:
    history = [Deformation("stretch", {"factor": 1.5}), Deformation("pitch", {"semitones": 3.0})]
    assert deformation.duration_factor(history) == 1.5
    assert deformation.duration_factor([]) == 1.0
