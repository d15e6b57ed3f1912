"""What the name of a file says of its sound: its words, without those that only count, date, measure or encode."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from qbe.tags.aliases import Aliases
from qbe.tags.spelling import singular

LONGEST_ALIAS = 3  # tokens: "coup de feu"
LEAST_LETTERS = 3  # of a Latin word that is no alias

RUNS = re.compile(r"[^\W\d_]+|\d+")  # of letters or digits
CHUNKS = re.compile(r"[^\W_]+")  # of both
HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # fooBar, HTMLFile
CODE = re.compile(r"(?=(?:.*\d){2})(?=.*[a-f])[0-9a-f]{6,}", re.IGNORECASE)  # 4fd1443e
NOTE = re.compile(r"[A-G](?:s|b|is|es)?m?")  # A, Cs, Bb, Fis, Am
SMALL_NOTE = re.compile(r"[a-g](?:s|b|is|es)?m?")  # before a number
YEAR = re.compile(r"(?:19|20)\d\d(?:\d{4})?")

DYNAMICS = {
    "ppp", "pp", "mp", "mf", "ff", "fff", "sfz", "forte", "fortissimo", "pianissimo", "mezzo", "mezzoforte",
    "mezzopiano", "fortepiano", "vel", "velo", "velocity", "dyn", "dynamic",
}  # fmt: skip
MONTHS = {
    "jan", "january", "feb", "february", "mar", "march", "apr", "april", "may", "jun", "june", "jul", "july",
    "aug", "august", "sep", "sept", "september", "oct", "october", "nov", "november", "dec", "december",
}  # fmt: skip
SAYING_NOTHING = {
    # takes, versions, states of work
    "take", "tak", "var", "variation", "alt", "alternate", "copy", "kopie", "copie", "copia", "version", "ver",
    "vol", "volume", "part", "num", "number", "untitled", "unnamed", "final", "edit", "edited", "norm",
    "normalized", "trimmed", "processed", "rendered", "render", "bounce", "bounced", "export", "exported",
    "misc", "various", "other", "unsorted", "unknown", "new", "old", "test", "demo", "tmp", "temp", "rnd",
    "robin",
    # what all are
    "audio", "sound", "son", "sonido", "klang", "sample", "smp", "file", "track", "rec", "recording", "pack",
    "library", "collection", "folder", "data", "asset",
    # codecs and measures
    "wav", "aif", "aiff", "aifc", "flac", "ogg", "oga", "opus", "mpga", "caf", "pcm", "stereo", "mono", "bit",
    "khz", "hz", "kbps", "cbr", "vbr", "lossless", "bpm", "min", "max", "sec", "msec", "left", "right", "maj",
    "major", "minor",
    # words that bind others
    "the", "and", "for", "with", "from", "not", "von", "und", "der", "die", "das", "mit", "ohne", "les", "des",
    "avec", "una", "los", "las", "con", "por", "para",
}  # fmt: skip


def tokens(text: str) -> list[str]:
    """Words and numbers of a text in their order, as they are written: parted at case, digits and punctuation.

    Codes, such as 4fd1443e, are no words.
    """
    chunks = (chunk for chunk in CHUNKS.findall(unicodedata.normalize("NFC", text)) if not CODE.fullmatch(chunk))
    return [token for chunk in chunks for run in RUNS.findall(chunk) for token in HUMPS.split(run)]


def words(text: str, aliases: Aliases) -> list[str]:
    """The words that a text says, each once, in the singular, and by the names that the aliases give them."""
    found: dict[str, None] = {}
    for said in _said(tokens(text)):
        at = 0
        while at < len(said):
            length, names = _alias(said[at:], aliases)
            for name in names or _plain(said[at]):
                found[name] = None
            at += length
    return list(found)


def _said(found: Sequence[str]) -> Iterator[list[str]]:
    """Runs of tokens, without numbers, notes, dynamics and dates, which part them."""
    run: list[str] = []
    after_note = False
    for at, token in enumerate(found):
        is_number = token.isdigit()
        is_note = bool(NOTE.fullmatch(token) or (SMALL_NOTE.fullmatch(token) and _is_number(found, at + 1)))
        lower = token.casefold()
        is_dynamic = lower in DYNAMICS or (lower == "piano" and (after_note or _before(found, at) == "mezzo"))
        if is_number or is_note or is_dynamic or _is_month(found, at):
            yield run
            run = []
        else:
            run.append(token)
        after_note = is_note or (after_note and is_number)
    yield run


def _is_number(found: Sequence[str], at: int) -> bool:
    return 0 <= at < len(found) and found[at].isdigit()


def _before(found: Sequence[str], at: int) -> str:
    return found[at - 1].casefold() if at else ""


def _is_month(found: Sequence[str], at: int) -> bool:
    """The name of a month beside a year, or between numbers: "march" alone is a kind of music."""
    if found[at].casefold() not in MONTHS:
        return False
    beside = [found[near] for near in (at - 1, at + 1) if _is_number(found, near)]
    return len(beside) == 2 or any(YEAR.fullmatch(number) for number in beside)


def _alias(run: Sequence[str], aliases: Aliases) -> tuple[int, tuple[str, ...]]:
    """How many tokens at the beginning of a run are another name for words, as many as can be, and the words."""
    for length in range(min(LONGEST_ALIAS, len(run)), 0, -1):
        if names := aliases.meant_by(" ".join(run[:length])):
            return length, names
    return 1, ()


def _plain(token: str) -> list[str]:
    word = singular(token.casefold())
    too_short = word.isascii() and len(word) < LEAST_LETTERS
    return [] if too_short or {word, token.casefold()} & SAYING_NOTHING else [word]
