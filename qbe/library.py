"""An open library, from Python: to be searched and asked about. The command line calls the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qbe.disk import changes
from qbe.embedding import Embeddings, Path, Sound, rate_of, source_of
from qbe.search.answers import Wanted, answers, effort
from qbe.search.inside import globs_of
from qbe.search.queries import Query, QueryReader, blend, check_model
from qbe.search.store import About, Effort, Fact, FileEntry, Filter, Match, Store
from qbe.search.windows import Windows
from qbe.stores import open_store
from qbe.support.errors import AudioError, LibraryError, OnError, UsageError, display, raise_error
from qbe.tags.tables import LIKELY

if TYPE_CHECKING:
    from qbe.copies import Copy

Queried = Sound | Embeddings


class Result(NamedTuple):
    """A place that answers a query: from `start` to `end`, seconds, in the file of that name. score : 1 is the same"""

    path: str
    score: float
    start: float
    end: float


class Bearers(NamedTuple):
    """Files that bear words. results : best first; the score is how likely it is that they do, their place all of them
    notes : how many bear each word, or that none does, and which words are known instead"""

    results: list[Result]
    notes: list[str]


class LibraryFile(NamedTuple):
    """A file of a library.

    segments : how many of it are kept; seconds : up to the end of the last one
    size : bytes, and mtime : seconds since 1970, when it was read; None where it was not read to its end
    """

    path: str
    segments: int
    seconds: float
    size: int | None
    mtime: float | None


def open_library(name: Path, *, model: str | None = None) -> Library:
    """The library of that name.

    model : the ONNX file that queries are embedded with; None: the model in the package

    LibraryError where there is no library, or it is damaged or of another version.
    """
    return Library(open_store(os.fsdecode(name)), model)


class Library:
    """An open library. It goes on as it was when it was opened, whatever is written since.

    Every method raises LibraryError where something that it reads is damaged.
    """

    def __init__(self, store: Store, model: str | None = None) -> None:
        self.store = store
        self.reader = QueryReader(store.about, store.name, model)

    @property
    def about(self) -> About:
        """Of which model its vectors are, sample rate of its places, dimension."""
        return self.store.about

    @property
    def model(self) -> str:
        """What the model that built it calls itself."""
        return self.store.about.name

    def __len__(self) -> int:
        """How many files it holds."""
        return self.store.held()[0]

    def files(self) -> list[LibraryFile]:
        """All its files, in the order they came."""
        rate = self.about.sample_rate
        return [
            LibraryFile(
                os.fsdecode(file.path),
                file.segments,
                file.end / rate,
                *((None, None) if file.size < 0 or file.failed else (file.size, file.mtime / 1e9)),
            )
            for file in self.store.files()
        ]

    def vectors(self, path: Path) -> Embeddings:
        """The embeddings of one of its files, as they went in (to four digits: a library keeps 16 bits of most).

        LibraryError where it holds no such file.
        """
        name = os.fsencode(path)
        if name not in self._entries:
            raise LibraryError(f"{display(name)}: not in {self.store.name}")
        rows, _ = self.store.rows_of(np.array([self._entries[name].number]))
        starts, lengths = self.store.places(rows)[:, 1:].T.astype(np.float64) / self.about.sample_rate
        vectors, levels = self.store.given(self.store.vectors(rows)), self.store.levels(rows)
        return Embeddings(vectors, starts, starts + lengths, levels, self.about.model)

    @cached_property
    def _entries(self) -> dict[bytes, FileEntry]:
        return {entry.path: entry for entry in self.store.files()}

    def search(
        self,
        sound: Queried | None = None,
        *,
        sample_rate: float | None = None,
        k: int = 10,
        like: Queried | Sequence[Queried] = (),
        unlike: Queried | Sequence[Queried] = (),
        weight: float = 0.5,
        inside: str | Sequence[str] = (),
        min_score: float = -1.0,
        unique: bool = False,
        places: bool = False,
        start: float = 0.0,
        duration: float | None = None,
        candidates: int | None = None,
        recall: float | None = None,
        exact: bool = False,
        include_self: bool = False,
        per_file: int | None = None,
    ) -> list[Result]:
        """The sounds that sound like a query, best first, as `qbe search` finds them.

        sound : what to search for: a sound as `qbe.embed` takes it, or Embeddings
        sample_rate : Hz, of all that is given as samples
        k : how many results; 0: all
        like, unlike, weight : with these the query is one vector, the mean of `sound` and all of `like`, less `weight`
            times the mean of all of `unlike`
        inside : names of files and folders, or globs; only files that match one, or lie in a folder that does.
            UsageError where there is no such file
        min_score : results that score less are left out
        unique : near-identical results are shown once
        places : places in files, as long as the query, instead of files
        per_file : so many places of one file at most
        start, duration : the part of `sound` to search for, seconds
        candidates, recall, exact : how many segments are scored: so many for each of the query's, enough for a recall
            (0.97 if nothing is said), or all; give one of them. With `inside` it is all
        include_self : what was asked for may answer: the query's own file, or the part of it that it is

        Raises AudioError, ModelError where the model is not the library's, UsageError.
        """
        if sound is None and not _several(like):
            raise UsageError("name a sound to search for, or sounds to be like")
        first = [] if sound is None else [self.query(sound, sample_rate, start, duration)]
        likes, unlikes = ([self.query(one, sample_rate) for one in _several(sounds)] for sounds in (like, unlike))
        query = blend(first + likes, unlikes, weight) if likes or unlikes else first[0]
        globs = self.globs([inside] if isinstance(inside, str) else inside)
        wanted = Wanted(k, places, min_score, unique, globs, include_self, per_file)
        [(_, results)] = self.answers([query], wanted, effort(candidates, recall, exact or bool(globs)))
        return results

    def globs(self, words: Sequence[str]) -> list[bytes]:
        """The globs that names of its files and folders, or globs, stand for. UsageError for one that matches nothing,
        with the nearest names."""
        return globs_of([os.fsencode(word) for word in words], self.store)

    def query(
        self, sound: Queried, sample_rate: float | None = None, start: float = 0.0, duration: float | None = None
    ) -> Query:
        """What a sound, or a part of it (seconds), is searched for by."""
        if isinstance(sound, Embeddings):
            check_model(self.about, self.store.name, None, sound.model)
            if not len(sound):
                raise AudioError("embeddings of no segments: nothing to search for")
            first, rate = sound.starts.min(), self.about.sample_rate
            starts = np.rint((sound.starts - first) * rate).astype(np.int64)
            windows = Windows.of(sound.vectors, starts, sound.levels, round((sound.ends.max() - first) * rate))
            return Query(b"-", windows, windows, ())
        if isinstance(sound, np.ndarray):
            return self.reader.from_samples(sound, rate_of(sample_rate), start, duration)
        return self.reader.from_sound(source_of(sound), start, duration)

    def answers(self, queries: Sequence[Query], wanted: Wanted, effort: Effort) -> Iterator[tuple[Query, list[Result]]]:
        """The results of each query, best first. Quicker for many queries at once than one by one."""
        for query, matches in answers(self.store, queries, wanted, effort):
            yield query, [self._result(match) for match in matches]

    def _result(self, match: Match) -> Result:
        rate = self.about.sample_rate
        return Result(os.fsdecode(match.path), match.score, match.start / rate, match.end / rate)

    def bearing(
        self,
        text: str,
        tags: str | None = None,
        inside: str | Sequence[str] = (),
        min_score: float = LIKELY,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> Bearers:
        """The files that bear words, the surest first, as `qbe search --text` finds them.

        text : as the command takes it: words, -words, "phrases", beginnings*
        tags : a table as `qbe tag` writes it; None: the one kept with the library, or else what its names make likely
        inside : as for `search`
        min_score : how likely it is to be right that a file bears them
        on_step : hears what is done next, where that takes long

        Raises UsageError where the text asks for nothing, TagError where the table is damaged.
        """
        from qbe.tags.finding import find, library_tags

        only = Filter(inside=tuple(self.globs([inside] if isinstance(inside, str) else inside)))
        answer = find(self.store, text, library_tags(self.store, tags, min_score, on_step), min_score)
        rate = self.about.sample_rate
        found = [bearer for bearer in answer.found if only.admits(bearer.file)]
        results = [Result(os.fsdecode(file.path), score, 0.0, file.end / rate) for file, score in found]
        return Bearers(results, answer.notes)

    def copies(
        self,
        alike: float | None = None,
        on_error: OnError = raise_error,
        on_file: Callable[[int], None] = lambda _: None,
    ) -> Iterator[list[Copy]]:
        """Groups of files that are copies of each other, as `qbe dups` finds them.

        alike : the least score of files that are told too though they are no copies; None: none is
        on_error : hears of files that are no longer there, or cannot be read; on_file : how many are through
        """
        from qbe.copies import copies

        return copies(self.store, alike, on_error, on_file)

    def lacks(self, paths: Iterable[bytes], *, retry: bool = False) -> list[bytes]:
        """Those files that it does not hold as they are now. retry : those too that could not be read"""
        return changes(paths, self.store.files(), self.about.folder, retry=retry, can_move=False).lacking

    def facts(self) -> dict[str, Fact]:
        """What `qbe info` tells of it."""
        return self.store.facts()


def _several(given: Queried | Sequence[Queried]) -> list[Queried]:
    """One sound or several, as several."""
    return list(given) if isinstance(given, list | tuple) else [given]  # type: ignore[list-item]
