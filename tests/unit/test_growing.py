"""Libraries that grow and shrink: what is in them is what was put in last."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, cosines
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import append_to_library, build_library, remove_from_library, search

from qbe.index.file.library import Library, open_library
from qbe.index.near.candidates import nearest
from qbe.index.write import growing
from qbe.index.write.planting import LEAST_ROWS
from qbe.search.store import Match
from qbe.streams.records import Embedding, File, Header, Vector
from qbe.support.errors import LibraryError, ModelError
from qbe.support.saving import locked

DIMENSION, HOP = 48, 8192
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)
Sounds = dict[bytes, Vector]


def clustered(rng: np.random.Generator, count: int, clusters: range = range(60)) -> Vector:
    """Unit vectors around centres that all seeds share, varying mostly in a dozen directions, as embeddings do."""
    centres = np.random.default_rng(99).normal(size=(120, DIMENSION))
    directions = np.random.default_rng(98).normal(size=(12, DIMENSION))
    spread = rng.normal(size=(count, 12)) @ directions * 0.2 + rng.normal(size=(count, DIMENSION)) * 0.05
    vectors = centres[rng.choice(clusters, count)] + spread
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def sounds(seed: int, names: range, clusters: range = range(60)) -> Sounds:
    rng = np.random.default_rng(seed)
    return {b"d%d/%d.wav" % (name % 40, name): clustered(rng, int(rng.integers(1, 16)), clusters) for name in names}


def records(held: Sounds) -> list[Embedding]:
    return [
        Embedding(path, HOP * k, 2 * HOP, 16_000, vector) for path, vs in held.items() for k, vector in enumerate(vs)
    ]


def append(path: Path, held: Sounds, trees: int | None = None) -> Library:
    states = [File(name, len(vectors), 7) for name, vectors in held.items()]
    append_to_library(str(path), HEADER, records(held), trees, states)
    return open_library(str(path))


def held_by(library: Library) -> Sounds:
    """What a library holds of every file that is there, as it was given."""
    files = range(library.files) if library.removed is None else np.flatnonzero(~library.removed).tolist()
    paths = library.file_paths(np.array(list(files), np.int64))
    rows = {path: library.rows_of(file) for path, file in zip(paths, files, strict=True)}
    return {path: library.frame.given(library.vectors(r)) for path, r in rows.items()}


def check(library: Library, held: Sounds) -> None:
    """The library holds that and nothing else, and an exact search finds it by the definition."""
    found = held_by(library)
    assert found.keys() == held.keys()
    for path, vectors in held.items():
        np.testing.assert_allclose(found[path], vectors, atol=1e-3)
    assert {(entry.path, entry.size) for entry in library.entries()} == {(path, len(v)) for path, v in held.items()}
    assert library.held() == (len(held), sum(map(len, held.values())))
    assert library.damaged_blocks() == []
    for seed in range(3):
        query = clustered(np.random.default_rng(1000 + seed), 2)
        best = {path: cosines(library, query, v).max(1).mean() for path, v in held.items() if len(v)}
        matches = search(library, query, 10)
        assert [m.score for m in matches] == pytest.approx(sorted(best.values(), reverse=True)[:10], abs=2e-3)
        assert all(m.score == pytest.approx(best[m.path], abs=2e-3) for m in matches)
        one = query[:1]
        nearest = search(library, one, 10, rows=True)
        scores = np.concatenate([np.zeros(0), *(cosines(library, one, v)[0] for v in held.values())])
        assert [m.score for m in nearest] == pytest.approx(np.sort(scores)[::-1][:10].tolist(), abs=2e-3)
        for match in [*nearest, *search(library, one, 10, rows=True, budget=400)]:
            own = cosines(library, one, held[match.path][[match.start // HOP]])
            assert match.score == pytest.approx(float(own[0, 0]), abs=2e-3)


@pytest.fixture(scope="module", params=[1, 3])
def grown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sounds]:
    """A library of several parts, with files that were replaced and removed, and what it holds."""
    path = tmp_path_factory.mktemp("grown") / "a.idx"
    held = sounds(0, range(1200))
    build_library(str(path), HEADER, records(held), request.param, [File(p, len(v), 7) for p, v in held.items()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "SMALL", 1)  # or all that comes would go into one part
        for seed, names in enumerate((range(1200, 1230), range(30, 36), range(1225, 1232), range(2000, 2001))):
            new = sounds(10 + seed, names)
            held |= new
            append(path, new)
    assert remove_from_library(str(path), [b"d3/3.wav", b"d5/1205.wav", b"none", b"d3"]) == [b"none"]
    return path, {name: v for name, v in held.items() if not name.startswith(b"d3/") and name != b"d5/1205.wav"}


def test_what_was_appended_replaced_and_removed(grown: tuple[Path, Sounds]) -> None:
    library = open_library(str(grown[0]))
    assert len(library.parts) > 2
    assert library.removed is not None
    check(library, grown[1])


def test_the_next_build_of_the_whole_keeps_it(grown: tuple[Path, Sounds], tmp_path: Path) -> None:
    path, held = tmp_path / "b.idx", dict(grown[1])
    path.write_bytes(grown[0].read_bytes())
    trees = open_library(str(path)).trees
    held |= (new := sounds(77, range(3000, 3400)))
    library = append(path, new)
    assert (len(library.parts), library.trees, library.removed) == (1, trees, None)
    check(library, held)


def test_a_new_library_is_built(tmp_path: Path) -> None:
    held = sounds(0, range(20))
    check(append(tmp_path / "a.idx", held), held)
    with pytest.raises(LibraryError, match="holds no embeddings"):
        append_to_library(str(tmp_path / "b.idx"), HEADER, [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.idx"]


def test_nothing_to_append_changes_nothing(grown: tuple[Path, Sounds]) -> None:
    before = grown[0].read_bytes()
    assert append_to_library(str(grown[0]), HEADER, []).files == 0
    assert remove_from_library(str(grown[0]), [b"none", b"/"]) == [b"none", b"/"]
    assert grown[0].read_bytes() == before


def test_silent_files_are_known_though_they_have_no_segments(tmp_path: Path) -> None:
    held = sounds(0, range(400)) | {b"silent.wav": np.zeros((0, DIMENSION), np.float32)}
    path = tmp_path / "a.idx"
    append(path, held)
    held[b"quiet.wav"] = held[b"d2/2.wav"] = np.zeros((0, DIMENSION), np.float32)
    check(append(path, {name: held[name] for name in (b"quiet.wav", b"d2/2.wav")}), held)


def test_all_removed_and_filled_again(tmp_path: Path) -> None:
    path, held = tmp_path / "a.idx", sounds(0, range(40))
    append(path, held)
    assert remove_from_library(str(path), [b"d%d/" % k for k in range(40)]) == []
    library = open_library(str(path))
    assert library.held() == (0, 0)
    assert search(library, clustered(np.random.default_rng(0), 1), 10) == []
    new = sounds(1, range(30))
    check(append(path, new), new)


def test_folders_are_meant_whole_and_only_as_folders(tmp_path: Path) -> None:
    names = [b"a/b/1.wav", b"a/b.wav", b"a/bc/1.wav", b"/r/1.wav", b"./1.wav", b"a/b//2.wav"]
    held = {name: clustered(np.random.default_rng(k), 1) for k, name in enumerate(names)}
    for meant, left in (
        (b"a/b", {b"a/b.wav", b"a/bc/1.wav", b"/r/1.wav", b"./1.wav"}),
        (b"a/b/", {b"a/b.wav", b"a/bc/1.wav", b"/r/1.wav", b"./1.wav"}),
        (b"/", set(names) - {b"/r/1.wav"}),
        (b".", {b"/r/1.wav"}),
        (b"./a/x/../b", {b"a/b.wav", b"a/bc/1.wav", b"/r/1.wav", b"./1.wav"}),
        (b"a/b.wav", set(names) - {b"a/b.wav"}),
    ):
        append(tmp_path / "a.idx", held)
        assert remove_from_library(str(tmp_path / "a.idx"), [meant]) == []
        assert held_by(open_library(str(tmp_path / "a.idx"))).keys() == left, meant
        (tmp_path / "a.idx").unlink()


def test_another_model_is_refused(tmp_path: Path) -> None:
    append(tmp_path / "a.idx", sounds(0, range(3)))
    before = (tmp_path / "a.idx").read_bytes()
    other = Header("embeddings", 16_000, model="cd" * 32, name="n", dimension=DIMENSION)
    with pytest.raises(ModelError, match=r"built with model m \(abababababab\), the stream with n \(cdcdcdcdcdcd\)"):
        append_to_library(str(tmp_path / "a.idx"), other, records(sounds(1, range(3))))
    assert (tmp_path / "a.idx").read_bytes() == before


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    append(path, sounds(0, range(3)))
    with locked(str(path)):
        for write in (
            lambda: append_to_library(str(path), HEADER, []),
            lambda: build_library(str(path), HEADER, records(sounds(0, range(3)))),
            lambda: remove_from_library(str(path), [b"d0"]),
        ):
            with pytest.raises(LibraryError, match="another process is writing it"):
                write()
        assert len(search(open_library(str(path)), clustered(np.random.default_rng(0), 1), 9)) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.idx"]


def test_a_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path, held = tmp_path / "a.idx", sounds(0, range(100))
    size = len(append(path, held).data)
    left, other = tmp_path / f".a.idx.{'0' * 16}.tmp", tmp_path / f".a.idx.b.{'0' * 16}.tmp"
    for name in (left, other, tmp_path / ".a.idx.lock"):
        name.touch()
    with open(path, "ab") as file:
        file.write(b"half an append")
    held |= (new := sounds(1, range(100, 103)))
    library = append(path, new)
    check(library, held)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [other.name, "a.idx"]
    assert library.parts[1].blocks["heads"].offset < size + 64 + 128


def test_who_reads_an_older_state_goes_on_reading_it(grown: tuple[Path, Sounds], tmp_path: Path) -> None:
    path = tmp_path / "b.idx"
    path.write_bytes(grown[0].read_bytes())
    library, query = open_library(str(path)), clustered(np.random.default_rng(5), 1)
    before = search(library, query, 20)
    for name in before[:3]:
        remove_from_library(str(path), [name.path])
    append(path, sounds(5, range(5000, 5040)))
    append(path, sounds(6, range(5000, 5400)))
    assert search(library, query, 20) == before == search(open_library(str(grown[0])), query, 20)
    assert not {m.path for m in search(open_library(str(path)), query, 20)} & {m.path for m in before[:3]}


@settings(deadline=None, max_examples=12)
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 90), st.integers(1, 60)), max_size=8))
def test_any_steps_end_where_a_dictionary_ends(
    steps: list[tuple[bool, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("steps") / "a.idx"
    held = sounds(0, range(90))
    append(path, held)
    for seed, (is_append, first, count) in enumerate(steps):
        new = sounds(seed + 1, range(first, first + count))
        if is_append:
            append(path, new)
            held |= new
        else:
            missing = remove_from_library(str(path), list(new))
            assert set(missing) == new.keys() - held.keys()
            held = {name: vectors for name, vectors in held.items() if name not in new}
    check(open_library(str(path)), held)


def found(library: Library, queries: Vector, budget: int) -> float:
    """The share of the ten best segments that a budget finds; those as good as the tenth count."""
    hits = 0
    for query in queries[:, None]:
        worst = search(library, query, 10, rows=True)[-1].score
        near: list[Match] = search(library, query, 10, rows=True, budget=budget)
        hits += sum(match.score >= worst - 1e-6 for match in near)
    return hits / 10 / len(queries)


@pytest.mark.parametrize("trees", [1, 2])
def test_a_scan_of_everything_is_exact_though_there_are_parts(tmp_path: Path, trees: int) -> None:
    held = sounds(0, range(800))
    append(tmp_path / "a.idx", held, trees)
    for step in range(2):
        library = append(tmp_path / "a.idx", sounds(1 + step, range(900 + 20 * step, 920 + 20 * step)))
    assert len(library.parts) > 1
    assert library.trees == trees
    queries = clustered(np.random.default_rng(7), 40)
    seen = library.frame.seen(queries)
    everything = library.vectors(np.arange(library.rows)) @ seen.T.astype(np.float64)
    for near in (
        list(nearest(library, seen, trees * library.rows, 20)),  # all at once
        [next(nearest(library, query[None], trees * library.rows, 20)) for query in seen],
    ):
        for of_query, scores in zip(near, everything.T, strict=True):
            np.testing.assert_allclose(of_query.scores, np.sort(scores)[::-1][:20], atol=1e-5)
            np.testing.assert_allclose(of_query.scores, scores[of_query.rows], atol=1e-5)


def test_recall_holds_while_a_library_grows_to_eight_times_its_size(tmp_path: Path) -> None:
    """Though what comes is unlike what was there. tests/bench/growth.py shows the whole curve."""
    new_clusters = range(60, 120)
    held = sounds(0, range(600))
    assert sum(map(len, held.values())) > LEAST_ROWS
    library = append(tmp_path / "grown.idx", held)
    for seed, names in enumerate((range(600, 2200), range(2200, 4300), range(4300, 4500), range(4500, 4720))):
        held |= (new := sounds(seed + 1, names, new_clusters))
        library = append(tmp_path / "grown.idx", new)
    fresh = append(tmp_path / "fresh.idx", held)
    assert library.held() == fresh.held()
    assert len(library.parts) == 2
    rng = np.random.default_rng(50)
    queries = np.concatenate([clustered(rng, 25), clustered(rng, 175, new_clusters)])
    budget, own = fresh.budget(0.9), library.budget(0.97)
    assert budget is not None
    assert own is not None
    assert found(library, queries, budget) > found(fresh, queries, budget) - 0.02
    assert found(library, queries, own) > 0.945


def test_a_library_of_the_format_before_is_read_and_grows_into_this_one(tmp_path: Path) -> None:
    """Written with `qbe embed tests/data/library/drums tests/data/library/water | qbe index` by qbe 0.1.0, format 5."""
    path = tmp_path / "lib.idx"
    shutil.copy(DATA / "format5.idx", path)
    old = open_library(str(path))
    entries, rows = list(old.entries()), np.arange(old.rows)
    assert len(entries) == 12
    assert all(entry.content == 0 and not entry.failed for entry in entries)
    assert np.isnan(old.levels(rows)).all()
    header = Header("embeddings", 16_000, old.footer.model, old.footer.name, old.footer.dimension)
    vector = np.eye(1, old.footer.dimension, dtype=np.float32)[0]
    came = [Embedding(b"new", 0, 9, 16_000, vector, -12.5)]
    append_to_library(str(path), header, came, files=[File(b"new", 1, 2, 3)])
    new = open_library(str(path))
    assert [entry[1:] for entry in new.entries()] == [(b"new", 1, 2, 9, 1, 3, False, False), *(e[1:] for e in entries)]
    rows = np.arange(new.rows)
    is_new = new.segments_of(rows)[:, 0] == 0
    assert new.levels(rows)[is_new].tolist() == [-12.5]
    assert np.isnan(new.levels(rows)[~is_new]).all()


def test_a_library_of_format_6_is_read_and_its_names_begin_anywhere(tmp_path: Path) -> None:
    """Written with `qbe embed tests/data/library/drums | qbe index` by qbe 0.1.0, format 6."""
    path = tmp_path / "lib.idx"
    shutil.copy(DATA / "format6.idx", path)
    old = open_library(str(path))
    entries = list(old.entries())
    assert len(entries) == 9
    assert all(entry.content and entry.path.startswith(b"tests/data/library/drums/") for entry in entries)
    assert old.footer.folder is None
    header = Header("embeddings", 16_000, old.footer.model, old.footer.name, old.footer.dimension, b"/anywhere")
    vector = np.eye(1, old.footer.dimension, dtype=np.float32)[0]
    came = [Embedding(b"./" + entries[0].path, 0, 9, 16_000, vector)]
    append_to_library(str(path), header, came, files=[File(b"moved", 1, 2, 3, was=entries[1].path)])
    new = {entry.path: entry for entry in open_library(str(path)).entries()}
    assert new.keys() == {entry.path for entry in entries} - {entries[1].path} | {b"moved"}
    assert (new[entries[0].path].segments, new[b"moved"].segments) == (1, entries[1].segments)
