"""Sounds of a library that bear the words of a text query, best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from qbe.search.means import unit
from qbe.search.store import FileEntry, Store
from qbe.tags.aliases import read_aliases
from qbe.tags.bearing import FILE, FOLDER
from qbe.tags.kept import kept_tags
from qbe.tags.neighbours import sound_vectors
from qbe.tags.tables import USER, Tag, read_tags
from qbe.tags.tagging import Sources, Tagger
from qbe.tags.text import Words, counted, read_terms

SURE = 1.0  # the score of words that users and names say


class Found(NamedTuple):
    """A sound that bears what is asked for. score : how likely it is right that it does"""

    file: FileEntry
    score: float


class Answer(NamedTuple):
    """found : best first; notes : for people, how many sounds bear each word, or which words are known instead"""

    found: list[Found]
    notes: list[str]


def library_tags(
    store: Store, table: str | None, min_score: float, on_step: Callable[[str], None] = lambda _: None
) -> list[Tag]:
    """The tags of a table; or those kept with the library; or else what its names, and what its user alone has said,
    make likely, worked out now.

    min_score : of what is worked out
    """
    if table is not None:
        return read_tags(table).tags
    kept = kept_tags(store.name, travels=store.about.travels)
    if any(tag.source != USER for tag in kept):
        return kept
    sources = Sources(kept, frozenset([FOLDER, FILE]), read_aliases())
    return list(Tagger(store, sources, on_step).tags(min_score))


def find(store: Store, text: str, tags: Sequence[Tag], min_score: float = 0.0) -> Answer:
    """The sounds that bear the words of a text query by their tags or in their names: the surest first; those that are
    as sure, by how like they are to all that surely bear the words.

    UsageError where the text asks for nothing.
    """
    files = {entry.path: entry for entry in store.files() if not entry.failed}
    aliases = read_aliases()
    terms = read_terms(text, aliases)
    words = Words(tags, sorted(files))
    notes = []
    for term in terms:
        borne = words.bearing(term)
        if term.wanted and not borne:
            near = ", ".join(words.nearest_words(term))
            notes.append(f"no sound bears {term.text}" + (f"; known words near it: {near}" if near else ""))
        elif term.wanted:
            notes.append(f"{term.text}: {counted(borne)}")
    scores = {path: score for path, score in words.found(terms).items() if score >= min_score}
    return Answer(_ranked(store, [Found(files[path], score) for path, score in scores.items()]), notes)


def _ranked(store: Store, found: list[Found]) -> list[Found]:
    if not found:
        return []
    vectors = sound_vectors(store, np.array([one.file.number for one in found], np.int64))
    scores = np.array([one.score for one in found])
    examples = vectors[scores >= min(SURE, scores.max())]
    likeness = vectors @ unit(examples.mean(0, keepdims=True))[0]
    return [found[at] for at in np.lexsort((np.arange(len(found)), -likeness, -scores)).tolist()]
