"""What alterations do to tones, clicks and noise, whose results are known."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import RATE, noise, tone

from qbe.measure.alterations import ALTERATIONS, DECAY, LATE, PHONE
from qbe.streams.records import Audio

LAME_DB = 20 * np.log10(0.95)  # what the codec makes all sounds quieter by at low rates


def altered(name: str, audio: Audio, rate: int = RATE, seed: int = 0) -> Audio:
    return ALTERATIONS[name](audio, rate, np.random.default_rng(seed))


def level(audio: Audio) -> float:
    """dB, of the middle half."""
    middle = audio[len(audio) // 4 : -len(audio) // 4].astype(np.float64)
    return float(10 * np.log10(np.mean(middle**2) + 1e-20))


def change(name: str, frequency: float) -> float:
    """What happens to the level of a tone, dB."""
    plain = tone(frequency, 1.0)
    return level(altered(name, plain)) - level(plain)


@pytest.mark.parametrize(
    ("name", "frequency", "expected"),
    [
        ("8 kHz", 3000, 0), ("11 kHz", 4800, 0), ("phone", 2500, 0), ("phone", PHONE, -3.01),
        ("brighter", 1000, 0), ("brighter", 8000 / 2, 4), ("brighter", 250, -4), ("darker", 4000, -4),
        ("darker", 250, 4), ("quiet", 440, -30), ("MP3", 440, LAME_DB),
    ],
)  # fmt: skip
def test_tones_change_by_so_many_decibels(name: str, frequency: float, expected: float) -> None:
    assert change(name, frequency) == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize(("name", "frequency"), [("8 kHz", 4500), ("11 kHz", 6000), ("phone", 100)])
def test_what_a_rate_or_a_loudspeaker_cannot_hold_is_gone(name: str, frequency: float) -> None:
    assert change(name, frequency) < -50


def test_an_mp3_comes_later_by_its_codecs_delay_and_with_errors_that_are_small() -> None:
    plain = tone(440, 2.0) * np.exp(-3 * np.arange(2 * RATE) / RATE).astype(np.float32)
    coded = altered("MP3", plain) / np.float32(0.95)
    lag = int(np.correlate(coded[:20_000], plain[:10_000], "valid").argmax())
    assert 0 < lag < 0.1 * RATE
    error = coded[lag : lag + 16_000] - plain[:16_000]
    assert level(plain[:16_000]) - level(error) > 15


def test_an_mp3_of_32_kbit_loses_more_of_noise_than_of_a_tone() -> None:
    """And what it gives of noise is not what came in."""
    plain = noise(2.0)
    coded = altered("MP3", plain)
    best = max(np.corrcoef(coded[lag : lag + 16_000], plain[:16_000])[0, 1] for lag in range(1600))
    assert 0.5 < best < 0.999


def test_sounds_beyond_full_scale_are_not_clipped_by_the_codec() -> None:
    plain = tone(440, 1.0, amplitude=4.0)
    assert level(altered("MP3", plain)) == pytest.approx(level(plain) + LAME_DB, abs=0.3)


def test_a_room_is_a_direct_sound_and_noise_as_loud_that_decays() -> None:
    click = np.zeros(2 * RATE, np.float32)
    click[0] = 1
    response = altered("room", click).astype(np.float64)
    assert response[0] == pytest.approx(1, abs=1e-3)
    assert np.sum(response[1:] ** 2) == pytest.approx(1, abs=1e-3)
    early, late = (response[round(s * RATE) : round((s + 0.05) * RATE)] for s in (0.05, 0.3))
    assert level(early) - level(late) == pytest.approx(60 * 0.25 / DECAY, abs=2)
    assert np.abs(response[round(DECAY * RATE) + 1 :]).max() < 1e-6


def test_a_room_keeps_the_length() -> None:
    assert len(altered("room", noise(0.3))) == round(0.3 * RATE)


def test_noise_lies_ten_decibels_under_the_sound() -> None:
    plain = tone(440, 2.0)
    assert level(plain) - level(altered("noise", plain) - plain) == pytest.approx(10, abs=0.3)


def test_what_is_late_is_the_sound_after_a_silence() -> None:
    plain = noise(0.5)
    waits = []
    for seed in range(20):
        shifted = altered("late", plain, seed=seed)
        waits.append((len(shifted) - len(plain)) / RATE)
        np.testing.assert_array_equal(shifted[-len(plain) :], plain)
        assert not shifted[: -len(plain)].any()
    assert LATE[0] <= min(waits) < 0.2
    assert 0.4 < max(waits) <= LATE[1]


@pytest.mark.parametrize("name", ALTERATIONS)
@pytest.mark.parametrize("rate", [8000, RATE, 44_100])
def test_one_seed_gives_the_same_samples_and_all_are_numbers(name: str, rate: int) -> None:
    plain = noise(0.7, rate=rate)
    one = altered(name, plain, rate)
    assert one.dtype == np.float32
    assert one.ndim == 1
    assert len(one) >= len(plain) - 2
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, altered(name, plain, rate))
    np.testing.assert_array_equal(plain, noise(0.7, rate=rate))  # what came in is left as it was


@pytest.mark.parametrize("name", ALTERATIONS)
@pytest.mark.parametrize("audio", [np.ones(1, np.float32), np.zeros(1, np.float32), np.zeros(1000, np.float32)])
def test_a_sample_and_silence_are_sounds_too(name: str, audio: Audio) -> None:
    assert np.isfinite(altered(name, audio)).all()
