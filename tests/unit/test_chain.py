"""From the options of a person to deformations, and to deformed segments."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import noise

from qbe.audio.chain import Step, deform_segments, describe, drawn
from qbe.audio.deformation import deformed
from qbe.audio.segmentation import WINDOW, cut
from qbe.streams.records import Deformation, Segment
from qbe.support.errors import UsageError

RATE = 16_000


def segments(seconds: float = 20.0) -> list[Segment]:
    audio = noise(seconds)
    return [*cut([audio], b"a"), *cut([audio[::-1].copy()], b"b")]


def run(steps: list[Step], seed: int = 0) -> list[Segment]:
    return list(deform_segments(segments(), steps, seed, RATE, lambda *_: None))


def test_steps_become_deformations_in_their_order() -> None:
    steps = [
        Step("pitch", 2.0),
        Step("noise", 20.0),
        Step("stretch", 1.5),
        Step("pitch", -2.0),
        Step("mix", "a:b.wav:-3"),
    ]
    history = drawn(steps, np.random.default_rng(0), 5.0)
    assert [deformation.name for deformation in history] == ["pitch", "noise", "stretch", "pitch", "mix"]
    assert history[3].parameters == {"semitones": -2.0}
    assert history[4].parameters == {"path": b"a:b.wav", "db": -3.0}
    assert drawn([Step("mix", "a:b.wav")], np.random.default_rng(0), 5.0)[0].parameters["path"] == b"a:b.wav"
    assert describe(history) == "pitch+2 noise20 stretch1.5 pitch-2 mix-a:b.wav"


def test_near_stays_in_the_sound() -> None:
    for seed in range(50):
        (history,) = drawn([Step("near", 10.0)], np.random.default_rng(seed), 4.0)
        assert 0 <= history.parameters["offset"] <= 4.0 - 1.024


def test_steps_that_cannot_be_done() -> None:
    for step in (Step("stretch", 0.0), Step("pitch", 99.0), Step("gain", float("nan"))):
        with pytest.raises(UsageError, match=f"--{step.name} "):
            drawn([step], np.random.default_rng(0), 1.0)
    with pytest.raises(UsageError, match="--near -1: must be 0 seconds or more"):
        run([Step("near", -1.0)])


def test_segments_keep_their_place_and_size_and_get_a_history() -> None:
    for before, after in zip(segments(), run([Step("stretch", 0.8), Step("noise", 20.0)]), strict=True):
        assert (after.path, after.start) == (before.path, before.start)
        assert after.audio.shape == (WINDOW,)
        assert after.length == min(WINDOW, round(before.length * 0.8))
        assert [deformation.name for deformation in after.deformations] == ["stretch", "noise"]
        again = deformed(before.audio[: before.length], RATE, after.deformations)
        np.testing.assert_array_equal(after.audio[: after.length], again[:WINDOW])
        assert not after.audio[after.length :].any()


def test_the_seed_decides() -> None:
    first, second, other = (run([Step("random", 0)], seed) for seed in (1, 1, 2))
    assert [s.deformations for s in first] == [s.deformations for s in second]
    assert [s.deformations for s in first] != [s.deformations for s in other]
    assert len({str(s.deformations) for s in first}) > 10, "every segment draws its own"


def test_near_takes_another_segment_of_the_file() -> None:
    originals = {(segment.path, segment.start): segment for segment in segments()}
    moved = 0
    for segment in run([Step("near", 2.0)]):
        (history,) = segment.deformations
        offset = round(history.parameters["offset"] * RATE)
        assert abs(offset) <= 2 * RATE
        np.testing.assert_array_equal(segment.audio, originals[segment.path, segment.start + offset].audio)
        moved += offset != 0
    assert moved == len(originals)


def test_a_lonely_segment_stays() -> None:
    only = [Segment(b"a", 0, WINDOW, noise(1.024))]
    assert next(deform_segments(only, [Step("near", 5.0)], 0, RATE, lambda *_: None)).deformations == ()


def test_an_earlier_history_is_kept() -> None:
    earlier = Deformation("gain", {"db": 1.0})
    segment = Segment(b"a", 0, WINDOW, noise(1.024), (earlier,))
    (after,) = deform_segments([segment], [Step("gain", 2.0)], 0, RATE, lambda *_: None)
    assert after.deformations == (earlier, Deformation("gain", {"db": 2.0}))
