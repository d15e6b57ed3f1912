"""What lies outside of the band that models hear."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import noise, tone

import qbe
from qbe.audio.band import heard, high_passed
from qbe.audio.reading import read_blocks
from qbe.streams.records import Audio
from qbe.support.errors import AudioError, AudioWarning

RATE = 44_100


def passed(audio: Audio, rate: int = RATE, seconds: float = 2.0) -> Audio:
    size = round(seconds * rate)
    return np.concatenate(list(high_passed((audio[at : at + size] for at in range(0, len(audio), size)), rate)))


def level(audio: Audio) -> float:
    return float(10 * np.log10(np.mean(audio.astype(np.float64) ** 2) + 1e-20))


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 192_000])
@pytest.mark.parametrize(
    ("hertz", "least", "most"), [(5, -200, -40), (20, -200, -30), (50, -0.5, 0.5), (100, -0.1, 0.1)]
)
def test_the_filter_leaves_the_band_and_takes_what_lies_below(
    rate: int, hertz: float, least: float, most: float
) -> None:
    audio = tone(hertz, 6.0, rate=rate)
    middle = slice(2 * rate, 4 * rate)
    assert least < level(passed(audio, rate)[middle]) - level(audio[middle]) < most


def test_a_sound_without_rumble_comes_through_bit_by_bit() -> None:
    audio = noise(5.0, rate=RATE)
    np.testing.assert_array_equal(passed(audio), audio)


@pytest.mark.parametrize("seconds", [0.05, 0.3, 2.0])
def test_blocks_join_without_a_seam(seconds: float) -> None:
    audio = noise(5.0, rate=RATE) + 3 * tone(8, 5.0, rate=RATE)
    np.testing.assert_allclose(passed(audio, seconds=seconds), passed(audio, seconds=5.0), atol=0.02)
    assert level(passed(audio, seconds=seconds)) == pytest.approx(level(noise(5.0, rate=RATE)), abs=0.2)


@pytest.mark.parametrize("length", [1, 2, 100, 1000, 5000])
def test_a_constant_alone_leaves_nothing_and_shorter_ones_are_left(length: int) -> None:
    out = passed(np.full(length, 0.5, np.float32))
    assert len(out) == length
    assert np.abs(out).max() < 1e-6 or length < RATE // 40


def test_what_came_before_a_fault_is_given() -> None:
    def blocks() -> Iterator[Audio]:
        yield noise(2.0, rate=RATE)
        yield noise(1.0, rate=RATE)
        raise AudioError("broken")

    got: list[Audio] = []
    with pytest.raises(AudioError, match="broken"):
        got.extend(high_passed(blocks(), RATE))
    assert sum(map(len, got)) == 3 * RATE


def told(audio: Audio, rate: float) -> tuple[Audio, list[str]]:
    """What is heard of a sound, and what is said of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        size = round(2 * rate)
        out = list(heard((audio[at : at + size] for at in range(0, len(audio), size)), rate, 16_000, "a.wav"))
    return np.concatenate(out), [str(one.message) for one in caught if one.category is AudioWarning]


@pytest.mark.parametrize(("hertz", "rate"), [(30_000, 192_000), (12_000, 44_100)])
def test_what_lies_outside_of_the_band_is_silence_and_told(hertz: float, rate: int) -> None:
    out, said = told(tone(hertz, 5.0, rate=rate) * np.hanning(5 * rate).astype(np.float32), rate)
    assert np.abs(out).max() == 0
    assert said == [
        "a.wav: nothing within 50 Hz to 7.6 kHz: taken as silence (--expand 10 reads it slowed down ten times)"
    ]


def test_a_little_in_the_band_is_enough() -> None:
    rate = 96_000
    both = tone(30_000, 5.0, rate=rate) + tone(1000, 5.0, rate=rate, amplitude=0.005)
    out, said = told(both, rate)
    assert said == []
    assert np.abs(out[8000:-8000]).max() == pytest.approx(0.005, rel=0.05)


def test_digital_silence_is_not_told() -> None:
    assert told(np.zeros(RATE, np.float32), RATE)[1] == []


def test_expanded_sounds_are_slowed_down(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "bat.wav", tone(40_000, 2.0, rate=192_000), 192_000)
    (block, *_) = read_blocks(bytes(tmp_path / "bat.wav"), 16_000, expand=10)
    spectrum = np.abs(np.fft.rfft(block))
    assert spectrum.argmax() / len(spectrum) * 8000 == pytest.approx(4000, abs=5)
    slow = qbe.embed(tmp_path / "bat.wav", expand=10)
    assert slow.ends[-1] == pytest.approx(2.0, abs=0.001)  # places are of the file as it is
    assert slow.starts[1] == pytest.approx(0.0512, abs=0.001)


DISTURBED = {
    "a constant of 3 times the RMS": lambda rms, _: 3 * rms,
    "a constant of 30 times the RMS": lambda rms, _: -30 * rms,
    "rumble at 8 Hz and +20 dB": lambda rms, t: 10 * np.sqrt(2) * rms * np.sin(2 * np.pi * 8 * t),
    "rumble at 18 Hz and +20 dB": lambda rms, t: 10 * np.sqrt(2) * rms * np.sin(2 * np.pi * 18 * t + 1),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, library_sounds: list[Path]) -> qbe.Library:
    path = tmp_path_factory.mktemp("band") / "lib.idx"
    qbe.build_library(path, [bytes(sound) for sound in library_sounds])
    return qbe.open_library(path)


@pytest.mark.parametrize("name", DISTURBED)
def test_what_cannot_be_heard_does_not_hide_a_sound(
    library: qbe.Library, library_sounds: list[Path], name: str
) -> None:
    first, sounds = 0, library_sounds[:40]
    for path in sounds:
        audio, rate = soundfile.read(path, always_2d=True)
        mono = audio.mean(1)
        disturbed = mono + DISTURBED[name](np.sqrt(np.mean(mono**2)), np.arange(len(mono)) / rate)
        results = library.search(disturbed.astype(np.float32), sample_rate=rate, k=1)
        first += bool(results) and results[0].path == str(path)
    assert first >= 38


def test_healthy_sounds_are_hardly_changed(library_sounds: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def means() -> list[np.ndarray]:
        return [qbe.embed(path).vectors.mean(0) for path in library_sounds[::4]]

    filtered = means()
    monkeypatch.setattr("qbe.audio.band._is_low", lambda *_: False)
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(filtered, means(), strict=True)]
    assert np.median(cosines) > 0.999
    assert min(cosines) > 0.97
