"""The tags that are kept with a library: a table beside it, which people can read and edit.

They are not in the library itself: a user's words are to outlive it, whatever becomes of its format and its model, and
to be edited with any program for text; and the table can be given to others, who have the sounds under the same names.
Beside a library whose names travel with it, those in the table do so too: they begin in the folder that both lie in.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from qbe.support.errors import UsageError, display
from qbe.support.saving import locked
from qbe.tags.tables import LIKELY, NEAR, NOT, USER, Tag, can_be_written, read_tags, write_tags

ENDING = ".tags.tsv"


def kept_name(library: str) -> str:
    """The table of a library. UsageError where the library is no file, so that nothing can lie beside it."""
    if not os.path.isfile(library):
        raise UsageError(f"{display(os.fsencode(library))}: no file, so tags cannot be kept beside it: give a table")
    return library + ENDING


def kept_tags(library: str, *, travels: bool = False) -> list[Tag]:
    """The tags kept with a library, none where there is no table; of sounds too that the library no longer holds.

    travels : whether its names do

    TagError, with the line, where the table is damaged.
    """
    name = library + ENDING
    tags = read_tags(name).tags if os.path.exists(name) else []
    if not travels:
        return tags
    folder = os.path.dirname(os.fsencode(library))
    return [tag._replace(path=os.path.normpath(os.path.join(folder, tag.path))) for tag in tags]


def borne_words(tags: Iterable[Tag]) -> dict[bytes, list[str]]:
    """The words that sounds likely bear, the likeliest first."""
    borne: dict[bytes, list[str]] = {}
    for tag in sorted(tags, key=lambda tag: -tag.score):
        if tag.word and tag.score >= LIKELY and not tag.word.startswith(NOT):
            borne.setdefault(tag.path, []).append(tag.word)
    return borne


def kept_facts(library: str) -> dict[str, int]:
    """What `qbe info` tells of the kept tags: how many files have any, and how many words they are; nothing where there
    is no table. Raises as `kept_tags`."""
    tags = [tag for tag in kept_tags(library) if tag.word and not tag.word.startswith(NOT)]
    return {"tagged": len({tag.path for tag in tags}), "tags": len({tag.word for tag in tags})} if tags else {}


def keep_tags(library: str, tags: Iterable[Tag], paths: Sequence[bytes], *, travels: bool = False) -> list[bytes]:
    """Write the table of a library: a line for each tag, and one without a tag for each sound that has none.

    paths : of all sounds; travels : whether the names of the library do. Gives those that a table cannot name.
    """
    name = kept_name(library)
    with locked(name):
        tags = list(tags)
        tagged = {tag.path for tag in tags}
        _write(library, travels, [*tags, *(Tag(path, "", 0.0, NEAR) for path in paths if path not in tagged)])
    return [path for path in paths if not can_be_written(path)]


def keep_word(
    library: str, paths: Iterable[bytes], words: Iterable[str], *, bears: bool, travels: bool = False
) -> list[bytes]:
    """Write into the table of a library that its user says of some sounds that they bear words, or do not.

    Whatever it said of these words and sounds is gone. Gives the paths that a table cannot name. Raises as `kept_tags`.
    """
    name, paths, words = kept_name(library), set(paths), set(words)
    sign = "" if bears else NOT
    with locked(name):
        stay = [
            tag for tag in kept_tags(library, travels=travels) if not (tag.path in paths and _is_of(tag.word, words))
        ]
        _write(
            library, travels, [*stay, *(Tag(path, sign + word, 1.0, USER) for path in paths for word in sorted(words))]
        )
    return sorted(path for path in paths if not can_be_written(path))


def _is_of(word: str, words: set[str]) -> bool:
    """Whether a tag says something of one of these words, or only that nothing is known."""
    return not word or word.removeprefix(NOT) in words


def _write(library: str, travels: bool, tags: Iterable[Tag]) -> None:
    if travels:
        folder = os.path.dirname(os.path.abspath(os.fsencode(library)))
        tags = (tag._replace(path=os.path.relpath(tag.path, folder)) for tag in tags)
    write_tags(library + ENDING, sorted((tag for tag in tags if can_be_written(tag.path)), key=lambda tag: tag.path))
