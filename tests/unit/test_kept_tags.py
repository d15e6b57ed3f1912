"""The table of tags beside a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from qbe.support.errors import UsageError
from qbe.tags.kept import ENDING, borne_words, keep_tags, keep_word, kept_tags
from qbe.tags.tables import NAME, NEAR, USER, Tag

A, B, C = b"a.wav", b"b.wav", b"c\xff.wav"
TAGS = [Tag(A, "kick", 1.0, NAME), Tag(A, "loop", 0.6, NEAR), Tag(B, "kick", 0.4, NEAR), Tag(B, "-loop", 1.0, USER)]


@pytest.fixture
def library(tmp_path: Path) -> str:
    path = tmp_path / "lib.idx"
    path.write_bytes(b"a library")
    keep_tags(str(path), TAGS, [A, B, C])
    return str(path)


def test_what_the_user_says_of_a_word_takes_the_place_of_all_that_was_said_of_it(library: str) -> None:
    assert keep_word(library, [A, B], ["kick"], bears=True) == []
    assert set(kept_tags(library)) == {
        Tag(A, "kick", 1.0, USER), Tag(B, "kick", 1.0, USER), *TAGS[1:2], *TAGS[3:], Tag(C, "", 0.0, NEAR)
    }  # fmt: skip
    keep_word(library, [A], ["kick", "loop"], bears=False)
    assert {tag for tag in kept_tags(library) if tag.path == A} == {
        Tag(A, "-kick", 1.0, USER), Tag(A, "-loop", 1.0, USER)
    }  # fmt: skip


def test_a_sound_of_which_nothing_was_known_is_known_then(library: str) -> None:
    keep_word(library, [C], ["hat"], bears=True)
    assert [tag for tag in kept_tags(library) if tag.path == C] == [Tag(C, "hat", 1.0, USER)]


def test_the_first_word_makes_the_table(tmp_path: Path) -> None:
    path = tmp_path / "lib.idx"
    path.write_bytes(b"a library")
    odd = b"a\tb.wav"
    assert keep_word(str(path), [B, odd, A], ["kick"], bears=True) == [odd]
    assert (tmp_path / f"lib.idx{ENDING}").read_bytes() == (
        b"path\ttag\tscore\tsource\na.wav\tkick\t1.0000\tuser\nb.wav\tkick\t1.0000\tuser\n"
    )
    with pytest.raises(UsageError, match="no file"):
        keep_word(str(tmp_path / "none.idx"), [A], ["kick"], bears=True)


def test_likely_words_come_the_likeliest_first() -> None:
    tags = [Tag(A, "low", 0.7, NEAR), *TAGS, Tag(C, "", 0.0, NEAR)]
    assert borne_words(tags) == {A: ["kick", "low", "loop"]}
