"""Words of --in: names as they are, globs, and the names that are near where there is neither."""

from __future__ import annotations

import difflib
import random
import unicodedata
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbe.search.inside import COMPARED, globs_of, nearest
from qbe.support.errors import UsageError
from qbe.support.names import lies_inside, spelt

PATHS = [b"drums/kick/a[1].wav", b"drums/kick/a1.wav", b"drums/[old]/x*.wav", b"drums/o/xy.wav", b"caf\xe9/b.wav"]
Store = Any


def library(paths: list[bytes]) -> Store:
    """What is asked of a store here: its name, and its files."""
    return SimpleNamespace(
        name="lib.idx", about=SimpleNamespace(folder=None), files=lambda: [SimpleNamespace(path=path) for path in paths]
    )


def found(word: bytes, paths: list[bytes] = PATHS) -> list[bytes]:
    """The files that a word brings."""
    globs = globs_of([word], library(paths))
    return [path for path in paths if lies_inside(path, globs)]


@pytest.mark.parametrize(
    ("word", "files"),
    [
        (b"drums/kick/a[1].wav", [b"drums/kick/a[1].wav"]),
        (b"drums/kick/a[12].wav", [b"drums/kick/a1.wav"]),
        (b"drums/[old]", [b"drums/[old]/x*.wav"]),
        (b"drums/[old]/", [b"drums/[old]/x*.wav"]),
        (b"drums/[old]/x*.wav", [b"drums/[old]/x*.wav"]),
        (b"drums/[ox]", [b"drums/o/xy.wav"]),
        (b"drums/*/x*.wav", [b"drums/[old]/x*.wav", b"drums/o/xy.wav"]),
        (b"caf\xe9", [b"caf\xe9/b.wav"]),
        (b"drums", PATHS[:4]),
    ],
)
def test_a_name_comes_before_a_glob(word: bytes, files: list[bytes]) -> None:
    assert found(word) == files


@pytest.mark.parametrize("name", ["café", "Überschall", "ñandú", "가나"])
def test_accents_match_in_either_spelling(name: str) -> None:
    composed, apart = (unicodedata.normalize(form, name).encode() for form in ("NFC", "NFD"))
    assert composed != apart
    for given_as, kept_as in ((composed, apart), (apart, composed)):
        paths = [kept_as + b"/a.wav", b"other/a.wav"]
        for word in (given_as, given_as + b"/*.wav"):
            assert found(word, paths) == paths[:1]
        assert found(b"?" * len(name), [composed, apart]) == [composed, apart]  # a letter with its accent is one


@given(st.lists(st.binary(min_size=1, max_size=6).filter(lambda name: b"\0" not in name), min_size=1, max_size=5))
def test_every_name_finds_itself(paths: list[bytes]) -> None:
    for path in paths:
        if path.strip(b"/") == path:
            assert path in found(path, paths)


def test_no_words_ask_for_nothing() -> None:
    assert globs_of([], library([])) == []


@pytest.mark.parametrize(
    ("word", "near"),
    [
        (b"drumz", b"drums"),
        (b"kick", b"drums/kick"),  # a folder further down
        (b"KICK", b"drums/kick"),
        (b"*/kik", b"drums/kick"),
        (b"drum/kick", b"drums/kick"),
        (b"kick/a2.wav", b"drums/kick/a1.wav"),
        (b"o/yx.wav", b"drums/o/xy.wav"),
    ],
)
def test_a_word_that_matches_nothing_is_told_what_is_near(word: bytes, near: bytes) -> None:
    with pytest.raises(UsageError) as error:
        globs_of([b"drums", word], library(PATHS))
    message = str(error.value)
    assert message.startswith(f"--in {word.decode()}: no file of lib.idx")
    assert near.decode() in message.partition("near it: ")[2].split(", ")


@pytest.mark.parametrize("word", [b"", b"/", b"*.flac", b"zzzzzzzz", b"new\nline"])
def test_nothing_near_is_nothing_offered(word: bytes) -> None:
    with pytest.raises(UsageError) as error:
        globs_of([word], library(PATHS))
    assert "near it" not in str(error.value)
    assert "\n" not in str(error.value)


def test_among_many_names_the_nearest_are_those_that_difflib_finds() -> None:
    rng = random.Random(0)
    words = ["drum", "kick", "snare", "forest", "bird", "water", "metal", "voice", "synth", "door"]
    names = {f"{'-'.join(rng.sample(words, 3))} {k}.wav": b"%d" % k for k in range(20 * COMPARED)}
    for name in rng.sample(list(names), 20):
        at = rng.randrange(4, len(name) - 4)
        typed = name[:at] + name[at + 1 :]
        assert names[name] in nearest(typed, names)
        best = difflib.get_close_matches(typed, names, 1)[0]
        assert nearest(typed, names)[0] == names[best]


def test_spelling_keeps_bytes_that_are_no_text() -> None:
    assert spelt(b"caf\xe9").encode(errors="surrogateescape") == b"caf\xe9"
