"""One recording in two files: told for every way to pack it, and for nothing else, however alike it is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import DATA, RATE, noise, tone, write_sound

from qbe.audio.matching import LEAST, OFFSET, PIECE, SHORT, Matcher, align, compared, same_samples, score_needed
from qbe.audio.resampling import resampled
from qbe.audio.sound import open_sound
from qbe.streams.records import Audio

SOUNDS = [
    "drums/snare.mp3",
    "glass/break-1.ogg",
    "speech/carlo-conf-kicked.wav",
    "notes/cello-C3.mp3",
    "game/laser1.wav",
]


def kick(frequency: float, seconds: float = 0.4, decay: float = 0.08) -> Audio:
    """A low drum: a sine that falls by an octave at first, and fades."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * frequency * (t + 0.03 * (1 - np.exp(-t / 0.03)))
    return (0.8 * np.sin(phase) * np.exp(-t / decay)).astype(np.float32)


def named(path: Path, audio: Audio, rate: int = RATE, **options: str) -> bytes:
    return os.fsencode(write_sound(path, audio, rate, **options))


def whole(name: str) -> tuple[Audio, int]:
    sound = open_sound(os.fsencode(DATA / "library" / name))
    return sound.samples().mean(1), sound.sample_rate


def at_rate(audio: Audio, rate: float, wanted: float) -> Audio:
    return np.concatenate(list(resampled(iter([audio]), rate, wanted)))


@pytest.mark.parametrize("lag", [0, 1, 37, -37, 4000, -OFFSET, OFFSET])
def test_where_a_sound_lies_is_found(lag: int) -> None:
    audio = noise(5.0)
    x, y = audio[OFFSET : 4 * OFFSET], audio[OFFSET + lag :][: 3 * OFFSET]
    found = align(x, -0.01 * y)
    assert (found.lag, found.score) == (pytest.approx(lag, abs=0.02), pytest.approx(1, abs=1e-5))


def test_a_lag_between_samples_is_found() -> None:
    """A delay of 1/3 sample, made at three times the rate: of a band that both rates hold."""
    fine = at_rate(noise(2.0), RATE, 3 * RATE)
    x, y = at_rate(fine, 3 * RATE, RATE), at_rate(fine[301:], 3 * RATE, RATE)
    found = align(x, y)
    assert found.lag == pytest.approx(301 / 3, abs=0.05)
    assert found.score > 0.995
    assert compared([x], [y], found.lag) > 0.995
    assert compared([x], [y], round(found.lag)) < found.score


def test_a_sound_that_came_from_elsewhere_in_its_file_is_placed_there() -> None:
    audio = noise(4.0)
    found = align(audio[20_000:40_000], audio[10_000:45_000], moved=6_000)
    assert found.lag == pytest.approx(6_000 - 10_000, abs=0.02)


def test_what_both_have_must_be_half_of_the_shorter_one_and_a_tenth_of_either_s_energy() -> None:
    x, y = noise(0.5), noise(0.5, seed=1)
    for kept, is_enough in ((0.45, False), (0.6, True)):
        size = round(kept * len(x))
        shared = np.concatenate([x[-size:], y[: len(y) - size]])
        assert (align(x, shared).score > 0.9) == is_enough
    loud = np.concatenate([10 * noise(0.2, seed=2), x])
    assert align(loud, x).score < 0.5


@pytest.mark.parametrize("block", [PIECE // 3, PIECE, 7 * PIECE])
def test_blocks_do_not_matter(block: int) -> None:
    x, y = noise(3.0), noise(3.0) + noise(3.0, seed=1, amplitude=0.03)
    split = [x[at : at + block] for at in range(0, len(x), block)]
    assert compared(split, [y[500:]], 500) == pytest.approx(compared([x], [y[500:]], 500))
    expected = np.corrcoef(x[500:], y[500:])[0, 1]
    assert compared([x], [y[500:]], 500) == pytest.approx(expected, abs=1e-3)


def test_a_piece_that_differs_makes_another_recording() -> None:
    """However long what is equal may be."""
    x = noise(20.0)
    y = x.copy()
    y[5 * RATE : 6 * RATE] = noise(1.0, seed=1)
    assert np.corrcoef(x, y)[0, 1] > 0.9
    assert compared([x], [x], 0) == pytest.approx(1)
    assert compared([x], [y], 0) == 0
    quiet = x * np.repeat([1, 0.01, 1], [5 * RATE, RATE, 14 * RATE]).astype(np.float32)  # -40 dB, and noise of dither
    assert compared([quiet], [quiet + noise(20.0, seed=2, amplitude=0.001)], 0) > 0.99


def test_silence_is_no_recording() -> None:
    silence = np.zeros(RATE, np.float32)
    assert align(silence, silence).score == 0
    assert compared([silence], [silence], 0) == 0


@pytest.mark.parametrize("name", SOUNDS)
def test_other_encodings_levels_and_ends_are_the_same_recording(tmp_path: Path, name: str) -> None:
    audio, rate = whole(name)
    audio = np.concatenate([audio, np.zeros(rate // 4, np.float32)])
    original = named(tmp_path / "a.wav", audio, rate)
    moved = at_rate(audio, rate, 44_100)
    copies = {
        "mp3": named(tmp_path / "b.mp3", moved, 44_100),
        "ogg": named(tmp_path / "c.ogg", audio, rate),
        "24 bits": named(tmp_path / "d.flac", audio, rate, subtype="PCM_24"),
        "quiet": named(tmp_path / "e.wav", 0.1 * audio, rate),
        "inverted": named(tmp_path / "f.wav", -audio, rate),
        "late": named(tmp_path / "g.wav", np.pad(audio, (round(0.3 * rate), 0)), rate),
        "stereo": named(tmp_path / "h.wav", np.stack([audio, audio], 1), rate),
        "other rate": named(tmp_path / "i.wav", moved, 44_100),
        "trimmed": named(tmp_path / "j.wav", audio[round(0.004 * rate) : -rate // 4], rate),
        "all": named(tmp_path / "k.mp3", 0.5 * np.pad(moved, (2000, 0)), 44_100),
    }
    matcher = Matcher()
    assert [way for way, path in copies.items() if not matcher.is_same(original, path)] == []
    assert [way for way, path in copies.items() if not matcher.is_same(path, original)] == []


def test_no_sound_is_another(library_sounds: list[Path]) -> None:
    matcher = Matcher()
    paths = [os.fsencode(path) for path in library_sounds[::3]]
    assert [(a, b) for k, a in enumerate(paths) for b in paths[:k] if matcher.is_same(a, b)] == []


@pytest.mark.parametrize("decay", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("frequency", [40.0, 55.0, 110.0])
def test_low_drums_a_semitone_apart_are_not_the_same(tmp_path: Path, frequency: float, decay: float) -> None:
    """Their correlation may be over .95; copies of one of them are still known."""
    original = named(tmp_path / "a.wav", kick(frequency, decay=decay))
    matcher = Matcher()
    for semitones in (-2, -1, 1, 2):
        factor = 2 ** (semitones / 12)
        tuned = named(tmp_path / "b.wav", kick(frequency * factor, decay=decay))
        faster = named(tmp_path / "c.wav", at_rate(kick(frequency, decay=decay), RATE * factor, RATE))
        assert not matcher.is_same(original, tuned)
        assert not matcher.is_same(original, faster)
        (tmp_path / "b.wav").unlink(), (tmp_path / "c.wav").unlink()
        matcher = Matcher()
    audio = kick(frequency, decay=decay)
    assert matcher.is_same(original, named(tmp_path / "d.ogg", 0.5 * at_rate(audio, RATE, 44_100), 44_100))
    assert matcher.is_same(original, named(tmp_path / "e.wav", 0.1 * np.pad(audio, (900, 0)), subtype="PCM_24"))


def test_what_is_needed_is_more_the_more_a_sound_is_like_itself_a_semitone_away() -> None:
    low, lower = score_needed(kick(55, decay=0.05)), score_needed(kick(40, decay=0.02))
    assert score_needed(noise(1.0)) == LEAST
    assert 0.9 < low < lower < 1


def test_two_takes_of_one_thing_are_not_the_same(tmp_path: Path) -> None:
    """The same notes, begun at other phases, with other noise."""
    takes = [
        sum(tone(f * (k + 1), 1.0, amplitude=0.2 / (k + 1)) for k, f in enumerate([220.0, 220.3 + seed, 219.8]))
        + noise(1.0, seed=seed, amplitude=0.02)
        for seed in range(2)
    ]
    paths = [named(tmp_path / f"{k}.wav", np.asarray(take, np.float32)) for k, take in enumerate(takes)]
    assert not Matcher().is_same(*paths)


def long_sound(seconds: float, seed: int = 0) -> Audio:
    """Noise that swells every three seconds, and begins with silence."""
    audio = noise(seconds, seed=seed)
    audio *= np.abs(np.sin(np.pi * np.arange(len(audio)) / (3 * RATE))).astype(np.float32)
    audio[: 2 * RATE] = 0
    return audio


def test_long_sounds_are_compared_piece_by_piece(tmp_path: Path) -> None:
    audio = long_sound(40.0)
    assert len(audio) > 2 * SHORT
    original = named(tmp_path / "a.wav", audio)
    copy = named(tmp_path / "b.ogg", 0.3 * at_rate(np.pad(audio, (RATE // 2, 0)), RATE, 44_100), 44_100)
    edited = audio.copy()
    edited[-3 * RATE : -2 * RATE] = noise(1.0, seed=3)
    matcher = Matcher()
    for loud in (0.0, 3.0, 30.0):
        assert matcher.is_same(original, copy, loud)
        assert matcher.is_same(copy, original, loud)
    assert not matcher.is_same(original, named(tmp_path / "c.wav", edited), 3.0)
    assert not matcher.is_same(original, named(tmp_path / "d.wav", long_sound(40.0, seed=1)), 3.0)
    assert not matcher.is_same(original, named(tmp_path / "e.wav", np.concatenate([audio, noise(600.0)])), 3.0)
    assert matcher.is_same(original, named(tmp_path / "f.wav", audio[: 39 * RATE]), 3.0)
    for number, seconds in enumerate((37, 30, 10)):  # a part is not the whole
        part = named(tmp_path / f"{number}.wav", audio[: seconds * RATE])
        assert not matcher.is_same(original, part, 3.0)
        assert not matcher.is_same(part, original, 3.0)


def test_equal_samples_are_told_whatever_they_are_packed_in(tmp_path: Path) -> None:
    audio = (np.random.default_rng(0).integers(-(2**15), 2**15, (70_000, 2)) / 2**15).astype(np.float32)
    original = named(tmp_path / "a.wav", audio)
    for name, subtype in (("b.flac", "PCM_16"), ("c.aiff", "PCM_24"), ("d.wav", "FLOAT")):
        assert same_samples(original, named(tmp_path / name, audio, subtype=subtype))
    changed = audio.copy()
    changed[-1, 1] += 2**-15 if changed[-1, 1] < 0 else -(2**-15)
    for name, other, rate in (
        ("e.flac", changed, RATE),
        ("f.wav", audio[:-1], RATE),
        ("g.wav", audio, 2 * RATE),
        ("h.wav", audio[:, :1], RATE),
    ):
        assert not same_samples(original, named(tmp_path / name, other, rate))


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    from qbe.support.errors import AudioError

    good = named(tmp_path / "a.wav", noise(1.0))
    (tmp_path / "b.wav").write_text("no sound")
    for other in (os.fsencode(tmp_path / "b.wav"), os.fsencode(tmp_path / "none.wav")):
        with pytest.raises(AudioError):
            Matcher().is_same(good, other)
        with pytest.raises(AudioError):
            same_samples(good, other)
    soundfile.write(tmp_path / "b.wav", noise(0.01), RATE)
    assert not Matcher().is_same(good, os.fsencode(tmp_path / "b.wav"))


def test_two_hits_of_one_drum_are_not_the_same(tmp_path: Path) -> None:
    """They ring alike, and loudest; what the sticks do is another noise each time."""
    ring = kick(90, decay=0.15)
    fade = np.exp(-np.arange(len(ring)) / (0.02 * RATE)).astype(np.float32)
    hits = [ring + 0.3 * fade * noise(0.4, seed=seed, amplitude=1.0) for seed in range(2)]
    assert np.corrcoef(hits[0], hits[1])[0, 1] > 0.9
    first, second = (named(tmp_path / f"{seed}.wav", 0.5 * hit) for seed, hit in enumerate(hits))
    matcher = Matcher()
    assert not matcher.is_same(first, second)
    assert matcher.is_same(first, named(tmp_path / "c.ogg", at_rate(0.5 * hits[0], RATE, 44_100), 44_100))


def test_two_hits_of_one_drum_below_the_hearing_are_not_the_same(tmp_path: Path) -> None:
    """Nearly all their power is a thump of 40 Hz, the same each time; what is heard of them is not."""
    thump = kick(40, decay=0.12)
    fade = np.exp(-np.arange(len(thump)) / (0.03 * RATE)).astype(np.float32)
    hits = [thump + 0.005 * fade * noise(0.4, seed=seed, amplitude=1.0) for seed in range(2)]
    assert np.corrcoef(*hits)[0, 1] > 0.999
    assert np.corrcoef(*(np.diff(hit) for hit in hits))[0, 1] > 0.85
    first, second = (named(tmp_path / f"{seed}.wav", 0.5 * hit) for seed, hit in enumerate(hits))
    matcher = Matcher()
    assert not matcher.is_same(first, second)
    copies = [
        named(tmp_path / "c.mp3", at_rate(0.5 * hits[0], RATE, 44_100), 44_100),
        named(tmp_path / "d.wav", 0.05 * np.pad(hits[0], (700, 0)), subtype="PCM_16"),
        named(tmp_path / "e.wav", at_rate(0.5 * hits[0], RATE, 48_000), 48_000),
    ]
    assert [copy for copy in copies if not matcher.is_same(first, copy)] == []


def test_a_sound_that_is_known_to_be_long_is_not_read_to_see_that(tmp_path: Path) -> None:
    audio = long_sound(40.0)
    original, copy = (named(tmp_path / name, audio, subtype="PCM_24") for name in ("a.wav", "b.flac"))
    matcher = Matcher()
    assert matcher.is_same(original, copy, 3.0)
    assert matcher._short.cache_info().misses == 0
    assert matcher.is_same(original, copy)
    assert matcher._short.cache_info().misses == 2
