"""Which files of a library are copies of each other: told by names, bytes and samples, not by likeness alone."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from qbe.audio.identity import content, is_as_it_was, same_bytes
from qbe.audio.matching import Matcher, same_samples
from qbe.search.duplicates import Finder
from qbe.search.store import About, FileEntry, Store
from qbe.streams.records import File
from qbe.support.errors import AudioError, OnError, raise_error

CANDIDATES = 0.8  # the score of files whose samples are compared: copies reach it, whatever was done to them


class Kind(StrEnum):
    """What a file is to the first of its group, which is the one to keep."""

    FIRST = "first"
    SAME_FILE = "same file"  # under another name
    SAME_BYTES = "same bytes"
    SAME_AUDIO = "same audio"  # equal samples, in another container
    SAME_RECORDING = "same recording"  # in another encoding, at another level, with other ends
    ALIKE = "alike"  # by its embeddings only


@dataclass(frozen=True)
class Copy:
    """A file of a group. score : of its embeddings with those of the group's first; 1 is the same"""

    path: bytes
    kind: Kind
    score: float


@dataclass(frozen=True)
class _File:
    """A file on disk, by all the names that it has in a library.

    path : where it lies; size : bytes, -1 where it is not there
    """

    names: list[FileEntry]
    path: bytes
    size: int

    @property
    def entry(self) -> FileEntry:
        return self.names[0]

    def content(self) -> int:
        """The checksum of its bytes: the library's, where the file is as it was; 0 where it cannot be read."""
        is_known = self.entry.content and is_as_it_was(File(self.path, self.entry.size, self.entry.mtime))
        return self.entry.content if is_known else content(self.path)

    def copies(self, kind: Kind, score: float = 1.0) -> list[Copy]:
        return [Copy(entry.path, kind, score) for entry in self.names]


def copies(
    store: Store,
    alike: float | None = None,
    on_error: OnError = raise_error,
    on_file: Callable[[int], None] = lambda _: None,
) -> Iterator[list[Copy]]:
    """Groups of files that are copies of their first: the longest, of equally long ones the largest.

    alike : the least score, over 0.5, of files that are told though they are no copies; None: none is
    on_error : hears of files that are no longer there, and of those that might be copies and cannot be read
    on_file : hears how many files are through

    A file has all its names in one group. Raises LibraryError where the library is damaged.
    """
    files = _files((entry for entry in store.files() if not entry.failed), store.about)
    if gone := sum(len(file.names) for file in files if file.size < 0):
        on_error(AudioError(f"{store.name}: {gone} of its files are no longer there, and cannot be compared"))
    sets = sorted(_same_bytes(files), key=lambda of_set: (-of_set[0].entry.segments, -of_set[0].size))
    finder = Finder(store, CANDIDATES if alike is None else min(CANDIDATES, alike))
    comparing = _Comparing(store, alike, on_error)
    return _groups({of_set[0].entry.number: of_set for of_set in sets}, finder, comparing, on_file)


def _groups(
    sets: dict[int, list[_File]], finder: Finder, comparing: _Comparing, on_file: Callable[[int], None]
) -> Iterator[list[Copy]]:
    """sets : of files of the same bytes, by the number of the first, in the order in which they are to be kept"""
    left, done = dict(sets), 0
    for number, (file, *same) in sets.items():
        if left.pop(number, None):
            group = [*file.copies(Kind.SAME_FILE), *(copy for one in same for copy in one.copies(Kind.SAME_BYTES))]
            group[0] = Copy(file.entry.path, Kind.FIRST, 1.0)
            near = finder.duplicates(number, lambda other: other not in left) if file.entry.segments else ()
            for other, score in near:
                kind = comparing.kind(file, sets[other][0], score)
                if kind:
                    group += [copy for one in left.pop(other) for copy in one.copies(kind, score)]
            if len(group) > 1:
                yield group
        done += sum(len(one.names) for one in (file, *same))
        on_file(done)


class _Comparing:
    """Compares two files whose embeddings are near."""

    def __init__(self, store: Store, alike: float | None, on_error: OnError) -> None:
        self._store, self._alike, self._on_error = store, alike, on_error
        self._matcher = Matcher()
        self._unread: set[str] = set()

    def kind(self, first: _File, other: _File, score: float) -> Kind | None:
        kind = self._verified(first, other) if first.size >= 0 and other.size >= 0 else None
        return kind or (Kind.ALIKE if self._alike is not None and score >= self._alike else None)

    def _verified(self, first: _File, other: _File) -> Kind | None:
        try:
            if first.entry.end == other.entry.end and same_samples(first.path, other.path):
                return Kind.SAME_AUDIO
            if self._matcher.is_same(first.path, other.path, self._loudest(first.entry)):
                return Kind.SAME_RECORDING
        except AudioError as error:
            if str(error) not in self._unread:
                self._unread.add(str(error))
                self._on_error(error)
        return None

    def _loudest(self, file: FileEntry) -> float:
        """Where the loudest segment begins, seconds."""
        rows, _ = self._store.rows_of(np.array([file.number]))
        levels = np.nan_to_num(self._store.levels(rows), nan=-np.inf)
        return float(self._store.places(rows[[levels.argmax()]])[0, 1]) / self._store.about.sample_rate


def _files(entries: Iterable[FileEntry], about: About) -> list[_File]:
    """Each file once, in the order of the first names."""
    found: dict[tuple[int, int], _File] = {}
    for entry in entries:
        path = about.located(entry.path)
        try:
            status = os.stat(path)
            key, size = (status.st_dev, status.st_ino), status.st_size
        except (OSError, ValueError):
            key, size = (-1, entry.number), -1
        found.setdefault(key, _File([], path, size)).names.append(entry)
    return list(found.values())


def _same_bytes(files: list[_File]) -> Iterator[list[_File]]:
    """Sets of files of the same bytes, most of one."""
    of_size: defaultdict[int, list[_File]] = defaultdict(list)
    for file in files:
        of_size[file.size].append(file)
    for size, some in of_size.items():
        if size < 0 or len(some) == 1:
            yield from ([file] for file in some)
            continue
        of_content: defaultdict[int, list[_File]] = defaultdict(list)
        for file in some:
            of_content[file.content()].append(file)
        for checksum, same in of_content.items():
            yield from _compared(same) if checksum else ([file] for file in same)


def _compared(files: list[_File]) -> Iterator[list[_File]]:
    """Files of one checksum, which may leave out what differs."""
    while files:
        same = [file for file in files if file is files[0] or same_bytes(files[0].path, file.path)]
        yield same
        files = [file for file in files if all(file is not one for one in same)]
