"""The nearest rows, against all cosines in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vertices import VERTICES, LooseStore, Rows, filters, mixed, name_of, own_of, seeds

from qbe.search import rows
from qbe.search.rows import nearest_rows
from qbe.search.store import EXACT, Effort, Filter

vertices = st.integers(0, len(VERTICES) - 1)


@pytest.fixture(scope="module", autouse=True)
def _small_numbers() -> Iterator[None]:
    """So that more has to be asked for."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"SPARE": 1, "SEEDS": 2}.items():
            patch.setattr(rows, name, value)
        yield


def nearest(files: list[Rows], vertex: int, k: int, only: Filter) -> list[tuple[float, int]]:
    """The definition: cosines and rows, which are counted through all files in their order."""
    of_rows = [(file, of) for file, own in enumerate(files) for _, of in own]
    found = [
        (-float(VERTICES[of] @ VERTICES[vertex]), row)
        for row, (file, of) in enumerate(of_rows)
        if only.admits(own_of(file))
    ]
    return sorted(found)[:k]


@settings(deadline=None)
@given(files=mixed, vertex=vertices, k=st.integers(1, 30), only=filters, seed=seeds)
def test_exact_ones_are_those_of_the_definition(
    files: list[Rows], vertex: int, k: int, only: Filter, seed: int
) -> None:
    near = nearest_rows(LooseStore(files, seed), VERTICES[vertex], k, only=only)
    found = list(zip((-near.scores).tolist(), near.rows.tolist(), strict=True))
    assert found == nearest(files, vertex, k, only)


@settings(deadline=None)
@given(files=mixed, vertex=vertices, k=st.integers(1, 8), only=filters, candidates=st.integers(1, 40))
def test_there_are_k_with_exact_scores_whatever_the_effort(
    files: list[Rows], vertex: int, k: int, only: Filter, candidates: int
) -> None:
    near = nearest_rows(LooseStore(files), VERTICES[vertex], k, only=only, effort=Effort(candidates=candidates))
    found = list(zip((-near.scores).tolist(), near.rows.tolist(), strict=True))
    whole = nearest(files, vertex, 1000, only)
    assert set(found) <= set(whole)
    assert len(found) == min(k, len(whole))
    assert found == sorted(found)


def test_more_rows_are_scored_until_there_are_k() -> None:
    store = LooseStore([[(0, 0)]] * 40)
    assert len(nearest_rows(store, VERTICES[0], 20, effort=Effort(candidates=2)).rows) == 20
    assert [candidates for _, candidates in store.asked] == [2, 8, 32]


@pytest.mark.parametrize("effort", [EXACT, Effort(candidates=1)])
def test_a_filter_that_admits_nothing_gives_nothing(effort: Effort) -> None:
    near = nearest_rows(LooseStore([[(0, 0)], [(0, 1)]]), VERTICES[0], 3, only=Filter(inside=(b"no",)), effort=effort)
    assert len(near.rows) == len(near.scores) == 0


def test_many_files_that_do_not_count_may_be_the_nearest() -> None:
    store = LooseStore([[(0, 0)]] * 300 + [[(0, 2)]] * 3)
    only = Filter(without=tuple(map(name_of, range(300))))
    assert nearest_rows(store, VERTICES[0], 3, only=only).rows.tolist() == [300, 301, 302]
