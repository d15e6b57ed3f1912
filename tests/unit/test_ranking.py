"""Ranking, over the smallest store there is, against plain Python over all segments of all files.

The vectors are the 24 vertices of the 24-cell: their cosines are multiples of 1/2, so sums are exact and ties are many.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from dict_store import KEPT, DictStore, Sounds
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qbe.search import ranking
from qbe.search.ranking import search, search_all
from qbe.search.store import EXACT, About, Effort, Filter, Match, Near
from qbe.streams.records import Embedding, Numbers, Vector

AXES = [[sign * float(at == axis) for at in range(4)] for axis in range(4) for sign in (1, -1)]
VERTICES = np.array([*AXES, *itertools.product((0.5, -0.5), repeat=4)], np.float32)
HOP = 100
Files = list[list[int]]
Place = tuple[bytes, float, int]

vertices = st.integers(0, len(VERTICES) - 1)
libraries = st.lists(st.lists(vertices, max_size=5), min_size=1, max_size=25)
queries = st.lists(vertices, min_size=1, max_size=4)
seeds = st.integers(0, 10**6)
kinds = st.sampled_from([False, True])
filters = st.builds(
    Filter,
    inside=st.sampled_from([(), (b"0",), (b"*/1*",), (b"1", b"2/"), (b"none",)]),
    own=st.lists(st.integers(0, 24).map(lambda file: name_of(file)), max_size=2).map(tuple),
    without=st.lists(st.integers(0, 24).map(lambda file: name_of(file)), max_size=12).map(tuple),
)


def name_of(file: int) -> bytes:
    """Files lie in three folders."""
    return b"%d/%d.wav" % (file % 3, file)


class LooseStore(DictStore):
    """Sees vectors as they are, scores no more rows than it has to, and gives bounds that hold but are loose.

    lists : that were last given; None when all rows were asked for after that
    asked : how many queries came with how many candidates, call by call
    """

    def __init__(self, files: Files, seed: int = 0) -> None:
        of_files = {
            name_of(file): [
                Embedding(name_of(file), at * HOP, 2 * HOP, 16_000, VERTICES[v]) for at, v in enumerate(own)
            ]
            for file, own in enumerate(files)
        }
        KEPT["ranking"] = Sounds(About("ab" * 32, "m", 16_000, 4), of_files)
        super().__init__("ranking")
        self._middle = np.zeros(4)
        self._vectors = VERTICES[[vertex for own in files for vertex in own]].astype(np.float64).reshape(-1, 4)
        self.rng = np.random.default_rng(seed)
        self.lists: list[Near] | None = None
        self.asked: list[tuple[int, int]] = []

    def near(
        self, queries: Sequence[Vector], count: int, candidates: int, only: Sequence[Filter], enough: int
    ) -> Iterator[list[Near]]:
        self.asked.append((len(queries), candidates))
        for query, filter in zip(queries, only, strict=True):
            self.lists = [self._list(vector, min(count, candidates), filter, enough) for vector in query]
            yield self.lists

    def _list(self, vector: Vector, count: int, only: Filter, enough: int) -> Near:
        scores = (self._vectors @ vector).astype(np.float32)
        order = np.argsort(-scores, kind="stable")
        may = self.admitted(self._places[order, 0], only)
        kept = order[:count][may[:count]]
        if len(kept) < count and len(kept) < enough:
            kept = order[may][:enough]
        return Near(kept, scores[kept])

    def reaching(self, query: Vector, least: float) -> Numbers:
        self.lists = None
        reaches = self.best_of_rows(query, np.arange(self.rows)) >= least
        return self.rng.permutation((reaches | (self.rng.random(self.rows) < 0.2)).nonzero()[0])

    def bounds(self, query: Vector) -> tuple[Numbers, NDArray[np.float64]]:
        self.lists = None
        files = self.rng.permutation(np.unique(self._places[:, 0]))
        slack = self.rng.choice([0, 0.1, 1.5], len(files)) * self.rng.random(len(files))
        return files, self.best_of_files(query, files)[0].mean(1, dtype=np.float64) + slack


@pytest.fixture(scope="module", autouse=True)
def _small_numbers() -> Iterator[None]:
    """So that the small libraries here are compared in many steps."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"SPARE": 1, "LISTED": 3, "COMPARED": 2, "SEEDS": 2}.items():
            patch.setattr(ranking, name, value)
        yield


def expected(files: Files, query: list[int], k: int, only: Filter, segments: bool, among: set[int]) -> list[Place]:
    """The definition, for the files of some numbers."""
    found = []
    for file, own in enumerate(files):
        if not own or file not in among or not only.admits(name_of(file)):
            continue
        cosines = [[float(VERTICES[a] @ VERTICES[b]) for b in query] for a in own]
        best = [max(of_row) for of_row in cosines]
        if segments:
            found += [(-score, file, at * HOP) for at, score in enumerate(best)]
        else:
            score = sum(max(column) for column in zip(*cosines, strict=True)) / len(query)
            found.append((-score, file, best.index(max(best)) * HOP))
    return [(name_of(file), -score, start) for score, file, start in sorted(found)[:k]]


def everything(files: Files) -> set[int]:
    return set(range(len(files)))


def places(matches: list[Match]) -> list[Place]:
    return [(match.path, match.score, match.start) for match in matches]


@settings(deadline=None)
@given(files=libraries, query=queries, k=st.integers(1, 30), only=filters, segments=kinds, seed=seeds)
def test_exact_answers_are_those_of_the_definition(
    files: Files, query: list[int], k: int, only: Filter, segments: bool, seed: int
) -> None:
    found = search(LooseStore(files, seed), VERTICES[query], k, segments=segments, only=only)
    assert places(found) == expected(files, query, k, only, segments, everything(files))


@settings(deadline=None)
@given(files=libraries, query=queries, k=st.integers(1, 8), only=filters, candidates=st.integers(1, 40))
def test_files_are_ranked_among_those_that_the_lists_name(
    files: Files, query: list[int], k: int, only: Filter, candidates: int
) -> None:
    store = LooseStore(files)
    found = search(store, VERTICES[query], k, only=only, effort=Effort(candidates=candidates))
    among = everything(files)
    if store.lists is not None:
        among = {int(file) for near in store.lists for file in store.places(near.rows)[:, 0]}
    assert places(found) == expected(files, query, k, only, False, among)


@settings(deadline=None)
@given(files=libraries, query=queries, k=st.integers(1, 8), only=filters, candidates=st.integers(1, 40), segments=kinds)
def test_scores_are_exact_and_there_are_k_whatever_the_effort(
    files: Files, query: list[int], k: int, only: Filter, candidates: int, segments: bool
) -> None:
    found = search(
        LooseStore(files), VERTICES[query], k, segments=segments, only=only, effort=Effort(candidates=candidates)
    )
    whole = expected(files, query, 1000, only, segments, everything(files))
    assert set(places(found)) <= set(whole)
    assert len(set(places(found))) == len(found) == min(k, len(whole))
    order = [(-match.score, int(match.path[2:-4]), match.start) for match in found]
    assert order == sorted(order)


@settings(deadline=None)
@given(
    files=libraries,
    sounds=st.lists(st.tuples(queries, filters), max_size=5),
    k=st.integers(1, 8),
    segments=kinds,
    candidates=st.none() | st.integers(1, 40),
)
def test_many_at_once_are_answered_as_each_by_itself(
    files: Files, sounds: list[tuple[list[int], Filter]], k: int, segments: bool, candidates: int | None
) -> None:
    effort = EXACT if candidates is None else Effort(candidates=candidates)
    store = LooseStore(files)
    vectors, only = [VERTICES[query] for query, _ in sounds], [filter for _, filter in sounds]
    together = search_all(store, vectors, k, segments=segments, only=only, effort=effort)
    assert together == [
        search(store, query, k, segments=segments, only=filter, effort=effort)
        for query, filter in zip(vectors, only, strict=True)
    ]


@given(files=libraries, query=queries, segments=kinds)
def test_a_match_names_the_row_that_it_is_of(files: Files, query: list[int], segments: bool) -> None:
    store = LooseStore(files)
    for match in search(store, VERTICES[query], 50, segments=segments):
        file, start, length = store.places(np.array([match.row]))[0]
        assert (name_of(int(file)), start, length) == (match.path, match.start, match.length)
        best = (store.vectors(np.array([match.row])) @ VERTICES[query].T).max()
        assert best == max(float((VERTICES[v] @ VERTICES[query].T).max()) for v in files[file]) or segments
        assert not segments or best == match.score


@pytest.mark.parametrize("segments", [False, True])
def test_equal_answers_come_in_the_order_of_files_and_starts(segments: bool) -> None:
    files = [[2, 0, 0], [], [0], [0, 2]]
    found = [match[:1] + match[2:3] for match in search(LooseStore(files), VERTICES[:1], 9, segments=segments)]
    tied = [(name_of(0), 100), (name_of(0), 200), (name_of(2), 0), (name_of(3), 0)]
    assert found == [*tied, (name_of(0), 0), (name_of(3), 100)] if segments else found == [tied[0], *tied[2:]]


@pytest.mark.parametrize("segments", [False, True])
def test_candidates_are_widened_for_those_that_lack_answers_only(segments: bool) -> None:
    files = [[0] for _ in range(20)] + [[2] for _ in range(20)]
    store = LooseStore(files)
    few = Filter(inside=(name_of(38), name_of(39)))
    only, effort = [Filter(), few, few], Effort(candidates=1)
    found = search_all(store, [VERTICES[:1]] * 3, 2, segments=segments, only=only, effort=effort)
    assert [len(matches) for matches in found] == [2, 2, 2]
    assert store.asked == [(3, 1), (1, 4)]  # one row is no two answers, but a filter makes a list whole
    assert [match.path for match in found[1]] == [name_of(38), name_of(39)]


@pytest.mark.parametrize("segments", [False, True])
def test_what_candidates_never_find_is_found_among_all(segments: bool) -> None:
    store = LooseStore([[0]] * 25)
    found = search(store, VERTICES[:1], 30, segments=segments, effort=Effort(candidates=1))
    assert len(found) == 25
    widened = [candidates for _, candidates in store.asked]
    assert widened[:3] == [1, 4, 16]
    assert store.lists is None


def test_a_budget_of_all_rows_asks_for_no_lists() -> None:
    store = LooseStore([[0], [2], [4]])
    assert len(search(store, VERTICES[:1], 3, effort=Effort(candidates=3))) == 3
    assert store.asked == []


def test_files_that_cannot_be_better_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    files, compared = [[2], [0], [0], [2], [2], [2]], []
    store = LooseStore(files)
    monkeypatch.setattr(store, "bounds", lambda _: (np.arange(6), np.array([0.3, 1, 1, 0.3, 0.2, 0.9])))
    best_of_files = store.best_of_files

    def counted(query: Vector, files: Numbers) -> tuple[Vector, Numbers]:
        compared.extend(files.tolist())
        return best_of_files(query, files)

    monkeypatch.setattr(store, "best_of_files", counted)
    assert [match.path for match in search(store, VERTICES[:1], 2)] == [name_of(1), name_of(2)]
    assert compared == [1, 2]


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("effort", [EXACT, Effort(candidates=1)])
def test_a_filter_that_admits_nothing_gives_nothing(segments: bool, effort: Effort) -> None:
    only = Filter(inside=(b"elsewhere",))
    assert search(LooseStore([[0], [1, 2]]), VERTICES[:1], 3, segments=segments, only=only, effort=effort) == []


def test_no_queries_have_no_answers() -> None:
    assert search_all(LooseStore([[0]]), [], 3) == []
    assert search_all(LooseStore([[0]]), [], 3, effort=Effort(candidates=1)) == []
