"""What tells that two sounds cannot be one: 1 for what is only moved or louder, high for copies, low for all else."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from conftest import RATE, noise, tone

from qbe.audio.folding import LEFT, LEVELLED, TURN, folded, resemblance
from qbe.streams.records import Audio


def alike(one: Audio, other: Audio) -> float:
    return float(resemblance(folded(one), folded(other)[None])[0])


@pytest.mark.parametrize("seconds", [0.002, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("late", [0, 1, TURN // 2, 7777])
def test_what_is_moved_and_at_another_level_is_the_same(seconds: float, late: int) -> None:
    x = np.pad(noise(seconds), (0, RATE // 2))  # the end of a sound is silent, or the levels at it differ
    assert alike(x, -0.03 * np.pad(x, (late, 0))) == pytest.approx(1, abs=0.01)
    assert alike(np.pad(x, (late, 0)), x) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 5.0])
def test_sounds_that_are_only_alike_have_little_in_common(seconds: float) -> None:
    noises = [noise(seconds, seed=seed) for seed in range(20)]
    found = resemblance(folded(noises[0]), np.stack([folded(one) for one in noises[1:]]))
    assert found.shape == (19,)
    assert found.max() < 0.3
    assert alike(tone(440, seconds), tone(660, seconds)) < 0.3


def test_a_fold_is_the_sum_of_all_turns_of_the_levelled_differences() -> None:
    """By the definition, sample by sample."""
    x = noise(0.4, amplitude=0.3) * np.linspace(1, 0.01, round(0.4 * RATE), dtype=np.float32)
    d = np.diff(x, append=x[-1:]).astype(np.float64)
    total = np.zeros(TURN)
    for k in range(len(d)):
        around = d[max(0, k - LEVELLED // 2) : k + LEVELLED // 2]
        level = np.sqrt((around**2).sum() / LEVELLED)
        total[k % TURN] += d[k] / level * level**LEFT
    np.testing.assert_allclose(folded(x), total / np.linalg.norm(total), atol=1e-3)


def test_resemblance_is_the_highest_of_all_turns() -> None:
    rng = np.random.default_rng(0)
    one, others = (rng.normal(size=size).astype(np.float16) for size in ((TURN,), (3, TURN)))
    turned = np.stack([np.roll(one.astype(np.float64), by) for by in range(TURN)])
    expected = np.abs(turned @ others.astype(np.float64).T).max(0)
    np.testing.assert_allclose(resemblance(one, others), expected, rtol=1e-3)


@pytest.mark.parametrize(("form", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_what_a_codec_has_changed_is_still_alike(form: str, subtype: str) -> None:
    fade = np.exp(-np.arange(RATE) / (0.1 * RATE))
    x = (noise(1.0, amplitude=0.3) * fade + tone(300, 1.0) * fade).astype(np.float32)
    packed = io.BytesIO()
    soundfile.write(packed, x, RATE, format=form, subtype=subtype)
    packed.seek(0)
    assert alike(x, soundfile.read(packed, dtype="float32")[0]) > 0.6


def test_a_sound_is_known_without_its_loud_beginning() -> None:
    x = noise(1.0)
    x[: RATE // 20] *= 30
    assert alike(x, x[RATE // 20 :]) > 0.6


def test_silence_resembles_nothing() -> None:
    silence = np.zeros(RATE, np.float32)
    assert alike(silence, silence) == alike(silence, noise(1.0)) == 0
    assert alike(np.full(RATE, 0.5, np.float32), noise(1.0)) == 0
    assert alike(np.ones(1, np.float32), noise(1.0)) == 0
