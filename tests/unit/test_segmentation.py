"""Windows cover every sample of a sound."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import noise, write_sound
from hypothesis import given
from hypothesis import strategies as st

from qbe.audio.segmentation import cut, segments
from qbe.streams.records import Audio
from qbe.support.errors import AudioError, QbeError

WINDOW, HOP = 64, 32


@given(
    length=st.integers(1, 1000),
    window=st.integers(2, 100),
    data=st.data(),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=5),
)
def test_count_places_and_content(length: int, window: int, data: st.DataObject, sizes: list[int]) -> None:
    hop = data.draw(st.integers(1, window))
    audio = np.random.default_rng(length).uniform(0.1, 1, length).astype(np.float32)

    def blocks() -> Iterator[Audio]:
        at, k = 0, 0
        while at < length:
            yield audio[at : at + sizes[k % len(sizes)]]
            at, k = at + sizes[k % len(sizes)], k + 1

    cuts = list(cut(blocks(), b"a", window=window, hop=hop))
    assert len(cuts) == 1 + math.ceil(max(0, length - window) / hop)
    rebuilt = np.full(length, np.nan, np.float32)
    for index, segment in enumerate(cuts):
        assert segment.start == index * hop
        assert segment.audio.shape == (window,)
        assert segment.length == min(window, length - segment.start)
        assert not segment.audio[segment.length :].any()
        rebuilt[segment.start : segment.start + segment.length] = segment.audio[: segment.length]
    np.testing.assert_array_equal(rebuilt, audio)


def test_silence_is_left_out_unless_wanted() -> None:
    audio = np.concatenate([np.ones(WINDOW), np.zeros(4 * WINDOW), np.full(WINDOW, 2e-3)]).astype(np.float32)
    starts = [segment.start for segment in cut([audio], b"a", window=WINDOW, hop=HOP)]
    assert starts == [0, HOP, 4 * WINDOW + HOP, 5 * WINDOW]  # 54 dB down is quiet, not silent
    assert len(list(cut([audio], b"a", window=WINDOW, hop=HOP, silence=None))) == 11


@pytest.mark.parametrize(("down", "stays"), [(59.9, True), (60.1, False)])
@pytest.mark.parametrize("first", [True, False])
def test_what_is_60_db_under_the_loudest_is_silence(down: float, stays: bool, first: bool) -> None:
    quiet = np.full(WINDOW, 0.5 * 10 ** (-down / 20), np.float32)
    parts = [np.full(WINDOW, 0.5, np.float32), quiet]
    audio = np.concatenate(parts[::-1] if first else parts)
    assert len(list(cut([audio], b"a", window=WINDOW, hop=WINDOW))) == 1 + stays


def test_what_is_quiet_as_a_whole_is_no_silence_down_to_the_floor() -> None:
    audio = np.full(WINDOW, 10 ** (-99 / 20), np.float32)
    assert len(list(cut([audio], b"a", window=WINDOW, hop=HOP))) == 1
    assert len(list(cut([audio], b"a", window=WINDOW, hop=HOP, silence=-98))) == 0
    assert len(list(cut([audio / 2], b"a", window=WINDOW, hop=HOP))) == 0
    assert len(list(cut([audio / 2], b"a", window=WINDOW, hop=HOP, silence=-110))) == 1


def test_a_level_is_of_the_part_that_is_no_padding() -> None:
    [segment] = cut([np.full(WINDOW // 4, 0.1, np.float32)], b"a", window=WINDOW, hop=HOP)
    assert segment.level == pytest.approx(-20, abs=1e-4)


def test_no_samples_no_segments() -> None:
    assert list(cut([], b"a")) == []


def test_what_came_before_a_fault_is_kept() -> None:
    def blocks() -> Iterator[Audio]:
        yield np.ones(100, np.float32)
        raise AudioError("broken")

    lengths = []
    with pytest.raises(AudioError):
        for segment in cut(blocks(), b"a", window=WINDOW, hop=WINDOW):
            lengths.append(segment.length)
    assert lengths == [64, 36]


def test_a_bad_file_is_reported_and_the_next_is_read(tmp_path: Path) -> None:
    good = os.fsencode(write_sound(tmp_path / "good.wav", noise(0.5)))
    errors: list[QbeError] = []
    cuts = list(segments([b"/none.wav", good], errors.append))
    assert [segment.path for segment in cuts] == [good]
    assert cuts[0].length == 8000
    assert len(errors) == 1
