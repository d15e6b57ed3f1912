"""Groups of copies: what kind each is, from files of known origin; and of what is alike, from the definition."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE, cosines, noise, write_sound
from libraries import build_library
from numpy.typing import NDArray

from qbe.audio.identity import PIECE, identified
from qbe.copies import Copy, Kind, copies
from qbe.index.file.library import Library, open_library
from qbe.index.store import FileStore
from qbe.search.store import Store
from qbe.streams.records import Embedding, File, Header, Vector
from qbe.support.errors import QbeError

DIMENSION = 24
HEADER = Header("embeddings", RATE, model="ab" * 32, name="m", dimension=DIMENSION)


def unit(array: NDArray[np.float64]) -> Vector:
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def embeddings(path: bytes, vectors: Vector) -> list[Embedding]:
    return [Embedding(path, 8192 * k, 16_384, RATE, vector, -20.0 - k) for k, vector in enumerate(vectors)]


class Shelf:
    """Sounds in a folder, each with vectors of its own or another's, and the library of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rng = folder, np.random.default_rng(0)
        self.vectors: dict[bytes, Vector] = {}
        for k in range(30):  # so that a middle is a middle
            self.vectors[b"%d" % k] = self.new()

    def new(self, count: int = 2) -> Vector:
        return unit(self.rng.normal(size=(count, DIMENSION)))

    def add(self, name: str | bytes, like: str | None = None) -> bytes:
        """A file that is there, under a name. like : whose vectors it has"""
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        self.vectors[path] = self.new() if like is None else self.vectors[self.path(like)]
        return path

    def path(self, name: str) -> bytes:
        return os.fsencode(self.folder / name)

    def wav(self, name: str, audio: NDArray[np.floating], like: str | None = None, **options: str) -> bytes:
        write_sound(self.folder / name, np.asarray(audio, np.float32), **options)
        return self.add(name, like)

    def store(self) -> Store:
        files = [identified(path) or File(path, 1, 1) for path in self.vectors]
        rows = [row for path, vectors in self.vectors.items() for row in embeddings(path, vectors)]
        build_library(str(self.folder / "lib.idx"), HEADER, rows, files=files)
        return FileStore(open_library(str(self.folder / "lib.idx")))

    def groups(self, alike: float | None = None) -> list[dict[str, Kind]]:
        return [
            {os.fsdecode(copy.path).removeprefix(f"{self.folder}/"): copy.kind for copy in group}
            for group in copies(self.store(), alike, lambda _: None)
        ]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_every_kind_is_told(shelf: Shelf) -> None:
    audio = noise(1.5)
    shelf.wav("a.wav", audio)
    (shelf.folder / "b.wav").write_bytes((shelf.folder / "a.wav").read_bytes())
    shelf.add("b.wav", "a.wav")
    os.link(shelf.folder / "a.wav", shelf.folder / "hard.wav")
    shelf.add("hard.wav", "a.wav")
    shelf.wav("c.flac", soundfile.read(shelf.folder / "a.wav")[0], "a.wav", subtype="PCM_16")
    shelf.wav("d.wav", 0.1 * audio, "a.wav")
    shelf.wav("e.wav", noise(1.5, seed=1), "a.wav")  # alike, as these vectors say, and another sound
    shelf.wav("f.wav", noise(1.5, seed=2))
    expected = {
        "a.wav": Kind.FIRST,
        "hard.wav": Kind.SAME_FILE,
        "b.wav": Kind.SAME_BYTES,
        "c.flac": Kind.SAME_AUDIO,
        "d.wav": Kind.SAME_RECORDING,
    }
    assert shelf.groups() == [expected]
    assert shelf.groups(0.98) == [expected | {"e.wav": Kind.ALIKE}]


def test_one_file_has_all_its_names_in_one_group_as_the_same(shelf: Shelf) -> None:
    shelf.wav("a.wav", noise(1.0))
    (shelf.folder / "more").mkdir()
    (shelf.folder / "link.wav").symlink_to("a.wav")
    (shelf.folder / "folder").symlink_to(".")
    os.link(shelf.folder / "a.wav", shelf.folder / "more" / "hard.wav")
    names = ["link.wav", "more/hard.wav", "folder/a.wav", "folder/link.wav"]
    for name in (*names, "./a.wav", "more/../a.wav"):  # a library takes the last two for the first
        shelf.add(name, "a.wav")
    assert shelf.groups(0.98) == [{"a.wav": Kind.FIRST} | dict.fromkeys(names, Kind.SAME_FILE)]


def test_names_of_a_copy_are_copies_and_only_names_of_the_first_the_same_file(shelf: Shelf) -> None:
    shelf.wav("a.wav", noise(1.0))
    shelf.wav("b.wav", 0.5 * noise(1.0), "a.wav")
    for name in "ab":
        (shelf.folder / f"link to {name}.wav").symlink_to(f"{name}.wav")
        shelf.add(f"link to {name}.wav", "a.wav")
    kinds = {"a.wav": Kind.FIRST, "link to a.wav": Kind.SAME_FILE}
    assert shelf.groups() == [kinds | dict.fromkeys(["b.wav", "link to b.wav"], Kind.SAME_RECORDING)]


def test_the_first_is_the_longest_and_then_the_largest(shelf: Shelf) -> None:
    audio = noise(1.0)
    shelf.wav("small.wav", audio)
    shelf.wav("large.wav", audio, "small.wav", subtype="FLOAT")
    shelf.wav("long.wav", np.pad(audio, (4000, 0)), "small.wav")
    shelf.vectors[shelf.path("long.wav")] = np.repeat(shelf.vectors[shelf.path("small.wav")], 2, axis=0)
    ((first, *_),) = (list(group) for group in shelf.groups())
    assert first == "long.wav"
    del shelf.vectors[shelf.path("long.wav")]
    assert [next(iter(group)) for group in shelf.groups()] == ["large.wav"]


def test_bytes_are_the_same_where_all_of_them_are(shelf: Shelf) -> None:
    """A checksum leaves out what lies between the beginning, the middle and the end of a large file."""
    audio = noise(12.0)
    shelf.wav("a.wav", audio)
    data = bytearray((shelf.folder / "a.wav").read_bytes())
    assert len(data) > 5 * PIECE
    (shelf.folder / "b.wav").write_bytes(data)
    data[PIECE + 11] ^= 1
    (shelf.folder / "c.wav").write_bytes(data)
    for name in ("b.wav", "c.wav"):
        shelf.add(name, "a.wav")
    states = [identified(shelf.path(name)) for name in ("a.wav", "c.wav")]
    assert len({state.content for state in states if state}) == 1
    assert shelf.groups() == [{"a.wav": Kind.FIRST, "b.wav": Kind.SAME_BYTES, "c.wav": Kind.SAME_RECORDING}]


@pytest.mark.parametrize("known", ["checksum", "no checksum", "another checksum"])
def test_bytes_are_told_by_the_disk_where_the_library_does_not_know_them(shelf: Shelf, known: str) -> None:
    """Libraries of before have no checksum; a file may have changed since."""
    shelf.wav("a.wav", noise(1.0))
    shelf.wav("b.wav", noise(1.0), "a.wav")
    shelf.wav("c.wav", noise(1.0, seed=1), "a.wav")
    kept = {name: identified(shelf.path(name)) for name in ("a.wav", "b.wav", "c.wav")}
    files = [state for state in kept.values() if state]
    if known == "no checksum":
        files = [File(file.path, file.size, file.mtime) for file in files]
    if known == "another checksum":
        files = [File(file.path, file.size, file.mtime - 1, 77) for file in files]
    rows = [row for path, vectors in shelf.vectors.items() for row in embeddings(path, vectors)]
    build_library(str(shelf.folder / "lib.idx"), HEADER, rows, files=files)
    store = FileStore(open_library(str(shelf.folder / "lib.idx")))
    (group,) = copies(store, on_error=lambda _: None)
    assert [copy.kind for copy in group] == [Kind.FIRST, Kind.SAME_BYTES]
    assert [copy.path for copy in group] == [shelf.path("a.wav"), shelf.path("b.wav")]


def test_what_is_not_there_or_cannot_be_read_is_said_and_is_no_copy(shelf: Shelf) -> None:
    audio = noise(1.0)
    shelf.vectors = {path: vectors for path, vectors in shelf.vectors.items() if len(path) > 2}
    for name in ("a.wav", "b.wav", "c.wav", "d.wav"):
        shelf.wav(name, audio * (1 + 0.1 * ord(name[0])) / 12, None if name == "a.wav" else "a.wav")
    shelf.wav("z.wav", noise(1.0, seed=5))
    store = shelf.store()
    (shelf.folder / "b.wav").unlink()
    (shelf.folder / "c.wav").write_text("no sound")
    told: list[QbeError] = []
    ((first, *others),) = copies(store, on_error=told.append)
    assert (first.path, [copy.path for copy in others]) == (shelf.path("a.wav"), [shelf.path("d.wav")])
    gone, broken = map(str, told)
    assert gone == f"{shelf.folder}/lib.idx: 1 of its files are no longer there, and cannot be compared"
    assert "c.wav: not audio" in broken
    assert [copy.kind for copy in next(copies(store, 0.98, lambda _: None))[1:]] == [
        Kind.ALIKE if name in "bc" else Kind.SAME_RECORDING for name in "bcd"
    ]


def test_every_file_is_told(shelf: Shelf) -> None:
    shelf.wav("a.wav", noise(1.0))
    shelf.wav("b.wav", noise(1.0), "a.wav")
    told: list[int] = []
    list(copies(shelf.store(), 0.98, lambda _: None, told.append))
    assert told == sorted(told)
    assert told[-1] == len(shelf.vectors)


# By embeddings alone: files that are not there, as a store has them.


def build(path: Path, files: list[Vector]) -> Library:
    rows = [row for file, vectors in enumerate(files) for row in embeddings(b"/not there/%d.wav" % file, vectors)]
    build_library(str(path), HEADER, rows)
    return open_library(str(path))


def alike(library: Library, least: float) -> list[list[Copy]]:
    return list(copies(FileStore(library), least, lambda _: None))


def number(copy: Copy) -> int:
    return int(os.path.basename(copy.path).removesuffix(b".wav"))


def sounds(count: int, seed: int = 0) -> list[Vector]:
    """Files of 1 to 12 segments; a third are disturbed copies of earlier ones, from hardly to beyond recognition."""
    rng = np.random.default_rng(seed)
    files: list[Vector] = []
    for file in range(count):
        if file > 10 and rng.random() < 0.33:
            source = files[int(rng.integers(len(files)))]
            files.append(unit(source + rng.normal(size=source.shape) * rng.choice([0.0, 0.01, 0.03, 0.1])))
        else:
            files.append(unit(rng.normal(size=(int(rng.integers(1, 13)), DIMENSION))))
    return files


def scores(library: Library, files: list[Vector]) -> NDArray[np.float64]:
    """Of all files with all, the lower of both directions."""
    rows, first = np.concatenate(files), np.cumsum([0, *map(len, files[:-1])])
    best = np.maximum.reduceat(cosines(library, rows, rows), first, axis=1)  # of each segment with each file
    one = np.add.reduceat(best, first) / np.array([[len(file)] for file in files])
    return np.minimum(one, one.T)


def expected(matrix: NDArray[np.float64], files: list[Vector], least: float) -> list[list[int]]:
    """Files in order of length; each one that is free takes what scores enough with it and is free."""
    free, groups = set(range(len(files))), []
    for first in sorted(range(len(files)), key=lambda file: -len(files[file])):
        if first in free:
            group = [first] + [file for file in sorted(free - {first}) if matrix[first, file] >= least]
            free -= set(group)
            if len(group) > 1:
                groups.append(group)
    return groups


@pytest.mark.parametrize(("count", "least"), [(60, 0.9), (60, 0.98), (700, 0.95)])  # the last of many cells
def test_groups_are_those_of_the_definition(tmp_path: Path, count: int, least: float) -> None:
    files = sounds(count)
    library = build(tmp_path / "a.idx", files)
    found = alike(library, least)
    numbers = [[number(copy) for copy in group] for group in found]
    matrix = scores(library, files)
    assert numbers == expected(matrix, files, least)
    assert len(numbers) > count // 20
    for group, group_numbers in zip(found, numbers, strict=True):
        assert [copy.kind for copy in group] == [Kind.FIRST] + [Kind.ALIKE] * (len(group) - 1)
        wanted = [1.0, *matrix[group_numbers[0], group_numbers[1:]]]
        np.testing.assert_allclose([copy.score for copy in group], wanted, atol=2e-3)


def test_many_copies_are_one_group(tmp_path: Path) -> None:
    """More than are looked up at first."""
    one = sounds(1)[0]
    (group,) = alike(build(tmp_path / "a.idx", [one] * 300 + sounds(5, seed=1)), 0.98)
    assert list(map(number, group)) == list(range(300))


def test_an_excerpt_is_no_copy(tmp_path: Path) -> None:
    long = sounds(1, seed=3)[0]
    assert len(long) > 2
    assert not alike(build(tmp_path / "a.idx", [long, long[:1]]), 0.98)
