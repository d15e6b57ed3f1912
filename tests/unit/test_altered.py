"""Whether altered sounds find their originals, with systems simple enough to know the answer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import noise, tone, write_sound

from qbe.measure.alterations import ALTERATIONS
from qbe.measure.altered import LONGEST_QUERY, Originals, find_originals, summary, wilson
from qbe.measure.evaluation import NORMAL_95, Item, Part, Task, maxsim, retrieval
from qbe.measure.systems import System, baseline_system, embed_parts
from qbe.search.windows import Windows
from qbe.streams.records import Audio, Vector
from qbe.support.errors import raise_error

NAMES = list(ALTERATIONS)


def system(embed: object = None, name: str = "system") -> System:
    """One way to see vectors: as they are."""
    return System(name, 16_000, 16_384, embed or spectrum, retrieval, lambda _: [lambda vectors: vectors])  # type: ignore[arg-type]


def spectrum(audio: Audio) -> Vector:
    """Unit magnitudes of the spectrum, which no level and no silence before changes much."""
    bins = np.abs(np.fft.rfft(audio))[:, 1:].reshape(len(audio), 256, -1).sum(2)
    vectors: Vector = (bins / np.maximum(np.linalg.norm(bins, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    return vectors


def task(parts: list[Part], groups: list[str]) -> Task:
    return Task("a.tsv", [Item(part, "label", group) for part, group in zip(parts, groups, strict=True)])


def library(groups: list[str], vectors: list[list[float]]) -> Originals:
    parts = [Part(str(k).encode()) for k in range(len(groups))]
    of_parts = {part: [Windows.of(np.array([v], np.float32))] for part, v in zip(parts, vectors, strict=True)}
    return Originals([task(parts, groups)], of_parts, [system()])


def first(originals: Originals, number: int, query: list[float]) -> bool:
    (answer,) = originals.come_first(number, 0, Windows.of(np.array([query], np.float32)))
    return bool(answer)


def test_the_nearest_plain_sound_is_found() -> None:
    originals = library(["a", "b"], [[1, 0], [0, 1]])
    assert first(originals, 0, [0.8, 0.6])
    assert not first(originals, 1, [0.8, 0.6])


def test_a_tie_is_not_found() -> None:
    """Else a system that gives all sounds one vector would find everything."""
    originals = library(["a", "b"], [[1, 0], [1, 0]])
    assert not first(originals, 0, [1, 0])
    assert not first(originals, 1, [1, 0])


def test_sounds_of_the_originals_group_are_no_wrong_answers() -> None:
    originals = library(["a", "a", "b"], [[0.6, 0.8], [1, 0], [0, 1]])
    assert first(originals, 0, [1, 0])
    assert first(originals, 1, [1, 0])
    assert not first(originals, 2, [1, 0])


def test_groups_of_all_tasks_count() -> None:
    parts = [Part(b"0"), Part(b"1"), Part(b"2")]
    vectors = {part: [Windows.of(np.eye(3, dtype=np.float32)[[k]])] for k, part in enumerate(parts)}
    other = Task("b.tsv", [Item(parts[0], "x", "z"), Item(parts[2], "x", "z")])
    originals = Originals([task(parts, ["a", "a", "b"]), other], vectors, [system()])
    np.testing.assert_array_equal(originals.related, [[1, 1, 1], [1, 1, 0], [1, 0, 1]])


def test_groups_of_one_name_in_two_tasks_are_two() -> None:
    parts = [Part(b"0"), Part(b"1")]
    vectors = {part: [Windows.of(np.eye(2, dtype=np.float32)[[k]])] for k, part in enumerate(parts)}
    tasks = [Task("a.tsv", [Item(parts[0], "x", "1")]), Task("b.tsv", [Item(parts[1], "x", "1")])]
    np.testing.assert_array_equal(Originals(tasks, vectors, [system()]).related, np.eye(2))


@pytest.fixture
def sounds(tmp_path: Path) -> list[Part]:
    """Six tones of their own pitch, of 0.4 to 2.4 s."""
    paths = [write_sound(tmp_path / f"{k}.wav", tone(300 * 1.3**k, 0.4 + 0.4 * k)) for k in range(6)]
    return [Part(os.fsencode(path)) for path in paths]


def outcome(parts: list[Part], systems: list[System]) -> Originals:
    vectors = dict(zip(parts, embed_parts(parts, systems, b"", raise_error), strict=True))
    return Originals([task(parts, [str(k) for k in range(len(parts))])], vectors, systems)


def test_every_alteration_asks_as_it_is_defined(sounds: list[Part]) -> None:
    """Of the altered samples, cut into windows that overlap by half, the best cosines weighted by level."""
    originals = outcome(sounds, [system()])
    plain = [spectrum(cut(tone(300 * 1.3**k, 0.4 + 0.4 * k))) for k in range(6)]
    starts = np.cumsum([0, *(len(vectors) for vectors in plain[:-1])])
    for number, (found,) in enumerate(find_originals(originals, b"")):
        assert found.shape == (1, len(NAMES))
        audio = np.float32(np.int16(tone(300 * 1.3**number, 0.4 + 0.4 * number) * 32767)) / 32768
        for k, name in enumerate(NAMES):
            altered = ALTERATIONS[name](audio, 16_000, np.random.default_rng([number, k]))
            asked = Windows.of(spectrum(cut(altered)), levels=levels(altered))
            scores = maxsim(asked, np.concatenate(plain), starts)
            assert found[0, k] == (scores.argmax() == number), name


def levels(audio: Audio) -> Audio:
    """dBFS, of each window, what of it is no padding."""
    count = len(cut(audio))
    powers = [np.square(audio[8192 * k : 8192 * k + 16_384], dtype=np.float64).mean() for k in range(count)]
    return 10 * np.log10(np.array(powers))


def cut(audio: Audio) -> Audio:
    count = 1 + max(0, -(-(len(audio) - 16_384) // 8192))
    padded = np.pad(audio, (0, 16_384 + 8192 * (count - 1) - len(audio)))
    return np.stack([padded[8192 * k : 8192 * k + 16_384] for k in range(count)])


def test_one_vector_for_everything_finds_nothing(sounds: list[Part]) -> None:
    same = system(lambda audio: np.ones((len(audio), 3), np.float32))
    assert not any(found.any() for (found,) in find_originals(outcome(sounds, [same]), b""))


def test_baselines_find_tones_that_are_only_quieter_or_later(sounds: list[Part]) -> None:
    systems = [baseline_system("logmel"), baseline_system("mfcc")]
    found = list(find_originals(outcome(sounds, systems), b""))
    assert {of_one.shape for of_part in found for of_one in of_part} == {(4, len(NAMES))}
    rows = {(row.alteration, row.system): row for row in summary(systems, found)}
    assert set(rows) == {(name, one.name) for name in NAMES for one in systems}
    assert rows["brighter", "mfcc"].first == 1
    assert {row.queries for row in rows.values()} == {6}


def test_of_long_sounds_the_beginning_asks(tmp_path: Path) -> None:
    """The end, which no alteration reaches, is another sound, and would be found instead."""
    long = np.concatenate([tone(440, LONGEST_QUERY), noise(60.0)])
    parts = [Part(os.fsencode(write_sound(tmp_path / "long.wav", long)))]
    lengths = []

    def embed(audio: Audio) -> Vector:
        lengths.append(len(audio))
        return np.ones((len(audio), 2), np.float32)

    originals = outcome(parts, [system(embed)])
    lengths.clear()
    list(find_originals(originals, b""))
    windows = 1 + -(-(LONGEST_QUERY * 16_000 - 16_384) // 8192)
    assert windows * len(NAMES) <= sum(lengths) <= (windows + 2) * len(NAMES)


def test_sounds_without_vectors_neither_ask_nor_answer() -> None:
    parts = [Part(b"0"), Part(b"1")]
    vectors = {parts[0]: [Windows.of(np.ones((1, 2), np.float32))], parts[1]: []}
    originals = Originals([task(parts, ["a", "b"])], vectors, [system()])
    assert originals.parts == parts[:1]


def test_a_part_that_breaks_off_asks_with_what_was_read(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "whole.wav", tone(440, 3.0))
    (tmp_path / "cut.wav").write_bytes(path.read_bytes()[:60_000])
    parts = [Part(os.fsencode(tmp_path / "cut.wav"))]
    faults: list[Exception] = []
    vectors = dict(zip(parts, embed_parts(parts, [system()], b"", faults.append), strict=True))
    originals = Originals([task(parts, ["a"])], vectors, [system()])
    assert len(faults) == 1
    ((found,),) = find_originals(originals, b"")
    assert found.all()  # it is alone


def test_the_way_of_seeing_that_finds_most_counts_for_all_alterations() -> None:
    worse, better = np.zeros((2, len(NAMES)), bool)
    worse[:2] = True
    better[2:] = True
    rows = summary([system(name="s")], [[np.stack([worse, better])]] * 3)
    assert [row.first for row in rows] == [0, 0] + [1] * (len(NAMES) - 2)
    assert [row.alteration for row in rows] == NAMES


@pytest.mark.parametrize(("share", "count"), [(0.5, 10), (0.0, 7), (1.0, 40), (0.9, 1000)])
def test_the_ends_of_the_interval_are_the_shares_that_this_one_is_just_unlikely_for(share: float, count: int) -> None:
    """Wilson's interval by its definition: |share - p| is NORMAL_95 times the deviation of a share, were p true."""
    for end in wilson(share, count):
        assert (share - end) ** 2 == pytest.approx(NORMAL_95**2 * end * (1 - end) / count, abs=1e-9)
    low, high = wilson(share, count)
    assert -1e-9 <= low <= share <= high <= 1 + 1e-9
    assert low < high
