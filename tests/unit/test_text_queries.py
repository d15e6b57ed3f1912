"""Text queries: what a text asks for, and which sounds bear it."""

from __future__ import annotations

import pytest

from qbe.support.errors import UsageError
from qbe.tags.aliases import read_aliases
from qbe.tags.tables import NAME, NEAR, USER, Tag
from qbe.tags.text import Words, counted, read_terms

COMMON = read_aliases()
TAGS = [
    Tag(b"kits/808/BD01.wav", "kick", 1.0, NAME),
    Tag(b"kits/909/bd02.wav", "kick", 1.0, NAME),
    Tag(b"kits/a/1.wav", "kick", 0.9, NEAR),
    Tag(b"kits/a/2.wav", "kick", 0.4, NEAR),
    Tag(b"kits/a/2.wav", "snare", 0.6, NEAR),
    Tag(b"kits/a/3.wav", "open", 1.0, USER),
    Tag(b"kits/a/3.wav", "hihat", 0.7, NEAR),
    Tag(b"kits/a/4.wav", "hihat", 1.0, USER),
    Tag(b"kits/a/5.wav", "tape stop", 1.0, USER),
    Tag(b"kits/a/Tape_Stop 6.wav", "-tape stop", 1.0, USER),
    Tag(b"kits/a/tape loop stop.wav", "loop", 1.0, NAME),
    Tag(b"gone.wav", "kick", 1.0, USER),
    Tag(b"kits/a/7.wav", "", 0.0, NEAR),
]
PATHS = sorted({tag.path for tag in TAGS if tag.path != b"gone.wav"} | {"kits/é/Flûtes 1.wav".encode()})
WORDS = Words(TAGS, PATHS)


def found(text: str) -> dict[str, float]:
    return {path.decode().removeprefix("kits/"): score for path, score in WORDS.found(read_terms(text, COMMON)).items()}


def test_a_word_is_borne_by_tag_under_any_of_its_names() -> None:
    kicks = {"808/BD01.wav": 1.0, "909/bd02.wav": 1.0, "a/1.wav": 0.9, "a/2.wav": 0.4}
    for name in ("kick", "Kicks", "bass drum", "Bassdrum"):
        assert found(f'"{name}"' if " " in name else name) == kicks


def test_all_words_must_be_borne_and_the_least_score_counts() -> None:
    assert found("kick snare") == {"a/2.wav": 0.4}
    assert found("hihat open") == found("oh") == {"a/3.wav": 0.7}


def test_what_is_likely_borne_can_be_left_out() -> None:
    assert found("kick -808") == {"909/bd02.wav": 1.0, "a/1.wav": 0.9, "a/2.wav": 0.4}
    assert set(found("kick -snare")) == {"808/BD01.wav", "909/bd02.wav", "a/1.wav"}  # .6 is likely
    assert set(found("snare -kick")) == {"a/2.wav"}  # .4 is not


def test_what_stands_in_a_name_is_found_though_it_is_no_tag() -> None:
    assert set(found("909")) == {"909/bd02.wav"}
    assert set(found("90")) == set()
    assert set(found("flute")) == set(found("Flûte")) == {"é/Flûtes 1.wav"}
    assert set(found("kits -a")) == {"808/BD01.wav", "909/bd02.wav", "é/Flûtes 1.wav"}


def test_a_phrase_is_words_in_a_row_and_the_user_may_deny_it() -> None:
    assert set(found('"tape stop"')) == {"a/5.wav"}
    assert set(found("tape stop")) == {"a/5.wav", "a/Tape_Stop 6.wav", "a/tape loop stop.wav"}
    assert set(found('"tape loop"')) == {"a/tape loop stop.wav"}
    assert set(found('tape -"tape stop"')) == {"a/Tape_Stop 6.wav", "a/tape loop stop.wav"}


def test_a_beginning_is_enough_with_a_star() -> None:
    assert set(found("ki*")) == {path.decode().removeprefix("kits/") for path in PATHS}  # all lie in kits
    assert set(found("hih*")) == {"a/3.wav", "a/4.wav"}
    assert set(found("sto*")) == set(found("stop")) == {"a/5.wav", "a/Tape_Stop 6.wav", "a/tape loop stop.wav"}
    assert found("*  kick") == found("kick")


@pytest.mark.parametrize("text", ["", "  ", "-kick", "-", '""', "*", '-"tape stop" -x'])
def test_a_text_must_want_something(text: str) -> None:
    with pytest.raises(UsageError, match="name a word"):
        read_terms(text, COMMON)


def test_an_open_quote_is_refused() -> None:
    with pytest.raises(UsageError, match="without its other"):
        read_terms('"tape stop', COMMON)


def test_a_word_that_is_not_known_is_told_from_those_that_are() -> None:
    (term,) = read_terms("kik", COMMON)
    assert "kick" in WORDS.bearing(term) or WORDS.bearing(term)  # another name of kick
    (term,) = read_terms("hihta", COMMON)
    assert not WORDS.bearing(term)
    assert WORDS.nearest_words(term)[0] == "hihat"
    (term,) = read_terms("qqqqqq", COMMON)
    assert WORDS.nearest_words(term) == []


def test_who_says_so_is_counted() -> None:
    (term,) = read_terms("kick", COMMON)
    assert counted(WORDS.bearing(term)) == "4 files: 2 by name, 2 as they are near to such"
    assert counted({b"a": (1.0, USER)}) == "1 file: 1 by their user"
    assert counted({}) == "0 files"


def test_letters_count_anywhere_in_a_name_while_one_types() -> None:
    words = Words(TAGS, PATHS, anywhere=True)

    def names(text: str) -> set[str]:
        return {path.decode().removeprefix("kits/") for path in words.found(read_terms(text, COMMON))}

    assert names("90") == {"909/bd02.wav"}
    assert names("LOOP sto") == {"a/tape loop stop.wav"}
    assert names('kick -"d02"') == {"808/BD01.wav", "a/1.wav", "a/2.wav"}
    assert "a/Tape_Stop 6.wav" not in names('"tape stop"')  # which its user denies
