"""A query's windows, against slices of the sound with zeros around it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from conftest import noise
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qbe.audio.silence import BELOW, FAINT
from qbe.search.cutting import COARSE, FINE, SHIFTS, cut_query
from qbe.streams.records import Audio, Segment, level

RATE, WINDOW = 16_000, 16_384
HOPS = [WINDOW // 2, 4000, 4800, WINDOW, 16_000, 1]  # 0.512 s, 0.25 s, 0.3 s, 1.024 s, 1 s, one sample


def blocks(audio: Audio, size: int = 5000) -> Iterator[Audio]:
    for first in range(0, len(audio), size):
        yield audio[first : first + size]


def cut(audio: Audio, window: int, hop: int) -> tuple[list[Segment], NDArray[np.int64], int]:
    cuts = cut_query(blocks(audio), b"a", window, hop)
    return cuts.windows, cuts.laid, cuts.length


def sliced(audio: Audio, begin: int, window: int) -> Audio:
    """The sound with silence all around it."""
    padded = np.concatenate([np.zeros(window, np.float32), audio, np.zeros(2 * window, np.float32)])
    return padded[begin + window :][:window]


sounds = st.builds(
    lambda lengths, seed: np.concatenate(
        [noise(length / RATE, seed=seed + at) * 10.0 ** -(4 * at % 7) for at, length in enumerate(lengths)]
    ),
    st.lists(st.integers(1, 90), min_size=1, max_size=4),
    st.integers(0, 99),
)


@settings(deadline=None)
@given(sounds, st.sampled_from([8, 12, 20]), st.integers(1, 20))
def test_windows_are_slices_and_lie_where_the_slots_and_shifts_say(audio: Audio, window: int, hop: int) -> None:
    hop = min(hop, window)
    windows, laid, length = cut(audio, window, hop)
    step = hop * max(1, window // 2 // hop)
    assert length == len(audio)
    for one in windows:
        np.testing.assert_array_equal(one.audio, sliced(audio, one.start, window))
        assert one.length == min(window, len(audio) - one.start)
        assert one.level >= FAINT
    for slot in laid.tolist():
        begin = windows[slot[0]].start
        assert begin % step == 0
        for at, shift in zip(slot, SHIFTS[:: len(SHIFTS) // len(slot)], strict=True):
            assert at < 0 or windows[at].start == begin + shift * hop // 4


@settings(deadline=None)
@given(sounds, st.sampled_from([8, 12, 20]), st.integers(1, 20))
def test_every_sample_lies_in_a_slot_or_is_silence(audio: Audio, window: int, hop: int) -> None:
    windows, laid, _ = cut(audio, window, hop := min(hop, window))
    covered = np.zeros(len(audio), bool)
    begins = [windows[slot].start for slot in laid[:, 0]]
    for at in laid[laid >= 0].tolist():
        covered[max(0, windows[at].start) : max(0, windows[at].start + window)] = True
    step = hop * max(1, window // 2 // hop)
    every = range(0, max(1, len(audio) - window + step), step)
    loudest = max(level(audio[at : at + window]) for at in every)
    least = max(FAINT, loudest - BELOW)
    for begin in set(every) - set(begins):  # it is silence up to where the next one takes over
        after = [min(windows[at].start for at in slot if at >= 0) for slot in laid if windows[slot[0]].start > begin]
        end = min(begin + window, *after, len(audio)) if after else begin + window
        silent = level(audio[begin : begin + window]) < least
        assert silent or level(audio[begin:end]) < least
        covered[begin : begin + window if silent else end] = True
    assert covered.all()


def test_a_window_that_is_half_a_pause_does_not_count_where_the_next_one_has_its_sound() -> None:
    pause, sound = np.zeros(20, np.float32), np.full(40, 0.5, np.float32)
    windows, laid, _ = cut(np.concatenate([pause, sound]), 16, 8)
    assert [windows[at].start for at in laid[:, 0]] == [24, 32, 40, 48][: len(laid)]
    assert min(windows[at].start for at in laid.ravel() if at >= 0) <= 20  # the beginning of the sound is in it


@pytest.mark.parametrize("hop", HOPS[:-1])
@pytest.mark.parametrize("seconds", [0.01, 1.024, 1.03, 3, 10])
def test_of_a_short_sound_one_window_lies_on_any_grid_of_the_library(seconds: float, hop: int) -> None:
    """To an eighth of a hop, wherever in a recording the sound comes."""
    windows, laid, _ = cut(noise(seconds), WINDOW, hop)
    assert laid.shape[1] == len(SHIFTS)
    for slot in laid.tolist():
        starts = np.array([windows[at].start for at in slot if at >= 0])
        for offset in range(0, hop, max(1, hop // 97)):
            away = np.abs((starts + offset + hop // 2) % hop - hop // 2)
            assert away.min() <= hop / 8 + 1


@pytest.mark.parametrize(
    ("windows", "shifts"), [(1, 4), (FINE, 4), (FINE + 0.1, 2), (COARSE, 2), (COARSE + 0.1, 1), (3 * COARSE, 1)]
)
def test_long_sounds_have_fewer_shifts(windows: float, shifts: int) -> None:
    cuts, laid, length = cut(noise(windows * 64 / RATE), 64, 32)
    assert laid.shape[1] == shifts
    assert length == round(windows * 64)
    assert np.diff([cuts[at].start for at in laid[:, 0]]).tolist() == [32] * (len(laid) - 1)


@pytest.mark.parametrize("loud", [10.0, 100.0])
def test_slots_of_silence_are_left_out(loud: float) -> None:
    """What is far under the loudest, not what is quiet as a whole; also of sounds that are not held in memory."""
    faint = noise(loud, amplitude=3e-5)
    sound = np.concatenate([noise(3), faint, noise(3, seed=1)])
    windows, laid, length = cut(sound, WINDOW, WINDOW // 2)
    starts = [windows[at].start / RATE for at in laid[:, 0]]
    assert all(start < 3 or start > 3 + loud - 1.1 for start in starts)
    assert length == len(sound)
    assert len(cut(faint, WINDOW, WINDOW // 2)[1]) == len(cut(faint * 1e3, WINDOW, WINDOW // 2)[1])


def test_a_shifted_window_may_hold_nothing_but_silence() -> None:
    """Along files a short sound is looked for up to a hop and a half before it begins, where it may not sound yet."""
    late = np.concatenate([np.zeros(20, np.float32), noise(10 / RATE)])
    cuts = cut_query(blocks(late), b"a", 64, 32)
    [[before, earlier], [own, shifted]] = cuts.line.tolist()
    assert earlier == -1
    assert [cuts.windows[at].start for at in (before, own, shifted)] == [-32, 0, -16]


@pytest.mark.parametrize("samples", [0, 1, 64, 10_000])
def test_of_silence_there_are_no_slots(samples: int) -> None:
    windows, laid, _ = cut(np.zeros(samples, np.float32), 64, 32)
    assert (windows, laid.shape[0]) == ([], 0)


def test_a_long_sound_is_not_in_memory_at_once() -> None:
    taken = 0

    def counted() -> Iterator[Audio]:
        nonlocal taken
        for at in range(10_000):
            taken += 1
            yield noise(64 / RATE, seed=at)

    cuts = cut_query(counted(), b"a", 64, 32)
    assert (taken, cuts.length, len(cuts.laid)) == (10_000, 640_000, len(cuts.windows))


def test_a_library_of_a_short_hop_is_asked_for_its_own_rows() -> None:
    """A slot is so many of its hops later than the one before: so they meet rows of one recording all at once."""
    for hop in HOPS[:-1]:
        windows, laid, _ = cut(noise(4), WINDOW, hop)
        assert {(windows[at].start % hop) for at in laid[:, 0]} == {0}
        steps = np.diff([windows[at].start for at in laid[:, 0]])
        assert (steps <= max(hop, WINDOW // 2)).all()
