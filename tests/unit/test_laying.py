"""Laying queries along files, over the smallest store there is, against plain Python over all ways to do it."""

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
    Answer,
    LooseStore,
    Rows,
    best_places,
    filters,
    is_place,
    layings,
    libraries,
    mixed,
    name_of,
    own_of,
    parts,
    rows_at,
    score_of,
    seeds,
    windows,
)

from qbe.search import laying, places
from qbe.search.laying import Layings, compared
from qbe.search.places import STEPS, Place, all_places, best_in_files, near_places
from qbe.search.question import Question
from qbe.search.store import Filter
from qbe.search.windows import Windows

MOST_MOVED = HOP + HOP // STEPS  # a place, from where it was laid


@pytest.fixture(scope="module", autouse=True)
def _small_numbers() -> Iterator[None]:
    """So that the small libraries here are compared in many steps."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (
            (places, "LISTED", 3),
            (places, "LISTED_PER_RESULT", 1),
            (places, "COMPARED", 8),
            (laying, "COMPARED", 8),
            (laying, "FILES", 3),
            (laying, "POSITIONS", 9),
            (laying, "ROWS", 2),
        ):
            patch.setattr(module, name, value)
        yield


def answers(found: list[Place]) -> list[Answer]:
    return [(name_of(place.file), *place[1:4]) for place in found]


def alike(*vertices: int, length: int | None = None) -> Windows:
    """A slot a vertex, one after the other."""
    starts = HOP * np.arange(len(vertices))
    return Windows.of(VERTICES[list(vertices)], starts, length=length or int(starts[-1]) + LENGTH)


@settings(deadline=None, max_examples=200)
@given(
    files=libraries,
    windows=windows(),
    k=st.sampled_from([1, 2, 3, 10, 1000]),
    only=filters,
    part=parts,
    min_score=st.sampled_from([-1.0, -0.25, 0.0, 0.3, 0.5, 0.75]),
    per_file=st.sampled_from([None, None, 1, 2]),
    seed=seeds,
)
def test_all_places_are_those_of_the_definition(
    files: list[Rows],
    windows: Windows,
    k: int,
    only: Filter,
    part: tuple[int, int] | None,
    min_score: float,
    per_file: int | None,
    seed: int,
) -> None:
    question = Question(LooseStore(files, seed), windows, k, only, part, min_score, per_file)
    assert answers(all_places(question)) == best_places(question, files)


@settings(deadline=None)
@given(files=mixed, windows=windows(), only=filters, part=parts, data=st.data())
def test_a_way_to_lay_a_query_scores_by_the_definition(
    files: list[Rows], windows: Windows, only: Filter, part: tuple[int, int] | None, data: st.DataObject
) -> None:
    """Whatever the hops of the files, and on no row exactly."""
    question = Question(LooseStore(files), windows, 5, only, part)
    some = data.draw(st.lists(st.sampled_from([file for file, rows in enumerate(files) if rows]), min_size=1))
    starts = [data.draw(st.integers(-600, 900)) for _ in some]
    shifts = [data.draw(st.integers(0, windows.laid.shape[1] - 1)) for _ in some]
    scores, rows = compared(question, Layings(*map(np.array, (some, starts, shifts))))
    assert rows.shape == (len(some), len(windows.laid))
    expected = [score_of(question, files[file], *way) for file, *way in zip(some, starts, shifts, strict=True)]
    assert scores == pytest.approx(expected)


@settings(deadline=None)
@given(files=mixed, windows=windows(), k=st.integers(1, 8), only=filters, part=parts, candidates=st.integers(1, 40))
def test_near_places_are_some_of_the_ways_with_their_scores(
    files: list[Rows], windows: Windows, k: int, only: Filter, part: tuple[int, int] | None, candidates: int
) -> None:
    question = Question(LooseStore(files), windows, k, only, part)
    [found] = near_places([question], candidates)
    assert len(found) <= k
    assert [place.score for place in found] == sorted((place.score for place in found), reverse=True)
    for number, place in enumerate(found):
        assert question.others.admits(own_of(place.file))
        ways = layings(question, [files[place.file]] * len(windows.starts))
        scores = [
            score_of(question, files[place.file], *way)
            for way in ways
            if abs(max(0, way[0]) - place.start) <= MOST_MOVED
        ]
        assert any(place.score == pytest.approx(score) for score in scores)
        assert not any(
            place.file == better.file
            and min(place.start, better.start) > 0  # where both begin is known
            and abs(place.start - better.start) < question.apart - 2 * HOP
            for better in found[:number]
        )


@settings(deadline=None)
@given(files=mixed, windows=windows(), k=st.integers(1, 8), part=parts.filter(bool), own=st.integers(0, 19))
def test_the_rest_of_a_recording_answers_and_never_the_part_that_asks(
    files: list[Rows], windows: Windows, k: int, part: tuple[int, int], own: int
) -> None:
    question = Question(LooseStore(files), windows, k, Filter(own=(own_of(own),)), part)
    for place in [*all_places(question), *next(near_places([question], 30))]:
        assert place.file != own or place.end <= part[0] or place.start >= part[1]


@settings(deadline=None)
@given(files=mixed, windows=windows(), only=filters)
def test_the_best_place_in_a_file_is_the_best_that_puts_a_window_over_its_nearest_row(
    files: list[Rows], windows: Windows, only: Filter
) -> None:
    store = LooseStore(files)
    question, some = Question(store, windows, 5, only), np.unique(store.places(np.arange(store.rows))[:, 0])[::-1]
    _, near = store.best_of_files(windows.vectors, some)
    starts = store.places(near.ravel())[:, 1].reshape(near.shape)
    found = best_in_files(question, some, near)
    assert [place.file for place in found] == some.tolist()
    for place, of_windows in zip(found, starts - windows.starts, strict=True):
        ways = [
            (start, shift)
            for slot in windows.laid
            for shift, w in enumerate(slot)
            if w >= 0
            for start in [of_windows[w]]
        ]
        rows = files[place.file]
        good = [way for way in ways if is_place(question, place.file, rows, way[0])]
        best = max((score_of(question, rows, *way) for way in good), default=-np.inf)
        assert place.score == pytest.approx(best)
        assert place.start in {max(0, start) for start, _ in ways}


def test_a_copy_answers_from_its_beginning_to_its_end() -> None:
    whole = [3, 8, 20, 8, 11]
    files = [rows_at(HOP, [1, 2, *whole[:2], 5]), rows_at(HOP, whole), rows_at(HOP, [4, 4, *whole, 6])]
    question = Question(LooseStore(files), alike(*whole), 2)
    length = 4 * HOP + LENGTH
    assert answers(all_places(question)) == [(name_of(1), 1.0, 0, length), (name_of(2), 1.0, 2 * HOP, 2 * HOP + length)]


def test_a_place_begins_in_the_middle_of_where_it_may() -> None:
    """As well over two rows as over either: half way, to a step. But what is found whole stays in its place."""
    [place] = all_places(Question(LooseStore([rows_at(HOP, [2, 8, 8, 2])]), alike(0), 1))
    assert (place.score, abs(place.start - 1.5 * HOP) <= HOP / STEPS) == (0.5, True)
    [place] = all_places(Question(LooseStore([rows_at(HOP, [2, 8, 0, 8, 8])]), alike(0), 1))
    assert (place.score, place.start) == (1.0, 2 * HOP)


def test_what_has_a_better_place_beside_it_is_no_place() -> None:
    """Which has something of that under its windows; another hop further what answers is heard by itself."""
    rows = rows_at(HOP, [1, 1, 1, 0, 8, 2, 1, 8, 1])
    found = all_places(Question(LooseStore([rows]), alike(0), 9, min_score=0.0))
    assert [(place.score, place.start) for place in found] == [(1.0, 3 * HOP), (0.5, 7 * HOP)]


def test_the_same_windows_in_another_order_are_another_place() -> None:
    files = [rows_at(HOP, [8, 0, 2]), rows_at(HOP, [2, 0, 8])]
    [best, other] = all_places(Question(LooseStore(files), alike(2, 0, 8), 2))
    assert (best.file, best.score) == (1, 1.0)
    assert other.score < 1


def test_what_was_left_out_of_a_file_counts_as_nothing() -> None:
    [place] = all_places(Question(LooseStore([rows_at(HOP, [0, None, None, 0])]), alike(0, 0, 0, 0), 1))
    assert (place.score, place.start, place.end) == (0.5, 0, 3 * HOP + LENGTH)
    assert place.rows.tolist() == [0, -1, -1, 1]


def test_a_query_may_hang_over_the_ends_of_a_file_by_half_of_it() -> None:
    question = Question(LooseStore([rows_at(HOP, [0] * 5)]), alike(0, 0, 0, 0, 0), 9)
    found = [(place.score, place.start, place.end) for place in all_places(question)]
    assert found == [(pytest.approx(1.0), 0, 600)]  # what hangs over by half is one with the whole
    apart = Question(LooseStore([rows_at(HOP, [2, 2, 0, 8, 5, 3])]), alike(5, 3, 9, 9), 1)
    [place] = all_places(apart)
    assert (place.score, place.start, place.end) == (0.5, 4 * HOP, 7 * HOP)


def test_a_query_longer_than_a_file_finds_it_whole() -> None:
    found = all_places(Question(LooseStore([rows_at(HOP, [2])]), alike(0, 0, 2, 0, 0), 1))
    assert answers(found) == [(name_of(0), 0.2, 0, LENGTH)]


def test_a_query_without_order_answers_with_single_rows() -> None:
    files = [rows_at(HOP, [0, None, 0, None, 8]), rows_at(HOP, [8])]
    both = Windows.of(VERTICES[[0, 8]])
    found = all_places(Question(LooseStore(files), both, 9))
    assert [(place.file, place.start, place.end) for place in found] == [
        (0, 0, LENGTH),
        (0, 2 * HOP, 2 * HOP + LENGTH),
        (0, 4 * HOP, 4 * HOP + LENGTH),
        (1, 0, LENGTH),
    ]
    assert [place.score for place in found] == [0.75] * 4


def test_a_shifted_window_finds_what_lies_between() -> None:
    """The query begins a quarter of a hop before a segment does: its window that begins earlier lies over it."""
    laid = Windows(VERTICES[[12, 0]], np.array([0, -25]), np.array([[0, 1]]), np.array([1.0]), LENGTH)
    [place] = all_places(Question(LooseStore([rows_at(HOP, [4, 4, 0, 4])]), laid, 1))
    assert (place.score, place.start) == (1.0, 2 * HOP + 25)


def test_a_better_place_between_two_known_ones_leaves_room_for_others() -> None:
    """It is nearer to both than may be: so the worst of those that were known says nothing of the second best."""
    files = [rows_at(HOP, [0, 2, 0, 2, 0, 2, 0]), rows_at(HOP, [0, 9])]
    for k in range(1, 9):
        question = Question(LooseStore(files), alike(0, 2, 0, 2), k)
        assert answers(all_places(question)) == best_places(question, files)
