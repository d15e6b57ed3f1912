"""Tables of tags as files: a line a tag, its fields parted by tabs, without quoting, in the order of their columns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from qbe.support.bounded import read_whole
from qbe.support.errors import TagError, display
from qbe.support.saving import save_file

USER, NAME, NEAR = "user", "name", "near"
SOURCES = (USER, NAME, NEAR)
NOT = "-"  # before a tag: the sound does not bear it
LIKELY = 0.5  # from this score on a tag is likelier right than wrong
HEADING = (b"path", b"tag")


class Tag(NamedTuple):
    """A word that a sound bears.

    word : with NOT before it, one that the user says it does not bear; empty: nothing is known of the sound
    score : how likely it is right, from 0 to 1
    source : one of SOURCES: who says so, the user, the name of the file, or sounds that are like it
    """

    path: bytes
    word: str
    score: float
    source: str


class TagTable(NamedTuple):
    """Tags as they were read, and the line of each."""

    name: str
    tags: list[Tag]
    lines: list[int]


def table_lines(path: str) -> Iterator[tuple[int, list[bytes]]]:
    """The number and the fields of every line that is not empty. TagError where it is too much; OSError as open."""
    with open(path, "rb") as file:
        text = read_whole(file, display(os.fsencode(path)), TagError)
    for number, line in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line := line.removesuffix(b"\r"):
            yield number, line.split(b"\t")


def read_tags(path: str) -> TagTable:
    """Tags from a table: path, tag, and perhaps score and source; without these it is the user who says so.

    A first line that names the columns is no tag. TagError, with the line, where a line breaks this; OSError as open.
    """
    table = TagTable(display(os.fsencode(path)), [], [])
    for number, fields in table_lines(path):
        if number > 1 or tuple(fields[:2]) != HEADING:
            table.tags.append(_tag(fields, f"{table.name} line {number}"))
            table.lines.append(number)
    return table


def _tag(fields: list[bytes], where: str) -> Tag:
    if len(fields) not in (2, 4) or not fields[0]:
        raise TagError(f"{where}: a path and a tag, parted by a tab, are wanted, or path, tag, score and source")
    try:
        path, word = fields[0], fields[1].decode().strip()
        score, source = (fields[2].decode(), fields[3].decode()) if len(fields) > 2 else ("", USER)
    except UnicodeDecodeError:
        raise TagError(f"{where}: the tag is not UTF-8") from None
    if not word.removeprefix(NOT).strip() and (word or len(fields) == 2):
        raise TagError(f"{where}: the tag is empty")
    if source not in SOURCES:
        raise TagError(f"{where}: source {source!r} is none of {', '.join(SOURCES)}")
    return Tag(path, word, _score(score, where), source)


def _score(text: str, where: str) -> float:
    try:
        score = float(text or 1)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise TagError(f"{where}: score {text!r} is not a number from 0 to 1")
    return score


def can_be_written(path: bytes) -> bool:
    """Whether a name is safe in a table: one that holds a tab or a newline is not."""
    return not any(mark in path for mark in (b"\t", b"\n", b"\r"))


def write_tags(path: str, tags: Iterable[Tag]) -> None:
    """A table that `read_tags` reads, in the order of the tags, whole or not at all."""
    with save_file(path) as file:
        file.write(b"path\ttag\tscore\tsource\n")
        for tag in tags:
            file.write(b"\t".join((tag.path, tag.word.encode(), b"%.4f" % tag.score, tag.source.encode())) + b"\n")
