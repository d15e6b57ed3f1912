"""Ranking, over the smallest store there is, against plain Python over all segments of all files."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vertices import (
    HOP,
    LENGTH,
    VERTICES,
    LooseStore,
    Rows,
    best_files,
    best_places,
    filters,
    libraries,
    mixed,
    name_of,
    own_of,
    parts,
    rows_at,
    seeds,
    windows,
)

from qbe.search import places, ranking
from qbe.search.places import Place
from qbe.search.question import Question
from qbe.search.ranking import search
from qbe.search.store import EXACT, Effort, Filter
from qbe.search.windows import Windows
from qbe.streams.records import Numbers, Vector

kinds = st.sampled_from([False, True])
least_scores = st.sampled_from([-1.0, -1.0, 0.0, 0.3, 0.5, 0.75])
either = pytest.mark.parametrize("places", [False, True])


@pytest.fixture(scope="module", autouse=True)
def _small_numbers() -> Iterator[None]:
    """So that the small libraries here are compared in many steps."""
    with pytest.MonkeyPatch.context() as patch:
        for module, numbers in ((ranking, {"COMPARED": 2}), (places, {"COMPARED": 8})):
            for name, value in {**numbers, "LISTED": 3, "LISTED_PER_RESULT": 2}.items():
                patch.setattr(module, name, value)
        yield


def files_of(found: list[Place]) -> list[tuple[bytes, float]]:
    return [(name_of(place.file), place.score) for place in found]


def shown(found: list[Place]) -> list[tuple[int, float, int, int]]:
    """Without the rows, which compare as arrays do."""
    return [place[:4] for place in found]


def one(*vertices: int) -> Windows:
    return Windows.of(VERTICES[list(vertices)])


@settings(deadline=None, max_examples=200)
@given(
    files=mixed,
    windows=windows(),
    k=st.integers(1, 30),
    only=filters,
    part=parts,
    min_score=least_scores,
    seed=seeds,
)
def test_exact_files_are_those_of_the_definition(
    files: list[Rows],
    windows: Windows,
    k: int,
    only: Filter,
    part: tuple[int, int] | None,
    min_score: float,
    seed: int,
) -> None:
    question = Question(LooseStore(files, seed), windows, k, only, part, min_score)
    [found] = search([question])
    assert files_of(found) == best_files(question, files)


@settings(deadline=None)
@given(files=libraries, windows=windows(), k=st.integers(1, 30), only=filters, part=parts)
def test_exact_places_are_those_of_the_definition(
    files: list[Rows], windows: Windows, k: int, only: Filter, part: tuple[int, int] | None
) -> None:
    question = Question(LooseStore(files), windows, k, only, part)
    [found] = search([question], places=True)
    assert [(name_of(place.file), *place[1:4]) for place in found] == best_places(question, files)


@settings(deadline=None)
@given(files=mixed, windows=windows(), k=st.integers(1, 8), only=filters, candidates=st.integers(1, 40))
def test_files_are_ranked_among_those_that_the_lists_name(
    files: list[Rows], windows: Windows, k: int, only: Filter, candidates: int
) -> None:
    store = LooseStore(files)
    question = Question(store, windows, k, only)
    [found] = search([question], effort=Effort(candidates=candidates))
    among = None
    if store.lists is not None:
        among = {int(file) for near in store.lists for file in store.places(near.rows)[:, 0]}
    assert files_of(found) == best_files(question, files, among)


@settings(deadline=None)
@given(
    files=mixed,
    windows=windows(),
    k=st.integers(1, 8),
    only=filters,
    part=parts,
    min_score=least_scores,
    candidates=st.integers(1, 40),
)
def test_scores_are_exact_and_there_are_k_whatever_the_effort(
    files: list[Rows],
    windows: Windows,
    k: int,
    only: Filter,
    part: tuple[int, int] | None,
    min_score: float,
    candidates: int,
) -> None:
    store = LooseStore(files)
    whole = best_files(Question(store, windows, 1000, only, part), files)
    [found] = search([Question(store, windows, k, only, part)], effort=Effort(candidates=candidates))
    assert set(files_of(found)) <= set(whole)
    assert len({place.file for place in found}) == len(found) == min(k, len(whole))
    order = [(-place.score, place.file) for place in found]
    assert order == sorted(order)
    [good] = search([Question(store, windows, k, only, part, min_score)], effort=Effort(candidates=candidates))
    assert shown(good) == [place[:4] for place in found if place.score >= min_score]


@settings(deadline=None)
@given(files=libraries, windows=windows(), k=st.integers(1, 8), only=filters, candidates=st.integers(1, 40))
def test_there_are_k_places_whatever_the_effort(
    files: list[Rows], windows: Windows, k: int, only: Filter, candidates: int
) -> None:
    question = Question(LooseStore(files), windows, k, only)
    [exact], [found] = (search([question], places=True, effort=of) for of in (EXACT, Effort(candidates=candidates)))
    assert len(found) == k or len(found) == len(exact)
    assert all(better.score >= near.score - 1e-9 for better, near in zip(exact[:1], found[:1], strict=True))


@settings(deadline=None)
@given(
    files=mixed,
    asked=st.lists(st.tuples(windows(), filters, parts), max_size=5),
    k=st.integers(1, 8),
    places=kinds,
    candidates=st.none() | st.integers(1, 40),
)
def test_many_at_once_are_answered_as_each_by_itself(
    files: list[Rows],
    asked: list[tuple[Windows, Filter, tuple[int, int] | None]],
    k: int,
    places: bool,
    candidates: int | None,
) -> None:
    effort = EXACT if candidates is None else Effort(candidates=candidates)
    store = LooseStore(files)
    questions = [Question(store, windows, k, only, part) for windows, only, part in asked]
    together = search(questions, places=places, effort=effort)
    alone = [search([question], places=places, effort=effort)[0] for question in questions]
    assert list(map(shown, together)) == list(map(shown, alone))


@settings(deadline=None)
@given(files=mixed, vertex=st.integers(0, 23), k=st.integers(1, 30))
def test_the_place_of_a_file_is_its_best(files: list[Rows], vertex: int, k: int) -> None:
    [found] = search([Question(LooseStore(files), one(vertex), k)])
    for place in found:
        cosines = [(-float(VERTICES[of] @ VERTICES[vertex]), start) for start, of in files[place.file]]
        assert (-place.score, place.start) == min(cosines)
        assert place.end == place.start + LENGTH


@settings(deadline=None)
@given(files=mixed, windows=windows(), part=parts.filter(bool), own=st.integers(0, 19))
def test_a_recording_answers_with_what_does_not_touch_the_part_that_asks(
    files: list[Rows], windows: Windows, part: tuple[int, int], own: int
) -> None:
    [found] = search([Question(LooseStore(files), windows, 100, Filter(own=(own_of(own),)), part)])
    for place in found:
        if place.file == own:
            assert place.end <= part[0] or place.start >= part[1]


def test_a_recording_that_is_nothing_but_the_part_does_not_answer() -> None:
    store = LooseStore([rows_at(HOP, [0, 2]), rows_at(HOP, [1])])
    [found] = search([Question(store, one(0), 9, Filter(own=(own_of(0),)), (0, 300))])
    assert files_of(found) == [(name_of(1), -1.0)]


@either
def test_equal_answers_come_in_the_order_of_files_and_starts(places: bool) -> None:
    files = [rows_at(HOP, own) for own in ([2, None, 0, None, 0], [], [0], [0, None, 2])]
    [found] = search([Question(LooseStore(files), one(0), 9)], places=places)
    tied = [(0, 200), (0, 400), (2, 0), (3, 0)]
    expected = [*tied, (0, 0), (3, 200)] if places else [tied[0], *tied[2:]]
    assert [(place.file, place.start) for place in found] == expected


@either
def test_candidates_are_widened_for_those_that_lack_answers_only(places: bool) -> None:
    store = LooseStore([[(0, 0)]] * 20 + [[(0, 2)]] * 20)
    few = Filter(inside=(name_of(38), name_of(39)))
    questions = [Question(store, one(0), 2, only) for only in (Filter(), few, few)]
    found = search(questions, places=places, effort=Effort(candidates=1))
    assert [len(answers) for answers in found] == [2, 2, 2]
    assert store.asked == [(3, 1), (1, 4)]  # one row is no two answers, but a filter makes a list whole
    assert [place.file for place in found[1]] == [38, 39]


@either
def test_what_candidates_never_find_is_found_among_all(places: bool) -> None:
    store = LooseStore([[(0, 0)]] * 25)
    [found] = search([Question(store, one(0), 30)], places=places, effort=Effort(candidates=1))
    assert len(found) == 25
    assert [candidates for _, candidates in store.asked[:3]] == [1, 4, 16]
    assert store.lists is None


def test_a_budget_of_all_rows_asks_for_no_lists() -> None:
    store = LooseStore([[(0, 0)], [(0, 2)], [(0, 4)]])
    [found] = search([Question(store, one(0), 3)], effort=Effort(candidates=3))
    assert len(found) == 3
    assert store.asked == []


def test_files_that_cannot_be_better_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    store = LooseStore([[(0, vertex)] for vertex in (2, 0, 0, 2, 2, 2)])
    monkeypatch.setattr(store, "bounds", lambda *_: (np.arange(6), np.array([0.3, 1, 1, 0.3, 0.2, 0.9])))
    best_of_files = store.best_of_files

    def counted(query: Vector, files: Numbers) -> tuple[Vector, Numbers]:
        compared.extend(files.tolist())
        return best_of_files(query, files)

    monkeypatch.setattr(store, "best_of_files", counted)
    [found] = search([Question(store, one(0), 2)])
    assert [place.file for place in found] == [1, 2]
    assert compared == [1, 2]


@either
@pytest.mark.parametrize("effort", [EXACT, Effort(candidates=1)])
def test_a_filter_that_admits_nothing_gives_nothing(places: bool, effort: Effort) -> None:
    store = LooseStore([[(0, 0)], [(0, 1), (100, 2)]])
    assert search([Question(store, one(0), 3, Filter(inside=(b"elsewhere",)))], places=places, effort=effort) == [[]]


def test_no_questions_have_no_answers() -> None:
    assert search([]) == []
    assert search([], places=True, effort=Effort(candidates=1)) == []
