# ruff: noqa: ARG002
"""A store that is a dict of arrays, exact: the smallest there can be, to hold others against."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.search.centring import centred, distances, middle, restored
from qbe.search.store import About, Effort, Fact, FileEntry, Filter, Near
from qbe.search.windows import Windows
from qbe.search.writer import Written
from qbe.streams.records import Embedding, File, Header, Numbers, Vector
from qbe.support.errors import LibraryError, ModelError
from qbe.support.names import here, key, spelt_from


@dataclass
class Sounds:
    """What a library holds. of_files : the segments of each; states : of those that were read to their end"""

    about: About
    of_files: dict[bytes, list[Embedding]] = field(default_factory=dict)
    states: dict[bytes, File] = field(default_factory=dict)


HOP = 8192
KEPT: dict[str, Sounds] = {}


class DictStore:
    """All is scored and compared, whatever less would do. Rows are counted through all files in their order."""

    def __init__(self, name: str) -> None:
        if name not in KEPT:
            raise LibraryError(f"{name}: no library")
        self.name, self.sounds = name, KEPT[name]
        self.about = self.sounds.about
        self._paths = list(self.sounds.of_files)
        segments = [(file, one) for file, path in enumerate(self._paths) for one in self.sounds.of_files[path]]
        self._places = np.array([(file, one.start, one.length) for file, one in segments], np.int64).reshape(-1, 3)
        raw = np.array([one.vector for _, one in segments], np.float64).reshape(-1, self.about.dimension)
        self._middle = middle(raw.sum(0), len(raw))
        self._vectors = centred(raw, self._middle)
        self._levels = np.array([one.level for _, one in segments], np.float32)
        self.rows = len(segments)

    def seen(self, vectors: Vector) -> Vector:
        return centred(vectors, self._middle).astype(np.float32)

    def distances(self, vectors: Vector) -> Vector:
        return distances(vectors, self._middle)

    def given(self, seen: NDArray[np.floating[Any]]) -> Vector:
        return restored(seen, self._middle).astype(np.float32)

    def candidates(self, effort: Effort) -> int | None:
        return effort.candidates

    def near(
        self, queries: Sequence[Vector], count: int, candidates: int, only: Sequence[Filter], enough: int
    ) -> Iterator[list[Near]]:
        for query, filter in zip(queries, only, strict=True):
            may = self.admitted(self._places[:, 0], filter).nonzero()[0]
            cosines = (self._vectors[may] @ query.T).astype(np.float32).T
            order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
            yield [Near(may[at], scores[at]) for at, scores in zip(order, cosines, strict=True)]

    def reaching(self, query: Vector, least: float) -> Numbers:
        return np.arange(self.rows)

    def bounds(self, query: Windows, only: Filter) -> tuple[Numbers, NDArray[np.float64]]:
        files = np.unique(self._places[:, 0])
        return files, np.ones(len(files))

    def cosines(self, query: Vector, rows: Numbers) -> Vector:
        return (self._vectors[rows] @ query.T.astype(np.float64)).astype(np.float32)

    def best_of_files(self, query: Vector, files: Numbers) -> tuple[Vector, Numbers]:
        best, rows = [], []
        for file in files.tolist():
            own, _ = self.rows_of(np.array([file]))
            cosines = self.cosines(query, own)
            best.append(cosines.max(0))
            rows.append(own[cosines.argmax(0)])
        return np.array(best, np.float32).reshape(-1, len(query)), np.array(rows, np.int64).reshape(-1, len(query))

    def ends(self, files: Numbers) -> Numbers:
        entries = list(self.files())
        return np.array([entries[file].end for file in files], np.int64)

    def admitted(self, files: NDArray[np.integer[Any]], only: Filter) -> NDArray[np.bool_]:
        states = [self.sounds.states.get(self._paths[file], File(self._paths[file], -1, 0)) for file in files]
        return np.array([only.admits(state, self.about.folder) for state in states], bool)

    def places(self, rows: Numbers) -> NDArray[np.integer[Any]]:
        return self._places[rows]

    def paths(self, files: Numbers) -> list[bytes]:
        return [self._paths[file] for file in files]

    def vectors(self, rows: Numbers) -> NDArray[np.float64]:
        return self._vectors[rows]

    def levels(self, rows: Numbers) -> Vector:
        return self._levels[rows]

    def rows_of(self, files: Numbers) -> tuple[Numbers, Numbers]:
        rows = [(self._places[:, 0] == file).nonzero()[0] for file in files]
        return np.concatenate([np.zeros(0, np.int64), *rows]), np.cumsum([0, *map(len, rows[:-1])])

    def sounding(self) -> Numbers:
        return np.unique(self._places[:, 0])

    def files(self) -> Iterator[FileEntry]:
        for number, (path, segments) in enumerate(self.sounds.of_files.items()):
            state = self.sounds.states.get(path, File(path, -1, 0))
            end = max((one.start + one.length for one in segments), default=state.end)
            facts = (state.size, state.mtime, end, len(segments), state.content, state.failed)
            yield FileEntry(number, path, *facts)

    def held(self) -> tuple[int, int]:
        return len(self._paths), self.rows

    def facts(self) -> dict[str, Fact]:
        files, segments = self.held()
        return {"files": files, "segments": segments, "model": self.about.name, "dimension": self.about.dimension}

    def check(self, on_piece: Callable[[int, int], None]) -> list[str]:
        on_piece(1, 1)
        return []


class DictWriter:
    def __init__(self, name: str) -> None:
        self.name = name

    def replace(self, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        model = header.model or "", header.name or "", header.sample_rate, header.dimension or 0
        return self._put(Sounds(About(*model, HOP, header.folder)), header, embeddings, files)

    def append(self, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        if self.name not in KEPT:
            return self.replace(header, embeddings, files)
        about = KEPT[self.name].about
        if header.model != about.model:
            raise ModelError(f"{self.name} was built with another model: nothing is appended")
        return self._put(copy.deepcopy(KEPT[self.name]), header, embeddings, files)

    def _put(self, old: Sounds, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        folder = old.about.folder
        names = {key(path, folder, None): path for path in old.of_files}

        def named(path: bytes) -> bytes:
            new = path if header.folder in (None, folder) or not folder else spelt_from(path, folder, header.folder)
            return names.setdefault(key(new, folder, None), new)

        came: dict[bytes, list[Embedding]] = {}
        repeated = 0
        for one in embeddings:
            own = came.setdefault(named(one.path), [])
            if own and one.start <= own[-1].start:
                repeated += 1
            else:
                own.append(one)
        told = list(files)
        states = {named(file.path): file for file in told if not file.was}
        came |= {path: [] for path in states if path not in came}
        count, segments = len(came), sum(map(len, came.values()))
        moved = [(named(file.was), file) for file in told if file.was and named(file.path) not in came]
        moved = [(was, file) for was, file in moved if was in old.of_files]
        came |= {named(file.path): old.of_files[was] for was, file in moved}
        states |= {named(file.path): replace(file, failed=old.states[was].failed, was=b"") for was, file in moved}
        gone = came.keys() | {was for was, _ in moved}
        kept = {path: own for path, own in old.of_files.items() if path not in gone} | came
        if not any(kept.values()):
            raise LibraryError(f"{self.name}: not written: the stream holds no embeddings")
        KEPT[self.name] = Sounds(old.about, kept, {**old.states, **states})
        lost = sum(bool(file.was) for file in told) - len(moved)
        return Written(count, segments, repeated, len(moved), lost)

    def remove(self, names: Iterable[bytes], *, folders: bool = True) -> list[bytes]:
        sounds, missing = copy.deepcopy(KEPT[self.name]), []
        own = sounds.about.folder
        for name in names:
            wanted = {key(name, own, given) for given in (None, here())}
            inside = tuple(one + b"/" for one in wanted) if folders else ()
            keys = {path: key(path, own, None) for path in sounds.of_files}
            meant = [path for path, one in keys.items() if one in wanted or one.startswith(inside)]
            missing += [] if meant else [name]
            for path in meant:
                del sounds.of_files[path]
        KEPT[self.name] = sounds
        return missing


@contextmanager
def open_dict_writer(name: str) -> Iterator[DictWriter]:
    yield DictWriter(name)
