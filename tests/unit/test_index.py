"""Libraries: what is built is found again, and what is damaged is refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import cosines
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import build_library, search

from qbe.index.file.layout import SLOTS
from qbe.index.file.library import Library, open_library
from qbe.search.writer import Written
from qbe.streams.records import Embedding, Header, Vector
from qbe.support.errors import LibraryError

HEADER = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=8)


def unit(rng: np.random.Generator, *shape: int) -> Vector:
    vectors = rng.normal(size=(*shape, 8))
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def rows_of(sounds: dict[bytes, Vector]) -> list[Embedding]:
    return [
        Embedding(path, 8192 * k, 16_384, 16_000, vector)
        for path, vectors in sounds.items()
        for k, vector in enumerate(vectors)
    ]


def random_sounds(seed: int, files: int = 12) -> dict[bytes, Vector]:
    rng = np.random.default_rng(seed)
    return {b"%d.wav" % k: unit(rng, int(rng.integers(1, 9))) for k in range(files)}


def build(path: Path, sounds: dict[bytes, Vector]) -> Library:
    build_library(str(path), HEADER, rows_of(sounds))
    return open_library(str(path))


def stored(library: Library) -> Vector:
    """All vectors, file by file, as they were given."""
    rows = np.concatenate([library.rows_of(file) for file in range(library.files)])
    return library.frame.given(library.vectors(rows))


def test_a_library_holds_what_was_put_in(tmp_path: Path) -> None:
    sounds = random_sounds(0)
    library = build(tmp_path / "a.idx", sounds)
    assert library.files == len(sounds)
    assert library.file_paths(np.arange(library.files)) == list(sounds)
    np.testing.assert_allclose(stored(library), np.concatenate(list(sounds.values())), atol=1e-6)
    assert library.footer.model == HEADER.model
    assert library.footer.name == "m"
    expected = sum(8192 * (len(v) - 1) + 16_384 for v in sounds.values()) / 16_000 / 3600
    assert library.hours() == pytest.approx(expected)
    assert library.damaged_blocks() == []


def test_the_same_stream_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build(tmp_path / name, random_sounds(0))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_more_rows_than_are_buffered(tmp_path: Path) -> None:
    sounds = {b"long.wav": unit(np.random.default_rng(0), 10_000)}
    library = build(tmp_path / "a.idx", sounds)
    np.testing.assert_allclose(stored(library), sounds[b"long.wav"], atol=1e-6)


def test_repeats_are_kept_once(tmp_path: Path) -> None:
    rows = rows_of(random_sounds(0))
    built = build_library(str(tmp_path / "a.idx"), HEADER, rows + rows[:5])
    assert built == Written(files=12, segments=len(rows), repeated=5)


def test_a_stream_that_breaks_off_leaves_the_old_library(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    build(path, random_sounds(0))
    before = path.read_bytes()

    def broken() -> Iterator[Embedding]:
        yield from rows_of(random_sounds(1))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        build_library(str(path), HEADER, broken())
    with pytest.raises(LibraryError, match="holds no embeddings"):
        build_library(str(path), HEADER, [])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path], "a temporary file was left"


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    build(path, random_sounds(0, files=3))
    data = path.read_bytes()
    for size in [*range(0, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(LibraryError):
            open_library(str(path))


@settings(deadline=None, max_examples=300)
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_or_does_no_harm(tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "a.idx"
    build(path, random_sounds(0, files=3))
    data = bytearray(path.read_bytes())
    original = bytes(data)
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        library = open_library(str(path))
    except LibraryError:
        return
    blocks = library.parts[0].blocks.values()
    inside = any(
        block.offset <= at % len(data) < block.offset + block.length or block.sums <= at % len(data) < block.end
        for block in blocks
    )
    assert bool(library.damaged_blocks()) == inside
    if not inside:  # padding, or the slot that does not count
        path.write_bytes(original)
        np.testing.assert_array_equal(stored(library), stored(open_library(str(path))))


def test_the_newer_of_two_commits_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    build(path, random_sounds(0))
    data = bytearray(path.read_bytes())
    generation, offset, length, checksum = struct.unpack_from("<QQQI", data, SLOTS[0])
    footer = bytes(data[offset : offset + length])
    assert checksum == zlib.crc32(footer)
    renamed = footer.replace(b"\xa1m", b"\xa1n")  # the model's name, m -> n
    slot = struct.pack("<QQQI", generation + 1, len(data), len(renamed), zlib.crc32(renamed))
    data[SLOTS[1] : SLOTS[1] + len(slot) + 4] = slot + struct.pack("<I", zlib.crc32(slot))
    path.write_bytes(data + renamed)
    assert open_library(str(path)).footer.name == "n"
    data[SLOTS[1]] ^= 1  # a slot that was not written to its end does not count
    path.write_bytes(data + renamed)
    assert open_library(str(path)).footer.name == "m"


def test_newer_formats_and_other_files(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    build(path, random_sounds(0))
    data = bytearray(path.read_bytes())
    data[8] = 9
    path.write_bytes(data)
    with pytest.raises(LibraryError, match="format 9; this qbe reads formats 5 and 6: use a newer qbe"):
        open_library(str(path))
    data[8] = 2
    path.write_bytes(data)
    with pytest.raises(LibraryError, match="format 2; this qbe reads formats 5 and 6: build it again"):
        open_library(str(path))
    path.write_bytes(b"hello" * 5000)
    with pytest.raises(LibraryError, match="not a qbe library"):
        open_library(str(path))
    with pytest.raises(LibraryError, match="No such file"):
        open_library(str(tmp_path / "none.idx"))


def expected_scores(library: Library, sounds: dict[bytes, Vector], query: Vector) -> dict[bytes, float]:
    """Straight from the definition: the mean over query segments of the best cosine in the file."""
    return {path: float(cosines(library, query, vectors).max(1).mean()) for path, vectors in sounds.items()}


@pytest.mark.parametrize("segments_in_query", [1, 3, 130])
def test_files_are_ranked_by_definition(tmp_path: Path, segments_in_query: int) -> None:
    sounds = random_sounds(3, files=40)
    library = build(tmp_path / "a.idx", sounds)
    query = unit(np.random.default_rng(9), segments_in_query)
    expected = expected_scores(library, sounds, query)
    matches = search(library, query, 7)
    assert [match.path for match in matches] == sorted(expected, key=lambda path: -expected[path])[:7]
    for match in matches:
        assert match.score == pytest.approx(expected[match.path], abs=1e-6)
        own = cosines(library, query, sounds[match.path])
        best = max(own.argmax(1).tolist(), key=lambda row: own[:, row].mean())  # of those nearest to a segment
        assert (match.start, match.end) == (8192 * best, 8192 * best + 16_384)


def test_rows_are_ranked_by_definition(tmp_path: Path) -> None:
    sounds = random_sounds(3)
    library = build(tmp_path / "a.idx", sounds)
    query = unit(np.random.default_rng(9), 1)
    expected = sorted(
        (
            (float(best), path, 8192 * k)
            for path, vectors in sounds.items()
            for k, best in enumerate(cosines(library, query, vectors)[0])
        ),
        reverse=True,
    )
    matches = search(library, query, 10, rows=True)
    assert [(match.path, match.start) for match in matches] == [(path, start) for _, path, start in expected[:10]]
    np.testing.assert_allclose([match.score for match in matches], [score for score, _, _ in expected[:10]], atol=1e-6)


@pytest.mark.parametrize("rows", [False, True])
def test_skipped_files_make_room(tmp_path: Path, rows: bool) -> None:
    sounds = random_sounds(3)
    library = build(tmp_path / "a.idx", sounds)
    query = sounds[b"4.wav"][:1]
    assert search(library, query, 1, rows=rows)[0].path == b"4.wav"
    matches = search(library, query, 5, rows=rows, without=[b"4.wav"])
    assert len(matches) == 5
    assert b"4.wav" not in {match.path for match in matches}


def test_more_wanted_than_there_are(tmp_path: Path) -> None:
    library = build(tmp_path / "a.idx", random_sounds(3, files=4))
    query = unit(np.random.default_rng(0), 1)
    assert len(search(library, query, 100)) == 4
    assert search(library, query, 100, without=[b"%d.wav" % number for number in range(4)]) == []


def test_files_in_pieces_are_one_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b = unit(rng, 4), unit(rng, 2)
    rows = rows_of({b"a": a})
    path = str(tmp_path / "a.idx")
    build_library(path, HEADER, rows[:2] + rows_of({b"b": b}) + rows[2:])
    query = unit(rng, 3)
    matches = search(open_library(path), query, 5)
    expected = expected_scores(open_library(path), {b"a": a, b"b": b}, query)
    assert {match.path: pytest.approx(match.score, abs=1e-6) for match in matches} == expected
