"""Text queries: which sounds bear these words, and not those? kick -808 "tape stop" gui*"""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from qbe.support.errors import UsageError
from qbe.tags.aliases import Aliases
from qbe.tags.spelling import letters_of, singular
from qbe.tags.tables import LIKELY, NAME, NEAR, NOT, USER, Tag
from qbe.tags.words import tokens

TERM = re.compile(r'(-?)(?:"([^"]*)"|([^\s"]+))')
OFFERED, ALIKE = 3, 0.6  # words for one that is not known, and how like it they are

Borne = dict[bytes, tuple[float, str]]  # score and source of a term, of the sounds that bear it


@dataclass(frozen=True, eq=False)
class Term:
    """A word, the beginning of one, or a phrase: words that follow each other.

    text : as it was typed, without marks
    wanted : whether sounds are to bear it, or not to
    """

    text: str
    aliases: Aliases
    wanted: bool = True
    is_prefix: bool = False

    @cached_property
    def _letters(self) -> list[str]:
        return [letters_of(token) for token in tokens(self.text)] or [letters_of(self.text)]

    @cached_property
    def meant(self) -> frozenset[str]:
        """The words that all of a sound's are to be, the beginning of one as it is."""
        return frozenset(self.aliases.meant_by(self.text) or (singular(" ".join(self.text.casefold().split())),))

    def words(self, vocabulary: Iterable[str]) -> list[set[str]]:
        """The words that it means, of each set one."""
        if self.is_prefix:
            return [{word for word in vocabulary if any(self._begins(part) for part in word.split())}]
        return [{word for word in vocabulary if meant == word or meant in word.split()} for meant in self.meant]

    def _begins(self, word: str) -> bool:
        return letters_of(word).startswith(letters_of(self.text))

    def stands_in(self, path: bytes) -> bool:
        """Whether it is in a name, as a word of it or as several in a row, in the singular or the plural."""
        name = os.fsdecode(path)
        if name.isascii() and self._letters[0].removesuffix("s") not in name.casefold():
            return False  # most names; parting the others takes longer
        return any(self._stands_in([letters_of(token) for token in tokens(part)]) for part in name.split("/"))

    def _stands_in(self, name: Sequence[str]) -> bool:
        if self.is_prefix:
            return any(token.startswith("".join(self._letters)) for token in name)
        wanted, size = [singular(word) for word in self._letters], len(self._letters)
        return any(wanted == [singular(token) for token in name[at : at + size]] for at in range(len(name) - size + 1))


def read_terms(text: str, aliases: Aliases) -> list[Term]:
    """The terms of a query. UsageError where a quote is open, or nothing is wanted."""
    if text.count('"') % 2:
        raise UsageError(f'--text {text}: a " is without its other')
    terms = [
        Term((phrase or word).removesuffix("*"), aliases, not minus, word.endswith("*"))
        for minus, phrase, word in TERM.findall(text)
    ]
    terms = [term for term in terms if letters_of(term.text)]
    if not any(term.wanted for term in terms):
        raise UsageError(f"--text {text}: name a word that sounds are to bear")
    return terms


class Words:
    """The tags of sounds and their names, to be asked for words.

    paths : of all sounds that may be found
    anywhere : whether a term is in a name wherever its letters are, not only as words, as suits one that is being typed
    """

    def __init__(self, tags: Iterable[Tag], paths: Sequence[bytes], *, anywhere: bool = False) -> None:
        self.paths = paths
        self._plain = [os.fsdecode(path).casefold() for path in paths] if anywhere else []
        there = set(paths)
        self._tags: dict[str, list[Tag]] = {}
        for tag in tags:
            if tag.word and tag.path in there:
                self._tags.setdefault(tag.word, []).append(tag)

    @property
    def vocabulary(self) -> list[str]:
        return [word for word in self._tags if not word.startswith(NOT)]

    def bearing(self, term: Term) -> Borne:
        """The sounds that bear a term, by their tags or in their names; none of which its user says otherwise."""
        borne: Borne = dict.fromkeys(self._named(term), (1.0, NAME))
        of_words = [self._bearing(words) for words in term.words(self.vocabulary)]
        for path in set.intersection(*map(set, of_words)):
            borne[path] = max(min(of_word[path] for of_word in of_words), borne.get(path, (0.0, NEAR)))
        denied = {tag.path for word in term.meant for tag in self._tags.get(NOT + word, [])}
        return {path: found for path, found in borne.items() if path not in denied}

    def _named(self, term: Term) -> list[bytes]:
        text = term.text.casefold()
        named = {path for path, plain in zip(self.paths, self._plain, strict=False) if text in plain}
        return [path for path in self.paths if path in named or term.stands_in(path)]

    def _bearing(self, words: Iterable[str]) -> Borne:
        borne: Borne = {}
        for word in words:
            for tag in self._tags[word]:
                borne[tag.path] = max((tag.score, tag.source), borne.get(tag.path, (0.0, NEAR)))
        return borne

    def nearest_words(self, term: Term) -> list[str]:
        """Words that are known, and spelt like one that is not; other names of theirs too."""
        known = {letters_of(word): word for word in self.vocabulary}
        known |= {name: name for name, meant in term.aliases.named.items() if set(meant) & set(self.vocabulary)}
        letters = letters_of(term.text)
        return [known[word] for word in difflib.get_close_matches(letters, sorted(known), OFFERED, ALIKE)]

    def found(self, terms: Sequence[Term]) -> dict[bytes, float]:
        """The sounds that bear all that is wanted and likely nothing else that is named, and the least of their
        scores."""
        wanted = [self.bearing(term) for term in terms if term.wanted]
        unwanted = [self.bearing(term) for term in terms if not term.wanted]
        kept = set.intersection(*map(set, wanted))
        kept -= {path for borne in unwanted for path, (score, _) in borne.items() if score >= LIKELY}
        return {path: min(borne[path][0] for borne in wanted) for path in sorted(kept)}


def counted(borne: Borne) -> str:
    """How many sounds bear a term, and who says so."""
    sources = Counter(source for _, source in borne.values())
    files = f"{len(borne)} file" + "s" * (len(borne) != 1)
    says = {USER: "by their user", NAME: "by name", NEAR: "as they are near to such"}
    parts = [f"{sources[source]} {text}" for source, text in says.items() if sources[source]]
    return f"{files}: {', '.join(parts)}" if parts else files
