"""Tables of tags and of other names: what they may hold, and what is said of those that break their format."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbe.support.errors import TagError
from qbe.tags.aliases import COMMON, read_aliases
from qbe.tags.spelling import letters_of
from qbe.tags.tables import NAME, NEAR, USER, Tag, can_be_written, read_tags, table_lines, write_tags


def written(folder: Path, content: bytes) -> str:
    path = folder / "table.tsv"
    path.write_bytes(content)
    return str(path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    tags = [
        Tag(b"a b/\xff\xfe.wav", "kick", 1.0, USER),
        Tag(b"a b/\xff\xfe.wav", "-snare", 1.0, USER),
        Tag("ä.wav".encode(), "tape stop", 0.25, NEAR),
        Tag(b"#1.wav", "größe", 1.0, NAME),
        Tag(b"path", "tag", 1.0, USER),
        Tag(b"nothing.wav", "", 0.0, NEAR),
    ]
    path = str(tmp_path / "t.tsv")
    write_tags(path, tags)
    table = read_tags(path)
    assert table.tags == tags
    assert table.lines == [2, 3, 4, 5, 6, 7]


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_every_name_that_can_be_written_comes_back(tmp_path_factory: pytest.TempPathFactory, path: bytes) -> None:
    if can_be_written(path):
        name = str(tmp_path_factory.getbasetemp() / "any.tsv")
        write_tags(name, [Tag(path, "x", 1.0, USER)])
        assert [tag.path for tag in read_tags(name).tags] == [path]
    else:
        assert {b"\t", b"\n", b"\r"} & {path[at : at + 1] for at in range(len(path))}


def test_a_table_of_two_columns_is_the_users(tmp_path: Path) -> None:
    table = read_tags(written(tmp_path, b"\xef\xbb\xbfpath\ttag\r\na.wav\tkick \r\n\r\nb.wav\t-kick"))
    assert table.tags == [Tag(b"a.wav", "kick", 1.0, USER), Tag(b"b.wav", "-kick", 1.0, USER)]
    assert table.lines == [2, 4]


BAD = {
    "no tab": (b"a.wav\tkick\nb.wav\n", "line 2: a path and a tag"),
    "three columns": (b"a.wav\tkick\t1\n", "line 1: a path and a tag"),
    "no path": (b"a.wav\tkick\n\tsnare\n", "line 2: a path and a tag"),
    "no tag": (b"a.wav\t\n", "line 1: the tag is empty"),
    "a minus alone": (b"a.wav\t-\n", "line 1: the tag is empty"),
    "not UTF-8": (b"a.wav\t\xff\n", "line 1: the tag is not UTF-8"),
    "no score": (b"a.wav\tkick\tmuch\tnear\n", "line 1: score 'much' is not a number from 0 to 1"),
    "a score over 1": (b"a.wav\tkick\t1.5\tnear\n", "line 1: score '1.5'"),
    "a score that is no number": (b"a.wav\tkick\tnan\tnear\n", "line 1: score 'nan'"),
    "no source": (b"a.wav\tkick\t1\tme\n", "line 1: source 'me' is none of user, name, near"),
    "audio": (b"RIFF\x00\x00WAVE\n", "line 1: a path and a tag"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_line_that_breaks_the_format_is_named(tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    with pytest.raises(TagError, match=message):
        read_tags(written(tmp_path, content))


def test_a_table_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_tags(str(tmp_path / "none.tsv"))


def test_the_users_other_names_lie_on_top_of_the_common_ones(tmp_path: Path) -> None:
    first = written(tmp_path, b"# mine\nstomp\tbd\tthe foot\nwet snare\tws\n")
    aliases = read_aliases([first])
    assert aliases.meant_by("BD") == ("stomp",)
    assert aliases.meant_by("The Foot") == ("stomp",)
    assert aliases.meant_by("stomps") == ("stomp",)
    assert aliases.meant_by("ws") == ("wet", "snare")
    assert aliases.meant_by("hh") == ("hihat",)
    assert aliases.meant_by("nothing") == ()


@pytest.mark.parametrize("line", [b"kick bd\n", b"kick\t\n", b"\tbd\n", b"kick\t--\n", b"kick\t\xff\n"])
def test_a_line_of_other_names_that_breaks_the_format_is_named(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(TagError, match=r"table.tsv line 3"):
        read_aliases([written(tmp_path, b"snare\tsd\n\n" + line)])


def test_no_common_name_stands_for_two_words() -> None:
    rows = [[field.decode() for field in fields] for _, fields in table_lines(COMMON) if not fields[0].startswith(b"#")]
    names = [letters for row in rows for letters in {letters_of(name) for name in row}]
    assert len(names) == len(set(names))
    assert len(rows) > 100


def test_a_common_word_of_one_is_its_own_name() -> None:
    aliases = read_aliases()
    for words in aliases.named.values():
        for word in words:
            assert aliases.meant_by(word) in ((), (word,)), word
