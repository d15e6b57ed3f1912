"""What may answer a query, and queries of several sounds, against their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from libraries import build_library
from numpy.typing import NDArray

from qbe.index.file.library import Library, open_library
from qbe.index.store import FileStore
from qbe.search.answers import NEAR_IDENTICAL, Wanted
from qbe.search.answers import answers as answers_to_all
from qbe.search.queries import Query, blend
from qbe.search.store import EXACT, Effort, Match
from qbe.search.windows import LOUDNESS, Windows
from qbe.streams.records import Embedding, File, Header, Vector
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


def known(path: bytes) -> tuple[File, ...]:
    return (File(path, -1, 0),)


def query_of(vectors: Vector, files: tuple[File, ...] = (), path: bytes = b"q.wav") -> Query:
    """Of vectors without an order that all count alike, but for what comes again."""
    return Query(path, Windows.of(vectors), Windows.of(vectors), files)


QUERY = query_of(random_units(3, 7), known(b"q.wav"))


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize("glob", [b"drums", b"drums/", b"dr*", b"*/1*.wav", b"field/7.wav"])
def test_under_a_path_are_the_best_that_lie_there(library: Library, glob: bytes, places: bool) -> None:
    everything = answers(library, QUERY, Wanted(0, places), None)
    assert len(everything) == library.files  # of two segments: they are one place
    expected = [match for match in everything if lies_inside(match.path, [glob])]
    found = answers(library, QUERY, Wanted(10, places, inside=[glob]), None)
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


@pytest.mark.parametrize("places", [False, True])
def test_of_what_is_near_identical_the_best_is_left(library: Library, places: bool) -> None:
    query = query_of(search_vectors(library, 3))
    plain = answers(library, query, Wanted(30, places), None)
    found = answers(library, query, Wanted(30, places, unique=True), None)
    assert len(found) == 30
    assert found != plain
    kept = np.concatenate([row_at(library, match) for match in found])
    assert np.triu(kept @ kept.T, 1).max() < NEAR_IDENTICAL
    left_out = np.concatenate([row_at(library, match) for match in plain if match not in found])
    assert ((left_out @ kept.T).max(1) >= NEAR_IDENTICAL).all()


def test_places_that_are_alike_here_and_there_only_are_not_near_identical(tmp_path: Path) -> None:
    """What comes under the whole query is compared, not the best of it."""
    vectors = random_units(5, 3)
    files = {b"a": vectors[[0, 1, 2]], b"b": vectors[[0, 1, 2]], b"c": vectors[[0, 1, 3]], b"d": vectors[[0, 4, 3]]}
    rows = [
        Embedding(path, 8192 * k, 16_384, 16_000, vector) for path, own in files.items() for k, vector in enumerate(own)
    ]
    build_library(str(tmp_path / "lib.idx"), HEADER, rows)
    windows = Windows.of(vectors[:3], 8192 * np.arange(3), length=4 * 8192)
    for places in (False, True):
        wanted = Wanted(9, places, unique=True, per_file=1 if places else None)
        found = answers(open_library(str(tmp_path / "lib.idx")), Query(b"q", windows, windows, ()), wanted, None)
        assert [match.path for match in found] == [b"a", b"c", b"d"]


def row_at(library: Library, match: Match) -> NDArray[np.float64]:
    """The vector of the segment that begins with a match, [1, D]."""
    [file] = [entry.number for entry in library.entries() if entry.path == match.path]
    rows = library.rows_of(file)
    return library.vectors(rows[library.segments_of(rows)[:, 1] == match.start])


def search_vectors(library: Library, file: int) -> Vector:
    return library.frame.given(library.vectors(library.rows_of(file)))


def test_unique_gives_all_there_are_when_they_are_fewer(library: Library) -> None:
    files = library.files
    found = answers(library, QUERY, Wanted(files, unique=True), None)
    assert len(found) == files - files // 5


def test_the_files_of_a_query_do_not_answer_it(library: Library) -> None:
    [path] = library.file_paths(np.array([3]))
    query = query_of(search_vectors(library, 3), (*known(b"y"), *known(path)))
    assert path not in [match.path for match in answers(library, query, Wanted(20), None)]
    best = answers(library, query, Wanted(1, include_self=True), None)
    assert best[0].path == path


def test_queries_asked_together_get_what_each_gets_by_itself(library: Library) -> None:
    queries = [query_of(random_units(1 + n % 3, 20 + n), known(b"q%d" % n)) for n in range(20)]
    queries += [query_of(search_vectors(library, n), known(*library.file_paths(np.array([n])))) for n in range(5)]
    wanted = Wanted(12, min_score=0.3, unique=True)
    assert list(answers_to_all(FileStore(library), queries, wanted, EXACT)) == [
        (query, answers(library, query, wanted, None)) for query in queries
    ]


def test_of_one_file_come_no_more_places_than_are_wanted(tmp_path: Path) -> None:
    vectors = random_units(40, 5)
    rows = [Embedding(b"%d" % (k // 20), 8192 * (k % 20), 16_384, 16_000, vector) for k, vector in enumerate(vectors)]
    build_library(str(tmp_path / "lib.idx"), HEADER, rows)
    library = open_library(str(tmp_path / "lib.idx"))
    every = answers(library, QUERY, Wanted(0, places=True), None)
    for most in (1, 3):
        firsts = [one for at, one in enumerate(every) if sum(one.path == other.path for other in every[:at]) < most]
        assert answers(library, QUERY, Wanted(0, places=True, per_file=most), None) == firsts
    with pytest.raises(UsageError, match="goes with --places"):
        Wanted(20, per_file=1)


def test_a_query_counts_what_comes_again_in_it_once(library: Library) -> None:
    one, other = random_units(2, 11)
    once = answers(library, query_of(np.stack([one, other])), Wanted(20), None)
    often = answers(library, query_of(np.stack([one, *[other] * 9])), Wanted(20), None)
    assert [match.path for match in once] == [match.path for match in often]
    assert [match.score for match in once] == pytest.approx([match.score for match in often], abs=0.02)


def test_a_blend_is_the_mean_of_likes_less_the_weighted_mean_of_unlikes() -> None:
    a, b, c, d = (query_of(random_units(n, n), known(name), name) for n, name in enumerate((b"a", b"b", b"c", b"d"), 1))
    blended = blend([a, b], [c, d], 0.7)
    centres = [unit(query.windows.vectors.mean(0)) for query in (a, b, c, d)]
    expected = unit((centres[0] + centres[1]) / 2 - 0.7 * (centres[2] + centres[3]) / 2)
    np.testing.assert_allclose(blended.windows.vectors, expected[None], atol=1e-6)
    assert blended.path == b"a + b - c - d"
    assert [file.path for file in blended.files] == [b"a", b"b", b"c", b"d"]
    np.testing.assert_allclose(blend([c], [], 0.7).windows.vectors, centres[2][None], atol=1e-6)


def test_a_blend_is_called_by_few_names_without_folders() -> None:
    sounds = [
        query_of(random_units(1, n), known(name), name) for n, name in enumerate([b"/x/y/a.wav", b"b/b.wav", b"-"])
    ]
    assert blend(sounds[:2], [], 0.5).path == b"a.wav + b.wav"
    assert blend(sounds, [sounds[0]], 0.5).path == b"a.wav + b.wav + - - a.wav"
    assert blend(sounds[:1], sounds[1:] * 4, 0.1).path == b"a.wav - b.wav - 7 more"
    assert blend(sounds * 2, sounds[1:2], 0.5).path == b"a.wav + 5 more - b.wav"


def test_what_is_louder_in_a_sound_counts_more_in_a_blend() -> None:
    vectors, levels = random_units(2, 0), np.array([-10, -30], np.float32)
    quiet = 10 ** (-20 * LOUDNESS / 20)
    windows = Windows.of(vectors, levels=levels)
    [blended] = blend([Query(b"q", windows, windows, ())], [], 1.0).windows.vectors
    np.testing.assert_allclose(blended, unit(vectors[0] + quiet * vectors[1]), atol=1e-6)


def test_a_blend_lies_between_its_likes_and_away_from_what_is_unlike() -> None:
    a, b, c = (query_of(random_units(1, seed)) for seed in range(3))
    both, away = (blend([a, b], unlike, 1.0).windows.vectors[0] for unlike in ([], [c]))
    to_a, to_b, to_c = (query.windows.vectors[0] for query in (a, b, c))
    assert both @ to_a == pytest.approx(float(both @ to_b), abs=1e-6)
    assert away @ to_c < both @ to_c


def test_a_blend_that_cancels_out_is_refused() -> None:
    query = query_of(random_units(2, 0))
    with pytest.raises(UsageError, match="cancel each other out at --weight 1"):
        blend([query], [query], 1.0)
