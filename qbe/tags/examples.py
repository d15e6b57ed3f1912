"""Sounds that are known to bear words, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Numbers, Vector
from qbe.tags.folders import Folders


@dataclass(frozen=True)
class Borne:
    """Words of sounds, as numbers: those of sound i are words[first[i] : first[i + 1]]."""

    first: Numbers
    words: Numbers

    def of(self, sounds: Numbers) -> tuple[Numbers, Numbers]:
        """The words of some sounds, one after the other, and for each the place of its sound among them."""
        counts = self.first[sounds + 1] - self.first[sounds]
        owner = np.repeat(np.arange(len(sounds)), counts)
        before = counts.cumsum() - counts
        return self.words[np.arange(len(owner)) + (self.first[sounds] - before)[owner]], owner

    def owners(self) -> Numbers:
        """The sound that each of the words is of."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def has(self, sounds: Numbers, words: Numbers) -> NDArray[np.bool_]:
        """Whether each of some sounds bears the word beside it, [n]."""
        span = 1 + max(int(self.words.max(initial=0)), int(words.max(initial=0)))
        return np.isin(sounds * span + words, self.owners() * span + self.words)


def borne(of_sounds: Iterable[Iterable[str]], vocabulary: Sequence[str]) -> Borne:
    """Words of sounds as numbers in a vocabulary; others are left out."""
    number = {word: at for at, word in enumerate(vocabulary)}
    kept = [[number[word] for word in words if word in number] for words in of_sounds]
    first = np.cumsum([0, *map(len, kept)])
    return Borne(first, np.array([word for words in kept for word in words], np.int64))


@dataclass(frozen=True)
class Examples:
    """Sounds that bear words of a vocabulary.

    numbers : of these sounds among all, rising, [m]
    vectors : float32 [m, D], of unit length
    """

    numbers: Numbers
    vectors: Vector
    folders: Folders
    vocabulary: list[str]
    borne: Borne

    def __len__(self) -> int:
        return len(self.numbers)

    def bearers(self) -> list[Numbers]:
        """The examples that bear each word of the vocabulary, rising."""
        order = np.argsort(self.borne.words, kind="stable")
        ends = np.searchsorted(self.borne.words[order], np.arange(1, len(self.vocabulary)))
        return np.split(self.borne.owners()[order], ends)


def choose_examples(
    paths: Sequence[bytes], vectors: Vector, said: Sequence[Iterable[str]], vocabulary: list[str]
) -> Examples:
    """Those of some sounds that bear words of a vocabulary, and have a vector at all.

    paths : in their order as bytes; vectors : [n, D]; said : the words of each
    """
    words = set(vocabulary)
    sounding = np.abs(vectors).max(1, initial=0) > 0
    numbers = [at for at, own in enumerate(said) if sounding[at] and not words.isdisjoint(own)]
    chosen = np.array(numbers, np.int64)
    folders = Folders([paths[at] for at in numbers])
    return Examples(chosen, vectors[chosen], folders, vocabulary, borne((said[at] for at in numbers), vocabulary))
