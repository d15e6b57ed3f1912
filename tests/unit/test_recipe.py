"""Recipes: what they may hold, and what is drawn from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbe.audio.deformation import check
from qbe.audio.recipe import CHANGES, DEFORMATIONS, Recipe, choose, draw, read_recipe
from qbe.support.errors import UsageError


def test_what_is_not_named_weighs_nothing() -> None:
    recipe = read_recipe("pitch=0.5, noise=1")
    assert (recipe.pitch, recipe.noise) == (0.5, 1.0)
    assert all(getattr(recipe, name) == 0 for name in CHANGES if name not in ("pitch", "noise"))
    assert recipe.max_semitones == Recipe().max_semitones


def test_a_file_says_the_same_as_words(tmp_path: Path) -> None:
    path = tmp_path / "drums.toml"
    path.write_text("# mild\npitch = 0.5\nmax_semitones = 3\nmix = 1\n")
    assert read_recipe(str(path)) == read_recipe("pitch=0.5,max_semitones=3,mix=1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pitch=2", "pitch 2: must be from 0 to 1"),
        ("pitch=nan", "pitch nan: must be from 0 to 1"),
        ("pitch=0", "every weight is 0"),
        ("max_stretch=1.2", "every weight is 0"),
        ("pitch=loud", "pitch=loud: must be NAME=NUMBER"),
        ("pitch=1,", ": must be NAME=NUMBER"),
        ("vibrato=1", "vibrato: no such thing; there are"),
        ("noise=1,min_snr=20,max_snr=10", "min_snr 20 is over max_snr 10"),
        ("none.toml", "none.toml: No such file"),
    ],
)
def test_what_is_no_recipe(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_recipe(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"pitch = ", "not TOML"), (b"\xff\xfe", "not TOML"), (b"pitch = 'a'", "pitch 'a': not a number"),
     (b"pitch = true", "pitch True: not a number"), (b"[pitch]\nx = 1", "not a number")],
)  # fmt: skip
def test_files_that_are_no_recipe(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_recipe(str(path))


def test_every_change_comes_as_often_as_it_weighs_and_they_combine() -> None:
    rng, recipe = np.random.default_rng(0), Recipe(proximity=0.5, pitch=0.4, stretch=0.2, noise=0.0)
    drawn = [choose(rng, recipe) for _ in range(4000)]
    alone = 0.5 * 0.6 * 0.8  # nothing comes up by itself: one is taken, by weight
    for name, weight in (("proximity", 0.5), ("pitch", 0.4), ("stretch", 0.2)):
        share = np.mean([name in changes for changes in drawn])
        assert share == pytest.approx(weight + alone * weight / 1.1, abs=0.03), name
    both = np.mean([{"proximity", "pitch"} <= set(changes) for changes in drawn])
    assert both == pytest.approx(0.5 * 0.4, abs=0.03)
    assert all(changes for changes in drawn)
    assert not any("noise" in changes for changes in drawn)


def test_nothing_comes_of_nothing() -> None:
    assert choose(np.random.default_rng(0), Recipe(mix=0), ["mix"]) == []


@given(st.integers(0, 2**32), st.sampled_from(DEFORMATIONS))
def test_draws_stay_within_the_limits_and_follow_the_seed(seed: int, change: str) -> None:
    recipe = Recipe(max_semitones=3, max_stretch=1.2, max_tilt=2, max_gain=6, max_energy=0.25, min_snr=0, max_snr=9)
    drawn = draw(np.random.default_rng(seed), recipe, change, b"other.wav")
    assert drawn == draw(np.random.default_rng(seed), recipe, change, b"other.wav")
    check(drawn)
    got = drawn.parameters
    assert drawn.name == change
    assert abs(got.get("semitones", 0)) <= 3
    assert 1 / 1.2 - 1e-9 <= got.get("factor", 1) <= 1.2 + 1e-9
    assert abs(got.get("db_per_octave", 0)) <= 2
    assert 0 <= got.get("snr_db", 0) <= 9
    if change == "mix":
        assert 10 ** (got["db"] / 10) <= 0.25 + 1e-9
    if change == "gain":
        assert abs(got["db"]) <= 6
