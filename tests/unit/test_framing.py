"""Streams of records: what is written is read again, and what is damaged is refused."""

from __future__ import annotations

import io
import re
import tracemalloc
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbe.streams.blocks import write_blocks
from qbe.streams.framing import StreamReader, StreamWriter
from qbe.streams.packing import Unpacker, pack
from qbe.streams.records import Deformation, Embedding, End, File, Header, Record, Segment
from qbe.support.errors import CutError, StreamError

SEGMENTS = Header("segments", 16_000)
EMBEDDINGS = Header("embeddings", 16_000, model="ab" * 32, name="m", dimension=3)


def embedding(path: bytes = b"a.wav", start: int = 0) -> Embedding:
    return Embedding(path, start, 16_384, 16_000, np.array([1, 0, 0], np.float32))


def stream(header: Header, records: list[Any], failed: int = 0) -> bytes:
    file = io.BytesIO()
    with StreamWriter(file, header) as writer:
        for record in records:
            writer.write(record)
        writer.failed = failed
    return file.getvalue()


def read(data: bytes, stage: str | None = None) -> list[Any]:
    return list(StreamReader(io.BytesIO(data), stage))


def fields(record: Record) -> dict[str, Any]:
    """With arrays as lists, to compare."""
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(record).items()}


def raw(**record: Any) -> bytes:
    packed: bytes = msgpack.packb(record)
    return packed


@given(
    path=st.binary(min_size=1, max_size=300).filter(lambda path: b"\0" not in path),
    start=st.integers(0, 2**48),
    length=st.integers(0, 2**31),
    audio=st.lists(st.floats(-1, 1, width=32), max_size=50),
    semitones=st.floats(-12, 12),
)
def test_segments_come_back(path: bytes, start: int, length: int, audio: list[float], semitones: float) -> None:
    history = (Deformation("pitch", {"semitones": semitones}),)
    sent = Segment(path, start, length, np.array(audio, np.float32), history)
    (received,) = read(stream(SEGMENTS, [sent]))
    assert fields(received) == fields(sent)
    assert received.audio.dtype == np.float32


def test_embeddings_and_header_come_back() -> None:
    reader = StreamReader(io.BytesIO(stream(EMBEDDINGS, [embedding(), embedding(start=8192)], failed=3)), "embeddings")
    assert reader.header == EMBEDDINGS
    assert [fields(record) for record in reader.embeddings()] == [fields(embedding()), fields(embedding(start=8192))]
    assert reader.failed == 3


def test_the_bytes_of_an_array() -> None:
    """As qbe-stream(5) promises them, so that other languages can read them."""
    record = msgpack.unpackb(pack(embedding()), ext_hook=lambda code, data: (code, msgpack.unpackb(data)))
    assert record["kind"] == "embedding"
    assert record["path"] == b"a.wav"
    assert record["vector"] == (1, ["<f4", [3], np.array([1, 0, 0], "<f4").tobytes()])


def test_concatenated_streams_are_one() -> None:
    data = (
        stream(EMBEDDINGS, [embedding(b"a")], failed=1) + stream(EMBEDDINGS, []) + stream(EMBEDDINGS, [embedding(b"b")])
    )
    reader = StreamReader(io.BytesIO(data))
    assert [record.path for record in reader] == [b"a", b"b"]
    assert reader.failed == 1


def test_names_of_streams_from_several_folders_begin_where_those_of_the_first_do() -> None:
    folders = [b"/home", b"/home/me", None, b"/else", b"/home"]
    names = [b"a", b"b", b"c", b"d", b"/e"]
    data = b"".join(
        stream(replace(EMBEDDINGS, folder=folder), [embedding(name), File(name, 1, 2)])
        for folder, name in zip(folders, names, strict=True)
    )
    reader = StreamReader(io.BytesIO(data))
    assert reader.header.folder == b"/home"
    assert [record.path for record in reader] == [b"a", b"me/b", b"c", b"/else/d", b"/e"]
    assert [file.path for file in reader.files] == [b"a", b"me/b", b"c", b"/else/d", b"/e"]


@pytest.mark.parametrize("folder", [b"not/absolute", b"/a\0b", b"", "/text", 7])
def test_a_folder_is_absolute(folder: Any) -> None:
    with pytest.raises(StreamError, match="header"):
        read(raw(kind="header", format="qbe", version=1, stage="segments", sample_rate=16_000, folder=folder))


@pytest.mark.parametrize("was", [b"", b"old.wav"])
def test_what_a_file_was_comes_back(was: bytes) -> None:
    file = File(b"a.wav", 1, 2, 3, was=was)
    reader = StreamReader(io.BytesIO(stream(EMBEDDINGS, [file])))
    assert (list(reader), reader.files) == ([], [file])
    assert (b"was" in pack(file)) == bool(was)


def test_a_stream_cut_at_any_byte_is_refused() -> None:
    whole = stream(EMBEDDINGS, [embedding(b"a"), embedding(b"b")])
    data = whole + stream(EMBEDDINGS, [embedding(b"c")])
    assert (len(read(whole)), len(read(data))) == (2, 3)
    for size in {*range(len(data))} - {len(whole)}:
        with pytest.raises(StreamError):
            read(data[:size])


def pieces(data: bytes) -> list[int]:
    """Where the records of a stream begin, and the last ends."""
    unpacker = Unpacker(io.BytesIO(data))
    return [0, *(unpacker.end for _ in unpacker)]


@pytest.mark.parametrize("after", ["a stream", "noise", "text", "nothing"])
def test_a_cut_is_told_at_its_place_whatever_follows(after: str) -> None:
    records = [replace(embedding(b"a" * 40), level=-9.5), File(b"a" * 40, 1, 2), replace(embedding(b"b"), level=-3.5)]
    first, cut_one = stream(EMBEDDINGS, [embedding(b"0")]), stream(EMBEDDINGS, records)
    following = {
        "a stream": stream(EMBEDDINGS, [embedding(b"c")] * 300),
        "noise": np.random.default_rng(0).bytes(100_000),
        "text": b"the quick brown fox" * 1000,
        "nothing": b"",
    }[after]
    begins = pieces(cut_one)
    for size in range(begins[1], len(cut_one)):
        reader = StreamReader(io.BytesIO(first + cut_one[:size] + following))
        with pytest.raises(CutError, match=r"the stream is cut at byte (\d+), after (\d+) records") as raised:
            list(reader)
        told = [int(number) for number in re.findall(r"\d+", str(raised.value))[:2]]
        last = max(begin for begin in begins if begin <= size)
        number = begins.index(last)
        if after in ("noise", "text") and size > begins[number + 1] - 16:
            continue  # what follows may be taken for the last field of the record
        assert told == [len(first) + begins[number], number - 1], size
        assert reader.whole == 1 + (number >= 3)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_gives_a_record_or_a_clear_error(at: int, value: int) -> None:
    data = bytearray(stream(EMBEDDINGS, [embedding(b"a"), embedding(b"b")]))
    data[at % len(data)] = value
    try:
        assert len(read(bytes(data))) == 2
    except StreamError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=200))
def test_noise_is_no_stream(data: bytes) -> None:
    with pytest.raises(StreamError):
        read(data)


def test_messages_are_one_line_whatever_a_header_holds() -> None:
    odd = Header("embeddings", 16_000, model="a\nb" * 21, name="two\nlines", dimension=3)
    with pytest.raises(StreamError, match=r"two\\nlines \(a\\nb"):
        read(stream(EMBEDDINGS, [embedding()]) + stream(odd, []))
    with pytest.raises(StreamError, match=r"version '1\\n'"):
        read(raw(kind="header", format="qbe", version="1\n", stage="segments", sample_rate=16_000))


def test_streams_of_two_models_do_not_mix() -> None:
    other = Header("embeddings", 16_000, model="cd" * 32, name="other", dimension=3)
    with pytest.raises(StreamError, match=r"model m \(abababababab\), then embeddings .* other \(cdcdcdcdcdcd\)"):
        read(stream(EMBEDDINGS, [embedding()]) + stream(other, []))


def test_the_wrong_stage() -> None:
    with pytest.raises(StreamError, match="holds segments; embeddings are needed"):
        read(stream(SEGMENTS, []), "embeddings")
    with pytest.raises(StreamError, match="holds a record of kind 'embedding'"):
        read(pack(SEGMENTS) + pack(embedding()) + pack(End(1, 0)))


def test_a_vector_of_another_dimension() -> None:
    with pytest.raises(StreamError, match="has 3 numbers, not 4"):
        read(stream(Header("embeddings", 16_000, "ab", "m", 4), [embedding()]))


def test_a_wrong_count() -> None:
    with pytest.raises(StreamError, match="promises 2 records and holds 1"):
        read(pack(EMBEDDINGS) + pack(embedding()) + pack(End(2, 0)))


def test_records_after_the_end_and_streams_without_one() -> None:
    whole = stream(EMBEDDINGS, [])
    with pytest.raises(StreamError, match="follow the end"):
        read(whole + pack(embedding()))
    with pytest.raises(StreamError, match="another begins before its end"):
        read(pack(EMBEDDINGS) + pack(embedding()) + whole)
    with pytest.raises(StreamError, match="does not begin with a header"):
        read(pack(embedding()))
    with pytest.raises(StreamError, match="empty"):
        read(b"")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite(value: float) -> None:
    bad = Embedding(b"a", 0, 1, 16_000, np.array([value, 0, 0], np.float32))
    with pytest.raises(StreamError, match="not finite"):
        read(stream(EMBEDDINGS, [bad]))


def test_newer_versions_and_other_formats() -> None:
    with pytest.raises(StreamError, match="version 2; this qbe reads version 1"):
        read(raw(kind="header", format="qbe", version=2, stage="segments", sample_rate=16_000))
    with pytest.raises(StreamError, match="format is 'xyz'"):
        read(raw(kind="header", format="xyz", version=1, stage="segments", sample_rate=16_000))


def array(dtype: object, shape: object, data: bytes) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb([dtype, shape, data]))


@pytest.mark.parametrize(
    "vector",
    [
        array("|O", [3], b"x" * 24),
        array("<f4", [4], b"\0" * 12),
        array("<f4", [-1], b"\0" * 12),
        array("<f8", [3], b"\0" * 24),
        array(7, [3], b"\0" * 12),
        msgpack.ExtType(2, b"abc"),
        msgpack.ExtType(1, b"\xc1"),
        [1.0, 0.0, 0.0],
    ],
)
def test_arrays_that_are_none(vector: object) -> None:
    record = raw(kind="embedding", path=b"a", start=0, length=1, sample_rate=16_000, vector=vector)
    with pytest.raises(StreamError):
        read(pack(EMBEDDINGS) + record + pack(End(1, 0)))


@pytest.mark.parametrize(
    "change", [{"path": "text"}, {"start": -1}, {"length": 1.5}, {"kind": "other"}, {"path": None}]
)
def test_fields_that_are_wrong(change: dict[str, Any]) -> None:
    good = {"kind": "segment", "path": b"a", "start": 0, "length": 1, "audio": None, "deformations": []}
    with pytest.raises(StreamError, match="damaged record"):
        read(pack(SEGMENTS) + raw(**{**good, **change}) + pack(End(1, 0)))


@pytest.mark.parametrize(
    "claim", [b"\xc6", b"\xdb", b"\xdd", b"\xdf", b"\xc9"], ids=["bin", "str", "array", "map", "ext"]
)
@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\x03\xff\xff\xff"])
def test_a_length_that_claims_megabytes_is_refused_before_it_is_allocated(claim: bytes, size: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(StreamError):
        read(pack(SEGMENTS) + b"\x81\xa4kind" + claim + size + b"x" * 100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(
    "change", [{"stage": "x"}, {"model": 7}, {"name": b"m"}, {"dimension": "3"}, {"sample_rate": -1}]
)
def test_headers_that_are_wrong(change: dict[str, Any]) -> None:
    good = {"kind": "header", "format": "qbe", "version": 1, "stage": "embeddings", "sample_rate": 1}
    with pytest.raises(StreamError, match="damaged record"):
        read(raw(**{**good, **change}))


def test_records_arrive_before_the_stream_ends() -> None:
    class Pipe:
        """Gives what has been written so far, then fails: nobody may wait for more."""

        def __init__(self) -> None:
            self.chunks = [pack(EMBEDDINGS), pack(embedding(b"a"))]

        def read1(self, size: int) -> bytes:
            assert self.chunks, f"asked for {size} bytes more before giving the record"
            return self.chunks.pop(0)

        read = read1

    reader: Any = StreamReader(Pipe())  # type: ignore[arg-type]
    assert next(iter(reader)).path == b"a"


def test_blocks_for_numpy() -> None:
    file = io.BytesIO()
    write_blocks(file, [embedding(b"a"), embedding(b"a", 1), embedding(b"b")])
    file.seek(0)
    assert np.load(file).shape == (2, 3)
    assert np.load(file).shape == (1, 3)
    assert not file.read()
