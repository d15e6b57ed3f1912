"""Deformations by definition, whatever the engine."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import noise, tone, write_sound

from qbe.audio import deformation, studio
from qbe.audio.deformation import FAST, add_noise, apply, deformed, duration_factor, gain, near, tilt
from qbe.audio.sound import Sound, from_samples
from qbe.streams.records import Audio, Deformation
from qbe.support.errors import AudioError, UsageError


def stereo(seconds: float = 2.0, rate: int = 44_100) -> Sound:
    """Two unlike channels, read in blocks of odd sizes."""
    samples = np.stack([noise(seconds, rate=rate), tone(300, seconds, rate=rate)], axis=1)

    def blocks() -> list[Audio]:
        return np.split(samples, [1, 1000, 30_011])

    return Sound(rate, 2, len(samples), lambda: iter(blocks()))


def power(samples: Audio) -> float:
    return float(np.mean(samples.astype(float) ** 2))


@pytest.mark.parametrize("snr", [-5.0, 10.0, 30.0])
def test_noise_law(snr: float) -> None:
    sound = stereo()
    added = add_noise(sound, snr, seed=1).samples() - sound.samples()
    assert 10 * np.log10(power(sound.samples()) / power(added)) == pytest.approx(snr, abs=0.1)
    again = add_noise(from_samples(sound.samples(), 44_100), snr, seed=1).samples()
    np.testing.assert_allclose(again - sound.samples(), added, atol=1e-6)
    assert not np.allclose(add_noise(sound, snr, seed=2).samples() - sound.samples(), added)


def test_noise_under_silence_is_silence() -> None:
    assert not add_noise(from_samples(np.zeros((100, 1), np.float32), 8000), 10, seed=0).samples().any()


def test_gain_law() -> None:
    np.testing.assert_allclose(gain(stereo(), -6.0).samples(), stereo().samples() * 10 ** (-6 / 20), rtol=1e-6)


@pytest.mark.parametrize("slope", [-6.0, 3.0])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_tilt_law(slope: float, rate: int) -> None:
    for pitch in (250, 1000, 4000):
        audio = tone(pitch, 1.0, rate=rate)[:, None]
        out = tilt(from_samples(audio, rate), slope).samples()
        assert out.shape == audio.shape
        change = 10 * np.log10(power(out[4000:-4000]) / power(audio[4000:-4000]))
        assert change == pytest.approx(slope * np.log2(pitch / 1000), abs=0.3)


def test_tilt_has_no_delay_and_no_seams() -> None:
    click = np.zeros((4000, 1), np.float32)
    click[2000] = 1
    assert int(np.abs(tilt(from_samples(click, 16_000), 3).samples()).argmax()) == 2000
    sound = stereo()
    whole = tilt(from_samples(sound.samples(), 44_100), 3).samples()
    np.testing.assert_allclose(tilt(sound, 3).samples(), whole, atol=1e-5)
    np.testing.assert_allclose(tilt(sound, 0).samples(), sound.samples(), atol=1e-5)


def mixed_with(path: Path, db: float) -> Deformation:
    return Deformation("mix", {"path": os.fsencode(path), "db": db})


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (8000, 1), (48_000, 3)])
def test_mix_law(tmp_path: Path, rate: int, channels: int) -> None:
    under = np.stack([noise(0.7, seed=k, rate=rate) for k in range(channels)], axis=1)
    path = write_sound(tmp_path / "under.wav", under, rate, subtype="FLOAT")
    sound = stereo()
    added = apply(sound, [mixed_with(path, -10.0)], FAST).samples() - sound.samples()
    assert added.shape == sound.samples().shape
    # Averaging unlike channels takes some of its power away.
    expected = -10.0 - (10 * np.log10(3) if channels == 3 else 0)
    assert 10 * np.log10(power(added) / power(sound.samples())) == pytest.approx(expected, abs=0.6)
    assert power(added[-4000:]) > 0.5 * power(added), "a short sound is repeated to the end"


def test_mix_with_nothing(tmp_path: Path) -> None:
    silent = write_sound(tmp_path / "silent.wav", np.zeros(1000, np.float32))
    with pytest.raises(AudioError, match="only digital silence"):
        apply(stereo(), [mixed_with(silent, 0.0)], FAST)
    with pytest.raises(AudioError, match="No such file"):
        apply(stereo(), [mixed_with(Path("/none.wav"), 0.0)], FAST)


def test_near() -> None:
    sound = stereo(4.0)
    out = near(sound, 1.5).samples()
    np.testing.assert_array_equal(out, sound.samples()[66_150 : 66_150 + 45_158])
    assert near(sound, 3.9).frames == 4410
    assert near(sound, 99).frames == 1


@pytest.mark.parametrize("engine", [FAST, studio], ids=["fast", "studio"])
def test_history_law(engine: deformation.Engine, tmp_path: Path) -> None:
    """The record alone gives the same samples again."""
    path = write_sound(tmp_path / "under.wav", noise(0.5, seed=3))
    history = [
        Deformation("pitch", {"semitones": 3.7}),
        Deformation("stretch", {"factor": 0.8}),
        Deformation("noise", {"snr_db": 12.0, "seed": 5}),
        Deformation("gain", {"db": -3.0}),
        Deformation("eq", {"db_per_octave": 2.0}),
        Deformation("mix", {"path": os.fsencode(path), "db": -20.0}),
    ]
    sound = from_samples(noise(1.0)[:, None], 16_000)
    first, second = apply(sound, history, engine).samples(), apply(sound, history, engine).samples()
    np.testing.assert_array_equal(first, second)
    assert len(first) == round(16_000 * duration_factor(history))


def test_order_matters() -> None:
    sound = from_samples(tone(300, 1.0)[:, None], 16_000)
    gained, noisy = Deformation("gain", {"db": 20.0}), Deformation("noise", {"snr_db": 0.0, "seed": 1})
    quiet_noise = apply(sound, [noisy, gained], FAST).samples()
    np.testing.assert_allclose(quiet_noise, apply(sound, [gained, noisy], FAST).samples(), atol=1e-4)
    low = apply(sound, [Deformation("pitch", {"semitones": 5.0}), noisy], FAST).samples()
    assert not np.allclose(low, apply(sound, [noisy, Deformation("pitch", {"semitones": 5.0})], FAST).samples())


@pytest.mark.parametrize(
    "bad",
    [
        Deformation("stretch", {"factor": 0.0}),
        Deformation("stretch", {"factor": -2.0}),
        Deformation("stretch", {"factor": float("nan")}),
        Deformation("pitch", {"semitones": 1000.0}),
        Deformation("noise", {"snr_db": float("inf"), "seed": 1}),
        Deformation("polish", {}),
    ],
)
def test_what_cannot_be_done(bad: Deformation) -> None:
    with pytest.raises(UsageError):
        apply(stereo(), [bad], FAST)


def test_a_mono_segment() -> None:
    audio = noise(1.0)
    out = deformed(audio, 16_000, [Deformation("stretch", {"factor": 1.25}), Deformation("gain", {"db": 6.0})])
    assert out.shape == (20_000,)
    np.testing.assert_array_equal(deformed(audio, 16_000, []), audio)
