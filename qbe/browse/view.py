"""A library as the page sees it: points by number, in an order of which any beginning is a fair picture."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np

from qbe.browse.tagged import Tagged
from qbe.browse.wav import Wav
from qbe.embedding import Embeddings
from qbe.library import Library, Result
from qbe.maps.choices import ColourBy
from qbe.maps.colours import colours, telling_folders
from qbe.maps.points import Points
from qbe.maps.projection import Coordinates
from qbe.maps.thinning import coarse_to_fine
from qbe.maps.words import placed_words
from qbe.support.errors import UsageError, display

RESULTS = 24
ASKED = 64  # segments of a sound that neighbours are asked for
NAMED = 100  # rows that a search for words gives
WORDED = 100_000  # points, the first ones, that tell where words are


class Shown(TypedDict, total=False):
    """A point as the page is told of it. score : how well it answers; at, until : where in it the answer lies, seconds;
    tags : its words"""

    point: int
    path: str
    folder: str
    name: str
    start: float
    length: float
    level: float | None
    score: float
    at: float
    until: float
    tags: list[dict[str, object]]


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
        self._tagged = Tagged(self.library.store.name, self.points.names, travels=self.library.about.travels)
        self._drawn, self._by_folder = self.where[self._order].astype("<f4").tobytes(), self._coloured(ColourBy.FOLDER)

    @property
    def tagged(self) -> Tagged:
        """What is said of its files now."""
        self._tagged = self._tagged.now()
        return self._tagged

    def about(self) -> dict[str, object]:
        """What the page must know before it draws."""
        name = os.path.basename(self.library.store.name)
        is_tagged = bool(self.tagged.words)
        return {"name": name, "points": len(self.points), "segments": self.segments, "tagged": is_tagged}

    def drawn(self) -> bytes:
        """All points: x and y, float32 each."""
        return self._drawn

    def coloured(self, by: ColourBy) -> bytes:
        """A line of JSON, which colours there are and what they stand for; then the number of each point's, a byte."""
        return self._by_folder if by is ColourBy.FOLDER else self._coloured(by)

    def _coloured(self, by: ColourBy) -> bytes:
        found = colours(self.points, by, self.tagged.words if by is ColourBy.TAG else {})
        legend = json.dumps({"colours": [*found.palette], "labels": [*found.labels]})
        return legend.encode() + b"\n" + found.of[self._order].tobytes()

    def words(self) -> list[dict[str, object]]:
        """What stands over the map, the most telling first: tags where there are any, else folders."""
        words: Mapping[bytes, Sequence[str]] = self.tagged.words or self._folders
        numbers = self._order[:WORDED]
        of_points = [words.get(self.points.names[file], ()) for file in self.points.files[numbers].tolist()]
        return [placed._asdict() for placed in placed_words(self.where[numbers], of_points)]

    @cached_property
    def _folders(self) -> dict[bytes, list[str]]:
        names = self.points.names
        folders = zip(names, telling_folders(names), strict=True)
        return {name: [display(folder)] for name, folder in folders if folder}

    def shown(self, number: int) -> Shown:
        """UsageError where there is no such point."""
        at = self._at(number)
        path, level = self.points.paths[at], float(self.points.levels[at])
        return {
            "point": number,
            "path": display(os.path.abspath(self._located(path))),
            "folder": display(os.path.dirname(path)),
            "name": display(os.path.basename(path)),
            "start": float(self.points.starts[at]),
            "length": float(self.points.lengths[at]),
            "level": None if np.isnan(level) else round(level, 1),
            "tags": self.tagged.of(path),
        }

    def _at(self, number: int) -> int:
        if not 0 <= number < len(self.points):
            raise UsageError(f"{number}: no such point")
        return int(self._order[number])

    def path(self, number: int) -> bytes:
        """The name of a point's file."""
        return self.points.paths[self._at(number)]

    def _located(self, path: bytes) -> bytes:
        return self.library.about.located(path)

    def located(self, number: int) -> bytes:
        """The way from here to a point's file."""
        return self._located(self.path(number))

    def wav(self, number: int) -> Wav:
        """The sound of a point. AudioError where its file is gone or broken."""
        at = self._at(number)
        return Wav.of(
            self._located(self.points.paths[at]), float(self.points.starts[at]), float(self.points.lengths[at])
        )

    def neighbours(self, number: int) -> list[Shown]:
        """What the library finds for a point by the embeddings that it keeps, without itself.

        A search for its file hears that anew, at quarters of a hop too: scores differ by some hundredths. That takes as
        long as the sound is, and the file.
        """
        with self._lock:
            found = self.library.search(self._embeddings(number), k=RESULTS + 1, places=self.segments)
        return [shown for shown in self._answers(found) if shown["point"] != number][:RESULTS]

    def part(self, number: int, start: float, seconds: float) -> list[Shown]:
        """What sounds like a part of a point, which begins `start` seconds after it does. AudioError as `wav`."""
        at = self._at(number)
        begin = float(self.points.starts[at]) + start
        with self._lock:
            path = os.fsdecode(self._located(self.points.paths[at]))
            found = self.library.search(path, start=begin, duration=seconds, k=RESULTS, places=self.segments)
        return self._answers(found)

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

    def found(self, text: str) -> dict[str, object]:
        """The first points that bear words, the surest first, how many there are, and what is known instead."""
        found = self.tagged.found(text)
        files = [self._files[path] for path in found.scores]
        begins, ends = (self.points.files.searchsorted(files, side).tolist() for side in ("left", "right"))
        first = [at for begin, end in zip(begins, ends, strict=True) for at in range(begin, min(end, begin + NAMED))]
        rows = [self._borne(int(self._number_of[at]), found.scores[self.points.paths[at]]) for at in first[:NAMED]]
        count = sum(ends) - sum(begins)
        return {"rows": rows, "count": count, "notes": found.notes}

    def _borne(self, number: int, score: float) -> Shown:
        """A sound that bears words, with how likely it is where that is not sure."""
        return {**self.shown(number), "score": round(score, 3)} if score < 1 else self.shown(number)

    def bearing(self, text: str) -> bytes:
        """For each point whether it bears words: a byte, 1 or 0."""
        bears = np.zeros(len(self.points.names), np.uint8)
        bears[[self._files[path] for path in self.tagged.found(text).scores]] = 1
        return bears[self.points.files][self._order].tobytes()

    def say(self, numbers: Sequence[int], word: str, *, bears: bool) -> dict[str, object]:
        """Keep that the files of points bear a word, or do not. As `Tagged.say`."""
        meant, left_out = self.tagged.say({self.path(number) for number in numbers}, word, bears=bears)
        return {"words": meant, "left_out": left_out}

    def _embeddings(self, number: int) -> Embeddings:
        at = self._at(number)
        rows = self.points.rows[self.points.first[at] : self.points.first[at + 1]]
        rows = rows[np.linspace(0, len(rows) - 1, min(ASKED, len(rows))).astype(int)]
        store = self.library.store
        starts, lengths = store.places(rows)[:, 1:].T / store.about.sample_rate
        vectors = store.given(store.vectors(rows))
        return Embeddings(vectors, starts, starts + lengths, store.levels(rows), store.about.model)

    def _answers(self, found: Iterable[Result]) -> list[Shown]:
        shown = ((self.shown(self._number(result)), result) for result in found)
        return [{**one, "score": round(of.score, 3), "at": of.start, "until": of.end} for one, of in shown]

    def _number(self, result: Result) -> int:
        """The point of a result: of the file's, the one that begins nearest to it."""
        begin, end = self.points.files.searchsorted([(file := self._files[os.fsencode(result.path)]), file + 1])
        at = begin + np.abs(self.points.starts[begin:end] - result.start).argmin()
        return int(self._number_of[at])

    @cached_property
    def _files(self) -> dict[bytes, int]:
        return {path: file for file, path in enumerate(self.points.names)}
