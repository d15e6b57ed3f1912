"""What stands between a library on a Milvus server and the server, without one: names, keys, filters."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbe.engines.milvus.address import TOKEN, parse_address
from qbe.engines.milvus.files import FIELDS, NONE, _beginning, entry_of, kept_name, row_of, row_of_gone
from qbe.engines.milvus.inserting import places_in_files
from qbe.engines.milvus.rows import BITS, PAGE, RANGES, _pages, _within, files_of, keys_of
from qbe.search.store import FileEntry
from qbe.stores import open_writer
from qbe.support.errors import LibraryError, UsageError
from qbe.support.names import lies_inside, without_token


def passes(filter: str, **row: Any) -> bool:
    """Whether a row does, by the rules that the server's filters share with Python."""
    return bool(eval(compiled(filter), {}, row))


compiled = functools.cache(functools.partial(compile, filename="filter", mode="eval"))


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)


def test_an_address_says_server_library_and_token() -> None:
    address = parse_address("milvus://Host/my_sounds")
    assert (address.host, address.uri, address.library, address.token) == (
        "host:19530",
        "http://host:19530",
        "my_sounds",
        "",
    )
    assert parse_address("milvuss://[::1]:70/x").uri == "https://[::1]:70"
    assert parse_address("milvus://root:p%40ss%2Fw@h:1/x").token == "root:p@ss/w"
    assert parse_address("milvus://key@h:1/x").token == "key"


def test_the_token_of_the_environment_is_for_addresses_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "root:Milvus")
    assert parse_address("milvus://h/x").token == "root:Milvus"
    assert parse_address("milvus://key@h/x").token == "key"


def test_a_token_is_in_no_name_and_no_message() -> None:
    address = parse_address("milvus://root:geheim@h/x")
    assert "geheim" not in f"{address} {address.name}"
    for wrong in (
        "milvus://root:geheim@/x",
        "milvus://root:geheim@h:port/x",
        "milvus://root:geheim@h",
        "milvus://root:ge/heim@h/x",
    ):
        with pytest.raises(UsageError) as error:
            parse_address(wrong)
        assert "heim" not in str(error.value)
    assert without_token("milvuss://root:ge@heim@h/x: gone, and a@b") == "milvuss://h/x: gone, and a@b"
    assert without_token("a@b/lib.idx: gone") == "a@b/lib.idx: gone"


@pytest.mark.parametrize("library", ["", "a b", "1st", "sub/library", "x" * 201, "größe", "a-b", "a%20b"])
def test_names_that_a_server_does_not_take_are_refused(library: str) -> None:
    with pytest.raises(UsageError, match=r"is wanted|letters, digits"):
        parse_address(f"milvus://h/{library}")


def test_trees_are_for_files() -> None:
    with pytest.raises(UsageError, match="--trees"):
        open_writer("milvus://h/x", 2)


names = st.binary(max_size=30) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(names)
def test_every_name_comes_back_from_text_that_needs_no_quoting(name: bytes) -> None:
    entry = FileEntry(7, name, 5, -3, 9, 2, -(1 << 63), True, False)
    row = row_of(entry)
    assert entry_of(row) == entry
    assert row["path"].isascii()
    assert not set(row["path"]) & set("\"'\\\n\t")


@given(names, names)
def test_a_name_begins_as_its_text_does(name: bytes, more: bytes) -> None:
    assert kept_name(name + more) == kept_name(name) + kept_name(more)


def test_rows_of_files_have_the_fields_of_their_collection() -> None:
    entry = FileEntry(7, b"a", 5, 3, 9, 2)
    for row in (row_of(entry), row_of_gone(8, 7)):
        assert set(row) == {name for name, _, _ in FIELDS}
    assert row_of(entry)["gone"] == NONE != row_of_gone(8, 7)["gone"]


def test_a_name_that_is_too_long_is_refused_in_one_line() -> None:
    with pytest.raises(LibraryError, match="too long"):
        kept_name(b"\n" * 30_000)


GLOBS = [
    b"field",
    b"field/",
    b"*",
    b"f*d",
    b"fi?ld/*.wav",
    b"[ef]ield",
    b"caf\xc3\xa9",
    b"cafe\xcc\x81/x*",
    b"Kelvin",
    b"",
    b"a'\"\\b",
    b"x_%y",
]


@given(st.sampled_from(GLOBS), st.data())
def test_a_filter_for_a_glob_leaves_out_nothing_that_it_matches(glob: bytes, data: st.DataObject) -> None:
    folder = data.draw(st.sampled_from([*GLOBS, "\u212aelvin".encode(), b"field2", b"\xff"]))
    path = folder + data.draw(st.sampled_from([b"", b"/1.wav", b"\xcc\x81", b"/x/y.wav"]))
    if lies_inside(path, [glob]):
        assert passes(_beginning(glob), path=kept_name(path))


def test_a_filter_for_a_folder_lets_little_else_through() -> None:
    assert passes(_beginning(b"field/*.wav"), path="field/1.wav")
    assert not passes(_beginning(b"field/*.wav"), path="drums/1.wav")


def files(counts: list[int], numbers: list[int]) -> list[FileEntry]:
    return [FileEntry(number, b"", 0, 0, 0, count) for number, count in zip(numbers, counts, strict=True)]


@given(st.lists(st.integers(0, 3 * PAGE), min_size=1, max_size=60), st.data())
def test_pages_are_small_hold_all_rows_in_order_and_part_no_file_that_fits(
    counts: list[int], data: st.DataObject
) -> None:
    steps = data.draw(st.lists(st.integers(1, 3), min_size=len(counts), max_size=len(counts)))
    held = files(counts, np.cumsum(steps).tolist())
    pages = list(_pages(held))
    assert all(0 < sum(map(len, page)) <= PAGE for page in pages)
    spans = [span for page in pages for span in page if len(span)]
    assert [(span.start, span.stop) for span in spans] == sorted((span.start, span.stop) for span in spans)
    assert sum(map(len, spans)) == sum(counts)
    for entry in held:
        parts = [span for span in spans if span.start >> BITS == entry.number]
        assert len(parts) == (entry.segments > 0) or entry.segments > PAGE


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=2 * RANGES))
def test_a_page_is_asked_for_by_a_filter_for_its_rows_alone(steps: list[tuple[int, int]]) -> None:
    """Of files with gaps between them, in which other files lie."""
    held = files([count for _, count in steps], np.cumsum([step for step, _ in steps]).tolist())
    own = {key for entry in held for key in keys_of(entry)}
    [page] = _pages(held)
    last = held[-1].number + 2
    others = {(number << BITS) + k for number in range(last) for k in range(4)} - own
    taken = {entry.number for entry in held}
    filter = _within(page)
    assert all(passes(filter, key=key) for key in own)
    assert not any(passes(filter, key=key) for key in others if key >> BITS not in taken)


def test_a_key_says_its_file() -> None:
    [entry] = files([3], [(1 << 34) + 5])
    keys = np.array(keys_of(entry))
    assert files_of(keys).tolist() == [entry.number] * 3


@given(st.lists(st.integers(0, 5), max_size=40))
def test_places_count_the_rows_of_a_file_that_came_before(file: list[int]) -> None:
    assert places_in_files(np.array(file, np.uint32)).tolist() == [file[:at].count(own) for at, own in enumerate(file)]
