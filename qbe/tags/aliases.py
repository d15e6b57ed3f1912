"""Other names of words: abbreviations, spellings, other languages. `aliases.tsv` has the common ones."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qbe.support.errors import TagError, display
from qbe.tags.spelling import letters_of, singular
from qbe.tags.tables import table_lines

COMMON = str(Path(__file__).with_name("aliases.tsv"))


@dataclass(frozen=True, eq=False)
class Aliases:
    """named : what other names stand for, by their letters"""

    named: dict[str, tuple[str, ...]]

    def meant_by(self, name: str) -> tuple[str, ...]:
        """The words that a name of one word or several stands for; none where it is no alias."""
        letters = letters_of(name)
        return self.named.get(letters) or self.named.get(singular(letters), ())


def read_aliases(paths: Iterable[str] = ()) -> Aliases:
    """The common aliases, and those of tables on top, of which the last counts.

    A line is a word and its other names, parted by tabs; a word of several, "open hihat", stands for each of them. What
    begins with # is a remark. TagError, with the line, where a table breaks this; OSError where there is none.
    """
    named: dict[str, tuple[str, ...]] = {}
    for path in (COMMON, *paths):
        for number, fields in table_lines(path):
            if not fields[0].startswith(b"#"):
                named.update(_named(fields, f"{display(os.fsencode(path))} line {number}"))
    return Aliases(named)


def _named(fields: list[bytes], where: str) -> dict[str, tuple[str, ...]]:
    try:
        names = [field.decode() for field in fields]
    except UnicodeDecodeError:
        raise TagError(f"{where}: not UTF-8") from None
    letters = [letters_of(name) for name in names]
    if len(names) < 2 or not all(letters):
        raise TagError(f"{where}: a word and its other names are wanted, parted by tabs")
    return dict.fromkeys(letters, tuple(names[0].casefold().split()))
