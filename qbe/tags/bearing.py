"""Which sounds bear which words, as their user says and as their names say."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache

from qbe.tags.aliases import Aliases
from qbe.tags.spelling import singular
from qbe.tags.tables import NOT, USER, Tag
from qbe.tags.words import words

FOLDER, FILE = "folder", "file"  # where names are taken from

Said = dict[str, str]  # word, perhaps after NOT -> who says it: USER, FILE or FOLDER


def named(path: bytes, places: Iterable[str], aliases: Aliases) -> Said:
    """The words in the name of a file: in those of its folders, in its own without what follows its last dot."""
    folder, file = os.path.split(os.fsdecode(path))
    said = dict.fromkeys(_in_folder(folder, aliases) if FOLDER in places else (), FOLDER)
    return said | dict.fromkeys(words(os.path.splitext(file)[0], aliases) if FILE in places else (), FILE)


@cache
def _in_folder(folder: str, aliases: Aliases) -> list[str]:
    return [word for part in folder.split("/") for word in words(part, aliases)]


def labelled(word: str, aliases: Aliases) -> list[str]:
    """The words that a user's label means; of one that is no other name, the label in the singular, a phrase too."""
    sign = NOT if word.startswith(NOT) else ""
    label = " ".join(word.removeprefix(NOT).casefold().split())
    return [sign + meant for meant in aliases.meant_by(label) or (singular(label),)]


def said_of(paths: Sequence[bytes], labels: Iterable[Tag], places: Iterable[str], aliases: Aliases) -> list[Said]:
    """What is said of each file. The user's word counts more than the name, the later one more than the earlier."""
    said: dict[bytes, Said] = {path: named(path, places, aliases) for path in paths}
    for label in labels:
        of_file = said.get(label.path, {})
        for word in labelled(label.word, aliases):
            of_file.pop(word.removeprefix(NOT) if word.startswith(NOT) else NOT + word, None)
            of_file[word] = USER
    return list(said.values())
