"""Anchors, positives and held-out segments."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import cents, frequency, noise, tone

from qbe.audio.recipe import Recipe
from qbe.audio.segmentation import WINDOW, cut
from qbe.learn.audition import PAIRS, write_pairs
from qbe.learn.corpus import Corpus, write_corpus
from qbe.learn.settings import Balance, Settings
from qbe.learn.triplets import HeldOut, Triplets
from qbe.streams.records import Audio
from qbe.support.errors import TrainingError, UsageError

PLAIN = {"proximity": 0.0, "pitch": 0.0, "stretch": 0.0, "noise": 0.0}


def only(**weights: float) -> Recipe:
    return Recipe(**{**PLAIN, **weights})


def corpus_of(folder: Path, sounds: dict[bytes, Audio]) -> Corpus:
    return write_corpus((segment for path, audio in sounds.items() for segment in cut([audio], path)), folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Files of 16, 4 and 1 seconds, with the time in every sample."""
    ramp = (np.arange(16 * 16_000) % 30_000 / 32768 + 0.01).astype(np.float32)
    sounds = {b"a/long": ramp, b"a/middle": ramp[: 4 * 16_000], b"b/short": ramp[:16_000]}
    return corpus_of(tmp_path_factory.mktemp("corpus"), sounds)


@pytest.mark.parametrize(
    ("balance", "weights"), [("duration", [16, 4, 1]), ("sqrt", [4, 2, 1]), ("folder", [16 / 20, 4 / 20, 1])]
)
def test_anchors_are_drawn_by_weight(corpus: Corpus, balance: Balance, weights: list[float]) -> None:
    triplets = Triplets(corpus, Settings(balance=balance, recipe=only(proximity=1), batch=50))
    drawn = Counter(int(file) for step in range(20) for file in triplets[step].sources)
    shares = np.array([drawn[k] for k in range(3)]) / 1000
    np.testing.assert_allclose(shares, np.array(weights) / sum(weights), atol=0.06)


def test_a_batch_depends_on_seed_and_step_alone(corpus: Corpus) -> None:
    first = Triplets(corpus, Settings(batch=4))
    for name in ("anchors", "positives", "sources"):
        assert torch.equal(getattr(first[7], name), getattr(Triplets(corpus, Settings(batch=4))[7], name))
    assert not torch.equal(first[7].anchors, first[8].anchors)
    assert not torch.equal(first[7].anchors, Triplets(corpus, Settings(batch=4, seed=1))[7].anchors)


def test_another_process_gets_the_same_batches_and_no_copy_of_the_sounds(corpus: Corpus) -> None:
    triplets = Triplets(corpus, Settings(batch=4))
    sent = pickle.dumps(triplets)
    assert len(sent) < 10_000
    assert torch.equal(pickle.loads(sent)[3].positives, triplets[3].positives)


def test_a_near_positive_lies_within_the_distance(corpus: Corpus) -> None:
    triplets, rng = Triplets(corpus, Settings(near=2.0, recipe=only(proximity=1))), np.random.default_rng(0)
    pairs = [triplets.draw(rng) for _ in range(300)]
    gaps = [abs(pair.anchor.start - pair.positive.start) for pair in pairs]
    assert max(gaps) <= 32_000
    assert max(gaps) > 24_000
    assert all(pair.anchor.run == pair.positive.run and not pair.deformations for pair in pairs)
    np.testing.assert_array_equal(triplets.positive(pairs[0]), triplets.read(pairs[0].positive))


def test_a_neighbour_is_another_file_not_far_off_in_the_same_folder(tmp_path: Path) -> None:
    names = [b"a/%02d.wav" % k for k in range(12)] + [b"b/0.wav", b"b/1.wav", b"c/alone.wav"]
    corpus = corpus_of(tmp_path, {name: noise(1.5, seed=k) for k, name in enumerate(reversed(names))})
    learned = [name for name, held in zip(corpus.paths, corpus.held_out(), strict=True) if not held]
    triplets, rng = Triplets(corpus, Settings(recipe=only(neighbour=1, pitch=0.1))), np.random.default_rng(0)
    seen: dict[bytes, set[bytes]] = {}
    for pair in [triplets.draw(rng) for _ in range(2000)]:
        anchor, positive = (corpus.paths[corpus.runs["file"][place.run]] for place in (pair.anchor, pair.positive))
        seen.setdefault(anchor, set()).add(positive)
        assert pair.anchor != pair.positive or pair.deformations, "a sound is no positive of itself"
    for name in learned:
        folder = sorted(other for other in learned if other[:2] == name[:2])
        at = folder.index(name)
        assert seen[name] == ({*folder[max(0, at - 3) : at], *folder[at + 1 : at + 4]} or {name})


def test_in_folders_of_mixed_sources_nothing_is_a_neighbour(tmp_path: Path) -> None:
    names = [b"_mixed_a/x/%d" % k for k in range(4)] + [b"b/%d" % k for k in range(4)]
    corpus = corpus_of(tmp_path, {name: noise(3.0, seed=k) for k, name in enumerate(names)})
    triplets, rng = Triplets(corpus, Settings()), np.random.default_rng(0)
    for place in [triplets.place(rng) for _ in range(200)]:
        same = triplets.same(rng, place)
        mixed = corpus.paths[corpus.runs["file"][place.run]].startswith(b"_mixed")
        assert (same.run == place.run) == mixed


def test_negatives_of_other_folders_leave_out_the_own_one(corpus: Corpus, tmp_path: Path) -> None:
    files, folders = (Triplets(corpus, Settings(batch=50, negatives=way))[0].sources for way in ("files", "folders"))
    assert set(files.tolist()) == {0, 1, 2}
    np.testing.assert_array_equal(folders, np.array([0, 0, 1])[files])
    flat = corpus_of(tmp_path, {b"a": noise(2.0), b"b": noise(2.0, seed=1)})
    with pytest.raises(TrainingError, match="one folder"):
        Triplets(flat, Settings(negatives="folders"))


def test_what_one_change_does_is_all_that_happens(corpus: Corpus) -> None:
    for change in ("pitch", "stretch", "eq", "gain", "mix", "noise"):
        triplets, rng = Triplets(corpus, Settings(recipe=only(**{change: 0.01}))), np.random.default_rng(0)
        pairs = [triplets.draw(rng) for _ in range(20)]
        assert {one.name for pair in pairs for one in pair.deformations} == {change}
        assert all(pair.anchor == pair.positive and len(pair.deformations) == 1 for pair in pairs)
        assert not np.array_equal(triplets.positive(pairs[0]), triplets.read(pairs[0].anchor)), change


def test_a_short_sound_that_is_only_near_itself_is_deformed(tmp_path: Path) -> None:
    short = corpus_of(tmp_path, {b"a": noise(0.2), b"b": noise(0.3, seed=1)})
    triplets, rng = Triplets(short, Settings(recipe=only(proximity=0.9, pitch=0.1))), np.random.default_rng(0)
    for _ in range(50):
        assert triplets.draw(rng).deformations


def test_stretched_positives_fill_the_window(tmp_path: Path) -> None:
    tones = corpus_of(tmp_path, {b"a": tone(300, 30.0), b"b": tone(500, 30.0)})
    triplets, rng = Triplets(tones, Settings(recipe=only(pitch=1, stretch=1))), np.random.default_rng(0)
    for pair in [triplets.draw(rng) for _ in range(40)]:
        positive = triplets.positive(pair)
        assert positive.shape == (WINDOW,)
        if pair.positive.start < 28 * 16_000:  # else the sound ends before the window
            assert np.abs(positive[-800:]).max() > 0.05, "a gap at the end"


def test_a_mixture_holds_both_sounds_at_the_energy_that_was_drawn(tmp_path: Path) -> None:
    tones = corpus_of(tmp_path, {b"a": tone(500, 5.0), b"b": tone(2000, 5.0, amplitude=0.05)})
    triplets, rng, levels = Triplets(tones, Settings(recipe=only(mix=1))), np.random.default_rng(0), []
    for _ in range(60):
        pair = triplets.draw(rng)
        (mix,) = pair.deformations
        added = triplets.positive(pair) - triplets.read(pair.anchor)
        energy = np.mean(added**2) / np.mean(triplets.read(pair.anchor) ** 2)
        assert 10 * np.log10(energy) == pytest.approx(mix.parameters["db"], abs=0.1)
        assert mix.parameters["path"] == tones.paths[tones.runs["file"][pair.mixed_in.run]]
        levels.append(energy)
    assert 0.2 < max(levels) <= 0.2501
    assert min(levels) < 0.05


def test_held_out_segments_are_not_trained_on_and_are_the_same_every_time(tmp_path: Path) -> None:
    sounds = {b"%d" % k: noise(3.0, seed=k) for k in range(20)}
    corpus = corpus_of(tmp_path, sounds)
    held, again = HeldOut(corpus), HeldOut(corpus)
    (file,) = np.flatnonzero(corpus.held_out())
    whole = corpus.read(int(np.flatnonzero(corpus.runs["file"] == file)[0]), 0, 3 * 16_000 + WINDOW)
    assert len(held.originals) == len(held.deformed) == 3
    for k, original in enumerate(held.originals):
        np.testing.assert_array_equal(original, whole[k * WINDOW : (k + 1) * WINDOW])
        assert not np.array_equal(held.deformed[k], original)
        np.testing.assert_array_equal(held.deformed[k], again.deformed[k])
    triplets, rng = Triplets(corpus, Settings()), np.random.default_rng(0)
    drawn = {triplets.draw(rng).anchor.run for _ in range(300)}
    assert file not in set(corpus.runs["file"][list(drawn)])
    assert len(drawn) == 19


def test_many_held_out_files_give_a_segment_each_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeldOut, "SEGMENTS", 6)
    sounds = {b"%d" % k: tone(100 + 10 * k, 5.0) for k in range(80)}
    corpus = corpus_of(tmp_path, sounds)
    held = HeldOut(corpus)
    assert len(held.originals) == 6
    assert len({round(frequency(original)) for original in held.originals}) == corpus.held_out().sum() == 4


def test_pairs_to_hear_are_what_they_are_said_to_be(tmp_path: Path) -> None:
    tones = corpus_of(tmp_path, {b"a": tone(500, 20.0), b"b": tone(900, 20.0)})
    written = write_pairs(tones, Settings(recipe=only(proximity=0.3, pitch=1, noise=0.3)), tmp_path / "pairs")
    assert len(written) == PAIRS
    for pair in written:
        (anchor, rate), (positive, _) = soundfile.read(pair.anchor), soundfile.read(pair.positive)
        assert (len(anchor), len(positive), rate) == (WINDOW, WINDOW, 16_000)
        semitones = next(float(word[5:]) for word in pair.changes.split() if word.startswith("pitch"))
        assert cents(frequency(positive), frequency(anchor) * 2 ** (semitones / 12)) == pytest.approx(0, abs=3)
        assert ("near" in pair.changes) == (pair.start != pair.positive_start)
        assert frequency(anchor) == pytest.approx(500 if pair.path == b"a" else 900, rel=0.001)


def test_a_neighbour_to_hear_is_the_other_file(tmp_path: Path) -> None:
    tones = corpus_of(tmp_path, {b"a": tone(500, 5.0), b"b": tone(900, 5.0)})
    for pair in write_pairs(tones, Settings(recipe=only(neighbour=1)), tmp_path / "pairs"):
        assert pair.changes == "neighbour"
        assert {pair.path, pair.positive_path} == {b"a", b"b"}
        for file, path in ((pair.anchor, pair.path), (pair.positive, pair.positive_path)):
            heard = frequency(soundfile.read(file)[0])
            assert heard == pytest.approx(500 if path == b"a" else 900, rel=0.001)


def heard_pairs(folder: Path, corpus: Corpus, recipe: Recipe) -> list[tuple[Audio, Audio, float]]:
    """Anchor, positive and the number in the one change of every pair that is written."""
    pairs = []
    for pair in write_pairs(corpus, Settings(recipe=recipe), folder):
        anchor, positive = (soundfile.read(file, dtype="float32")[0] for file in (pair.anchor, pair.positive))
        pairs.append((anchor, positive, float(pair.changes.lstrip("abcdefghijklmnopqrstuvwxyz"))))
    return pairs


def test_noise_to_hear_has_its_ratio(tmp_path: Path) -> None:
    tones = corpus_of(tmp_path, {b"a": tone(500, 20.0), b"b": noise(20.0)})
    for anchor, positive, snr in heard_pairs(tmp_path / "pairs", tones, only(noise=1)):
        assert 10 * np.log10(np.sum(anchor**2) / np.sum((positive - anchor) ** 2)) == pytest.approx(snr, abs=0.2)


def test_tempo_to_hear_is_stretched(tmp_path: Path) -> None:
    beat = tone(700, 20.0) * (np.arange(20 * 16_000) % 1600 < 400)  # ten bursts a second
    beats = corpus_of(tmp_path, {b"a": beat, b"b": tone(900, 20.0) * (np.arange(20 * 16_000) % 1600 < 400)})
    for anchor, positive, factor in heard_pairs(tmp_path / "pairs", beats, only(stretch=1)):
        assert period(positive) / period(anchor) == pytest.approx(factor, rel=0.02)


def period(audio: Audio) -> float:
    """Of a sound's envelope, samples."""
    envelope = np.convolve(np.abs(audio), np.full(160, 1 / 160), "same") - np.abs(audio).mean()
    spectrum = np.abs(np.fft.rfft(envelope * np.hanning(len(envelope)), 1 << 18))
    return (1 << 18) / float(spectrum.argmax())


def test_pairs_that_cannot_be_written(tmp_path: Path) -> None:
    tones = corpus_of(tmp_path, {b"a": tone(500, 2.0), b"b": tone(900, 2.0)})
    (tmp_path / "file").write_text("")
    with pytest.raises((OSError, UsageError)):
        write_pairs(tones, Settings(), tmp_path / "file")
