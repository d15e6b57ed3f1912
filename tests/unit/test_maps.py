"""Maps against the definitions of what they are made of: neighbours, forces, places, order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from libraries import build_library
from numpy.typing import NDArray

from qbe.index.store import open_file
from qbe.maps import projection
from qbe.maps.neighbours import nearest_of, nearest_others
from qbe.maps.points import Points, files_of, segments_of
from qbe.maps.projection import extend, project
from qbe.maps.repulsion import Grid, repulsion
from qbe.maps.thinning import COARSEST, coarse_to_fine
from qbe.maps.tsne import attraction, principal, tsne
from qbe.streams.records import Embedding, Header, Vector

DIMENSION = 16
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)


def unit(array: NDArray[np.float64]) -> Vector:
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def groups(count: int, each: int, seed: int = 0, noise: float = 0.05) -> Vector:
    """So many groups of near vectors, one after the other, [count * each, D]."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.normal(size=(count, DIMENSION)), each, axis=0)
    return unit(middles + rng.normal(0, noise, (count * each, DIMENSION)))


def points_of(path: Path, files: list[Vector], *, segments: bool = False) -> Points:
    rows = [
        Embedding(b"%d.wav" % file, 8192 * k, 16_384, 16_000, vector, -10.0 - k)
        for file, vectors in enumerate(files)
        for k, vector in enumerate(vectors)
    ]
    build_library(str(path), HEADER, rows)
    store = open_file(str(path))
    return segments_of(store) if segments else files_of(store)


@pytest.mark.parametrize(("total", "count"), [(2, 1), (16, 15), (300, 15), (1500, 15), (1500, 100)])
def test_the_nearest_are_those_of_a_full_sort(total: int, count: int) -> None:
    vectors = unit(np.random.default_rng(total).normal(size=(total, DIMENSION)))
    cosines = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    told: list[int] = []
    found = nearest_others(vectors, count, told.append)
    wanted = -np.sort(-cosines, axis=1)[:, :count]
    np.testing.assert_allclose(np.take_along_axis(cosines, found, 1), wanted, atol=1e-6)
    assert all(len(set(row)) == count for row in found.tolist())
    assert told[-1] == total


def test_equal_vectors_are_each_others_neighbours() -> None:
    found = nearest_others(np.repeat(groups(1, 1), 700, axis=0), 15)
    assert all(own not in near and len(set(near)) == 15 for own, near in enumerate(found.tolist()))


def test_the_nearest_of_others_is_the_one_of_the_highest_cosine() -> None:
    vectors, others = groups(30, 40, seed=1), groups(20, 10, seed=2)
    assert (nearest_of(vectors, others) == (vectors @ others.T).argmax(1)).all()


@pytest.mark.parametrize(("dimensions", "spread"), [(2, 0.01), (2, 1.0), (2, 12.0), (3, 1.0), (3, 4.0)])
def test_repulsion_is_the_sum_over_all_pairs(dimensions: int, spread: float) -> None:
    points = np.random.default_rng(3).normal(0, spread, (1500, dimensions))
    apart = points[:, None] - points[None]
    near = 1 / (1 + np.square(apart).sum(2))
    wanted, pairs = (np.square(near)[:, :, None] * apart).sum(1), near.sum() - len(points)
    found, found_pairs = repulsion(points)
    assert np.linalg.norm(found - wanted) < 0.05 * np.linalg.norm(wanted)
    assert found_pairs == pytest.approx(pairs, rel=0.005)


def test_a_grid_keeps_what_is_spread_over_it() -> None:
    points = np.random.default_rng(4).normal(0, 5, (400, 2))
    assert Grid.over(points).spread().sum() == pytest.approx(len(points))


def test_what_lies_on_a_grid_is_gathered_exactly_where_it_is_cubic() -> None:
    grid = Grid.over(np.random.default_rng(5).normal(0, 3, (200, 2)))
    x, y = np.meshgrid(np.arange(grid.nodes), np.arange(grid.nodes), indexing="ij")
    values, slope = grid.gathered((x**3 - 2 * x * y + y**2).ravel().astype(np.float64))
    at_x, at_y = grid.at.T
    np.testing.assert_allclose(values, at_x**3 - 2 * at_x * at_y + at_y**2, rtol=1e-9)
    wanted = np.stack([3 * at_x**2 - 2 * at_y, 2 * at_y - 2 * at_x], 1) / grid.spacing
    np.testing.assert_allclose(slope, wanted, rtol=1e-7, atol=1e-7)


def test_attraction_is_the_sum_over_neighbours_both_ways() -> None:
    rng = np.random.default_rng(6)
    points, neighbours = (
        rng.normal(0, 3, (60, 2)),
        np.array([rng.permutation(np.delete(np.arange(60), k))[:4] for k in range(60)]),
    )
    affinity = np.zeros((60, 60))
    np.put_along_axis(affinity, neighbours, 1, 1)
    affinity = (affinity + affinity.T) / (affinity.sum() * 2)
    apart = points[:, None] - points[None]
    wanted = ((affinity / (1 + np.square(apart).sum(2)))[:, :, None] * apart).sum(1)
    np.testing.assert_allclose(attraction(points, neighbours), wanted)
    assert affinity.sum() == pytest.approx(1)


def test_principal_axes_are_those_of_the_decomposition() -> None:
    vectors = groups(10, 30, seed=7)
    centred = vectors - vectors.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    wanted = np.abs(u[:, :2] * s[:2]) / (u[:, 0] * s[0]).std()
    np.testing.assert_allclose(np.abs(principal(vectors, 2)), wanted, atol=1e-4)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_groups_stay_together(dimensions: int) -> None:
    """The nearest on the map is of the same group."""
    where = tsne(groups(12, 40), dimensions, np.random.default_rng(0))
    apart = np.square(where[:, None] - where[None]).sum(2)
    np.fill_diagonal(apart, np.inf)
    assert (apart.argmin(1) // 40 == np.arange(480) // 40).mean() > 0.99


@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 17])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_few_points_lie_apart(total: int, dimensions: int) -> None:
    where = tsne(groups(total, 1), dimensions, np.random.default_rng(0))
    assert where.shape == (total, dimensions)
    assert np.isfinite(where).all()
    assert len(np.unique(where.round(6), axis=0)) == total


def test_equal_vectors_give_a_finite_map() -> None:
    where = tsne(np.repeat(groups(1, 1), 100, axis=0), 2, np.random.default_rng(0))
    assert np.isfinite(where).all()


def test_a_file_is_the_mean_of_its_segments(tmp_path: Path) -> None:
    files = [groups(1, count, seed=count) for count in (1, 3, 8)]
    points = points_of(tmp_path / "a.idx", files)
    seen = [points.store.vectors(points.store.rows_of(np.array([file]))[0]) for file in range(3)]
    wanted = unit(np.array([vectors.sum(0) for vectors in seen]))
    np.testing.assert_allclose(points.vectors(np.array([2, 0, 1])), wanted[[2, 0, 1]], atol=1e-5)
    assert points.paths == [b"0.wav", b"1.wav", b"2.wav"]
    assert points.lengths.tolist() == [(8192 * (len(file) - 1) + 16_384) / 16_000 for file in files]
    assert points.levels.tolist() == [-10.0, -10.0, -10.0]


def test_a_segment_is_a_point_at_its_place(tmp_path: Path) -> None:
    files = [groups(1, count, seed=count) for count in (2, 3)]
    points = points_of(tmp_path / "a.idx", files, segments=True)
    assert points.paths == [b"0.wav"] * 2 + [b"1.wav"] * 3
    assert points.starts.tolist() == [0, 0.512, 0, 0.512, 1.024]
    assert points.lengths.tolist() == [1.024] * 5
    assert points.levels.tolist() == [-10, -11, -10, -11, -12]
    wanted = points.store.seen(np.concatenate(files))
    np.testing.assert_allclose(points.vectors(np.arange(5)), wanted, atol=2e-3)


def test_many_segments_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = points_of(tmp_path / "a.idx", [groups(1, count, seed=count) for count in (1, 9, 2, 30, 1, 1)])
    whole = points.vectors(np.arange(6))
    monkeypatch.setattr("qbe.search.means.READ", 8)
    np.testing.assert_array_equal(points.vectors(np.arange(6)), whole)


def test_the_same_seed_gives_the_same_map_and_another_one_another(tmp_path: Path) -> None:
    points = points_of(tmp_path / "a.idx", list(groups(6, 10)[:, None]))
    first = project(points, 2, 0)
    assert (project(points, 2, 0) == first).all()
    assert (project(points, 2, 1) != first).any()


def test_more_than_most_lie_beside_the_nearest_that_is_laid_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "MOST", 200)
    points, shares = points_of(tmp_path / "a.idx", list(groups(5, 200)[:, None])), list[float]()
    where = project(points, 2, 0, shares.append)
    apart = np.square(where[:, None] - where[None]).sum(2)
    np.fill_diagonal(apart, np.inf)
    assert (apart.argmin(1) // 200 == np.arange(1000) // 200).mean() > 0.98
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_what_is_known_does_not_move_and_the_rest_comes_to_the_nearest(tmp_path: Path) -> None:
    vectors = groups(3, 20, seed=9)
    points = points_of(tmp_path / "a.idx", list(vectors[:, None]))
    known = np.flatnonzero(np.arange(60) % 20 < 10)
    places = np.stack([100.0 * (known // 20), 7.0 * (known % 20)], 1)
    where = extend(points, known, places, 0)
    np.testing.assert_array_equal(where[known], places)
    assert (np.abs(where[:, 0] / 100 - np.arange(60) // 20) < 0.5).all()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_any_beginning_has_a_point_in_every_cell_that_has_any(dimensions: int) -> None:
    where = np.random.default_rng(0).normal(size=(3000, dimensions)) ** 3
    order = coarse_to_fine(where)
    assert sorted(order) == list(range(3000))
    low, span = where.min(0), np.ptp(where, axis=0).max()
    for side in (COARSEST, 2 * COARSEST, 4 * COARSEST):
        cells = [tuple(cell) for cell in np.minimum(((where - low) * side / span).astype(int), side - 1)]
        shown = len(set(cells)) * 2  # coarser levels have given some, each a point in some cell
        assert len({cells[k] for k in order[:shown]}) == len(set(cells)) or shown >= 3000
    assert sorted(coarse_to_fine(np.zeros((5, 2)))) == list(range(5))


def test_where_all_is_known_no_sound_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = points_of(tmp_path / "a.idx", list(groups(3, 4)[:, None]))
    monkeypatch.setattr(Points, "vectors", None)
    places = np.random.default_rng(0).normal(size=(12, 2))
    np.testing.assert_array_equal(extend(points, np.arange(12), places, 0), places)
