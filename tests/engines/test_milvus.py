"""A library on a Milvus server beside the same one in a file: the same answers, by the same commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import servers
from libraries import search_all
from shell import said, sh

from qbe.library import open_library
from qbe.search.store import EXACT, Effort, Filter, Store
from qbe.stores import open_store, open_writer, state_of
from qbe.streams.records import Embedding, File, Header, Vector
from qbe.support.errors import LibraryError

DIMENSION, HOP, LENGTH, FILES = 128, 8192, 16_384, 5000
HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=DIMENSION)
FOLDERS = (b"drums", b"field/long", b"caf\xe9", "größe".encode(), b"a'b\"c")


def sounds() -> dict[bytes, Vector]:
    """Files of 1 to 8 segments near some centres, all of which have something in common, as those of a model have."""
    rng = np.random.default_rng(0)
    common, centres = rng.normal(size=DIMENSION), rng.normal(size=(300, DIMENSION))
    made = {}
    for number in range(FILES):
        centre = 0.5 * common + centres[rng.integers(300)]
        vectors = centre + 0.7 * rng.normal(size=(int(rng.integers(1, 9)), DIMENSION))
        unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        made[b"%s/%d.wav" % (FOLDERS[number % len(FOLDERS)], number)] = unit
    return made


SOUNDS = sounds()


def embeddings() -> Iterator[Embedding]:
    for number, (path, vectors) in enumerate(SOUNDS.items()):
        for k, vector in enumerate(vectors):
            yield Embedding(path, k * HOP, LENGTH, 16_000, vector, -20.0 - number % 30 - k)


STATES = [File(path, 99, 7, content=number + 1) for number, path in enumerate(SOUNDS)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Store]:
    """The library in a file, and the one on the server."""
    names = str(tmp_path_factory.mktemp("pair") / "lib.idx"), servers.library()
    for name in names:
        with open_writer(name) as writer:
            writer.replace(HEADER, embeddings(), STATES)
    return open_store(names[0]), open_store(names[1])


def near(vectors: Vector) -> Vector:
    """Vectors a little off, so that no two answers are equal."""
    moved = vectors + 0.03 * np.random.default_rng(5).normal(size=vectors.shape)
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


QUERIES = [near(vectors[:k]) for k, vectors in zip([1, 2, 4] * 14, list(SOUNDS.values())[:: FILES // 40], strict=False)]


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize(
    "only", [Filter(), Filter(inside=("größe".encode(), b"caf*")), Filter(without=(b"drums/0.wav",))]
)
def test_exact_answers_are_those_of_a_file(pair: tuple[Store, Store], places: bool, only: Filter) -> None:
    some = QUERIES[::14]
    found = [search_all(store, some, 10, places=places, only=[only] * len(some), effort=EXACT) for store in pair]
    for of_file, of_server in zip(*found, strict=True):
        assert [(one.path, one.start, one.end) for one in of_server] == [
            (one.path, one.start, one.end) for one in of_file
        ]
        assert [one.score for one in of_server] == pytest.approx([one.score for one in of_file], abs=1e-4)


def test_the_default_search_finds_what_the_exact_one_does(pair: tuple[Store, Store]) -> None:
    of_file, of_server = pair
    found, exact = search_all(of_server, QUERIES, 10, effort=Effort()), search_all(of_file, QUERIES, 10, effort=EXACT)
    best = sum(
        len({one.path for one in some} & {one.path for one in all}) for some, all in zip(found, exact, strict=True)
    )
    assert best / (10 * len(QUERIES)) >= 0.97


def test_both_tell_the_same_of_what_they_hold(pair: tuple[Store, Store]) -> None:
    of_file, of_server = (list(store.files()) for store in pair)
    assert of_server == of_file
    facts, others = (store.facts() for store in pair)
    same = ("files", "segments", "hours", "unread", "by_ffmpeg", "model", "model_sha256", "sample_rate", "dimension")
    assert [others[name] for name in same] == pytest.approx([facts[name] for name in same])
    assert pair[0].about == pair[1].about


def test_vectors_and_levels_come_back_as_they_went_in(pair: tuple[Store, Store]) -> None:
    library = open_library(pair[1].name)
    path = list(SOUNDS)[123]
    np.testing.assert_allclose(library.vectors(path).vectors, SOUNDS[path], atol=1e-6)
    np.testing.assert_allclose(library.vectors(path).levels, [-20.0 - 123 % 30 - k for k in range(len(SOUNDS[path]))])


def test_a_state_lasts_until_something_is_written() -> None:
    name = servers.library()
    assert state_of(name) is None
    states = []
    for append in (False, True, False):
        with open_writer(name) as writer:
            (writer.append if append else writer.replace)(HEADER, list(embeddings())[:9], ())
        states.append(state_of(name))
        assert state_of(name) == states[-1]
    assert len(set(states)) == 3


def test_a_collection_of_another_program_is_left_alone() -> None:
    from qbe.engines.milvus.address import parse_address
    from qbe.engines.milvus.catalog import FIELDS
    from qbe.engines.milvus.server import Server

    name = servers.library()
    server = Server(parse_address(name))
    server.create(server.address.library, FIELDS, {"made": "by hand"})
    with pytest.raises(LibraryError, match="another program"):
        open_store(name)
    with open_writer(name) as writer, pytest.raises(LibraryError, match="another program"):
        writer.replace(HEADER, embeddings(), ())
    assert server.properties(server.address.library) is not None


def test_where_no_server_is_one_line_says_so(tmp_path: Path) -> None:
    for token in ("", "root:geheim@"):
        done = sh(f"qbe info milvus://{token}127.0.0.1:{servers.free_port()}/samples", tmp_path)
        assert (done.returncode, done.stdout) == (2, b"")
        [line] = said(done)
        assert "no Milvus server can be reached at 127.0.0.1:" in line
        assert "geheim" not in line
