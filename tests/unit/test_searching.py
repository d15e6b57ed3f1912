"""Searching a library of many cells: what is exact is exact, and what is quick finds what it promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import seen
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import build_library, search, search_all
from numpy.typing import NDArray

from qbe.index.file.library import Cells, Library, open_library
from qbe.index.file.pages import numbers_of
from qbe.index.file.parts import UNIT
from qbe.index.near.candidates import nearest
from qbe.index.near.scanning import Scan
from qbe.index.near.scores import best_allowed
from qbe.index.store import FileStore
from qbe.index.write.planting import LEAST_ROWS, assign, cells_for, plant
from qbe.search.centring import PRIOR
from qbe.search.highest import GROUPED, highest
from qbe.search.store import EXACT, Effort, Filter, Match, Near
from qbe.streams.records import Embedding, Header, Vector
from qbe.support.errors import LibraryError

DIMENSION, HOP, PER_FILE = 64, 8192, 8
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)


def normalised(vectors: NDArray[np.floating]) -> Vector:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def clustered(count: int, seed: int, clusters: int = 100) -> Vector:
    """Unit vectors around centres that all seeds share, varying mostly in a dozen directions, as embeddings do."""
    centres = np.random.default_rng(99).normal(size=(clusters, DIMENSION))
    directions = np.random.default_rng(98).normal(size=(12, DIMENSION))
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(count, 12)) @ directions * 0.2 + rng.normal(size=(count, DIMENSION)) * 0.05
    return normalised(centres[rng.integers(0, clusters, count)] + spread)


def path_of(row: int) -> bytes:
    return b"%d.wav" % (row // PER_FILE)


def build(path: Path, vectors: Vector, trees: int = 1) -> Library:
    """Every PER_FILE vectors are the segments of a file."""
    rows = (Embedding(path_of(i), i % PER_FILE * HOP, 2 * HOP, 16_000, vector) for i, vector in enumerate(vectors))
    build_library(str(path), HEADER, rows, trees)
    return open_library(str(path))


VECTORS = clustered(3 * LEAST_ROWS, seed=0)


@pytest.fixture(scope="module", params=[1, 3])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    vectors = VECTORS.copy()
    vectors[5000:5100] = vectors[7000:7100]  # ties
    return build(tmp_path_factory.mktemp("index") / "a.idx", vectors, request.param)


def begins(matches: list[Match]) -> list[tuple[bytes, int]]:
    return [(match.path, match.start) for match in matches]


def kept_vectors(library: Library) -> NDArray[np.float64]:
    """What the library keeps, in the order it came, turned back."""
    rows = np.concatenate([library.rows_of(file) for file in range(library.files)])
    return library.vectors(rows) @ library.frame.axes.T.astype(np.float64)


def brute_force(library: Library, query: Vector) -> NDArray[np.float64]:
    """The score of every row, in the order the rows came, with one vector."""
    [scores] = seen(library, query) @ kept_vectors(library).T
    return np.asarray(scores)


def number(match: Match) -> int:
    """Of the row, in the order the rows came."""
    return int(match.path.removesuffix(b".wav")) * PER_FILE + match.start // HOP


def test_the_rotation_loses_nothing_and_16_bits_next_to_nothing(library: Library) -> None:
    np.testing.assert_allclose(library.frame.axes @ library.frame.axes.T, np.eye(DIMENSION), atol=1e-5)
    kept, whole = kept_vectors(library), VECTORS.copy()
    whole[5000:5100] = whole[7000:7100]
    np.testing.assert_allclose(kept, seen(library, whole), atol=1e-4)
    np.testing.assert_allclose(library.frame.middle, whole.sum(0) / (len(whole) + PRIOR), atol=1e-6)
    queries = seen(library, clustered(50, seed=3))
    np.testing.assert_allclose(kept @ queries.T, seen(library, whole) @ queries.T, atol=1e-4)


def test_the_heads_hold_the_most(library: Library) -> None:
    assert (library.block("heads").all()[: library.rows] ** 2).sum(1).mean() > 0.75
    tails = library.block("tails").all() * np.float64(UNIT)
    np.testing.assert_allclose(library.block("tail_norms").all(), np.linalg.norm(tails, axis=1), rtol=1e-5)


@pytest.mark.parametrize("k", [1, 10, 300])
def test_exact_rows_are_those_of_brute_force(library: Library, k: int) -> None:
    for seed in range(15):
        query = clustered(1, seed=10 + seed)
        scores = brute_force(library, query)
        matches = search(library, query, k, rows=True)
        assert len({number(match) for match in matches}) == k
        found = [match.score for match in matches]
        np.testing.assert_allclose(found, np.sort(scores)[::-1][:k], atol=1e-6)
        np.testing.assert_allclose(found, scores[[number(match) for match in matches]], atol=1e-6)


def test_equal_rows_come_in_the_order_of_the_files(library: Library) -> None:
    matches = search(library, VECTORS[7050:7051], 2, rows=True)
    assert begins(matches) == [(path_of(at), at % PER_FILE * HOP) for at in (5050, 7050)]
    assert matches[0].score == matches[1].score


@pytest.mark.parametrize("parts", [1, 5, 40])
def test_exact_files_are_those_of_the_definition(library: Library, parts: int) -> None:
    query = clustered(parts, seed=20)
    of_files = (kept_vectors(library) @ seen(library, query).T).reshape(library.files, PER_FILE, parts)
    scores = of_files.max(1).mean(1)
    matches = search(library, query, 10)
    order = np.argsort(-scores.round(6), kind="stable")[:10]
    assert [match.path for match in matches] == [b"%d.wav" % file for file in order]
    np.testing.assert_allclose([match.score for match in matches], scores[order], atol=1e-6)
    for match, file in zip(matches, order, strict=True):
        of_rows = of_files[file].mean(1)[of_files[file].argmax(0)]  # of those nearest to a segment of the query
        assert of_files[file][match.start // HOP].mean() == pytest.approx(of_rows.max(), abs=1e-6)


@pytest.mark.parametrize("rows", [False, True])
def test_a_budget_of_all_rows_is_exact(library: Library, rows: bool) -> None:
    query = clustered(1 if rows else 3, seed=21)
    assert search(library, query, 20, rows=rows, budget=library.rows) == search(library, query, 20, rows=rows)


def recall(library: Library, queries: Vector, budget: int, rows: bool) -> float:
    found = 0
    for query in queries[:, None]:
        exact = set(begins(search(library, query, 10, rows=rows)))
        found += len(exact & set(begins(search(library, query, 10, rows=rows, budget=budget))))
    return found / 10 / len(queries)


@pytest.mark.parametrize("promised", [0.9, 0.97, 0.99])
def test_the_stored_budget_keeps_its_promise_for_queries_that_are_not_stored(library: Library, promised: float) -> None:
    budget = library.budget(promised)
    assert budget is not None
    assert budget < 0.4 * library.rows
    assert recall(library, clustered(150, seed=30), budget, rows=True) > promised - 0.025


def test_files_are_found_with_the_stored_budget_too(library: Library) -> None:
    budget = library.budget(0.97)
    assert budget is not None
    assert recall(library, clustered(100, seed=31), budget, rows=False) > 0.945


def test_files_are_found_when_the_parts_of_a_query_have_nothing_in_common(library: Library) -> None:
    budget, found = library.budget(0.97), 0
    for query in clustered(120, seed=33).reshape(40, 3, DIMENSION):
        exact = {match.path for match in search(library, query, 10)}
        found += len(exact & {match.path for match in search(library, query, 10, budget=budget)})
    assert found / 400 > 0.9


def test_scores_are_exact_whatever_the_budget(library: Library) -> None:
    for rows in (True, False):
        query = clustered(1 if rows else 4, seed=32)
        exact = {(m.path, m.start): m.score for m in search(library, query, library.rows, rows=rows)}
        for match in search(library, query, 10, rows=rows, budget=300):
            assert match.score == pytest.approx(exact[match.path, match.start], abs=1e-6)


def test_budgets_ascend_and_the_next_higher_is_taken(library: Library) -> None:
    recalls, rows = zip(*library.footer.budgets, strict=True)
    assert list(recalls) == sorted(set(recalls))
    assert list(rows) == sorted(rows)
    assert library.budget(0.91) == library.budget(0.95)
    assert library.budget(1.0) is None


def rows_to_meet(library: Library, query: Vector, budget: int) -> NDArray[np.int64] | None:
    """Those of the nearest cells that hold a budget; None where two cells are equally near, but for rounding."""
    away = ((library.cells.centres.astype(np.float64) - query[: library.head_dimensions]) ** 2).sum(1)
    order = np.argsort(away)
    last = int(library.cells.sizes[order].cumsum().searchsorted(budget))
    if last + 1 < len(order) and away[order[last + 1]] - away[order[last]] < 1e-5:
        return None
    begin, end = library.cells.begin[0], library.cells.end[0]
    places = [np.arange(begin[cell], end[cell]) for cell in order[: last + 1]]
    return np.unique(library.rows_at(np.concatenate(places)))


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), budget=st.integers(1, 2 * LEAST_ROWS), count=st.integers(1, 500))
def test_a_scan_meets_its_budget_and_gives_no_row_twice(library: Library, seed: int, budget: int, count: int) -> None:
    query = library.frame.seen(clustered(1, seed=seed))[0]
    scan = Scan(library, query, budget)
    assert len(scan.scores) >= budget
    near = scan.best(count, None)
    assert len(set(near.rows.tolist())) == len(near.rows) <= count
    assert (np.diff(near.scores) <= 0).all()
    np.testing.assert_allclose(near.scores, library.vectors(near.rows) @ query, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), budget=st.integers(1, 2 * LEAST_ROWS), count=st.integers(1, 300))
def test_many_queries_get_the_very_best_of_their_cells(library: Library, seed: int, budget: int, count: int) -> None:
    queries = library.frame.seen(clustered(300, seed=seed))
    found = list(nearest(library, queries, budget, count))
    assert len(found) == len(queries)
    for query, near in zip(queries[::30], found[::30], strict=True):
        rows = rows_to_meet(library, query, budget)
        if rows is None:
            continue
        scores = np.sort(library.vectors(rows) @ query)[::-1][:count]
        assert len(set(near.rows.tolist())) == len(near.rows) == len(scores)
        np.testing.assert_allclose(near.scores, scores, atol=1e-5)
        np.testing.assert_allclose(near.scores, library.vectors(near.rows) @ query, atol=1e-5)


def test_empty_cells_take_no_one_s_place(tmp_path: Path) -> None:
    library = build(tmp_path / "a.idx", clustered(6000, seed=0))
    queries = library.frame.seen(clustered(200, seed=1))
    expected = [near.rows.tolist() for near in nearest(library, queries, 1000, 10)]
    cells, more = library.cells, len(queries)
    centres = np.concatenate([queries[:, : library.head_dimensions], cells.centres])
    nothing = np.zeros(more, np.int64)
    library.cells = Cells(
        centres,
        (centres * centres).sum(1) / 2,
        np.concatenate([nothing, cells.sizes]),
        np.concatenate([nothing[None], cells.begin], axis=1),
        np.concatenate([nothing[None], cells.end], axis=1),
    )
    assert [near.rows.tolist() for near in nearest(library, queries, 1000, 10)] == expected
    for query, rows in zip(queries[::20], expected[::20], strict=True):
        (near,) = nearest(library, query[None], 1000, 10)
        assert len(set(near.rows.tolist()) & set(rows)) >= 8


@given(scores=st.lists(st.integers(0, 900), min_size=1, max_size=300), count=st.integers(1, 60), rows=st.integers(1, 3))
def test_the_highest_are_among_those_that_are_taken_for_them(scores: list[int], count: int, rows: int) -> None:
    table = np.stack([np.roll(np.array(scores, np.float32), row) for row in range(rows)])
    taken = highest(table, count)
    for one, of_one in zip(table, taken, strict=True):
        least = np.sort(one)[-min(count, len(one))]
        assert of_one[one >= least].all()
        assert (highest(one, count) == of_one).all()
    if len(set(scores)) == len(scores) > GROUPED * count:
        assert taken.sum(1).max() < GROUPED * (count + 1)  # those in the best groups, and in what makes no group


@given(spans=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=9))
def test_all_numbers_in_spans_in_their_order(spans: list[tuple[int, int]]) -> None:
    begin, length = np.array(spans, np.int64).reshape(-1, 2).T
    expected = [number for first, count in spans for number in range(first, first + count)]
    assert numbers_of(begin, begin + length).tolist() == expected


@given(
    scores=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    count=st.integers(1, 70),
    dropped=st.sets(st.integers(0, 9)),
)
def test_ties_push_out_none_that_are_better_nor_do_files_that_do_not_count(
    library: Library, scores: list[int], count: int, dropped: set[int]
) -> None:
    near = Near(np.arange(len(scores)), np.array(scores, np.float32))
    files = library.segments_of(near.rows)[:, 0].tolist()
    gone = {files[at] for at in dropped if at < len(files)}
    best, passed = best_allowed(library, near, count, lambda asked: ~np.isin(asked, list(gone)))
    left = [score for score, file in zip(scores, files, strict=True) if file not in gone]
    assert best.scores.tolist() == sorted(left, reverse=True)[:count]
    assert not gone.intersection(library.segments_of(best.rows)[:, 0].tolist())
    if len(best.rows):
        better = [score for score, file in zip(scores, files, strict=True) if file in gone and score > best.scores[-1]]
        assert passed >= len(better)


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize("budget", [None, 2000])
def test_many_sounds_at_once_get_what_each_gets_by_itself(library: Library, places: bool, budget: int | None) -> None:
    sounds = [clustered(1 + number % 4, seed=60 + number) for number in range(120 if budget else 12)]
    left_out = [() if number % 3 else (path_of(number),) for number in range(len(sounds))]
    filters = [Filter(without=without) for without in left_out]
    effort = EXACT if budget is None else Effort(candidates=budget)
    together = search_all(FileStore(library), sounds, 10, places=places, only=filters, effort=effort)
    found = 0
    for sound, without, matches in zip(sounds, left_out, together, strict=True):
        only = [Filter(without=without)]
        [exact] = search_all(FileStore(library), [sound], 10, places=places, only=only)
        if budget is None:
            assert matches == exact
        assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)
        assert not any(match.path in without for match in matches)
        found += len(set(begins(exact)) & set(begins(matches)))
    assert found / 10 / len(sounds) > 0.95


def test_every_tree_holds_every_row_once(library: Library) -> None:
    orders = np.r_[np.arange(library.rows), library.block("tree_rows").all()].reshape(library.trees, library.rows)
    heads = library.block("heads").all()
    for tree, order in enumerate(orders):
        np.testing.assert_array_equal(np.sort(order), np.arange(library.rows))
        at = slice(tree * library.rows, (tree + 1) * library.rows)
        np.testing.assert_allclose(heads[at], heads[order], atol=1e-6)


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("budget", [None, 300])
def test_a_skipped_file_makes_room_even_if_it_fills_the_lists(tmp_path: Path, rows: bool, budget: int | None) -> None:
    vectors = clustered(2 * LEAST_ROWS, seed=40)
    rng = np.random.default_rng(0)
    own = normalised(vectors[:1] + rng.normal(size=(1000, DIMENSION)) * 0.001)  # all nearer than anything else
    rows = [Embedding(b"own", i * HOP, 2 * HOP, 16_000, vector) for i, vector in enumerate(own)]
    rows += [Embedding(path_of(i), i % PER_FILE * HOP, 2 * HOP, 16_000, v) for i, v in enumerate(vectors)]
    build_library(str(tmp_path / "a.idx"), HEADER, rows)
    matches = search(open_library(str(tmp_path / "a.idx")), own[:1], 10, rows=rows, without=[b"own"], budget=budget)
    assert len(matches) == 10
    assert b"own" not in {match.path for match in matches}
    assert matches[0].path == b"0.wav"


def test_a_small_budget_is_widened_until_there_are_enough(library: Library) -> None:
    assert len(search(library, clustered(1, seed=50), 1000, budget=1)) == 1000
    assert len(search(library, clustered(1, seed=50), 10**6, budget=1)) == library.files


def test_small_libraries_are_one_cell_and_exact(tmp_path: Path) -> None:
    library = build(tmp_path / "a.idx", clustered(LEAST_ROWS - 8, seed=0), trees=4)
    assert (library.trees, len(library.cells.sizes), library.footer.budgets) == (1, 1, ())
    assert library.budget(0.5) is None


def test_the_same_stream_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build(tmp_path / name, VECTORS, trees=2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_all_vectors_alike(tmp_path: Path) -> None:
    library = build(tmp_path / "a.idx", np.repeat(VECTORS[:1], 2 * LEAST_ROWS, axis=0))
    for budget in (None, 300):
        matches = search(library, VECTORS[:1], 10, rows=True, budget=budget)
        assert [match.score for match in matches] == pytest.approx([1.0] * 10, abs=1e-3)
    assert begins(search(library, VECTORS[:1], 2)) == [(b"0.wav", 0), (b"1.wav", 0)]


def test_cells_are_many_and_rows_lie_in_the_nearest() -> None:
    heads = VECTORS[:, :32]
    cells = cells_for(len(heads))
    centres = plant(heads, cells, np.random.default_rng(0))
    assert centres.shape == (cells, 32)
    cell = np.concatenate(list(assign([heads], centres)))
    distances = np.linalg.norm(heads[:500, None] - centres[None], axis=2)
    np.testing.assert_allclose(distances[np.arange(500), cell[:500]], distances.min(1), atol=1e-5)
    assert np.bincount(cell, minlength=cells).max() < 10 * len(heads) / cells


@pytest.mark.parametrize("name", ["heads", "tails", "segments", "files", "paths", "cells", "centres"])
def test_a_search_that_touches_a_bad_block_says_so(library: Library, tmp_path: Path, name: str) -> None:
    data = bytearray(Path(library.path).read_bytes())
    block = library.parts[0].blocks[name]
    for page in range(block.pages):
        data[block.offset + page * block.page + 1] ^= 1
    bad = tmp_path / "bad.idx"
    bad.write_bytes(data)
    opened = open_library(str(bad))
    for budget in (300,) if name in ("centres", "cells") else (300, None):  # an exact search needs no centres
        with pytest.raises(LibraryError, match=f"bad.idx: damaged: wrong checksum in {name}; build it again"):
            search(opened, VECTORS[:1], 10, budget=budget)
    assert opened.damaged_blocks() == [name]


def test_a_search_that_does_not_touch_the_bad_page_answers(library: Library, tmp_path: Path) -> None:
    data = bytearray(Path(library.path).read_bytes())
    block = library.parts[0].blocks["heads"]
    query = VECTORS[:1]
    cells = library.cells
    nearness = cells.centres @ library.frame.heads.seen(query)[0] - cells.offsets
    farthest = int(nearness[: len(nearness) // library.trees].argmin())  # an exact search reads the first tree
    data[block.offset + int(cells.begin[0, farthest]) * 128 + 5] ^= 1
    bad = tmp_path / "bad.idx"
    bad.write_bytes(data)
    assert search(open_library(str(bad)), query, 5, rows=True, budget=300) == search(
        library, query, 5, rows=True, budget=300
    )
    with pytest.raises(LibraryError, match="wrong checksum in heads"):
        search(open_library(str(bad)), query, 5)
