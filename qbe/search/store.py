"""The seam under search: what ranking, duplicates and the command line ask of a library, whoever keeps it.

A store gives numbers to its files and keys to its rows, one for each segment; they hold as long as it is open. What it
keeps are the segments' vectors as it sees them, from its middle (`qbe.search.centring`); queries are turned to be seen
so too, by `seen`, before anything is asked with them.

`tests/unit/test_store.py` runs every promise that is made here over every store there is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import File, Numbers, Vector
from qbe.support.names import lies_inside, same_file

if TYPE_CHECKING:
    from qbe.search.windows import Windows

RECALL = 0.97  # of the search that is not told how thorough to be

Fact = str | int | float


@dataclass(frozen=True)
class About:
    """model, name : sha256 of the model whose embeddings are kept, and what it calls itself
    sample_rate : Hz, of the places
    dimension : of the vectors
    hop : samples from one segment of a file to the next, mostly
    folder : absolute, where relative names of its files begin; None: in the folder that the program runs in, as where
        the one that they were given in is gone
    travels : whether names are kept as seen from the library, to be moved with it; then they are told as seen from here
    """

    model: str
    name: str
    sample_rate: int
    dimension: int
    hop: int
    folder: bytes | None = None
    travels: bool = False

    def located(self, path: bytes) -> bytes:
        """The name of a file as it leads there from here."""
        return os.path.join(self.folder, path) if self.folder else path


@dataclass(frozen=True)
class Filter:
    """Which files may answer.

    inside : globs; a file counts that matches one, or lies in a folder that does. Without any, all count
    own : files that do not count, under whatever name
    without : names that do not count, just as they are
    among : names, just as they are, of which alone some count; None: all
    """

    inside: tuple[bytes, ...] = ()
    own: tuple[File, ...] = ()
    without: tuple[bytes, ...] = ()
    among: frozenset[bytes] | None = None

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.inside or self.own or self.without or self.among is not None)

    def admits(self, file: File | FileEntry, folder: bytes | None = None) -> bool:
        """Whether a file may answer. file : as it was when it was put into the store; folder : as of `About`"""
        if file.path in self.without or (self.among is not None and file.path not in self.among):
            return False
        if self.inside and not lies_inside(file.path, self.inside):
            return False
        return not any(is_same(own, file, folder) for own in self.own)


@dataclass(frozen=True)
class Effort:
    """How thorough a search is: for a recall, or with so many rows scored for each segment of the query, whatever
    comes of that. With neither, all rows are scored, and the answers are exact."""

    recall: float | None = RECALL
    candidates: int | None = None


EXACT = Effort(recall=None)


def is_same(own: File, kept: File | FileEntry, folder: bytes | None = None) -> bool:
    """Whether two names mean one file: they are the same, on disk they are one file, or the files were last changed at
    the same time, with the same content and under the same last name: so it is one file, seen from elsewhere.

    folder : where the kept name begins, if it is relative; None: here
    """
    if same_file(own.path, os.path.join(folder or b"", kept.path)):
        return True
    seen = [(file.size, file.mtime, file.content, os.path.basename(file.path)) for file in (own, kept)]
    return own.content != 0 and seen[0] == seen[1]


@dataclass(slots=True)  # frozen would cost a microsecond each
class Near:
    """Rows near a query, each once, and their cosines with it."""

    rows: Numbers
    scores: Vector

    def __getitem__(self, at: Any) -> Near:
        return Near(self.rows[at], self.scores[at])


class Match(NamedTuple):
    """A place in a library, samples at the library's rate, and how well it answers: 1 is identical."""

    path: bytes
    score: float
    start: int
    end: int


class FileEntry(NamedTuple):
    """A file of a library.

    number : in the store; path : its name, as it was given
    size : bytes, -1 where not known; mtime : when it last changed, ns since 1970
    end : of it, or where that is not known of its last segment, samples; segments : how many there are
    content : a checksum of its bytes, 0 where not known; failed : whether it could not be read
    by_ffmpeg : whether ffmpeg decoded it
    """

    number: int
    path: bytes
    size: int
    mtime: int
    end: int
    segments: int
    content: int = 0
    failed: bool = False
    by_ffmpeg: bool = False


class Store(Protocol):
    """A library to be searched.

    name : as the user gave it, for messages
    rows : how many there are at most; what is not worth as much effort is done exactly

    Every method raises LibraryError where something that it reads is damaged or cannot be reached.
    """

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> About: ...
    @property
    def rows(self) -> int: ...

    def seen(self, vectors: Vector) -> Vector:
        """Unit vectors, float32 [n, D], as this store sees them: float32 [n, D], whose products are its cosines."""
        ...

    def distances(self, vectors: Vector) -> Vector:
        """How far unit vectors, float32 [n, D], are from the middle that it sees from, [n]."""
        ...

    def given(self, seen: NDArray[np.floating[Any]]) -> Vector:
        """The unit vectors that `seen` made these of, float32 [n, D]."""
        ...

    def candidates(self, effort: Effort) -> int | None:
        """How many rows to score for a query vector. None: only all are enough."""
        ...

    def near(
        self, queries: Sequence[Vector], count: int, candidates: int, only: Sequence[Filter], enough: int
    ) -> Iterator[list[Near]]:
        """For each query, and each of its segments, about the `count` best rows, best first.

        queries : float32 [Q, D] each, seen
        candidates : how many rows to score for each segment, at least, or all
        only : of each query; where it leaves out some of the best, fewer may come, but `enough` if there are so many
        """
        ...

    def reaching(self, query: Vector, least: float) -> Numbers:
        """All rows whose best cosine with a segment of a query may be `least` or more, and perhaps others."""
        ...

    def bounds(self, query: Windows, only: Filter) -> tuple[Numbers, NDArray[np.float64]]:
        """All files that have rows and may answer, and perhaps others, and for each what its score can be at most."""
        ...

    def cosines(self, query: Vector, rows: Numbers) -> Vector:
        """Of each row with each vector of a query [Q, D], float32 [n, Q]. Equal rows get equal cosines."""
        ...

    def best_of_files(self, query: Vector, files: Numbers) -> tuple[Vector, Numbers]:
        """The best cosine of every file with each vector of a query [Q, D], float32 [F, Q], and the rows that have
        them: of equal ones the first."""
        ...

    def ends(self, files: Numbers) -> Numbers:
        """Where they end, samples, [n]: the whole file, silence too, or where that is not known its last segment."""
        ...

    def admitted(self, files: Numbers, only: Filter) -> NDArray[np.bool_]:
        """Which of them may answer, [n]."""
        ...

    def places(self, rows: Numbers) -> NDArray[np.integer[Any]]:
        """The file of each row, and its start and length in samples, [n, 3]."""
        ...

    def paths(self, files: Numbers) -> list[bytes]:
        """Their names, as the bytes they were given in."""
        ...

    def vectors(self, rows: Numbers) -> NDArray[np.float64]:
        """As they are kept: seen, [n, D]."""
        ...

    def levels(self, rows: Numbers) -> Vector:
        """How loud each segment is, dBFS, [n]; NaN where not known."""
        ...

    def rows_of(self, files: Numbers) -> tuple[Numbers, Numbers]:
        """The rows of some files, file by file and in the order of their starts, and where in them each file begins."""
        ...

    def sounding(self) -> Numbers:
        """The numbers of all files that have rows."""
        ...

    def files(self) -> Iterator[FileEntry]:
        """All that are there, in the order they came."""
        ...

    def held(self) -> tuple[int, int]:
        """How many files there are, and how many segments they have."""
        ...

    def facts(self) -> dict[str, Fact]:
        """What `qbe info` tells of it."""
        ...

    def check(self, on_piece: Callable[[int, int], None]) -> list[str]:
        """The names of what is damaged, of all that is kept. on_piece : hears how many bytes of how many are through"""
        ...
