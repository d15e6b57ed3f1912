"""Which words the sounds of a library bear, as the table beside it says, and what the page's user says of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from qbe.support.errors import UsageError
from qbe.tags.aliases import read_aliases
from qbe.tags.bearing import labelled
from qbe.tags.kept import ENDING, borne_words, keep_word, kept_tags
from qbe.tags.spelling import letters_of
from qbe.tags.tables import NOT, Tag
from qbe.tags.text import Words, read_terms

LONGEST_WORD = 100  # letters


class Found(NamedTuple):
    """Files that bear words. scores : how likely that is, best first; notes : which words are known instead of none"""

    scores: dict[bytes, float]
    notes: list[str]


class Tagged:
    """The tags of a library at one time. paths : of its files; travels : whether its names do"""

    def __init__(self, library: str, paths: Sequence[bytes], *, travels: bool = False) -> None:
        self.library, self.paths, self.travels = library, paths, travels
        self._state = _state(library)
        self._found = "", Found({}, [])

    def now(self) -> Tagged:
        """Itself, or the tags as they are now where the table has changed."""
        return self if _state(self.library) == self._state else Tagged(self.library, self.paths, travels=self.travels)

    @cached_property
    def tags(self) -> list[Tag]:
        there = set(self.paths)
        return [tag for tag in kept_tags(self.library, travels=self.travels) if tag.path in there]

    @cached_property
    def words(self) -> dict[bytes, list[str]]:
        """That files likely bear, the likeliest first."""
        return borne_words(self.tags)

    def of(self, path: bytes) -> list[dict[str, object]]:
        """What is said of a file, the likeliest first."""
        own = self._of_paths.get(path, [])
        return [{"word": tag.word, "score": round(tag.score, 3), "source": tag.source} for tag in own]

    @cached_property
    def _of_paths(self) -> dict[bytes, list[Tag]]:
        found: dict[bytes, list[Tag]] = {}
        for tag in sorted(self.tags, key=lambda tag: -tag.score):
            if tag.word and not tag.word.startswith(NOT):
                found.setdefault(tag.path, []).append(tag)
        return found

    @cached_property
    def _searched(self) -> Words:
        return Words(self.tags, self.paths, anywhere=True)

    def found(self, text: str) -> Found:
        """The files that bear words by their tags or in their names. UsageError where the text asks for nothing."""
        if self._found[0] != text:
            self._found = text, self._find(text)
        return self._found[1]

    def _find(self, text: str) -> Found:
        try:
            terms = read_terms(text, read_aliases())
        except UsageError as error:
            raise UsageError(str(error).removeprefix(f"--text {text}: ")) from None
        scores, notes = self._searched.found(terms), list[str]()
        for term in terms if not scores else ():
            near = self._searched.nearest_words(term) if term.wanted and not self._searched.bearing(term) else []
            notes += [f"{term.text}: known words near it: {', '.join(near)}"] if near else []
        return Found(dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))), notes)

    def say(self, paths: Iterable[bytes], word: str, *, bears: bool) -> tuple[list[str], int]:
        """Keep beside the library that files bear a word, or do not: gives the words that it means, and how many of the
        files stand in no table. UsageError where it is none, or nothing can be kept."""
        meant = [one for one in labelled(word, read_aliases()) if letters_of(one)]
        if not meant or word.startswith(NOT) or len(word) > LONGEST_WORD or not word.isprintable():
            raise UsageError(f"a tag is a word or several, up to {LONGEST_WORD} letters, and begins with no {NOT}")
        return meant, len(keep_word(self.library, paths, meant, bears=bears, travels=self.travels))


def _state(library: str) -> tuple[int, int, int] | None:
    try:
        state = os.stat(library + ENDING)
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
