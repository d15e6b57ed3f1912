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


def test_digital_silence_is_left_out_unless_wanted() -> None:
    audio = np.concatenate([np.ones(WINDOW), np.zeros(4 * WINDOW), np.full(WINDOW, 1e-6)]).astype(np.float32)
    starts = [segment.start for segment in cut([audio], b"a", window=WINDOW, hop=HOP)]
    assert starts == [0, HOP, 4 * WINDOW + HOP, 5 * WINDOW]  # 1e-6 is quiet, not silent
    assert len(list(cut([audio], b"a", window=WINDOW, hop=HOP, keep_silence=True))) == 11


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
