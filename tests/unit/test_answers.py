"""What may answer a query, and queries of several sounds, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from libraries import build_library, search

from qbe.index.file.library import Library, open_library
from qbe.index.store import FileStore
from qbe.search.answers import NEAR_IDENTICAL, Wanted
from qbe.search.answers import answers as answers_to_all
from qbe.search.queries import Query, blend
from qbe.search.store import EXACT, Effort, Match
from qbe.streams.records import Embedding, Header, Vector
from qbe.support.errors import UsageError
from qbe.support.names import lies_inside

DIMENSION = 16
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)


def unit(vectors: object) -> Vector:
    array = np.asarray(vectors, np.float64)
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def random_units(count: int, seed: int) -> Vector:
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSION)))


@pytest.fixture(scope="module", params=[300, 5000], ids=["one cell", "many cells"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Files of two segments, every fifth a copy of the one before it, in three folders by turns."""
    vectors = random_units(request.param, 0).reshape(-1, 2, DIMENSION)
    vectors[4::5] = vectors[3::5]
    rows = [
        Embedding(b"%s/%d.wav" % ((b"drums", b"field", b"notes")[file % 3], file), 8192 * k, 16_384, 16_000, vector)
        for file, segments in enumerate(vectors)
        for k, vector in enumerate(segments)
    ]
    path = tmp_path_factory.mktemp("answers") / "lib.idx"
    build_library(str(path), HEADER, rows)
    return open_library(str(path))


def answers(library: Library, query: Query, wanted: Wanted, budget: int | None) -> list[Match]:
    effort = EXACT if budget is None else Effort(candidates=budget)
    [(asked, matches)] = answers_to_all(FileStore(library), [query], wanted, effort)
    assert asked is query
    return matches


QUERY = Query(b"q.wav", random_units(3, 7), (b"q.wav",))


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("glob", [b"drums", b"drums/", b"dr*", b"*/1*.wav", b"field/7.wav"])
def test_under_a_path_are_the_best_that_lie_there(library: Library, glob: bytes, segments: bool) -> None:
    everything = search(library, QUERY.vectors, library.rows, segments=segments)
    expected = [match for match in everything if lies_inside(match.path, [glob])]
    found = answers(library, QUERY, Wanted(10, segments, inside=[glob]), None)
    assert found == expected[:10]
    assert len(found) == 10 or glob == b"field/7.wav" or library.rows == 300


@pytest.mark.parametrize(
    ("glob", "inside"),
    [
        ("a", True),
        ("a/b", True),
        ("a/b/", True),
        ("*.wav", True),
        ("a/*/c.wav", True),
        ("b", False),
        ("A", False),
        ("", False),
    ],
)
def test_globs(glob: str, inside: bool) -> None:
    assert lies_inside(b"a/b/c.wav", [glob.encode()]) is inside
    assert lies_inside(b"a/b/c.wav", [b"x", glob.encode()]) is inside


@pytest.mark.parametrize("budget", [None, 100])
def test_no_answer_is_under_the_least_score(library: Library, budget: int | None) -> None:
    best = answers(library, QUERY, Wanted(20), budget)
    least = best[9].score
    assert answers(library, QUERY, Wanted(20, min_score=least), budget) == [m for m in best if m.score >= least]
    assert answers(library, QUERY, Wanted(20, min_score=1.0), budget) == []


@pytest.mark.parametrize("segments", [False, True])
def test_of_what_is_near_identical_the_best_is_left(library: Library, segments: bool) -> None:
    query = Query(b"q.wav", search_vectors(library, 3), ())
    plain = answers(library, query, Wanted(30, segments), None)
    found = answers(library, query, Wanted(30, segments, unique=True), None)
    assert len(found) == 30
    assert found != plain
    vectors = library.vectors(np.array([match.row for match in found]))
    assert np.triu(vectors @ vectors.T, 1).max() < NEAR_IDENTICAL
    left_out = library.vectors(np.array([match.row for match in plain if match not in found]))
    assert ((left_out @ vectors.T).max(1) >= NEAR_IDENTICAL).all()


def search_vectors(library: Library, file: int) -> Vector:
    return library.frame.given(library.vectors(library.rows_of(file)))


def test_unique_gives_all_there_are_when_they_are_fewer(library: Library) -> None:
    files = library.files
    found = answers(library, QUERY, Wanted(files, unique=True), None)
    assert len(found) == files - files // 5


def test_the_files_of_a_query_do_not_answer_it(library: Library) -> None:
    [path] = library.file_paths(np.array([3]))
    query = Query(b"x", search_vectors(library, 3), (b"y", path))
    assert path not in [match.path for match in answers(library, query, Wanted(20), None)]
    best = answers(library, query, Wanted(1, include_self=True), None)
    assert best[0].path == path


def test_queries_asked_together_get_what_each_gets_by_itself(library: Library) -> None:
    queries = [Query(b"q%d" % n, random_units(1 + n % 3, 20 + n), (b"q%d" % n,)) for n in range(20)]
    queries += [Query(b"", search_vectors(library, n), tuple(library.file_paths(np.array([n])))) for n in range(5)]
    wanted = Wanted(12, min_score=0.3, unique=True)
    assert list(answers_to_all(FileStore(library), queries, wanted, EXACT)) == [
        (query, answers(library, query, wanted, None)) for query in queries
    ]


def test_a_blend_is_the_mean_of_likes_less_the_weighted_mean_of_unlikes() -> None:
    a, b, c, d = (Query(name, random_units(n, n), (name,)) for n, name in enumerate((b"a", b"b", b"c", b"d"), 1))
    blended = blend([a, b], [c, d], 0.7)
    centres = [unit(query.vectors.mean(0)) for query in (a, b, c, d)]
    expected = unit((centres[0] + centres[1]) / 2 - 0.7 * (centres[2] + centres[3]) / 2)
    np.testing.assert_allclose(blended.vectors, expected[None], atol=1e-6)
    assert blended.path == b"a + b - c - d"
    assert blended.files == (b"a", b"b", b"c", b"d")
    np.testing.assert_allclose(blend([c], [], 0.7).vectors, centres[2][None], atol=1e-6)


def test_a_blend_lies_between_its_likes_and_away_from_what_is_unlike() -> None:
    a, b, c = (Query(b"q", random_units(1, seed), ()) for seed in range(3))
    both, away = blend([a, b], [], 1.0).vectors[0], blend([a, b], [c], 1.0).vectors[0]
    assert both @ a.vectors[0] == pytest.approx(float(both @ b.vectors[0]), abs=1e-6)
    assert away @ c.vectors[0] < both @ c.vectors[0]


def test_a_blend_that_cancels_out_is_refused() -> None:
    query = Query(b"q", random_units(2, 0), ())
    with pytest.raises(UsageError, match="cancel each other out at --weight 1"):
        blend([query], [query], 1.0)
