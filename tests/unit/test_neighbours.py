"""Neighbours, folders and votes against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from dict_store import KEPT, DictStore, DictWriter
from hypothesis import given
from hypothesis import strategies as st

import qbe.tags.neighbours
from qbe.streams.records import Embedding, Header, Vector
from qbe.tags.examples import borne, choose_examples
from qbe.tags.folders import Folders
from qbe.tags.neighbours import Neighbours, nearest, sound_vectors, unit
from qbe.tags.spreading import FAR, SHARP, count_votes

DIMENSION = 12


def vectors(count: int, seed: int = 0) -> Vector:
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32))


def spans(count: int, examples: int, seed: int = 0) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).integers(0, examples + 1, (count, 2)), axis=1)


@pytest.mark.parametrize(("sounds", "examples", "count"), [(300, 500, 10), (5, 3, 10), (1, 1, 1), (0, 9, 3)])
def test_the_nearest_are_those_of_a_full_comparison_without_the_span(sounds: int, examples: int, count: int) -> None:
    asked, known, without = vectors(sounds), vectors(examples, 1), spans(sounds, examples)
    found = nearest(asked, known, count, without)
    assert found.examples.shape == found.cosines.shape == (sounds, min(count, examples))
    for sound, (begin, end), got, cosines in zip(asked, without, *found, strict=True):
        all_cosines = known @ sound
        allowed = [at for at in range(examples) if not begin <= at < end]
        expected = sorted(allowed, key=lambda at: -all_cosines[at])[:count]
        assert got[: len(expected)].tolist() == expected
        np.testing.assert_allclose(cosines[: len(expected)], all_cosines[expected], atol=1e-6)
        assert (cosines[len(expected) :] == -1).all()


def test_there_are_no_neighbours_where_there_are_no_examples() -> None:
    found = nearest(vectors(4), vectors(0), 10, spans(4, 0))
    assert found.examples.shape == (4, 0)
    assert not len(count_votes(found, borne([], [])).votes)


def test_of_many_examples_nearly_all_neighbours_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    kinds = vectors(60, 2)
    known = unit(kinds[rng.integers(60, size=8000)] + rng.normal(size=(8000, DIMENSION)).astype(np.float32) * 0.2)
    without = spans(500, 8000)
    whole = nearest(known[:500], known, 10, without)
    monkeypatch.setattr(qbe.tags.neighbours, "ALL", 1000)
    quick = nearest(known[:500], known, 10, without)
    same = [len(set(one) & set(other)) for one, other in zip(whole.examples, quick.examples, strict=True)]
    assert np.mean(same) > 9
    for (begin, end), examples, cosines in zip(without, *quick, strict=True):
        assert not ((begin <= examples) & (examples < end) & (cosines > -1)).any()


def test_a_sound_is_the_mean_of_its_segments() -> None:
    rows = vectors(6)
    names = [b"a", b"a", b"a", b"b", b"c", b"c"]
    header = Header("embeddings", 16_000, "m", "m", DIMENSION)
    segments = [
        Embedding(name, 8192 * at, 16_384, 16_000, row) for at, (name, row) in enumerate(zip(names, rows, strict=True))
    ]
    DictWriter("sounds").replace(header, segments, [])
    store = DictStore("sounds")
    found = sound_vectors(store, np.array([2, 0]))
    for got, own in zip(found, ([4, 5], [0, 1, 2]), strict=True):
        mean = store.vectors(np.array(own)).mean(0)
        np.testing.assert_allclose(got, mean / np.linalg.norm(mean), atol=1e-6)
    del KEPT["sounds"]


PATHS = st.lists(
    st.lists(st.sampled_from("ab0 -"), min_size=1, max_size=4).map("/".join), min_size=1, max_size=12, unique=True
)


@given(PATHS, st.data())
def test_the_widest_folder_is_that_of_the_definition(names: list[str], data: st.DataObject) -> None:
    paths = sorted(name.encode() + b".wav" for name in names)
    bearers = sorted(data.draw(st.sets(st.integers(0, len(paths) - 1), min_size=1)))
    path = data.draw(st.sampled_from(paths))
    steps = path.split(b"/")[:-1]
    expected = None
    for depth in range(len(steps), 0, -1):
        folder = b"/".join(steps[:depth]) + b"/"
        outside = [at for at in bearers if not paths[at].startswith(folder)]
        if 4 * len(outside) >= len(bearers) and outside:
            expected = [at for at, other in enumerate(paths) if other.startswith(folder)]
    span = Folders(paths).widest(path, np.array(bearers))
    assert (span and list(range(*span))) == expected


def test_votes_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(3)
    words = [[str(word) for word in range(5) if rng.random() < 0.4] for _ in range(40)]
    near = nearest(vectors(30), vectors(40, 1), 10, spans(30, 40))
    votes = count_votes(near, borne(words, [str(word) for word in range(5)]))
    got = dict(zip(zip(votes.sounds.tolist(), votes.words.tolist(), strict=True), votes.votes.tolist(), strict=True))
    expected = {}
    for sound, (examples, cosines) in enumerate(zip(*near, strict=True)):
        counts = [np.exp(SHARP * (float(cosine) - 1)) if cosine > -1 else 0 for cosine in cosines]
        for word in range(5):
            of_word = sum(count for count, at in zip(counts, examples, strict=True) if str(word) in words[at])
            if of_word:
                expected[sound, word] = of_word / (sum(counts) + np.exp(SHARP * (FAR - 1)))
    assert got == pytest.approx(expected)
    assert list(got) == sorted(got)


def test_what_is_near_gets_nearly_all_votes_and_what_is_far_hardly_any() -> None:
    words = borne([["x"]], ["x"])

    def votes(cosine: float) -> float:
        return float(count_votes(Neighbours(np.array([[0]]), np.array([[cosine]], np.float32)), words).votes[0])

    assert votes(0.99) > 0.95
    assert votes(FAR) == pytest.approx(0.5)
    assert votes(0.0) < 0.001


def test_examples_bear_words_and_have_a_sound() -> None:
    rows = vectors(4)
    rows[2] = 0
    said = [["a", "b"], ["rare"], ["a"], ["b"]]
    examples = choose_examples([b"1", b"2", b"3", b"4"], rows, said, ["a", "b"])
    assert examples.numbers.tolist() == [0, 3]
    assert [own.tolist() for own in examples.bearers()] == [[0], [0, 1]]
    assert examples.borne.has(np.array([0, 1, 1]), np.array([0, 0, 1])).tolist() == [True, False, True]
    words, owner = examples.borne.of(np.array([1, 0, 1]))
    assert words.tolist() == [1, 0, 1, 1]
    assert owner.tolist() == [0, 1, 1, 2]
