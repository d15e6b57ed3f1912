"""Lines that name places: results of search in every form, and those that a person or a script writes."""

from __future__ import annotations

import base64
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbe.audio.clipping import Place
from qbe.cli import inputs
from qbe.cli.formats import fields, json_object
from qbe.cli.inputs import lines
from qbe.cli.places import places
from qbe.support.errors import QbeError, UsageError, raise_error

names = st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & set(b"\0\n"))
times = st.integers(0, 10**8).map(lambda tenths: tenths / 10**4)


@given(path=names, start=times, longer=st.integers(1, 10**6), query=names)
def test_every_result_of_search_names_its_place(path: bytes, start: float, longer: int, query: bytes) -> None:
    end = round(start + longer / 10**4, 4)
    row = {"score": 0.5, "path": path, "start": start, "end": end, "query": query, "rank": 1}
    assert list(places([json_object(row)], raise_error)) == [Place(path, start, end)]
    if b"\t" not in path + query:
        assert list(places([fields(row)], raise_error)) == [Place(path, start, end)]
        assert list(places([fields({"path": path, "start": start, "end": end})], raise_error)) == [
            Place(path, start, end)
        ]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (b"a.wav\t1\t2.5", Place(b"a.wav", 1.0, 2.5)),
        (b"a.wav\t0:59\t1:00:00.5", Place(b"a.wav", 59.0, 3600.5)),
        (b"a.wav\t1\t2\r", Place(b"a.wav", 1.0, 2.0)),
        (b"{a}.wav\t1\t2", Place(b"{a}.wav", 1.0, 2.0)),
        (b'{"path": "a", "start": 1, "end": 1e1, "more": null}', Place(b"a", 1.0, 10.0)),
        (b'{"path": "a", "start": "1:30.5", "end": "2:00"}', Place(b"a", 90.5, 120.0)),
        (b'{"path_base64": "' + base64.b64encode(b"\xff\t.wav") + b'", "start": 1e-5, "end": 2}',
         Place(b"\xff\t.wav", 1e-5, 2.0)),
    ],
)  # fmt: skip
def test_lines_of_other_programs(line: bytes, place: Place) -> None:
    assert list(places([b"", line, b"  "], raise_error)) == [place]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hello", "neither a result of `qbe search` nor"),
        (b"a.wav", "neither"),
        (b"a.wav\t1", "neither"),
        (b"0.5\ta\tb.wav\t1\t2\tq.wav\t1", "neither"),  # a tab in a name
        (b"1\t0.98\ta.wav", "a.wav: not a time"),  # of qbe dups
        (b"a.wav\tx\t2", "x: not a time"),
        (b"a.wav\t-1\t2", "-1: not a time"),
        (b"a.wav\t1\tnan", "nan: not a time"),
        (b"a.wav\t2\t2", "ends at 2 s, which is not after its start at 2 s"),
        (b"a.wav\t3\t2", "not after its start"),
        (b"\t1\t2", "names no file"),
        (b"a\0b\t1\t2", "names no file"),
        (b"{", "no JSON object with path, start and end"),
        (b"{}", "no JSON object"),
        (b'{"path": 5, "start": 1, "end": 2}', "no JSON object"),
        (b'{"path": "a", "start": 1}', "no JSON object"),
        (b'{"path": "a", "start": true, "end": 2}', "True: not a time"),
        (b'{"path": "a", "start": 1, "end": Infinity}', "inf: not a time"),
        (b'{"path": "a", "start": 1, "end": null}', "None: not a time"),
        (b'{"path_base64": "?", "start": 1, "end": 2}', "no JSON object"),
        (b'{"path": "\xff", "start": 1, "end": 2}', "no JSON object"),
        (b'{"path": "a\\u0000b", "start": 1, "end": 2}', "names no file"),
        (b'{"a":' * 100_000, "no JSON object"),
        (b"\x85\xa4kind\xa6header\xff" * 100, "..."),
    ],
)
def test_a_line_that_names_none_is_said_in_one_line(line: bytes, message: str) -> None:
    errors: list[QbeError] = []
    assert [found.path for found in places([b"a\t0\t1", line, b"z\t0\t1"], errors.append)] == [b"a", b"z"]
    (error,) = errors
    assert str(error).startswith("line 2: ")
    assert message in str(error)
    assert len(str(error)) < 500
    assert str(error).isprintable()


@given(st.lists(st.binary(max_size=8).filter(lambda line: b"\0" not in line and b"\n" not in line), max_size=6))
@pytest.mark.parametrize("end", [b"\n", b"\0"])
def test_lines_come_as_they_were_written(end: bytes, written: list[bytes]) -> None:
    content = b"".join(line + end for line in written)
    assert list(lines(io.BytesIO(content), end)) == written
    assert list(lines(io.BytesIO(content + b"last"), end)) == [*written, b"last"]


def test_a_line_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "LONGEST_LINE", 1024)
    assert list(lines(io.BytesIO(b"x" * 1000 + b"\n" + b"y" * 1000), b"\n")) == [b"x" * 1000, b"y" * 1000]
    with pytest.raises(UsageError, match="a line of over 1 KB"):
        list(lines(io.BytesIO(b"x" * 10_000), b"\n"))


def test_what_search_says_in_json_is_read_back() -> None:
    line = json.dumps({"score": 0.9, "path": "caf\u00e9.wav", "start": 1.5, "end": 2.5, "query": "q", "rank": 1})
    assert list(places([line.encode()], raise_error)) == [Place("caf\u00e9.wav".encode(), 1.5, 2.5)]
