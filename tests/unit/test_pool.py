"""Places in the sounds to learn from, drawn and read by the batch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qbe.audio.segmentation import WINDOW
from qbe.learn.corpus import Corpus, write_corpus
from qbe.learn.kinds import Grouping, ungrouped
from qbe.learn.pool import ALONE, Places, Pool, neighbouring_runs
from qbe.streams.records import Segment

CPU = torch.device("cpu")
HALF = WINDOW // 2
FILES = 30  # of which two are held out


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator(CPU).manual_seed(seed)


def path_of(k: int) -> bytes:
    """In folders of which one has a folder in it, one mixes sources, and one is no folder; names are out of order."""
    folder = [b"rain/", b"rain/light/", b"", b"words/_mixed_1/all/", b"voice/"][k % 5]
    return folder + b"%02d.wav" % (k * 7 % FILES)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Of every file two runs with a gap between them, some shorter than half a window."""
    rng = np.random.default_rng(0)

    def runs(k: int) -> list[Segment]:
        lengths = (HALF - 300 + 100 * k, 5000 + 20 * k)
        sounds = [rng.uniform(0.1, 0.9, length).astype(np.float32) for length in lengths]
        starts = (0, 3 * WINDOW)
        return [Segment(path_of(k), s, len(a), a) for s, a in zip(starts, sounds, strict=True)]

    folder = tmp_path_factory.mktemp("corpus")
    return write_corpus([segment for k in range(FILES) for segment in runs(k)], folder)


@pytest.fixture(scope="module")
def pool(corpus: Corpus) -> Pool:
    return Pool(corpus, ungrouped(corpus), CPU)


def file_of(pool: Pool, run: int) -> int:
    return int(pool.corpus.runs["file"][run])


def assert_inside(pool: Pool, places: Places) -> None:
    """Where at least half a window is left, or at the beginning of what is shorter."""
    last = np.maximum(0, pool.corpus.runs["length"][places.run.numpy()] - HALF)
    assert (places.start.numpy() >= 0).all() and (places.start.numpy() <= last).all()


def test_what_is_held_out_is_never_drawn(pool: Pool) -> None:
    held = np.flatnonzero(pool.corpus.held_out())
    assert len(held) == 2
    g = generator()
    drawn, under = pool.draw(20_000, g), pool.surroundings(20_000, g)
    beside, there = pool.neighbours(drawn, g)
    for run in (drawn.run, under.run, beside.run[there], pool.near(drawn, WINDOW, g).run):
        assert not np.isin(pool.corpus.runs["file"][run.numpy()], held).any()


def test_runs_are_drawn_by_their_duration_and_places_in_them_evenly(pool: Pool) -> None:
    places = pool.draw(60_000, generator())
    assert_inside(pool, places)
    runs = pool.corpus.runs
    learned = ~pool.corpus.held_out()[runs["file"]]
    expected = runs["length"] * learned / runs["length"][learned].sum()
    counted = np.bincount(places.run.numpy(), minlength=len(runs)) / 60_000
    assert np.abs(counted - expected).max() < 0.004
    longest = int((runs["length"] * learned).argmax())
    share = places.start[places.run == longest].numpy() / (runs["length"][longest] - HALF)
    assert np.quantile(share, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.07)


def test_the_same_seed_draws_the_same_places(pool: Pool) -> None:
    one, other, third = (pool.draw(50, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.run, other.run) and torch.equal(one.start, other.start)
    assert not torch.equal(one.run, third.run)


@given(st.integers(0, 2 * FILES - 1), st.integers(-WINDOW, 2 * WINDOW), st.integers(1, WINDOW))
@settings(deadline=None, max_examples=60)
def test_reading_across_the_ends_of_a_run_gives_zeros(pool: Pool, run: int, start: int, length: int) -> None:
    """No sample of the run before or after, though they lie next to each other in memory."""
    read = pool.read(Places(torch.tensor([run, run]), torch.tensor([start, 0])), length)
    row = pool.corpus.runs[run]
    sound = np.array(pool.corpus.audio[row["offset"] : row["offset"] + row["length"]]).astype(np.float32) / 32768
    expected = [sound[at] if 0 <= at < len(sound) else 0 for at in range(start, start + length)]
    assert read.dtype == torch.float32
    np.testing.assert_array_equal(read[0].numpy(), np.array(expected, np.float32))
    assert (sound > 0).all() and bool((read[1] > 0).sum() == min(length, len(sound)))


@given(st.integers(0, 3 * WINDOW), st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_near_places_are_in_the_same_run_and_within_reach(pool: Pool, reach: int, seed: int) -> None:
    g = generator(seed)
    places = pool.draw(64, g)
    near = pool.near(places, reach, g)
    assert torch.equal(near.run, places.run)
    assert (near.start - places.start).abs().max() <= reach
    assert_inside(pool, near)


def test_near_places_are_any_within_reach(pool: Pool) -> None:
    run = int(pool.length.argmax())
    many = Places(torch.full((3000,), run), torch.full((3000,), 1000))
    assert set(pool.near(many, 20, generator()).start.tolist()) == set(range(980, 1021))
    assert set(pool.near(many, 0, generator()).start.tolist()) == {1000}


def neighbours_slowly(corpus: Corpus, file: int) -> set[int]:
    """The files at most three places before and after one, among those of its folder to learn from, by name."""
    held = corpus.held_out()
    folder = os.path.dirname(corpus.paths[file])
    if held[file] or b"_mixed" in folder:
        return set()
    names = sorted(p for p, out in zip(corpus.paths, held, strict=True) if os.path.dirname(p) == folder and not out)
    at = names.index(corpus.paths[file])
    return {corpus.paths.index(name) for name in names[max(0, at - 3) : at + 4]} - {file}


def test_neighbours_are_the_files_around_one_in_its_folder(pool: Pool, corpus: Corpus) -> None:
    beside = neighbouring_runs(corpus, ungrouped(corpus).weights(corpus))
    assert any(neighbours_slowly(corpus, file) for file in range(FILES))
    for run, row in enumerate(beside):
        found = row[row != ALONE]
        assert {file_of(pool, other) for other in found} == neighbours_slowly(corpus, file_of(pool, run))
        assert len(set(found)) == len(found)
        assert (row[: len(found)] != ALONE).all()
        assert (corpus.runs["start"][found] == 0).all(), "the first run of every file"


def test_all_neighbours_are_drawn_and_no_others(pool: Pool) -> None:
    run = torch.arange(2 * FILES).repeat(200)
    beside, there = pool.neighbours(Places(run, torch.zeros_like(run)), generator())
    assert_inside(pool, beside)
    for own in range(2 * FILES):
        expected = neighbours_slowly(pool.corpus, file_of(pool, own))
        of_own = run == own
        assert set(there[of_own].tolist()) == {bool(expected)}
        drawn = {file_of(pool, other) for other in beside.run[of_own].tolist()}
        assert drawn == (expected or {file_of(pool, own)})


def test_a_file_whose_name_says_mixed_is_in_no_mixed_folder(tmp_path: Path) -> None:
    sound = np.full(HALF, 0.5, np.float32)
    names = [b"a/_mixed.wav", b"a/b.wav", b"_mixed/c.wav", b"_mixed/d.wav"]
    corpus = write_corpus([Segment(name, 0, HALF, sound) for name in names], tmp_path)
    found = neighbouring_runs(corpus, np.ones(4))
    assert found.max(1).tolist() == [1, 0, ALONE, ALONE]


def test_only_kinds_that_surround_lie_under_others(corpus: Corpus) -> None:
    kinds = [("machines", "environment", "speech")[k % 3] for k in range(FILES)]
    pool = Pool(corpus, Grouping.of(kinds, kinds), CPU)
    under = {kinds[file_of(pool, run)] for run in pool.surroundings(5000, generator()).run.tolist()}
    assert under == {"machines", "environment"}
    spoken = Pool(corpus, Grouping.of(["speech"] * FILES, kinds), CPU)
    assert torch.equal(spoken.surroundings(500, generator()).run, spoken.draw(500, generator()).run)


def test_places_are_chosen_cut_and_joined() -> None:
    one = Places(torch.tensor([1, 2, 3]), torch.tensor([10, 20, 30]))
    other = Places(torch.tensor([4, 5, 6]), torch.tensor([40, 50, 60]))
    both = one.where(torch.tensor([True, False, True]), other)
    assert (both.run.tolist(), both.start.tolist()) == ([1, 5, 3], [10, 50, 30])
    joined = Places.joined(one[1:], other[:1])
    assert (joined.run.tolist(), joined.start.tolist()) == ([2, 3, 4], [20, 30, 40])
