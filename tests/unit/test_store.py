"""Every promise of qbe.search.store and writer, over every store there is. A new store is added to STORES."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import servers
from dict_store import DictStore, open_dict_writer
from libraries import search_all
from numpy.typing import NDArray

from qbe.search import ranking
from qbe.search.question import Question
from qbe.search.rows import nearest_rows
from qbe.search.store import EXACT, About, Effort, Filter, Match, Store
from qbe.search.windows import Windows
from qbe.search.writer import Writer
from qbe.stores import open_store, open_writer
from qbe.streams.records import Embedding, File, Header, Vector
from qbe.support.errors import LibraryError, ModelError, StreamError

DIMENSION, HOP, LENGTH = 48, 8192, 16_384
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)
CLOSE = 2e-3  # what 16 bits and a turned frame may cost a cosine


@dataclass(frozen=True)
class Kind:
    """How libraries of a kind are written and opened."""

    writer: Callable[[str], AbstractContextManager[Writer]]
    store: Callable[[str], Store]
    name: Callable[[Path], str]  # of a library whose name no other test takes, with a folder of its own


def file_name(folder: Path) -> str:
    return str(folder / "lib_idx")


STORES = {
    "file": Kind(open_writer, open_store, file_name),
    "dict": Kind(open_dict_writer, DictStore, file_name),
    "milvus": Kind(open_writer, open_store, servers.library),
}
Sounds = dict[bytes, Vector]


def unit(array: NDArray[np.floating]) -> Vector:
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def sounds(files: int, seed: int = 0) -> Sounds:
    """Files of 1 to 9 segments in three folders, around centres that all seeds share; some files are equal."""
    rng, centres = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(60, DIMENSION))
    made: Sounds = {}
    for number in range(files):
        centre = centres[rng.integers(60)]
        vectors = unit(centre + rng.normal(size=(int(rng.integers(1, 10)), DIMENSION)) * 0.4)
        if number % 20 == 19:
            vectors = next(reversed(made.values()))
        made[b"%s/%d.wav" % ((b"drums", b"field", b"caf\xe9")[number % 3], number)] = vectors
    return made


def embeddings(of: Sounds) -> Iterator[Embedding]:
    for path, vectors in of.items():
        for k, vector in enumerate(vectors):
            yield Embedding(path, k * HOP, LENGTH, 16_000, vector, level_of(path, k))


def level_of(path: bytes, k: int) -> float | None:
    """dBFS; of some files not known."""
    return None if path.endswith(b"3.wav") else -20.0 - len(path) - k / 4


def search(
    store: Store, query: Vector, k: int, *, places: bool = False, only: Filter = Filter(), effort: Effort = EXACT
) -> list[Match]:
    [found] = search_all(store, [query], k, places=places, only=[only], effort=effort)
    return found


def states(of: Sounds) -> list[File]:
    return [
        File(path, 1000 + number, 7_000_000_000 + number, number - 5, number % 7 == 6) for number, path in enumerate(of)
    ]


def write(kind: Kind, name: str, of: Sounds, *, append: bool = False) -> None:
    with kind.writer(name) as writer:
        (writer.append if append else writer.replace)(HEADER, embeddings(of), states(of))


@pytest.fixture(params=STORES)
def kind(request: pytest.FixtureRequest) -> Kind:
    return STORES[request.param]


@pytest.fixture
def name(kind: Kind, tmp_path: Path) -> str:
    return kind.name(tmp_path)


@dataclass(frozen=True)
class Filled:
    """A library and what went into it."""

    store: Store
    sounds: Sounds

    def seen(self, path: bytes) -> NDArray[np.float64]:
        return self.store.seen(self.sounds[path]).astype(np.float64)

    def cosines(self, query: Vector) -> NDArray[np.float64]:
        """Of a seen query with all segments in the order they came, [n, Q]."""
        return np.concatenate([self.seen(path) for path in self.sounds]) @ query.T

    def number(self, row: int) -> int:
        """The place of a row in the order they came."""
        file, start, _ = self.store.places(np.array([row]))[0]
        [path] = self.store.paths(np.array([file]))
        before = itertools.takewhile(lambda other: other != path, self.sounds)
        return sum(len(self.sounds[other]) for other in before) + int(start) // HOP

    def numbers(self, rows: NDArray[np.integer]) -> list[int]:
        return [self.number(row) for row in rows.tolist()]


# Of a server few files, as every answer of it takes a while: tests/engines asks it for many.
SIZES = [(which, files) for which in STORES for files in (60, 1500) if which != "milvus" or files == 60]


@pytest.fixture(scope="module", params=itertools.product(SIZES, (False, True)), ids=str)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Of one cell and of many, as it was built, or grown since, with files that were replaced and removed."""
    (which, files), is_grown = request.param
    kind, held = STORES[which], sounds(files)
    name = kind.name(tmp_path_factory.mktemp("store"))
    write(kind, name, held)
    if is_grown:
        new = {path: vectors for path, vectors in sounds(files, seed=1).items() if path.endswith(b"7.wav")}
        new |= {b"new/%d.wav" % k: vectors for k, vectors in enumerate(sounds(5, seed=2).values())}
        write(kind, name, new, append=True)
        with kind.writer(name) as writer:
            assert writer.remove([b"drums/0.wav", b"none.wav"]) == [b"none.wav"]
        held = {path: vectors for path, vectors in held.items() if path not in new} | new
        del held[b"drums/0.wav"]
    return Filled(kind.store(name), held)


QUERIES = [unit(np.random.default_rng(7).normal(size=(n, DIMENSION))) for n in (1, 4)]


@pytest.fixture(params=[0, 1], ids=["one segment", "four segments"])
def query(request: pytest.FixtureRequest, filled: Filled) -> Vector:
    """As the store sees it."""
    return filled.store.seen(QUERIES[request.param])


def test_a_store_says_what_it_is_of(filled: Filled) -> None:
    assert filled.store.about == About("ab" * 32, "m", 16_000, DIMENSION, HOP)
    segments = sum(map(len, filled.sounds.values()))
    assert filled.store.held() == (len(filled.sounds), segments)
    assert filled.store.rows >= segments
    facts = filled.store.facts()
    assert (facts["files"], facts["segments"], facts["model"]) == (len(filled.sounds), segments, "m")


def test_files_are_told_as_they_came(filled: Filled) -> None:
    entries = list(filled.store.files())
    assert {entry.path for entry in entries} == set(filled.sounds)
    for entry in entries:
        vectors = filled.sounds[entry.path]
        assert (entry.segments, entry.end) == (len(vectors), (len(vectors) - 1) * HOP + LENGTH)
        assert entry.size >= 1000
        assert entry.mtime - 7_000_000_000 == entry.size - 1000 == entry.content + 5
        assert entry.failed == ((entry.size - 1000) % 7 == 6)
    assert filled.store.paths(np.array([entry.number for entry in entries])) == [entry.path for entry in entries]


def test_rows_of_a_file_are_its_segments_in_order(filled: Filled) -> None:
    store = filled.store
    entries = list(itertools.islice(store.files(), 0, None, 7))[::-1]
    all_rows, first = store.rows_of(np.array([entry.number for entry in entries]))
    assert first.tolist() == list(itertools.accumulate((entry.segments for entry in entries[:-1]), initial=0))
    for entry, rows in zip(entries, np.split(all_rows, first[1:]), strict=True):
        expected = [(entry.number, k * HOP, LENGTH) for k in range(entry.segments)]
        assert store.places(rows).tolist() == [list(place) for place in expected]
        levels = np.array([level_of(entry.path, k) for k in range(entry.segments)], np.float32)
        np.testing.assert_array_equal(store.levels(rows), levels)
        np.testing.assert_allclose(store.vectors(rows), filled.seen(entry.path), atol=CLOSE)
        np.testing.assert_allclose(store.given(store.vectors(rows)), filled.sounds[entry.path], atol=CLOSE)


def test_what_is_seen_has_unit_length_and_can_be_given_back(filled: Filled) -> None:
    vectors = QUERIES[1]
    seen = filled.store.seen(vectors)
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(filled.store.given(seen), vectors, atol=1e-5)


def test_effort_is_so_many_rows_or_all(filled: Filled) -> None:
    assert filled.store.candidates(EXACT) is None
    assert filled.store.candidates(Effort(candidates=123)) == 123
    by_recall = [filled.store.candidates(Effort(recall)) or filled.store.rows for recall in (0.8, 0.97, 1.0)]
    assert by_recall == sorted(by_recall)
    assert by_recall[-1] == filled.store.rows


def test_near_rows_are_the_best_when_all_are_scored(filled: Filled, query: Vector) -> None:
    [lists] = filled.store.near([query], 12, filled.store.rows, [Filter()], 12)
    expected = filled.cosines(query)
    assert len(lists) == len(query)
    for near, cosines in zip(lists, expected.T, strict=True):
        assert len(set(near.rows.tolist())) == len(near.rows) == 12
        np.testing.assert_allclose(near.scores, np.sort(cosines)[::-1][:12], atol=CLOSE)
        np.testing.assert_allclose(near.scores, cosines[filled.numbers(near.rows)], atol=CLOSE)


def test_near_answers_many_queries_each_by_its_own_filter(filled: Filled) -> None:
    queries = [filled.store.seen(query) for query in QUERIES]
    [name] = filled.store.paths(
        filled.store.places(next(filled.store.near(queries[:1], 1, 9, [Filter()], 1))[0].rows)[:, 0]
    )
    only = [Filter(without=(name,)), Filter(inside=(b"field",))]
    for query, filter, lists in zip(queries, only, filled.store.near(queries, 20, 200, only, 5), strict=True):
        assert len(lists) == len(query)
        for near in lists:
            assert 5 <= len(near.rows) <= 20
            assert (np.diff(near.scores) <= 0).all()
            paths = filled.store.paths(filled.store.places(near.rows)[:, 0].astype(np.int64))
            assert all(filter.admits(File(path, -1, 0)) for path in paths)


def test_no_row_that_reaches_a_score_is_left_out(filled: Filled, query: Vector) -> None:
    best = filled.cosines(query).max(1)
    for least in (0.1, 0.3, float(best.max()) - 0.01):
        reaching = set(filled.numbers(filled.store.reaching(query, least)))
        assert set((best >= least + CLOSE).nonzero()[0].tolist()) <= reaching


def test_bounds_of_files_bound_their_scores(filled: Filled, query: Vector) -> None:
    weights = np.arange(1, len(query) + 1) / np.arange(1, len(query) + 1).sum()
    slots = replace(Windows.of(query), weights=weights)
    shifts = replace(Windows.of(query), laid=np.arange(len(query))[None], weights=np.ones(1))  # of one slot
    for windows in (slots, shifts):
        files, bounds = filled.store.bounds(windows, Filter())
        assert sorted(filled.store.paths(files)) == sorted(filled.sounds)
        for path, bound in zip(filled.store.paths(files), bounds, strict=True):
            best = (filled.seen(path) @ query.T).max(0)
            assert (best @ weights if windows is slots else best.max()) <= bound + CLOSE


def test_cosines_of_rows(filled: Filled, query: Vector) -> None:
    rows, _ = filled.store.rows_of(np.array([entry.number for entry in filled.store.files()][:3]))
    twice = np.concatenate([rows, rows])
    cosines = filled.store.cosines(query, twice)
    assert cosines.dtype == np.float32
    np.testing.assert_allclose(cosines, filled.cosines(query)[filled.numbers(twice)], atol=CLOSE)
    assert (cosines[: len(rows)] == cosines[len(rows) :]).all()
    assert filled.store.cosines(query, rows[:0]).shape == (0, len(query))


def test_the_best_of_files_and_the_rows_that_have_it(filled: Filled, query: Vector) -> None:
    entries = list(filled.store.files())[:25]
    best, rows = filled.store.best_of_files(query, np.array([entry.number for entry in entries]))
    assert best.shape == rows.shape == (25, len(query))
    for entry, of_file, nearest in zip(entries, best, rows, strict=True):
        cosines = filled.seen(entry.path) @ query.T
        np.testing.assert_allclose(of_file, cosines.max(0), atol=CLOSE)
        files, starts, _ = filled.store.places(nearest).T
        assert set(files.tolist()) == {entry.number}
        np.testing.assert_allclose(cosines[starts // HOP, np.arange(len(query))], cosines.max(0), atol=CLOSE)


def test_which_files_may_answer(filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = list(filled.store.files())
    files, paths = np.array([entry.number for entry in entries]), [entry.path for entry in entries]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "field").mkdir()
    (tmp_path / "field" / "1.wav").write_bytes(b"")
    (tmp_path / "link").symlink_to("field/1.wav")
    known = entries[9].size, entries[9].mtime, entries[9].content
    moved, changed = (File(b"/else/" + entries[at].path, *known) for at in (9, 8))  # where 8 is of other bytes
    sevenths = [path for path in paths if path.startswith(b"field") or path.endswith(b"7.wav")]
    for only, admitted in (
        (Filter(), paths),
        (Filter(inside=(b"field", b"*/*7.wav")), [path for path in sevenths if b"/" in path]),
        (Filter(without=(paths[3], b"none")), [path for path in paths if path != paths[3]]),
        (Filter(among=frozenset([paths[5], paths[2], b"none"])), [paths[2], paths[5]]),
        (Filter(among=frozenset()), []),
        (Filter(own=(File(b"link", -1, 0),)), [path for path in paths if path != b"field/1.wav"]),
        (Filter(own=(moved, changed)), [path for path in paths if path != entries[9].path]),
    ):
        assert [paths[at] for at in filled.store.admitted(files, only).nonzero()[0]] == admitted
        assert filled.store.admitted(files[::-1], only).tolist() == filled.store.admitted(files, only).tolist()[::-1]


@pytest.mark.parametrize("only", [Filter(), Filter(inside=(b"field",)), Filter(without=(b"field/1.wav",))])
def test_exact_search_answers_by_the_definition(filled: Filled, only: Filter) -> None:
    query = QUERIES[1]
    admitted = [path for path in filled.sounds if only.admits(File(path, -1, 0))]
    of_files = {path: filled.seen(path) @ filled.store.seen(query).T for path in admitted}
    scores = np.sort([cosines.max(0).mean() for cosines in of_files.values()])[::-1]
    matches = search(filled.store, query, 10, only=only)
    assert [match.score for match in matches] == pytest.approx(scores[:10].tolist(), abs=CLOSE)
    for match in matches:
        assert match.score == pytest.approx(of_files[match.path].max(0).mean(), abs=CLOSE)
        assert match.end == match.start + LENGTH
    near = nearest_rows(filled.store, query[0], 10, only=only)
    cosines = np.sort(np.concatenate([of_file[:, 0] for of_file in of_files.values()]))[::-1]
    np.testing.assert_allclose(near.scores, cosines[:10], atol=CLOSE)
    found = filled.cosines(filled.store.seen(query[:1]))[filled.numbers(near.rows)]
    np.testing.assert_allclose(near.scores, found[:, 0], atol=CLOSE)


def test_exact_places_answer_by_the_definition(filled: Filled) -> None:
    """Each vector laid on every row in turn: of what is nearer than two hops the best counts."""
    query = QUERIES[0]
    seen = filled.store.seen(query).T
    matches = search(filled.store, query, 10, places=True)
    expected: list[tuple[float, bytes, int]] = []
    rows = [(float(of), path, k) for path in filled.sounds for k, [of] in enumerate(filled.seen(path) @ seen)]
    for score, path, k in sorted(rows, reverse=True):
        if all(path != other or abs(k - at) >= 2 for _, other, at in expected):
            expected.append((score, path, k))
    assert [match.score for match in matches] == pytest.approx([score for score, _, _ in expected[:10]], abs=CLOSE)
    for match in matches:
        [score] = filled.seen(match.path)[match.start // HOP] @ seen
        assert match.score == pytest.approx(float(score), abs=CLOSE)


def test_where_files_end_and_which_have_rows(filled: Filled) -> None:
    entries = list(filled.store.files())
    files = np.array([entry.number for entry in entries])
    assert filled.store.ends(files).tolist() == [entry.end for entry in entries]
    assert sorted(filled.store.sounding().tolist()) == sorted(entry.number for entry in entries if entry.segments)


def test_distances_are_from_the_middle_that_it_sees_from(filled: Filled) -> None:
    """What is seen, at those distances, lies as the vectors do to each other."""
    placed = filled.store.distances(QUERIES[1])[:, None] * filled.store.seen(QUERIES[1])
    for one, other in itertools.combinations(range(len(placed)), 2):
        apart = np.linalg.norm(placed[one] - placed[other])
        assert apart == pytest.approx(np.linalg.norm(QUERIES[1][one] - QUERIES[1][other]), abs=1e-5)


def test_a_copy_answers_from_its_beginning_to_its_end(filled: Filled) -> None:
    store, path = filled.store, max(filled.sounds, key=lambda path: len(filled.sounds[path]))
    vectors, length = filled.sounds[path], (len(filled.sounds[path]) - 1) * HOP + LENGTH
    windows = Windows.of(store.seen(vectors), HOP * np.arange(len(vectors)), length=length)
    for effort in (EXACT, Effort()):
        for places in (False, True):
            [[best]] = ranking.search([Question(store, windows, 1)], places=places, effort=effort)
            assert best.score == pytest.approx(1, abs=CLOSE)
            assert (best.start, best.end) == (0, length)
            assert (filled.sounds[store.paths(np.array([best.file]))[0]] == vectors).all()


def test_the_default_search_finds_nearly_what_the_exact_one_does(filled: Filled) -> None:
    found = 0
    for query in unit(np.stack([v[0] for v in filled.sounds.values()])[:60] + 0.05 * np.eye(60, DIMENSION)):
        exact = {match.path for match in search(filled.store, query[None], 10)}
        found += len(exact & {match.path for match in search(filled.store, query[None], 10, effort=Effort())})
    assert found / 600 > 0.95


def test_a_library_that_is_not_there(kind: Kind, name: str) -> None:
    with pytest.raises(LibraryError, match="lib_idx"):
        kind.store(name)


def test_nothing_to_write_is_refused(kind: Kind, name: str) -> None:
    with kind.writer(name) as writer, pytest.raises(LibraryError, match="holds no embeddings"):
        writer.replace(HEADER, iter(()), ())
    with pytest.raises(LibraryError):
        kind.store(name)


def test_what_is_written_is_counted_and_repeats_are_kept_once(kind: Kind, name: str) -> None:
    held = sounds(6)
    twice = [*embeddings(held), *itertools.islice(embeddings(held), 3)]
    with kind.writer(name) as writer:
        written = writer.replace(HEADER, twice, states(held))
    segments = sum(map(len, held.values()))
    assert (written.files, written.segments, written.repeated) == (6, segments, 3)
    assert kind.store(name).held() == (6, segments)


def test_a_new_library_takes_the_place_of_the_old_and_who_reads_goes_on(kind: Kind, name: str) -> None:
    old, new = sounds(30), {b"new.wav": QUERIES[1]}
    write(kind, name, old)
    opened = kind.store(name)
    before = search(opened, QUERIES[0], 5)
    write(kind, name, new)
    assert search(opened, QUERIES[0], 5) == before
    assert [entry.path for entry in kind.store(name).files()] == [b"new.wav"]


def test_appended_files_replace_those_of_their_name(kind: Kind, name: str) -> None:
    write(kind, name, sounds(30))
    write(kind, name, {b"field/1.wav": QUERIES[0], b"more.wav": QUERIES[1]}, append=True)
    counts = {entry.path: entry.segments for entry in kind.store(name).files()}
    assert counts == {path: len(vectors) for path, vectors in sounds(30).items()} | {b"field/1.wav": 1, b"more.wav": 4}
    [best] = search(kind.store(name), QUERIES[1], 1)
    assert best.path == b"more.wav"
    assert best.score == pytest.approx(1, abs=CLOSE)


def test_appending_to_nothing_builds(kind: Kind, name: str) -> None:
    write(kind, name, sounds(3), append=True)
    assert kind.store(name).held()[0] == 3


def test_files_and_folders_are_removed_by_name(kind: Kind, name: str) -> None:
    write(kind, name, sounds(30))
    with kind.writer(name) as writer:
        assert writer.remove([b"drums/", b"field/1.wav", b"fie"]) == [b"fie"]
    left = [path for path in sounds(30) if not path.startswith(b"drums") and path != b"field/1.wav"]
    assert [entry.path for entry in kind.store(name).files()] == left


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two folders that names can begin in."""
    (tmp_path / "me" / "field").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "folder", "kept"),
    [
        ("field/1.wav", "me", "field/1.wav"),
        ("./field//x/../1.wav", "me", "field/1.wav"),
        ("HOME/me/field/1.wav", "me", "field/1.wav"),
        ("1.wav", "me/field", "field/1.wav"),
        ("../me/field/1.wav", "other", "field/1.wav"),
        ("HOME/me/new.wav", "me", "HOME/me/new.wav"),
        ("new.wav", "me/field", "field/new.wav"),
        ("new.wav", "other", "HOME/other/new.wav"),
        ("new.wav", None, "new.wav"),
    ],
)
def test_names_that_lead_to_one_file_are_one(
    kind: Kind, name: str, home: Path, given: str, folder: str | None, kept: str
) -> None:
    """It keeps the name it came with first; of what was given in another folder, the name is right from the first."""
    name_given, name_kept = (os.fsencode(path.replace("HOME", str(home))) for path in (given, kept))
    begun = replace(HEADER, folder=bytes(home / "me"))
    came = {name_given: QUERIES[1]} | ({b"./" + name_given: QUERIES[0]} if name_given[:1] != b"/" else {})
    with kind.writer(name) as writer:
        writer.replace(begun, embeddings(sounds(6)), states(sounds(6)))
        header = replace(HEADER, folder=None if folder is None else bytes(home / folder))
        writer.append(header, embeddings(came), [File(name_given, 1, 2)])
    store = kind.store(name)
    assert store.about.folder == begun.folder
    counts = {entry.path: entry.segments for entry in store.files()}
    assert counts == {path: len(vectors) for path, vectors in sounds(6).items()} | {name_kept: 4}
    [(size, mtime)] = [(entry.size, entry.mtime) for entry in store.files() if entry.path == name_kept]
    assert (size, mtime) == (1, 2)


def test_names_in_a_new_library_that_lead_to_one_file_are_one(kind: Kind, name: str, home: Path) -> None:
    with kind.writer(name) as writer:
        held = {b"a/x.wav": QUERIES[1], b"a/./x.wav": QUERIES[0], bytes(home / "a/x.wav"): QUERIES[0]}
        written = writer.replace(replace(HEADER, folder=bytes(home)), embeddings(held), [])
    assert (written.files, written.repeated) == (1, 2)
    assert [(entry.path, entry.segments) for entry in kind.store(name).files()] == [(b"a/x.wav", 4)]


def test_a_file_that_moved_keeps_its_rows(kind: Kind, name: str) -> None:
    held = sounds(30)
    names = list(held)
    write(kind, name, held)
    before = {entry.path: entry for entry in kind.store(name).files()}
    moved = [File(b"new/x.wav", 8, 9, 10, was=names[3]), File(names[4], 1, 1, 1, was=names[5])]
    swapped = [File(names[7], 2, 2, 2, was=names[8]), File(names[8], 3, 3, 3, was=names[7])]
    lost = [File(b"new/y.wav", 1, 1, 1, was=b"never.wav")]
    with kind.writer(name) as writer:
        written = writer.append(HEADER, embeddings({b"more.wav": QUERIES[0]}), [*moved, *swapped, *lost])
    assert (written.files, written.segments, written.moved, written.lost) == (1, 1, 4, 1)
    store = kind.store(name)
    entries = {entry.path: entry for entry in store.files()}
    assert entries.keys() == held.keys() - {names[3], names[5]} | {b"new/x.wav", b"more.wav"}
    for file in (*moved, *swapped):
        entry = entries[file.path]
        assert (entry.size, entry.mtime, entry.content) == (file.size, file.mtime, file.content)
        assert (entry.end, entry.segments) == (before[file.was].end, before[file.was].segments)
        rows, _ = store.rows_of(np.array([entry.number]))
        np.testing.assert_allclose(store.given(store.vectors(rows)), held[file.was], atol=CLOSE)
        assert store.places(rows)[:, 1].tolist() == [k * HOP for k in range(entry.segments)]


def test_a_new_library_has_nothing_of_what_moved_in_another(kind: Kind, name: str) -> None:
    with kind.writer(name) as writer:
        written = writer.replace(HEADER, embeddings(sounds(3)), [File(b"new.wav", 1, 1, 1, was=b"old.wav")])
    assert (written.moved, written.lost) == (0, 1)
    assert [entry.path for entry in kind.store(name).files()] == list(sounds(3))


def test_files_are_removed_by_any_name_and_without_folders(
    kind: Kind, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drums").mkdir()
    monkeypatch.chdir(tmp_path / "drums")
    with kind.writer(name) as writer:
        writer.replace(replace(HEADER, folder=bytes(tmp_path)), embeddings(sounds(9)), [])
        assert writer.remove([b"drums", bytes(tmp_path)], folders=False) == [b"drums", bytes(tmp_path)]
        assert writer.remove([b"./0.wav", b"drums/x/../3.wav", b"../drums/6.wav"]) == []
        assert [entry.path for entry in kind.store(name).files()] == [p for p in sounds(9) if b"drums" not in p]
        assert writer.remove([b"../field"]) == []
    assert [entry.path for entry in kind.store(name).files()] == [p for p in sounds(9) if b"caf" in p]


def cut_stream(of: Sounds) -> Iterator[Embedding]:
    yield from itertools.islice(embeddings(of), 5)
    raise StreamError("the stream is cut")


@pytest.mark.parametrize("append", [False, True])
def test_a_cut_stream_changes_nothing(kind: Kind, name: str, append: bool) -> None:
    write(kind, name, sounds(30))
    before = search(kind.store(name), QUERIES[0], 50), list(kind.store(name).files())
    with kind.writer(name) as writer, pytest.raises(StreamError):
        (writer.append if append else writer.replace)(HEADER, cut_stream(sounds(9, seed=3)), ())
    assert (search(kind.store(name), QUERIES[0], 50), list(kind.store(name).files())) == before


def test_another_model_is_refused_before_anything_is_asked_of_it(kind: Kind, name: str) -> None:
    write(kind, name, sounds(3))

    def never() -> Iterator[Embedding]:
        pytest.fail("was asked")
        yield

    with kind.writer(name) as writer, pytest.raises(ModelError, match="nothing is appended"):
        writer.append(replace(HEADER, model="cd" * 32), never(), ())
    assert kind.store(name).held()[0] == 3


def test_a_file_that_could_not_be_read_is_remembered(kind: Kind, name: str) -> None:
    held, bad = sounds(3), File(b"bad.wav", 44, 5, content=-9, failed=True)
    with kind.writer(name) as writer:
        writer.replace(HEADER, embeddings(held), [*states(held), bad])
    [entry] = [entry for entry in kind.store(name).files() if entry.path == b"bad.wav"]
    assert (entry.segments, entry.content, entry.failed) == (0, -9, True)


def test_a_file_without_sound_is_remembered(kind: Kind, name: str) -> None:
    held = sounds(3)
    with kind.writer(name) as writer:
        writer.replace(HEADER, embeddings(held), [*states(held), File(b"silent.wav", 44, 5)])
    store = kind.store(name)
    [silent] = [entry for entry in store.files() if entry.path == b"silent.wav"]
    assert (silent.segments, silent.size, silent.mtime) == (0, 44, 5)
    assert b"silent.wav" not in [match.path for match in search(store, QUERIES[0], 10)]


def test_a_whole_library_has_no_damage_and_all_of_it_is_read(kind: Kind, name: str) -> None:
    write(kind, name, sounds(30))
    heard: list[tuple[int, int]] = []
    assert kind.store(name).check(lambda done, size: heard.append((done, size))) == []
    assert heard == sorted(heard)
    assert 0 < heard[-1][0] <= heard[-1][1]


@pytest.mark.parametrize("which", STORES)
def test_the_same_file_under_a_hard_link_is_its_own(which: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    os.link(tmp_path / "a.wav", tmp_path / "b.wav")
    own, other = os.fsencode(tmp_path / "a.wav"), os.fsencode(tmp_path / "b.wav")
    kind, name = STORES[which], STORES[which].name(tmp_path)
    write(kind, name, {own: QUERIES[0], b"c": QUERIES[1]})
    matches = search(kind.store(name), QUERIES[0], 9, only=Filter(own=(File(other, -1, 0),)))
    assert [match.path for match in matches] == [b"c"]
