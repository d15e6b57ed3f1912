"""Kinds of sounds, a guide for balance: how often each is drawn, and how much may be done to it.

They come from packages and folders, not from listening, and are no labels: nothing is learned from them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qbe.learn.corpus import Corpus
from qbe.learn.settings import Balance
from qbe.support.errors import TrainingError, display

MIXED = b"_mixed"  # a folder whose name begins so holds sounds of several sources: no neighbours in it


@dataclass(frozen=True)
class Kind:
    """share : of all anchors, against those of the other kinds
    pitch : how far it may be shifted, of the recipe's limit: a voice that is shifted far is another voice
    background : the chance that another sound is laid under one of this kind
    surrounds : whether it is laid under others
    beside : how much of what differs between sounds side by side is left out of the embedding, against that of other
        kinds: nothing unless they are of one voice, one instrument or one piece
    """

    share: float
    pitch: float = 1.0
    background: float = 0.0
    surrounds: bool = False
    beside: float = 0.0


# What there is no name for is drawn by this.
UNKNOWN = Kind(0.10, background=0.1)
# What all sounds are where there is no table: the recipe says all.
ANY = Kind(1.0, background=1.0, beside=1.0)
KINDS = {
    "speech": Kind(0.22, pitch=0.15, background=0.08, beside=1.0),
    "instruments": Kind(0.12, background=0.03, beside=5.0),
    "notes": Kind(0.05, background=0.03, beside=5.0),
    "synth": Kind(0.02, background=0.05, beside=1.0),
    "music": Kind(0.15, pitch=0.5, background=0.03, beside=1.0),
    "drums": Kind(0.10, background=0.15, beside=1.0),
    "environment": Kind(0.14, surrounds=True),
    "machines": Kind(0.03, background=0.1, surrounds=True),
    "effects": Kind(0.11, background=0.25),
    "animals": Kind(0.04, background=0.3),
    "foley": Kind(0.015, background=0.2),
    "human": Kind(0.005, background=0.2),
}


@dataclass(frozen=True)
class Grouping:
    """kinds : names of all kinds [K]; kind : of every file, an index of it [F]; source : which package or recording
    it is from [F]; balance : what is drawn by where nothing is known of kinds
    """

    kinds: list[str]
    kind: NDArray[np.int64]
    source: NDArray[np.int64]
    balance: Balance | None = None

    @classmethod
    def of(cls, kinds: list[str], sources: list[str]) -> Grouping:
        """From the names for every file."""
        names, kind = np.unique(kinds, return_inverse=True)
        return cls([str(name) for name in names], kind, np.unique(sources, return_inverse=True)[1])

    def doses(self) -> list[Kind]:
        """What the table says of every kind, [K]."""
        return [ANY if self.balance else KINDS.get(name, UNKNOWN) for name in self.kinds]

    def weights(self, corpus: Corpus) -> NDArray[np.float64]:
        """The chance of every run to give the next anchor, [R]: zero for held-out files.

        Kinds by their share; within a kind sources by the square root of their duration, and so files within a source.
        """
        if self.balance:
            return corpus.weights(self.balance)
        runs = corpus.runs
        file = runs["file"]
        weight = corpus.weights("sqrt")
        source, kind = self.source[file], self.kind[file]
        for inner, amount in ((source, _root(source, runs["length"])), (kind, self._shares()[kind])):
            total = np.bincount(inner, weight)[inner]
            weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0) * amount
        chances: NDArray[np.float64] = weight / weight.sum()
        return chances

    def beside(self, files: NDArray[np.int64]) -> NDArray[np.float32]:
        """How much pairs with an anchor in each of some files [n] count, [n]; alike where all would count nothing."""
        counts = np.array([kind.beside for kind in self.doses()], np.float32)[self.kind[files]]
        return counts if counts.any() else np.ones_like(counts)

    def _shares(self) -> NDArray[np.float64]:
        return np.array([kind.share for kind in self.doses()])


def _root(group: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.float64]:
    root: NDArray[np.float64] = np.sqrt(np.bincount(group, length)[group])
    return root


def is_mixed(path: bytes) -> bool:
    """Whether a file is in a folder of sounds of several sources."""
    return any(part.startswith(MIXED) for part in path.split(b"/")[:-1])


def ungrouped(corpus: Corpus, balance: Balance = "duration") -> Grouping:
    """All files of one kind and source."""
    nothing = np.zeros(len(corpus.paths), np.int64)
    return Grouping(["any"], nothing, nothing, balance)


class Kinds:
    """A table of kinds: of paths, or their ends, the kind and the source."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content
        self.known = dict(_rows(name, content))

    def grouping(self, corpus: Corpus) -> Grouping:
        """Of all files of a corpus. TrainingError where the table lacks one."""
        found = [self._longest_end(path) for path in corpus.paths]
        if None in found:
            raise TrainingError(f"{self.name}: says nothing of {display(corpus.paths[found.index(None)])}: add a line")
        named = [names for names in found if names]
        return Grouping.of([kind for kind, _ in named], [source for _, source in named])

    def _longest_end(self, path: bytes) -> tuple[str, str] | None:
        """What is known of the path, or else of what is left of it when folders are taken from its beginning."""
        while path not in self.known:
            _, slash, path = path.partition(b"/")
            if not slash:
                return None
        return self.known[path]


def read_kinds(table: Path) -> Kinds:
    """From a tab-separated table with the columns path (or its end), kind, source. TrainingError where it is none."""
    try:
        return Kinds(display(bytes(table)), table.read_bytes())
    except OSError as error:
        raise TrainingError(f"{display(bytes(table))}: {error.strerror}: --kinds takes a table") from None


def _rows(name: str, content: bytes) -> Iterator[tuple[bytes, tuple[str, str]]]:
    text = content.decode("utf-8", "surrogateescape")
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    try:
        if missing := {"path", "kind", "source"} - set(lines.fieldnames or []):
            raise TrainingError(f"{name}: lacks, separated by tabs, the columns {', '.join(sorted(missing))}")
        for row in lines:
            if not (row["path"] and row["kind"] and row["source"]):
                raise TrainingError(f"{name}: line {lines.line_num}: must have a path, a kind and a source")
            yield row["path"].encode("utf-8", "surrogateescape"), (row["kind"], row["source"])
    except csv.Error as error:
        # The dictionary reader still stands at the line before.
        raise TrainingError(f"{name}: line {lines.reader.line_num}: {error}") from None
