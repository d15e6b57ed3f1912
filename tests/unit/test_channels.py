"""Colours, band limits and rooms of recordings, against their formulas in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qbe.audio.segmentation import SAMPLE_RATE
from qbe.learn.channels import (
    BEFORE,
    BENDS,
    CEILING,
    DECAY,
    DIRECT,
    ROOM,
    ROOMS,
    SMALL,
    TELEPHONE,
    Colours,
    Rooms,
    chosen,
    draw_band,
    made_rooms,
)

CPU = torch.device("cpu")
SIZE = 4096
SPAN = 32_768  # a transform in which a room's response fits whole
HZ = np.maximum(np.fft.rfftfreq(SIZE, 1 / SAMPLE_RATE), 20.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator(CPU).manual_seed(seed)


def decibels(gain: torch.Tensor) -> NDArray[np.float64]:
    return 20 * np.log10(gain.double().numpy())


@given(st.floats(-6, 6), st.lists(st.floats(-12, 12), min_size=BENDS, max_size=BENDS))
@settings(deadline=None, max_examples=30)
def test_a_curve_is_a_line_over_octaves_and_what_lies_between_its_points(tilt: float, bends: list[float]) -> None:
    points = np.log2(np.array([60, 7600]) / 1000)
    expected = np.interp(np.log2(HZ / 1000), np.linspace(*points, BENDS), bends) + tilt * np.log2(HZ / 1000)
    curve = Colours(SIZE, CPU).curves(torch.tensor([tilt]), torch.tensor([bends]))[0]
    np.testing.assert_allclose(decibels(curve), expected, atol=2e-3)


def test_every_sound_of_a_batch_has_its_own_colour() -> None:
    colours = Colours(SIZE, CPU)
    tilt, bends = torch.tensor([-2.0, 0.0, 3.0]), torch.randn(3, BENDS, generator=generator())
    low, high = torch.tensor([1.0, 300.0, 500.0]), torch.tensor([1e6, 3400.0, 5000.0])
    together = colours.curves(tilt, bends) * colours.bands(low, high)
    for k in range(3):
        one = slice(k, k + 1)
        alone = colours.curves(tilt[one], bends[one]) * colours.bands(low[one], high[one])
        torch.testing.assert_close(together[one], alone)


@pytest.mark.parametrize(("lowest", "highest"), [TELEPHONE, (1.0, CEILING[0]), (SMALL[1], 1e6)])
def test_the_edges_of_a_band_are_butterworths(lowest: float, highest: float) -> None:
    band = Colours(SIZE, CPU).bands(torch.tensor([lowest]), torch.tensor([highest]))[0]
    expected = (1 + (HZ / highest) ** 16) ** -0.5 * (1 + (lowest / HZ) ** 8) ** -0.5  # of orders 8 and 4
    np.testing.assert_allclose(band.numpy(), expected, rtol=1e-4)


def test_a_band_without_limits_changes_nothing() -> None:
    lowest, highest = draw_band(5, torch.zeros(5), generator())
    band = Colours(SIZE, CPU).bands(lowest, highest)
    torch.testing.assert_close(band, torch.ones_like(band), atol=1e-5, rtol=0)


def test_limits_are_of_three_sorts_a_third_each() -> None:
    lowest, highest = (limit.numpy() for limit in draw_band(6000, torch.full((6000,), 0.6), generator()))
    free_below, free_above = lowest == 1, highest == 1e6
    telephone = (lowest == TELEPHONE[0]) & (highest == TELEPHONE[1])
    slow, small = free_below & ~free_above, ~free_below & free_above
    assert [float(sort.mean()) for sort in (telephone, slow, small)] == pytest.approx([0.2] * 3, abs=0.02)
    assert (telephone | slow | small | (free_below & free_above)).all()
    for limits, (low, high) in ((highest[slow], CEILING), (lowest[small], SMALL)):
        assert low <= limits.min() < low + 0.02 * (high - low)
        assert high >= limits.max() > high - 0.02 * (high - low)


def test_each_is_chosen_by_its_own_chance() -> None:
    chance = torch.tensor([0.0, 0.1, 0.5, 1.0]).repeat(5000)
    share = chosen(20_000, chance, generator()).reshape(5000, 4).float().mean(0)
    assert share[0] == 0 and share[3] == 1
    assert share[1:3].tolist() == pytest.approx([0.1, 0.5], abs=0.03)


def responses(recorded: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Of all rooms, [1 + R, SPAN]."""
    return torch.fft.irfft(Rooms(recorded, [SPAN], CPU).spectra[SPAN], SPAN).numpy()


def test_recorded_rooms_begin_shortly_before_their_peak_and_last_a_second() -> None:
    rng = np.random.default_rng(0)
    late = rng.normal(0, 0.01, 3 * ROOM).astype(np.float32)
    late[ROOM] = -1.0  # peaks point down too
    early = np.array([0.1, 0.9, 0.3], np.float32)
    none, first, second = responses([late, early])[:3]
    part = late[ROOM - BEFORE : 2 * ROOM - BEFORE]
    np.testing.assert_allclose(first[:ROOM], part / np.linalg.norm(part), atol=1e-5)
    np.testing.assert_allclose(second[:3], early / np.linalg.norm(early), atol=1e-5)
    assert max(np.abs(first[ROOM:]).max(), np.abs(second[3:]).max(), np.abs(none[1:]).max()) < 1e-5


def test_no_room_makes_a_sound_louder() -> None:
    """White noise keeps its power where a response has an energy of one."""
    every = responses([np.full(500, 8.0, np.float32)])
    assert len(every) == 2 + ROOMS
    np.testing.assert_allclose(np.square(every).sum(1), 1, rtol=1e-3)


def test_rooms_are_drawn_evenly_and_as_often_as_wanted() -> None:
    rooms = Rooms([np.ones(1, np.float32)] * 3, [SPAN], CPU)
    numbers = torch.arange(1 + rooms.count, dtype=torch.float32)
    rooms.spectra[2] = torch.complex(numbers, torch.zeros_like(numbers))[:, None]  # so that they can be told apart
    drawn = rooms.draw(40_000, 0.5, 2, generator()).real[:, 0].long()
    counts = torch.bincount(drawn, minlength=1 + rooms.count)
    assert int(counts[0]) / 40_000 == pytest.approx(0.5, abs=0.02)
    assert len(counts) == 1 + 3 + ROOMS
    expected = 20_000 / rooms.count
    assert 0.4 * expected < counts[1:].min() and counts[1:].max() < 1.8 * expected
    assert (rooms.draw(1000, 1.0, 2, generator()).real > 0).all()
    some = torch.tensor([0.0, 1.0]).repeat(500)
    assert torch.equal(rooms.draw(1000, some, 2, generator()).real[:, 0] > 0, some > 0)


def test_made_rooms_decay_by_60_db_in_their_time_under_a_direct_sound() -> None:
    made = made_rooms(64).astype(np.float64)
    direct = 10 * np.log10(made[:, 0] ** 2 / np.square(made[:, 1:]).sum(1))
    assert direct.min() >= DIRECT[0] - 0.01 and direct.max() <= DIRECT[1] + 0.01
    assert np.ptp(direct) > 0.8 * (DIRECT[1] - DIRECT[0])
    blocks = 10 * np.log10(np.square(made[:, 1:8001]).reshape(64, 20, 400).mean(2))  # of 25 ms
    slope = np.polyfit(np.arange(20) * 0.025, blocks.T, 1)[0]  # dB per second
    time = -60 / slope
    assert 0.95 * DECAY[0] < time.min() < 2 * DECAY[0]
    assert 0.5 * DECAY[1] < time.max() < 1.2 * DECAY[1]
    np.testing.assert_array_equal(made_rooms(64), made_rooms(64))
