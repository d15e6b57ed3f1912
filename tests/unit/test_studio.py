"""The studio engine on whole recordings: pitch, duration, onsets, level and stereo."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from conftest import DATA, cents, frequency, noise
from hypothesis import given, settings
from hypothesis import strategies as st

from qbe.audio import studio
from qbe.audio.sound import Sound, fitted, from_samples, open_sound
from qbe.streams.records import Audio

RATE = 44_100
LONG = 70.0  # seconds: several pieces


def harmonic(pitch: float, seconds: float, rate: int = RATE) -> Audio:
    """Ten partials, the first the strongest, [n, 1]."""
    t = np.arange(round(seconds * rate)) / rate
    return sum(0.3 / k * np.sin(2 * np.pi * pitch * k * t) for k in range(1, 11)).astype(np.float32)[:, None]  # type: ignore[union-attr]


@pytest.mark.parametrize("semitones", [-12, -3.5, 0.5, 7, 12])
@pytest.mark.parametrize("pitch", [82.4, 440.0, 1500.0])
def test_pitch_law(pitch: float, semitones: float) -> None:
    shifted = studio.shift_pitch(from_samples(harmonic(pitch, 3.0), RATE), semitones).samples()
    assert shifted.shape == (3 * RATE, 1)
    assert abs(cents(frequency(shifted[:, 0], RATE), pitch * 2 ** (semitones / 12))) < 10


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3, 2.0])
def test_stretch_keeps_pitch_and_level(factor: float) -> None:
    audio = harmonic(220, 3.0)
    out = studio.stretch(from_samples(audio, RATE), factor).samples()
    assert abs(cents(frequency(out[:, 0], RATE), 220)) < 10
    assert abs(20 * np.log10(out.std() / audio.std())) < 1


@settings(deadline=None, max_examples=30)
@given(frames=st.integers(1, 9000), factor=st.floats(0.1, 10), channels=st.integers(1, 3))
def test_duration_law(frames: int, factor: float, channels: int) -> None:
    sound = studio.stretch(from_samples(np.ones((frames, channels), np.float32), 8000), factor)
    assert sound.frames == round(frames * factor)
    out = sound.samples()
    assert out.shape == (sound.frames, channels)
    assert np.isfinite(out).all()


def clicks(seconds: float) -> tuple[Audio, list[int]]:
    audio = np.zeros((round(seconds * RATE), 1), np.float32)
    places = list(range(RATE // 2, len(audio) - RATE // 2, RATE))
    audio[places] = 0.9
    return audio, places


def onset_errors(out: Audio, expected: list[int]) -> Iterator[float]:
    """Distance of the loudest sample from where it should be, seconds."""
    for at in expected:
        near = np.abs(out[at - 4000 : at + 4000, 0])
        yield abs(int(near.argmax()) - 4000) / RATE


@pytest.mark.parametrize("factor", [0.6, 1.3])
def test_onsets_of_a_long_sound_stay_within_3_ms(factor: float) -> None:
    audio, places = clicks(LONG)
    out = studio.stretch(from_samples(audio, RATE), factor).samples()
    assert max(onset_errors(out, [round(at * factor) for at in places])) < 0.003


@pytest.mark.parametrize("semitones", [-5, 5])
def test_onsets_do_not_move_with_the_pitch(semitones: float) -> None:
    audio, places = clicks(LONG)
    assert max(onset_errors(studio.shift_pitch(from_samples(audio, RATE), semitones).samples(), places)) < 0.003


def test_channels_stay_together() -> None:
    left = harmonic(220, 4.0) + noise(4.0, rate=RATE, amplitude=0.02)[:, None]
    both = np.concatenate([left, 0.5 * left, np.roll(left, 20)], axis=1)
    out = studio.stretch(from_samples(both, RATE), 1.2).samples()
    # The second channel is half the first, the third lags by 20 samples: as before.
    np.testing.assert_allclose(out[:, 1], 0.5 * out[:, 0], atol=2e-3)
    middle = slice(RATE, 2 * RATE)
    lags = [float(out[middle, 0] @ np.roll(out[:, 2], -lag)[middle]) for lag in range(41)]
    assert abs(int(np.argmax(lags)) - 20) <= 2


def test_a_long_sound_has_no_seams() -> None:
    audio = harmonic(220, LONG)
    out = studio.stretch(from_samples(audio, RATE), 1.1).samples()[RATE:-RATE, 0]
    level = np.sqrt((out[: len(out) // 2205 * 2205].reshape(-1, 2205) ** 2).mean(1))
    assert level.min() > 0.95 * level.max()
    assert np.abs(np.diff(out)).max() < 1.2 * np.abs(np.diff(audio[:, 0])).max(), "a click where pieces meet"


def test_neutral_values_are_the_sound_itself() -> None:
    sound = from_samples(harmonic(220, 0.5), RATE)
    assert studio.stretch(sound, 1) is sound
    assert studio.shift_pitch(sound, 0) is sound


def test_the_same_twice() -> None:
    sound = studio.shift_pitch(from_samples(noise(2.0, rate=RATE)[:, None], RATE), 3)
    np.testing.assert_array_equal(sound.samples(), sound.samples())


@pytest.mark.parametrize(
    "name",
    [
        "drums/ride bell.flac",
        "speech/ivrvoice-conf-kicked.wav",
        "notes/cello-A2.mp3",
        "fire/burning-2.ogg",
        "game/boom.wav",
    ],
)
def test_real_sounds_keep_rate_channels_and_level(name: str) -> None:
    sound = open_sound(os.fsencode(DATA / "library" / name))
    for out in (studio.shift_pitch(sound, 2), studio.stretch(sound, 1.5), studio.stretch(sound, 0.7)):
        assert (out.sample_rate, out.channels) == (sound.sample_rate, sound.channels)
        assert abs(10 * np.log10(out.power / sound.power)) < 1


@pytest.mark.parametrize("semitones", [-5, 2, 7])
@pytest.mark.parametrize("name", ["flute-C5", "cello-A2", "xylophone-C5"])
def test_pitch_of_real_notes(name: str, semitones: float) -> None:
    sound = open_sound(os.fsencode(DATA / "library" / "notes" / f"{name}.mp3"))
    before = frequency(sound.samples()[:, 0], sound.sample_rate)
    after = frequency(studio.shift_pitch(sound, semitones).samples()[:, 0], sound.sample_rate)
    assert abs(cents(after, before * 2 ** (semitones / 12))) < 10


@given(st.lists(st.integers(0, 7), max_size=6), st.integers(0, 30))
def test_fitted(sizes: list[int], frames: int) -> None:
    edges = np.cumsum([0, *sizes])
    audio = np.arange(1, edges[-1] + 1, dtype=np.float32)[:, None]
    out = np.concatenate([np.zeros((0, 1)), *fitted((audio[a:b] for a, b in pairwise(edges)), frames, 1)])
    assert out[:, 0].tolist() == [*audio[:frames, 0].tolist(), *[0.0] * (frames - min(frames, len(audio)))]


def test_the_memory_of_a_long_sound_is_that_of_a_piece() -> None:
    """Nothing may ask for more than a piece and its surroundings at a time."""
    block = noise(10.0, rate=8000)[:, None]
    taken = 0

    def blocks() -> Iterator[Audio]:
        nonlocal taken
        taken = 0  # it is read three times: twice for the level
        for _ in range(360):
            taken += len(block)
            yield block

    given_out = 0
    for out in studio.stretch(Sound(8000, 1, 360 * len(block), blocks), 1.0001).blocks():
        given_out += len(out)
        assert taken - given_out < 60 * 8000
        if given_out > 300 * 8000:
            break
