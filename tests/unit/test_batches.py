"""Batches that are made on a device, tried on the CPU."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from qbe.audio.deformation import deformed
from qbe.audio.recipe import Recipe
from qbe.audio.segmentation import SAMPLE_RATE, WINDOW
from qbe.learn.batches import LONG, Batches
from qbe.learn.channels import Colours, Rooms, draw_band, made_rooms
from qbe.learn.corpus import Corpus, write_corpus
from qbe.learn.filterbank import HOP, FilterBank, frequencies
from qbe.learn.kinds import Grouping, read_kinds, ungrouped
from qbe.learn.network import Network
from qbe.learn.pool import ALONE, Places, Pool, neighbouring_runs
from qbe.learn.settings import Settings
from qbe.learn.shifting import resample, resize_frames
from qbe.learn.synthesis import families
from qbe.streams.records import Deformation, Segment

CPU = torch.device("cpu")
PLAIN = {"proximity": 0.0, "pitch": 0.0, "stretch": 0.0, "noise": 0.0}


def only(**weights: float) -> Recipe:
    return Recipe(**{**PLAIN, **weights})


def tone(hz: float, samples: int = WINDOW) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * hz / SAMPLE_RATE * np.arange(samples)).astype(np.float32)


def pitch_of(sound: NDArray[np.float32]) -> float:
    """Hz, by the peak of a padded spectrum."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 16 * len(sound)))
    return float(spectrum.argmax()) * SAMPLE_RATE / (16 * len(sound))


def clicks(spacing: int, samples: int) -> NDArray[np.float32]:
    sound = np.zeros(samples, np.float32)
    sound[spacing // 2 :: spacing] = 1
    return sound


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator(CPU).manual_seed(seed)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Twelve files in three folders, each of its own noise, two seconds long."""
    rng = np.random.default_rng(0)

    def segments(name: bytes) -> list[Segment]:
        noise = rng.normal(0, 0.1, 2 * WINDOW).astype(np.float32)
        return [Segment(name, k * WINDOW, WINDOW, noise[k * WINDOW : (k + 1) * WINDOW]) for k in range(2)]

    names = [b"%s/%d.wav" % (folder, k) for folder in (b"voice", b"rain", b"_mixed_words") for k in range(4)]
    return write_corpus([segment for name in names for segment in segments(name)], tmp_path)


def batches(corpus: Corpus, recipe: Recipe, count: int = 8) -> Batches:
    return Batches(Pool(corpus, ungrouped(corpus), CPU), Settings(recipe=recipe, batch=count, negatives="folders"))


@pytest.mark.parametrize("semitones", [-8, -3.5, 0, 5, 8])
def test_resampling_shifts_a_tone_by_semitones(semitones: float) -> None:
    sound = torch.from_numpy(tone(600, 2 * WINDOW))[None]
    shifted = resample(sound, torch.tensor([2 ** (semitones / 12)]), WINDOW)[0].numpy()
    cents = 1200 * math.log2(pitch_of(shifted) / (600 * 2 ** (semitones / 12)))
    assert abs(cents) < 10


def test_resampling_is_right_everywhere() -> None:
    sound = torch.from_numpy(tone(1000, 2 * WINDOW))[None]
    read = resample(sound, torch.tensor([1.25]), WINDOW)[0].numpy()
    assert np.abs(read - tone(1250))[500:].max() < 3e-3


def test_nothing_is_read_that_lies_over_half_the_rate() -> None:
    sound = torch.from_numpy(tone(7000, 2 * WINDOW))[None]
    assert resample(sound, torch.tensor([1.5]), WINDOW)[0, 500:].abs().max() < 0.02


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.6])
def test_resized_frames_change_the_spacing_of_clicks(factor: float) -> None:
    bank, spacing = FilterBank(), 16 * HOP
    power = bank(torch.from_numpy(clicks(spacing, 2 * WINDOW))[None])
    resized = resize_frames(power, torch.tensor([factor]), WINDOW // HOP)[0, 0, 100]
    peaks = [t for t in range(1, 127) if resized[t] > resized[t - 1] and resized[t] >= resized[t + 1]]
    strong = [t for t in peaks if resized[t] > 0.2 * resized.max()]
    assert np.mean(np.diff(strong)) == pytest.approx(16 * factor, rel=0.03)


def test_resized_frames_keep_the_mean_power_and_the_channel() -> None:
    power = torch.rand(2, 1, 128, 256)
    resized = resize_frames(power, torch.tensor([0.5, 1.0]), 128)
    torch.testing.assert_close(resized[0], power[0].unflatten(2, (128, 2)).mean(3))
    torch.testing.assert_close(resized[1], power[1, :, :, :128])


def test_a_stretch_keeps_the_pitch() -> None:
    """Resampled by r and resized by s r: pitch r times as high, s times as long."""
    bank, speed, stretch = FilterBank(), 0.8, 1.3
    sound = torch.from_numpy(tone(1000, 2 * WINDOW) * clicks(1, 2 * WINDOW))[None]
    power = bank(resample(sound, torch.tensor([speed]), LONG))
    resized = resize_frames(power, torch.tensor([speed * stretch]), 128)[0, 0]
    loudest = frequencies()[int(resized.mean(1).argmax())]
    assert abs(12 * math.log2(loudest / 800)) < 0.7


def test_an_untouched_place_is_what_the_network_sees(corpus: Corpus) -> None:
    made = batches(corpus, only(noise=1e-12))
    network = Network()
    decibels = made[3].decibels
    made.generator.manual_seed(made.seed * 1_000_003 + 3)
    sound = made.pool.read(made.pool.draw(8, made.generator), WINDOW)
    torch.testing.assert_close(decibels[:8], network.decibels(sound), atol=0.02, rtol=0)
    assert (decibels[8:] - decibels[:8]).abs().mean() > 0.01, "a positive at its anchor's own place gets a curve"


def test_a_batch_depends_on_its_number_alone(corpus: Corpus) -> None:
    made = batches(
        corpus, only(neighbour=0.5, synthetic=0.25, room=0.5, background=1.0, pitch=0.3, mix=0.5, anchors=0.5)
    )
    first = made[5]
    assert not torch.equal(made[6].decibels, first.decibels)
    torch.testing.assert_close(made[5].decibels, first.decibels)
    assert torch.equal(made[5].sources, first.sources)
    assert first.decibels.shape == (16, 1, 128, 128)
    assert torch.isfinite(first.decibels).all()
    assert first.decibels.max() == 0 and first.decibels.min() >= -80
    assert set(first.sources[-2:].tolist()) == {-1, -2}


def test_reading_gives_the_samples_and_zeros_around(corpus: Corpus) -> None:
    pool = Pool(corpus, ungrouped(corpus), CPU)
    read = pool.read(Places(torch.tensor([2, 2]), torch.tensor([-100, 2 * WINDOW - 50])), 200).numpy()
    np.testing.assert_array_equal(read[0], np.concatenate([np.zeros(100, np.float32), corpus.read(2, 0, 100)]))
    np.testing.assert_array_equal(read[1], corpus.read(2, 2 * WINDOW - 50, 200))


def test_neighbours_are_in_the_folder_and_none_where_sources_are_mixed(corpus: Corpus) -> None:
    beside = neighbouring_runs(corpus, ungrouped(corpus).weights(corpus))
    for run, others in enumerate(beside):
        folder = corpus.paths[corpus.runs["file"][run]].split(b"/")[0]
        found = [int(other) for other in others if other != ALONE]
        assert run not in found
        assert all(corpus.paths[corpus.runs["file"][other]].split(b"/")[0] == folder for other in found)
        assert bool(found) == (folder != b"_mixed_words")


def test_positives_that_are_not_shifted_may_be_neighbours(corpus: Corpus) -> None:
    made = batches(corpus, only(neighbour=0.5, pitch=0.5), count=64)
    anchor = made.pool.draw(64, made.generator)
    positive = made._positives(anchor)
    assert torch.equal(positive.run[:32], anchor.run[:32])
    assert (positive.run[32:] != anchor.run[32:]).any()
    assert torch.equal(made.pool.folder[positive.run], made.pool.folder[anchor.run])


def test_kinds_are_drawn_by_their_shares(corpus: Corpus) -> None:
    kinds = ["speech"] * 4 + ["environment"] * 8
    grouping = Grouping.of(kinds, [str(k // 4) for k in range(12)])
    chance = np.bincount(grouping.kind[corpus.runs["file"]], grouping.weights(corpus))
    names = dict(zip(grouping.kinds, chance, strict=True))
    assert names["speech"] / names["environment"] == pytest.approx(0.22 / 0.14)
    pool = Pool(corpus, grouping, CPU)
    under = pool.surroundings(100, generator())
    assert (pool.kind[under.run] == grouping.kinds.index("environment")).all()


def test_a_table_of_kinds_is_found_by_the_end_of_a_path(corpus: Corpus, tmp_path: Path) -> None:
    table = tmp_path / "kinds.tsv"
    rows = [f"{path.decode()}\tspeech\t{k % 3}" for k, path in enumerate(corpus.paths)]
    table.write_text("\n".join(["path\tkind\tsource", *rows]))
    corpus.paths[:] = [b"/somewhere/" + path for path in corpus.paths]
    grouping = read_kinds(table).grouping(corpus)
    assert grouping.kinds == ["speech"]
    assert grouping.source.tolist() == [k % 3 for k in range(12)]


def test_a_room_is_a_convolution() -> None:
    rng = np.random.default_rng(0)
    response = np.zeros(1000, np.float32)
    response[:200] = rng.normal(0, 0.1, 200)
    response[0] = 2
    sound = rng.normal(0, 1, WINDOW).astype(np.float32)
    spectrum = Rooms([response], [32_768], CPU).spectra[32_768][1]
    heard = torch.fft.irfft(torch.fft.rfft(torch.from_numpy(sound), 32_768) * spectrum, 32_768)[:WINDOW]
    expected = np.convolve(sound, response / np.linalg.norm(response))[:WINDOW]
    np.testing.assert_allclose(heard.numpy(), expected, atol=1e-4)


def test_no_room_changes_nothing_and_made_ones_decay() -> None:
    rooms = Rooms([], [32_768], CPU)
    spectrum = rooms.draw(4, 0.0, 32_768, generator())
    torch.testing.assert_close(spectrum, torch.ones_like(spectrum))
    energy = made_rooms(8) ** 2
    assert (energy[:, 1:4000].sum(1) > energy[:, -4000:].sum(1)).all()


def test_a_tilt_is_that_of_the_cpu() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, WINDOW).astype(np.float32)
    expected = deformed(sound, SAMPLE_RATE, [Deformation("eq", {"db_per_octave": 3.0})])
    curve = Colours(32_768, CPU).curves(torch.tensor([3.0]), torch.zeros(1, 8))
    tilted = torch.fft.irfft(torch.fft.rfft(torch.from_numpy(sound), 32_768) * curve[0], 32_768)[:WINDOW].numpy()
    middle = slice(2000, -2000)
    assert np.abs(tilted - expected)[middle].max() < 0.05 * np.abs(expected).max()


def test_bands_end_where_they_should() -> None:
    colours = Colours(32_768, CPU)
    band = colours.bands(torch.tensor([300.0]), torch.tensor([3400.0]))[0]
    gain = {hz: float(band[round(hz * 32_768 / SAMPLE_RATE)]) for hz in (100, 300, 1000, 3400, 6000)}
    assert gain[100] < 0.02 and gain[6000] < 0.02
    assert gain[300] == pytest.approx(math.sqrt(0.5), abs=0.02) == gain[3400]
    assert gain[1000] == pytest.approx(1, abs=0.01)
    lowest, highest = draw_band(3000, torch.full((3000,), 0.3), generator())
    assert float(((lowest > 1) | (highest < 1e6)).float().mean()) == pytest.approx(0.3, abs=0.03)


def test_pieces_stand_in_silence(corpus: Corpus) -> None:
    made = batches(corpus, only(short=1.0), count=32)
    sound, piece = made._pieces(made.pool.draw(32, made.generator), WINDOW)
    assert piece.all()
    sounding = (sound != 0).sum(1) / SAMPLE_RATE
    assert (sounding < 0.81).all()


def test_families_are_alike_and_differ_from_each_other() -> None:
    first, second = families(16, generator())
    assert first.shape == second.shape == (16, WINDOW)
    assert torch.isfinite(first).all() and (first.abs().amax(1) > 1e-4).all()
    network = Network()
    a, b = (network.decibels(sound).flatten(1) for sound in (first, second))
    within = (a - b).abs().mean(1).mean()
    across = (a - b.roll(1, 0)).abs().mean(1).mean()
    assert within < 0.7 * across


@pytest.mark.parametrize(
    ("pitch", "stretch", "shifted"), [(0.3, 0.3, 0.45), (0.5, 0.5, 0.75), (0, 0.4, 0.4), (0.2, 0.6, 0.7), (1, 0.9, 1)]
)
def test_pitch_and_stretch_touch_the_shares_that_the_recipe_says(
    corpus: Corpus, pitch: float, stretch: float, shifted: float
) -> None:
    recipe = only(pitch=pitch, stretch=stretch)
    assert recipe.shifted == pytest.approx(shifted)
    made = batches(corpus, recipe, count=4000)
    assert made.shifted == round(4000 * shifted)
    speed, longer = made._shifts(torch.ones(made.shifted))
    assert int((speed != 1).sum()) / 4000 == pytest.approx(pitch, abs=0.03)
    assert int((longer != 1).sum()) / 4000 == pytest.approx(stretch, abs=0.03)
    semitones = 12 * torch.log2(speed).abs()
    assert semitones.max() <= 8.001 and longer.max() <= 1.501


def test_what_is_mixed_in_has_at_most_so_much_energy(corpus: Corpus) -> None:
    made = batches(corpus, only(mix=1, anchors=1, max_energy=0.1), count=64)
    places = made.pool.draw(64, made.generator)
    sound = made.pool.read(places, WINDOW)
    spoken = made._plain(places, Places.joined(places, places))
    other = made._mixed(dataclasses.replace(spoken, sound=torch.cat([sound, sound])))
    assert isinstance(other, torch.Tensor)
    share = other.square().sum(1) / torch.cat([sound, sound]).square().sum(1)
    assert share.max() <= 0.1001
    assert share.mean() == pytest.approx(0.05, abs=0.01)


def test_negatives_are_of_other_files_or_folders(corpus: Corpus) -> None:
    pool = Pool(corpus, ungrouped(corpus), CPU)
    for negatives, count in (("files", len(corpus.paths) - 1), ("folders", 3)):  # one file is held out
        made = Batches(pool, Settings(batch=200, negatives=negatives))  # type: ignore[arg-type]
        assert len(set(made[0].sources.tolist())) == count


def test_without_a_table_the_balance_decides(corpus: Corpus) -> None:
    for balance in ("duration", "folder"):
        np.testing.assert_array_equal(ungrouped(corpus, balance).weights(corpus), corpus.weights(balance))  # type: ignore[arg-type]
    assert [(kind.pitch, kind.background) for kind in ungrouped(corpus).doses()] == [(1.0, 1.0)]
