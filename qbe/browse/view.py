"""A library as the page sees it: points by number, in an order of which any beginning is a fair picture."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np

from qbe.browse.wav import Wav
from qbe.embedding import Embeddings
from qbe.library import Library, Result
from qbe.maps.choices import ColourBy
from qbe.maps.colours import colours
from qbe.maps.points import Points
from qbe.maps.projection import Coordinates
from qbe.maps.thinning import coarse_to_fine
from qbe.support.errors import UsageError, display

RESULTS = 24
ASKED = 64  # segments of a sound that neighbours are asked for
NAMED = 100  # names that a search for a word gives


class Shown(TypedDict, total=False):
    """A point as the page is told of it. score : how well it answers; start : where the place in it begins, seconds"""

    point: int
    path: str
    folder: str
    name: str
    start: float
    length: float
    level: float | None
    score: float


@dataclass
class View:
    """points : of the library, in its order; where : on the map, [n, 2]; segments : a point is one, not a file"""

    library: Library
    points: Points
    where: Coordinates
    segments: bool

    def __post_init__(self) -> None:
        self._lock = threading.Lock()  # a store is asked by one thread at a time
        self._order = coarse_to_fine(self.where)
        self._number_of = np.empty(len(self._order), np.int64)
        self._number_of[self._order] = np.arange(len(self._order))

    def about(self) -> dict[str, object]:
        """What the page must know before it draws."""
        palettes = {by.value: {"colours": c.palette, "labels": c.labels} for by, c in self._colours.items()}
        name = os.path.basename(self.library.store.name)
        return {"name": name, "points": len(self.points), "segments": self.segments, "palettes": palettes}

    @cached_property
    def _colours(self):  # type: ignore[no-untyped-def]
        return {by: colours(self.points, by) for by in ColourBy}

    def drawn(self) -> bytes:
        """All points: x and y, float32 each, then the numbers of their colours, a byte each, by every rule in turn."""
        parts = [self.where[self._order].astype("<f4").tobytes()]
        return b"".join([*parts, *(c.of[self._order].tobytes() for c in self._colours.values())])

    def shown(self, number: int, **facts: float) -> Shown:
        """UsageError where there is no such point."""
        at = self._at(number)
        path, level = self.points.paths[at], float(self.points.levels[at])
        told: Shown = {
            "point": number,
            "path": display(os.path.abspath(path)),
            "folder": display(os.path.dirname(path)),
            "name": display(os.path.basename(path)),
            "start": float(self.points.starts[at]),
            "length": float(self.points.lengths[at]),
            "level": None if np.isnan(level) else round(level, 1),
        }
        return told | facts  # type: ignore[return-value]

    def _at(self, number: int) -> int:
        if not 0 <= number < len(self.points):
            raise UsageError(f"{number}: no such point")
        return int(self._order[number])

    def path(self, number: int) -> bytes:
        return self.points.paths[self._at(number)]

    def wav(self, number: int) -> Wav:
        """The sound of a point. AudioError where its file is gone or broken."""
        at = self._at(number)
        return Wav.of(self.points.paths[at], float(self.points.starts[at]), float(self.points.lengths[at]))

    def neighbours(self, number: int) -> list[Shown]:
        """What the library finds for a point, without itself."""
        with self._lock:
            found = self.library.search(self._embeddings(number), k=RESULTS + 1, places=self.segments)
        return [shown for shown in self._answers(found) if shown["point"] != number][:RESULTS]

    def blended(self, likes: Sequence[int], unlikes: Sequence[int]) -> list[Shown]:
        """What is like some points and unlike others. UsageError where none is liked."""
        with self._lock:
            groups = ([self._embeddings(number) for number in numbers] for numbers in (likes, unlikes))
            like, unlike = groups
            found = self.library.search(like=like, unlike=unlike, k=RESULTS + len(likes), places=self.segments)
        return [shown for shown in self._answers(found) if shown["point"] not in likes][:RESULTS]

    def answers(self, sound: bytes) -> list[Shown]:
        """What sounds like a sound file. AudioError where it is none."""
        with self._lock:
            return self._answers(self.library.search(io.BytesIO(sound), k=RESULTS, places=self.segments))

    def named(self, words: str) -> list[Shown]:
        """The first points in whose path all words stand."""
        wanted = [os.fsencode(word) for word in words.lower().split()]
        numbers = (number for number, path in enumerate(self._lowered) if all(word in path for word in wanted))
        return [self.shown(int(self._number_of[number])) for number, _ in zip(numbers, range(NAMED), strict=False)]

    @cached_property
    def _lowered(self) -> list[bytes]:
        return [os.fsencode(os.fsdecode(path).lower()) for path in self.points.paths]

    def _embeddings(self, number: int) -> Embeddings:
        at = self._at(number)
        rows = self.points.rows[self.points.first[at] : self.points.first[at + 1]]
        rows = rows[np.linspace(0, len(rows) - 1, min(ASKED, len(rows))).astype(int)]
        store = self.library.store
        starts, lengths = store.places(rows)[:, 1:].T / store.about.sample_rate
        vectors = store.given(store.vectors(rows))
        return Embeddings(vectors, starts, starts + lengths, store.levels(rows), store.about.model)

    def _answers(self, found: Iterable[Result]) -> list[Shown]:
        return [self.shown(self._number(result), score=round(result.score, 3), start=result.start) for result in found]

    def _number(self, result: Result) -> int:
        """The point of a result: of the file's, the one that begins nearest to it."""
        begin, end = self.points.files.searchsorted([(file := self._files[os.fsencode(result.path)]), file + 1])
        at = begin + np.abs(self.points.starts[begin:end] - result.start).argmin()
        return int(self._number_of[at])

    @cached_property
    def _files(self) -> dict[bytes, int]:
        return {path: file for file, path in enumerate(self.points.names)}
