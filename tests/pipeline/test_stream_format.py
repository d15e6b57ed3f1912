"""qbe-stream(5) tells all that a reader must know: this one is written from the page, in nothing but Python."""

from __future__ import annotations

import ast
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from conftest import DATA
from shell import sh

from qbe.streams.framing import StreamReader

SIZES = {0xC4: "B", 0xC5: "H", 0xC6: "I", 0xD9: "B", 0xDA: "H", 0xDB: "I", 0xDC: "H", 0xDD: "I", 0xDE: "H", 0xDF: "I"}
SIZES |= {0xC7: "B", 0xC8: "H", 0xC9: "I"}
NUMBERS = dict(zip(range(0xCA, 0xD4), "fdBHIQbhiq", strict=True))
TYPES = {"<f4": "f", "<f8": "d", "<i2": "h", "<i4": "i", "<i8": "q"}


def value(file: Any, first: int | None = None) -> Any:
    """The next msgpack value of a file; an ext of type 1 as (shape, numbers)."""
    byte = file.read(1)[0] if first is None else first
    if byte < 0x80 or byte >= 0xE0:
        return byte if byte < 0x80 else byte - 256
    if byte in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[byte]
    if byte in NUMBERS:
        return number(file, NUMBERS[byte])
    size = number(file, SIZES[byte]) if byte in SIZES else 1 << byte - 0xD4 if 0xD4 <= byte <= 0xD8 else byte & 0x0F
    if byte < 0x90 or byte in (0xDE, 0xDF):
        return {value(file): value(file) for _ in range(size)}
    if byte < 0xA0 or byte in (0xDC, 0xDD):
        return [value(file) for _ in range(size)]
    if byte in (0xC7, 0xC8, 0xC9) or 0xD4 <= byte <= 0xD8:
        assert file.read(1) == b"\1"
        dtype, shape, data = value(io.BytesIO(file.read(size)))
        return shape, struct.unpack(f"<{len(data) // struct.calcsize(TYPES[dtype])}{TYPES[dtype]}", data)
    data = file.read(byte & 0x1F if byte < 0xC0 else size)
    return data if byte in (0xC4, 0xC5, 0xC6) else data.decode()


def number(file: Any, code: str) -> Any:
    return struct.unpack(f">{code}", file.read(struct.calcsize(f">{code}")))[0]


def records(file: Any) -> list[dict[str, Any]]:
    """All records but headers and ends; ValueError where a stream was cut."""
    found, count, is_open = [], 0, False
    while first := file.read(1):
        record = value(file, first[0])
        if record["kind"] == "header":
            count, is_open = 0, True
        elif record["kind"] == "end":
            if record["count"] != count:
                raise ValueError("cut")
            is_open = False
        else:
            found.append(record)
            count += 1
    if is_open:
        raise ValueError("cut")
    return found


def test_a_reader_in_plain_python_reads_what_qbe_writes(tmp_path: Path) -> None:
    water = f"'{DATA}/library/water'"
    for command in (
        f"qbe segment {water}; qbe segment '{DATA}/library/doors'",
        f"qbe embed {water} nothere; qbe embed '{DATA}/library/doors'",
        f"qbe segment {water} | qbe deform --pitch 2 --noise 20",
    ):
        data = sh(command, tmp_path).stdout
        reader = StreamReader(io.BytesIO(data))
        found, expected = records(io.BytesIO(data)), list(reader)
        ended = [(r["path"], r["size"], r["mtime"]) for r in found if r["kind"] == "file"]
        assert ended == [(file.path, file.size, file.mtime) for file in reader.files] != []
        read = [record for record in found if record["kind"] != "file"]
        assert len(read) == len(expected) > 20
        for record, wanted in zip(read, expected, strict=True):
            assert (record["path"], record["start"], record["length"]) == (wanted.path, wanted.start, wanted.length)
            name = "audio" if record["kind"] == "segment" else "vector"
            shape, numbers = record[name]
            assert shape == list(getattr(wanted, name).shape)
            np.testing.assert_array_equal(np.array(numbers, np.float32), getattr(wanted, name))
            done = [(d["name"], d["parameters"]) for d in record.get("deformations", [])]
            assert done == [(d.name, d.parameters) for d in getattr(wanted, "deformations", ())]


def test_it_is_short_and_knows_nothing_of_qbe() -> None:
    functions = {
        node.name: node for node in ast.parse(Path(__file__).read_text()).body if isinstance(node, ast.FunctionDef)
    }
    reader = [functions[name] for name in ("value", "number", "records")]
    assert sum((node.end_lineno or 0) - node.lineno + 1 for node in reader) <= 50
    names = {node.id for part in reader for node in ast.walk(part) if isinstance(node, ast.Name)}
    assert not names & {"np", "StreamReader", "sh", "DATA"}
