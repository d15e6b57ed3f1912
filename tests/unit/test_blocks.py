"""NPY arrays of other programs: read as NumPy reads them, in pieces, and refused where they make no sense."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qbe.streams.blocks import named, read_blocks
from qbe.streams.records import Header
from qbe.support.errors import StreamError

HEADER = Header("embeddings", 16_000, "", "", 3)


def npy(*arrays: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array)
    return file.getvalue()


def read(data: bytes) -> NDArray[np.float32]:
    return np.concatenate(list(read_blocks(io.BytesIO(data))))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
def test_rows_come_as_numpy_gives_them_at_length_one(dtype: str) -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(count, 5)).astype(dtype) for count in (9000, 3))
    both = np.concatenate([first, second]).astype(np.float64)
    np.testing.assert_allclose(read(npy(first, second)), both / np.linalg.norm(both, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "not an NPY array"),
        (npy(np.ones((2, 3)))[:-1], "is cut: it promises 2 rows"),
        (npy(np.ones((2, 3)))[:20], "header of an NPY array is damaged"),
        (npy(np.ones(3)), "rows of floats are needed"),
        (npy(np.ones((2, 3), int)), "rows of floats are needed"),
        (npy(np.ones((2, 3)).T), "in C order"),
        (npy(np.ones((2, 0))), "rows of floats are needed"),
        (npy(np.ones((2, 3)), np.ones((2, 4))), "4 columns, the one before it 3"),
        (npy(np.array([[1, 1], [0, 0.0]])), "row 2: not finite, or zero"),
        (npy(np.ones((1, 2)), np.array([[1, np.nan]])), "row 2: not finite"),
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(StreamError, match=message):
        read(data)


def test_objects_are_never_unpickled() -> None:
    file = io.BytesIO()
    np.save(file, np.array([[print, print]], object), allow_pickle=True)
    with pytest.raises(StreamError, match="rows of floats are needed"):
        read(file.getvalue())


def test_a_size_that_is_only_claimed_takes_no_memory() -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 1 << 16)})
    tracemalloc.start()
    with pytest.raises(StreamError, match="is cut: it promises 1000000000 rows"):
        read(file.getvalue() + bytes(1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@given(st.binary(max_size=300), st.integers(0, 200))
def test_changed_bytes_give_rows_or_a_clear_error(data: bytes, at: int) -> None:
    whole = bytearray(npy(np.ones((4, 3), np.float32)))
    whole[at : at + len(data)] = data
    try:
        assert np.isfinite(read(bytes(whole))).all()
    except StreamError as error:
        assert "\n" not in str(error)


def places(lines: bytes, rows: int) -> list[tuple[bytes, int, int]]:
    embeddings = named(
        iter([np.eye(3, dtype=np.float32)[[0] * rows]]), io.BytesIO(lines), HEADER, "names", window=16_384, hop=8192
    )
    return [(embedding.path, embedding.start, embedding.length) for embedding in embeddings]


def test_lines_name_rows_and_may_place_them() -> None:
    assert places(b"a\nb\t0.5\t1.5\na\n", 3) == [(b"a", 0, 16_384), (b"b", 8000, 16_000), (b"a", 0, 16_384)]
    assert places(b"a\xe9\na\xe9", 2) == [(b"a\xe9", 0, 16_384), (b"a\xe9", 8192, 16_384)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"a\n", "names line 2: ends before the rows do"),
        (b"a\nb\nc\n", "names more than the 2 rows"),
        (b"a\n\t1\t2\n", "names line 2: no name"),
        (b"a\nb\t1\n", "names line 2: 1: a path, or path, start and end"),
        (b"a\nb\t2\t1\n", "start and end"),
        (b"a\nb\tx\ty\n", "start and end"),
        (b"a\nb\tnan\tnan\n", "start and end"),
    ],
)
def test_lines_that_name_nothing(lines: bytes, message: str) -> None:
    with pytest.raises(StreamError, match=message):
        places(lines, 2)
