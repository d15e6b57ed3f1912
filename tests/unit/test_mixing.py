"""Many channels to one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from conftest import DATA, noise, tone

import qbe
from qbe.audio.mixing import mixed
from qbe.streams.records import Audio

RATE = 44_100
SOUNDS = ["water/stream 1.ogg", "glass/break-1.ogg", "doors/door_close.ogg", "footsteps/snow-1.ogg"]


def mix(channels: Audio, size: int = 2 * RATE) -> Audio:
    blocks = (channels[at : at + size] for at in range(0, len(channels), size))
    return np.concatenate(list(mixed(blocks, channels.shape[1], RATE)))


def late(audio: Audio, samples: int) -> Audio:
    return np.concatenate([np.zeros(samples, np.float32), audio[: len(audio) - samples]])


def quiet(audio: Audio, db: float, seed: int = 0) -> Audio:
    """Noise, so much under a sound."""
    random = np.random.default_rng(seed).normal(size=len(audio)).astype(np.float32)
    return random * np.float32(np.sqrt(np.mean(audio**2)) * 10 ** (db / 20))


# Channels of a mono sound, and the cosine that their embedding is to have with its own.
CHANNELS: dict[str, tuple[Callable[[Audio], list[Audio]], float]] = {
    "turned over": (lambda y: [y, -y], 0.99),
    "turned over, with noise": (lambda y: [y + quiet(y, -60, 1), -y + quiet(y, -60, 2)], 0.99),
    "left only": (lambda y: [y, 0 * y], 0.99),
    "right only, with noise": (lambda y: [quiet(y, -80), y], 0.99),
    "in one of 5.1": (lambda y: [0 * y, 0 * y, y, 0 * y, 0 * y, 0 * y], 0.99),
    "the same": (lambda y: [y, y], 0.999),
    "half a millisecond late": (lambda y: [y, late(y, 22)], 0.9),
    "turned over and late": (lambda y: [y, -late(y, 22)], 0.9),
}


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("sound", SOUNDS)
def test_channels_of_one_sound_are_that_sound(sound: str, name: str) -> None:
    audio, rate = soundfile.read(DATA / "library" / sound, dtype="float32", always_2d=True)
    mono = audio.mean(1)
    make, least = CHANNELS[name]
    one = qbe.embed(mono, sample_rate=rate).vectors.mean(0)
    other = qbe.embed(np.stack(make(mono), axis=1), sample_rate=rate).vectors.mean(0)
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > least


def test_independent_channels_are_averaged() -> None:
    channels = np.stack([noise(5.0, seed=k, rate=RATE) for k in range(8)], axis=1)
    np.testing.assert_allclose(mix(channels), channels.mean(1), atol=1e-6)


def test_a_stereo_image_is_averaged() -> None:
    one, other = noise(5.0, seed=0, rate=RATE), noise(5.0, seed=1, rate=RATE)
    channels = np.stack([one + 0.3 * other, 0.3 * one + other], axis=1)
    np.testing.assert_allclose(mix(channels), channels.mean(1), atol=1e-6)


def test_the_channel_that_is_taken_stays_the_same() -> None:
    audio = noise(20.0, rate=RATE)
    channels = np.stack([audio + quiet(audio, -50, 1), -audio + quiet(audio, -50, 2)], axis=1)
    taken = mix(channels)
    assert np.array_equal(taken, channels[:, 0]) or np.array_equal(taken, channels[:, 1])


def test_no_click_where_the_mix_changes() -> None:
    audio = tone(200, 8.0, rate=RATE)
    channels = np.stack([audio, np.where(np.arange(len(audio)) < 4 * RATE, audio, -audio)], axis=1)
    out = mix(channels)
    steps = np.abs(np.diff(out))
    assert steps[4 * RATE - 500 : 4 * RATE + 500].max() < 1.2 * steps[:RATE].max()


@pytest.mark.parametrize("size", [1, 7, 4410])
def test_blocks_of_any_size_and_silence(size: int) -> None:
    channels = np.zeros((5000, 2), np.float32)
    assert np.array_equal(mix(channels, size), np.zeros(5000))
    channels[:, 0] = noise(5000 / RATE, rate=RATE)[:5000]
    assert len(mix(channels, size)) == 5000


def test_channels_that_share_their_bass_are_averaged() -> None:
    bass = np.cumsum(noise(5.0, rate=RATE)) * np.float32(0.01)
    channels = np.stack([bass + noise(5.0, seed=k, rate=RATE, amplitude=0.02) for k in (1, 2)], axis=1)
    np.testing.assert_allclose(mix(channels), channels.mean(1), atol=1e-6)
