"""Blocks of a library file: what is written is read, across blocks, and damage is told where it is touched."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qbe.index.file.layout import (
    ALIGNMENT,
    DTYPES,
    HEAD,
    LARGEST_PAGE,
    SLOTS,
    Block,
    BlockWriter,
    Commit,
    Footer,
    align,
    map_file,
    read_commit,
    write_commit,
)
from qbe.index.file.pages import Pages, numbers_of
from qbe.support.errors import LibraryError

Array = NDArray[Any]
WRONG = "lib: damaged: wrong checksum in it; build it again"
NONSENSE = "lib: damaged: it and what leads there disagree; build it again"


def random(rows: int, row: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 100, (rows, *row)).astype(dtype)


def written(path: Path, arrays: list[Array]) -> list[Block]:
    """A file of blocks with others between them."""
    with open(path, "wb") as file:
        writer = BlockWriter(file)
        writer.begin_file()
        for number, array in enumerate(arrays):
            writer.add("between", [np.arange(number, dtype="u1")], "|u1")
            writer.add(str(number), np.array_split(array, 3), array.dtype.str, array.shape[1:])
        file.write(bytes(HEAD))
    return [writer.blocks[str(number)] for number in range(len(arrays))]


def pages_of(path: Path, blocks: list[Block]) -> Pages:
    with open(path, "rb") as file:
        return Pages(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), blocks, "lib", "it")


KINDS = [("<f4", (32,)), ("<i2", (7,)), ("|u1", ()), ("<i8", (5,)), ("<f4", (5000,)), ("<u4", (3,)), ("<f4", (0,))]


@pytest.fixture(params=KINDS, ids=str)
def arrays(request: pytest.FixtureRequest) -> list[Array]:
    """Of some pages, of none, of one row, and of just a page."""
    dtype, row = request.param
    whole = (
        Block(0, dtype, (0, *row), 0).page // max(1, np.dtype(dtype).itemsize * int(np.prod(row))) if all(row) else 9
    )
    return [random(rows, row, dtype, seed) for seed, rows in enumerate((2 * whole + 3, 0, 1, whole))]


def test_rows_of_several_blocks_are_those_of_the_arrays_in_a_row(tmp_path: Path, arrays: list[Array]) -> None:
    pages = pages_of(tmp_path / "a", written(tmp_path / "a", arrays))
    together = np.concatenate(arrays)
    assert pages.first == [0, *np.cumsum([len(array) for array in arrays]).tolist()]
    rng = np.random.default_rng(0)
    for numbers in (np.arange(len(together)), rng.integers(0, len(together), 500), np.zeros(0, np.int64)):
        found = pages.rows(numbers)
        assert found.dtype == together.dtype
        np.testing.assert_array_equal(found, together[numbers])
    np.testing.assert_array_equal(pages.all(), together)
    for number, array in enumerate(arrays):
        np.testing.assert_array_equal(pages.part(number), array)


def test_spans_lie_within_one_block(tmp_path: Path, arrays: list[Array]) -> None:
    pages = pages_of(tmp_path / "a", written(tmp_path / "a", arrays))
    together, first = np.concatenate(arrays), pages.first
    rng = np.random.default_rng(0)
    for begin, end in np.sort(rng.integers(0, len(together) + 1, (300, 2)), axis=1).tolist():
        if any(begin < edge < end for edge in first):
            with pytest.raises(LibraryError, match=NONSENSE):
                pages.span(begin, end)
        else:
            np.testing.assert_array_equal(pages.span(begin, end), together[begin:end])
    for begin, end in ((-1, 1), (2, 1), (len(together), len(together) + 1), (1, 10**9)):
        with pytest.raises(LibraryError, match=NONSENSE):
            pages.span(begin, end)


@pytest.mark.parametrize("blocks", [1, 2])
def test_rows_beyond_the_end_are_told(tmp_path: Path, blocks: int) -> None:
    pages = pages_of(tmp_path / "a", written(tmp_path / "a", [random(10, (4,), "<f4")] * blocks))
    for _ in range(2):
        with pytest.raises(LibraryError, match=NONSENSE):
            pages.rows(np.array([0, 10 * blocks + 10**6]))
        pages.all()  # of pages that were found whole too


Touch = Callable[[Pages, int], object]
TOUCHES: dict[str, Touch] = {
    "span": lambda pages, row: pages.span(row, row + 1),
    "rows": lambda pages, row: pages.rows(np.array([row])),
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
@pytest.mark.parametrize("of_blocks", [1, 2])
def test_a_flipped_bit_is_noticed_by_those_who_touch_its_page(tmp_path: Path, touch: Touch, of_blocks: int) -> None:
    blocks = written(tmp_path / "a", [random(1000, (32,), "<f4", seed) for seed in range(of_blocks)])
    block = blocks[-1]
    page = 1 << block.page_bits
    assert (page * block.row, block.pages) == (LARGEST_PAGE, 8)
    data = bytearray((tmp_path / "a").read_bytes())
    flipped = 3 * page + 17  # a row of the fourth page
    data[block.offset + flipped * block.row + 5] ^= 1
    (tmp_path / "a").write_bytes(data)
    pages, before = pages_of(tmp_path / "a", blocks), 1000 * (of_blocks - 1)
    for row in range(0, 1000, 31):
        if row // page != 3:
            touch(pages, before + row)
    touch(pages, before + 3 * page - 1)
    touch(pages, before + 4 * page)
    for row in (3 * page, flipped, 4 * page - 1):
        for _ in range(2):  # it is not taken for whole the second time
            with pytest.raises(LibraryError, match=WRONG):
                touch(pages, before + row)
    for number in range(of_blocks - 1):
        pages.part(number)
    for read in (pages.all, lambda: pages.span(before, before + 1000), lambda: list(pages.check())):
        with pytest.raises(LibraryError, match=WRONG):
            read()


def test_flipped_page_sums_are_noticed_on_opening(tmp_path: Path) -> None:
    [block] = written(tmp_path / "a", [random(1000, (32,), "<f4")])
    data = bytearray((tmp_path / "a").read_bytes())
    data[block.sums + 4] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(LibraryError, match=WRONG):
        pages_of(tmp_path / "a", [block])


def test_checking_reads_every_page(tmp_path: Path) -> None:
    blocks = written(tmp_path / "a", [random(1000, (32,), "<f4"), random(300, (32,), "<f4")])
    read = sum(pages_of(tmp_path / "a", blocks).check())
    assert read == sum(block.pages for block in blocks) * LARGEST_PAGE
    assert read >= sum(block.length for block in blocks)


@given(
    dtype=st.sampled_from(DTYPES),
    row=st.lists(st.integers(1, 40), max_size=2).map(tuple),
    rows=st.integers(0, 5000),
    offset=st.integers(0, 10**6),
)
def test_a_page_is_as_many_rows_as_fit_and_a_power_of_two(
    dtype: str, row: tuple[int, ...], rows: int, offset: int
) -> None:
    block = Block(align(offset, Block(0, dtype, (0, *row), 0).row), dtype, (rows, *row), 0)
    assert block.offset >= offset
    assert block.offset % ALIGNMENT == block.offset % block.row == 0
    assert block.page == block.row << block.page_bits
    assert block.page <= LARGEST_PAGE < 2 * block.page
    assert (block.pages - 1) * block.page < max(1, block.length) <= max(1, block.pages) * block.page
    assert block.sums - block.offset - block.length in range(ALIGNMENT)
    assert block.end == block.sums + 4 * block.pages


@given(splits=st.lists(st.integers(0, 400), max_size=8))
def test_page_sums_do_not_depend_on_the_pieces(tmp_path_factory: pytest.TempPathFactory, splits: list[int]) -> None:
    array, path = random(400, (64,), "<f4"), tmp_path_factory.getbasetemp() / "pieces"
    with open(path, "wb") as file:
        writer = BlockWriter(file)
        writer.add("it", np.split(array, sorted(splits)), "<f4", (64,))
    block, data = writer.blocks["it"], path.read_bytes()
    assert data[block.offset : block.offset + block.length] == array.tobytes()
    sums = [zlib.crc32(array.tobytes()[at : at + block.page]) for at in range(0, block.length, block.page)]
    assert np.frombuffer(data[block.sums : block.end], "<u4").tolist() == sums
    assert block.crc32 == zlib.crc32(data[block.sums : block.end])


@given(spans=st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 5)), min_size=1, max_size=20))
def test_numbers_of_spans_are_ranges_one_after_the_other(spans: list[tuple[int, int]]) -> None:
    begin, length = np.array(spans, np.int64).T
    found = numbers_of(begin, begin + length)
    assert found.dtype == np.int64
    assert found.tolist() == [n for first, count in spans for n in range(first, first + count)]


def footer_of(generation: int, block: Block) -> Footer:
    return Footer("ab" * 32, f"m{generation}", 16_000, 4, 1, ({"it": block},), ((0.9, 10), (0.97, 30)))


def committed(path: Path, generations: int) -> None:
    """A file with a commit after the other."""
    with open(path, "wb") as file:
        writer = BlockWriter(file)
        writer.begin_file()
        writer.add("it", [random(10, (4,), "<f4")], "<f4", (4,))
        for generation in range(1, generations + 1):
            file.seek(0, 2)
            write_commit(file, footer_of(generation, writer.blocks["it"]), generation)


def read(path: Path) -> Commit:
    return read_commit(map_file(str(path)), "lib")


@pytest.mark.parametrize("generations", [1, 2, 3, 4])
def test_the_last_commit_counts(tmp_path: Path, generations: int) -> None:
    committed(tmp_path / "a", generations)
    commit = read(tmp_path / "a")
    assert (commit.generation, commit.footer.name) == (generations, f"m{generations}")
    assert commit.end == (tmp_path / "a").stat().st_size
    assert commit.footer == footer_of(generations, commit.footer.parts[0]["it"])


@pytest.mark.parametrize("generations", [2, 3])
def test_a_slot_that_was_not_filled_whole_leaves_the_state_before(tmp_path: Path, generations: int) -> None:
    committed(tmp_path / "a", generations)
    data = bytearray((tmp_path / "a").read_bytes())
    data[SLOTS[(generations - 1) % 2] + 3] ^= 1
    (tmp_path / "a").write_bytes(data)
    assert read(tmp_path / "a").footer.name == f"m{generations - 1}"
    data[SLOTS[generations % 2] + 3] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(LibraryError, match="neither of its two commit slots is valid"):
        read(tmp_path / "a")


def test_a_cut_or_changed_footer_is_told(tmp_path: Path) -> None:
    committed(tmp_path / "a", 1)
    data = bytearray((tmp_path / "a").read_bytes())
    (tmp_path / "a").write_bytes(data[:-1])
    with pytest.raises(LibraryError, match=f"cut short: {len(data) - 1} bytes of at least {len(data)}"):
        read(tmp_path / "a")
    data[-1] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(LibraryError, match="the footer's checksum is wrong"):
        read(tmp_path / "a")
