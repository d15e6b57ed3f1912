"""Which files of a library are copies of each other: told by names, bytes and samples, not by likeness alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

import numpy as np

from qbe.audio.folding import TURN, Folded, folded, resemblance
from qbe.audio.identity import content, file_state, is_as_it_was, same_bytes
from qbe.audio.matching import SHORT, Matcher, mono, same_samples
from qbe.audio.segmentation import SAMPLE_RATE
from qbe.search.duplicates import Alike, Finder
from qbe.search.store import About, FileEntry, Store
from qbe.streams.records import File
from qbe.support.ahead import mapped
from qbe.support.errors import AudioError, OnError, raise_error
from qbe.support.names import Inode, inode

CANDIDATES = 0.75  # the score of files whose samples are compared: copies reach it, whatever was done to them
RESEMBLING = 0.32  # of folded sounds: what copies reach, and little of what is only alike
FOLDED = 60.0  # s; longer sounds are not folded
TOGETHER = 1024  # files whose neighbours are looked up at once


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

    @property
    def is_gone(self) -> bool:
        return self.size < 0

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
    if gone := sum(len(file.names) for file in files if file.is_gone):
        on_error(AudioError(f"{store.name}: {gone} of its files are no longer there, and cannot be compared"))
    sets = sorted(_same_bytes(files), key=lambda of_set: (-of_set[0].entry.segments, -of_set[0].size))
    return _groups({of_set[0].entry.number: of_set for of_set in sets}, _Comparing(store, alike, on_error), on_file)


def _groups(
    sets: dict[int, list[_File]], comparing: _Comparing, on_file: Callable[[int], None]
) -> Iterator[list[Copy]]:
    """sets : of files of the same bytes, by the number of the first, in the order in which they are to be kept"""
    left = {number: of_set[0] for number, of_set in sets.items()}  # what is in no group, and has not been the first
    order, done = iter(sets), 0
    while numbers := list(islice(order, TOGETHER)):
        near = comparing.near([left[number] for number in numbers if number in left], left)
        for number in numbers:
            file, *same = sets[number]
            if left.pop(number, None):
                group = [*file.copies(Kind.SAME_FILE), *(copy for one in same for copy in one.copies(Kind.SAME_BYTES))]
                group[0] = Copy(file.entry.path, Kind.FIRST, 1.0)
                others = [(left[other], score) for other, score in near.get(number, ()) if other in left]
                for other, score, kind in comparing.told(file, others):
                    del left[other]
                    group += [copy for one in sets[other] for copy in one.copies(kind, score)]
                if len(group) > 1:
                    yield group
            done += sum(len(one.names) for one in (file, *same))
            on_file(done)


class _Comparing:
    """Compares files whose embeddings are near."""

    def __init__(self, store: Store, alike: float | None, on_error: OnError) -> None:
        self._store, self._alike, self._on_error = store, 2.0 if alike is None else alike, on_error
        self._finder, self._matcher = Finder(store), Matcher()
        self._folded: dict[int, Folded] = {}
        self._unread: set[str] = set()

    def near(self, files: Iterable[_File], others: Mapping[int, _File]) -> dict[int, Alike]:
        """Of each file those others that may be copies, or are alike: their numbers and scores. Makes them ready."""
        least = {
            file.entry.number: self._alike if file.is_gone else min(CANDIDATES, self._alike)
            for file in files
            if file.entry.segments and not (file.is_gone and self._alike > 1)
        }
        near, compared = {}, dict[int, _File]()
        for number, found in zip(least, self._finder.alike(list(least), list(least.values())), strict=True):
            near[number] = [one for one in found if one[0] in others]
            for other, score in near[number]:
                if self._are_compared(others[number], others[other], score):
                    compared |= {at: others[at] for at in (number, other) if at not in self._folded}
        self._fold(compared.values())
        return near

    @staticmethod
    def _are_compared(one: _File, other: _File, score: float) -> bool:
        return score >= CANDIDATES and not one.is_gone and not other.is_gone

    def _fold(self, files: Iterable[_File]) -> None:
        """Those that are not long; what cannot be read resembles nothing."""
        rate = self._store.about.sample_rate
        short = [file for file in files if file.entry.end <= FOLDED * rate]
        for file, result in zip(short, mapped(short, _folded_or_error), strict=True):
            if isinstance(result, AudioError):
                self._tell(result)
                result = np.zeros(TURN, np.float16)
            self._folded[file.entry.number] = result

    def told(self, first: _File, others: Sequence[tuple[_File, float]]) -> Iterator[tuple[int, float, Kind]]:
        """The numbers, scores and kinds of those of the others that are to be in the group of the first."""
        compared = [other for other, score in others if self._are_compared(first, other, score)]
        resembling = self._resembling(first, compared)
        for other, score in others:
            number = other.entry.number
            kind = self._verified(first, other) if number in resembling else None
            if kind or score >= self._alike:
                yield number, score, kind or Kind.ALIKE
        self._folded.pop(first.entry.number, None)  # it is in no one else's group

    def _resembling(self, first: _File, others: Sequence[_File]) -> set[int]:
        """Those of the others that may be the first, by their numbers: also what is too long to tell so."""
        numbers = [other.entry.number for other in others]
        own, known = self._folded.get(first.entry.number), [number for number in numbers if number in self._folded]
        if own is None or not known:
            return set(numbers)
        found = resemblance(own, np.stack([self._folded[number] for number in known]))
        return set(numbers) - {number for number, reached in zip(known, found, strict=True) if reached < RESEMBLING}

    def _verified(self, first: _File, other: _File) -> Kind | None:
        try:
            if first.entry.end == other.entry.end and same_samples(first.path, other.path):
                return Kind.SAME_AUDIO
            is_long = max(first.entry.end, other.entry.end) / self._store.about.sample_rate > SHORT / SAMPLE_RATE
            if self._matcher.is_same(first.path, other.path, self._loudest(first.entry) if is_long else None):
                return Kind.SAME_RECORDING
        except AudioError as error:
            self._tell(error)
        return None

    def _tell(self, error: AudioError) -> None:
        if str(error) not in self._unread:
            self._unread.add(str(error))
            self._on_error(error)

    def _loudest(self, file: FileEntry) -> float:
        """Where the loudest segment begins, seconds."""
        rows, _ = self._store.rows_of(np.array([file.number]))
        levels = np.nan_to_num(self._store.levels(rows), nan=-np.inf)
        return float(self._store.places(rows[[levels.argmax()]])[0, 1]) / self._store.about.sample_rate


def _folded_or_error(file: _File) -> Folded | AudioError:
    try:
        return folded(np.concatenate(list(mono(file.path, 0.0, FOLDED))))
    except AudioError as error:
        return error


def _files(entries: Iterable[FileEntry], about: About) -> list[_File]:
    """Each file once, in the order of the first names."""
    found: dict[Inode | bytes, _File] = {}
    for entry in entries:
        path = about.located(entry.path)
        state = file_state(path)
        file = found.setdefault(inode(path) or path, _File([], path, state.size if state else -1))
        file.names.append(entry)
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
