"""Inputs that no program likes, written into a folder: sounds, streams and models."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgpack
import numpy as np
import onnx
from conftest import noise, tone, write_sound
from onnx import TensorProto, helper

from qbe.streams.packing import pack
from qbe.streams.records import Embedding, End, Header, Segment

RATE, WINDOW = 16_000, 16_384


def wav(rate: int = RATE, channels: int = 1, size: int | None = None, samples: int = 8000) -> bytes:
    """A 16-bit WAV file whose header says what it is told to."""
    data = bytes(2 * samples)
    header = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 * channels & 0xFFFFFFFF, 2 * channels & 0xFFFF, 16)
    claimed = len(data) if size is None else size
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + header + b"data" + struct.pack("<I", claimed) + data
    return b"RIFF" + struct.pack("<I", min(0xFFFFFFFF, claimed + 36)) + chunks


def cut_sound(path: Path, **options: str) -> None:
    whole = path.with_name(f"whole{path.suffix}")
    write_sound(whole, noise(6.0), **options)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()


def not_a_number(path: Path, value: float) -> None:
    audio = noise(1.0)
    audio[500] = value
    write_sound(path, audio, subtype="FLOAT")


def a_socket(path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(path))  # a name of a socket has at most 107 bytes
    server.close()


def of_unknown_size(path: Path, size: int) -> None:
    """As programs write it that write to a pipe."""
    path.write_bytes(wav(size=size)[:44] + (noise(0.2) * 32767).astype("<i2").tobytes())


# How to write each, and what is said of it.
SOUNDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.wav": (Path.absolute, "o such file"),
    "empty.wav": (lambda path: path.touch(), "not audio"),
    "text.wav": (lambda path: path.write_text("no sound at all\n" * 100), "not audio"),
    "socket.wav": (a_socket, "o such device"),
    "loop.wav": (lambda path: path.symlink_to(path.name), "oo many levels of symbolic links"),
    "dangling.wav": (lambda path: path.symlink_to("nowhere"), "o such file"),
    "device.wav": (lambda path: path.symlink_to("/dev/zero"), "neither a file nor a pipe"),
    "cut.wav": (cut_sound, "truncated?"),
    "cut.flac": (cut_sound, "broken at"),
    "cut.mp3": (cut_sound, "truncated?"),
    "cut.ogg": (cut_sound, "truncated?"),
    "header only.wav": (lambda path: path.write_bytes(wav()[:44]), "no samples"),
    "half a header.wav": (lambda path: path.write_bytes(wav()[:30]), "not audio"),
    "1 GB.wav": (lambda path: path.write_bytes(wav(size=0x3FFFFFFF)), "truncated?"),
    "4 GB.wav": (lambda path: path.write_bytes(wav(size=0xF0000000)), "truncated?"),
    "0 Hz.wav": (lambda path: path.write_bytes(wav(rate=0)), ""),
    "1 GHz.wav": (lambda path: path.write_bytes(wav(rate=1_000_000_000)), "sample rate 1000000000 Hz"),
    "no channels.wav": (lambda path: path.write_bytes(wav(channels=0)), "not audio"),
    "65535 channels.wav": (lambda path: path.write_bytes(wav(channels=65535)), "not audio"),
    "nan.wav": (lambda path: not_a_number(path, np.nan), "not numbers"),
    "inf.wav": (lambda path: not_a_number(path, np.inf), "not numbers"),
    "new\nline.wav": (lambda path: path.touch(), r"new\nline.wav: not audio"),
    "invalid\udce9.wav": (lambda path: path.touch(), r"invalid\xe9.wav: not audio"),
    "-dash.wav": (lambda path: path.touch(), "-dash.wav: not audio"),
    "x" * 251 + ".wav": (lambda path: path.touch(), "not audio"),
    "y" * 300 + ".wav": (Path.absolute, "yyy.wav: "),
}  # fmt: skip

ODD_SOUNDS: dict[str, Callable[[Path], object]] = {
    "one sample.wav": lambda path: write_sound(path, tone(440, 1 / RATE) + np.float32(0.5)),
    "64 channels.wav": lambda path: write_sound(path, np.stack([noise(0.2)] * 64, axis=1)),
    "caf\udce9.wav": lambda path: write_sound(path, noise(0.2)),
    "new\nline.wav": lambda path: write_sound(path, noise(0.2)),
    "z" * 251 + ".wav": lambda path: write_sound(path, noise(0.2)),
    **{f"unknown size {size:x}.wav": partial(of_unknown_size, size=size) for size in (0x7FFFF000, 1 << 31, 0xFFFFFFFF)},
}


def write_sounds(folder: Path) -> None:
    """All of SOUNDS into its folder `bad`, and of ODD_SOUNDS into `odd`."""
    bad, odd = folder / "bad", folder / "odd"
    bad.mkdir()
    for name, (write, _) in SOUNDS.items():
        write(bad / name)
    odd.mkdir()
    for name, write_odd in ODD_SOUNDS.items():
        write_odd(odd / "plain.wav")  # soundfile would not write to every name
        os.rename(odd / "plain.wav", odd / name)


EMBEDDINGS = Header("embeddings", RATE, "ab" * 32, "m", 3)
SEGMENTS = Header("segments", RATE)
UNIT = np.array([1, 0, 0], np.float32)


def embedding(path: bytes = b"a.wav", start: int = 0, vector: object = UNIT) -> bytes:
    return pack(Embedding(path, start, WINDOW, RATE, np.asarray(vector, np.float32)))


def segment(audio: object = None, path: bytes = b"a.wav") -> bytes:
    return pack(Segment(path, 0, WINDOW, noise(1.024) if audio is None else np.asarray(audio, np.float32)))


def changed(packed: bytes, **fields: object) -> bytes:
    """A record with other fields."""
    record = msgpack.unpackb(packed, ext_hook=msgpack.ExtType)
    return bytes(msgpack.packb({**record, **fields}))


def nested(value: object, times: int) -> object:
    for _ in range(times):
        value = [value]
    return value


FULL_OF_MAPS = b"\x81\xa4kind" + b"\xdc\x00\xff" + (b"\xdc\x00\xff" + b"\x80" * 255) * 255
DEEP = b"\x81\xa4kind" + b"\x91" * 100_000
CLAIM = b"\x81\xa4kind\xc6\xff\xff\xff\xff" + b"x" * 100
BAD_ARRAY = msgpack.packb(["|O", [1], b"\x80\x04N."])
SHAPE = msgpack.packb(["<f4", [1 << 40, 1 << 40], b"\0" * 12])
INNER_BOMB = b"\x93\xa3<f4" + (b"\x98" + b"\x98" * 8) * 9 + b"\x80" * 10_000


def ext(payload: bytes) -> msgpack.ExtType:
    return msgpack.ExtType(1, payload)


# Of either stage, {stage: bytes}; every one is to be refused.
def streams(stage: str) -> dict[str, bytes]:
    header = pack(EMBEDDINGS if stage == "embeddings" else SEGMENTS)
    other = pack(Header("embeddings", RATE, "cd" * 32, "n", 3) if stage == "embeddings" else Header("segments", 8000))
    record = embedding() if stage == "embeddings" else segment()
    numbers = "vector" if stage == "embeddings" else "audio"
    wrong = segment() if stage == "embeddings" else embedding()
    whole = header + record + pack(End(1, 0))
    return {
        "empty": b"",
        "text": b"hello world\n" * 10,
        "no header": record + pack(End(1, 0)),
        "no end": header + record,
        "cut in the header": header[:20],
        "cut in a record": (header + record)[:-7],
        "wrong count": header + record + pack(End(2, 0)),
        "records after the end": whole + record,
        "two models or rates": whole + other + pack(End(0, 0)),
        "the other stage's record": header + wrong + pack(End(1, 0)),
        "the other stage": pack(SEGMENTS if stage == "embeddings" else EMBEDDINGS) + wrong + pack(End(1, 0)),
        "newer version": changed(header, version=2) + whole[len(header) :],
        "0 Hz": changed(header, sample_rate=0) + whole[len(header) :],
        "1 GHz": changed(header, sample_rate=10**9) + whole[len(header) :],
        "not a number": header + changed(record, **{numbers: ext(msgpack.packb(["<f4", [3], b"\0\0\xc0\x7f" * 3]))}),
        "no array": header + changed(record, **{numbers: [1.0, 0.0, 0.0]}),
        "pickled objects": header + changed(record, **{numbers: ext(BAD_ARRAY)}),
        "array of impossible shape": header + changed(record, **{numbers: ext(SHAPE)}),
        "array full of lists": header + changed(record, **{numbers: ext(INNER_BOMB)}),
        "unknown ext type": header + changed(record, **{numbers: msgpack.ExtType(2, b"x")}),
        "no name": header + changed(record, path=b""),
        "name with NUL": header + changed(record, path=b"a\0b"),
        "text for a name": header + changed(record, path="a.wav"),
        "start over all": header + changed(record, start=1 << 63) + pack(End(1, 0)),
        "start before all": header + changed(record, start=-1) + pack(End(1, 0)),
        "length that claims 4 GB": header + CLAIM,
        "full of empty maps": header + FULL_OF_MAPS * 4,
        "deeply nested": header + DEEP,
        "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
    }


EMBEDDING_STREAMS = {
    **streams("embeddings"),
    "vector of another dimension": pack(EMBEDDINGS) + embedding(vector=[1, 0]) + pack(End(1, 0)),
    "vector of length 2": pack(EMBEDDINGS) + embedding(vector=[2, 0, 0]) + pack(End(1, 0)),
    "vector of length 0": pack(EMBEDDINGS) + embedding(vector=[0, 0, 0]) + pack(End(1, 0)),
    "dimension 0": changed(pack(EMBEDDINGS), dimension=0) + embedding(vector=[]) + pack(End(1, 0)),
}
SEGMENT_STREAMS = {**streams("segments"), "short audio": pack(SEGMENTS) + segment(np.zeros(3)) + pack(End(1, 0))}


WHOLE_STREAMS = [
    pack(EMBEDDINGS) + embedding() + embedding(b"b.wav") + pack(End(2, 1)),
    (pack(EMBEDDINGS) + embedding() + pack(End(1, 0))) * 2,
    pack(SEGMENTS) + segment(noise(0.01)) + segment(noise(0.01), b"b.wav") + pack(End(2, 0)),
]


def model(
    samples: int = WINDOW,
    dimension: int = 8,
    weights: object = 0.0,
    location: str | None = None,
    output: str = "embedding",
    **metadata: str,
) -> bytes:
    """An ONNX model: one matrix, of one value or in another file."""
    matrix = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=[WINDOW, 8])
    if location is None:
        matrix.raw_data = np.full((WINDOW, 8), weights, np.float32).tobytes()
    else:
        matrix.data_location = TensorProto.EXTERNAL
        matrix.external_data.add(key="location", value=location)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("audio", WINDOW), (output, 8))
    ]
    graph = helper.make_graph([helper.make_node("MatMul", ["audio", "W"], [output])], "g", ends[:1], ends[1:], [matrix])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    known = {"sample_rate": str(RATE), "samples": str(samples), "dimension": str(dimension)} | metadata
    for key, value in known.items():
        made.metadata_props.add(key=key, value=value)
    return bytes(made.SerializeToString())


DEFAULT = (Path(__file__).parents[1] / "models" / "default.onnx").read_bytes()
MODELS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not an ONNX model"),
    "text": (b"hello", "not an ONNX model"),
    "cut": (DEFAULT[: len(DEFAULT) // 2], "not an ONNX model"),
    "pickle": (EMBEDDING_STREAMS["pickle"], "not an ONNX model"),
    "no metadata": (model(sample_rate=""), "its metadata lacks"),
    "no output embedding": (model(output="vector"), "takes or gives something other"),
    "other samples": (model(samples=100), "takes or gives something other"),
    "other dimension": (model(dimension=9), "takes or gives something other"),
    "0 Hz": (model(sample_rate="0"), "not a qbe model"),
    "endless window": (model(samples=10**12), "not a qbe model"),
    "gives zeros": (model(), "whose length is not 1"),
    "gives no numbers": (model(weights=np.nan), "not numbers"),
    "data beside it": (model(location="weights.bin"), "not an ONNX model"),
    "data above it": (model(location="../weights.bin"), "not an ONNX model"),
    "data anywhere": (model(location="/etc/passwd"), "not an ONNX model"),
}
assert onnx.load_model_from_string(model())


# Out of a whole library, what is none.
LIBRARIES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"no library" * 1000,
    "stream": lambda _: EMBEDDING_STREAMS["no end"] * 100,
    "cut in half": lambda whole: whole[: len(whole) // 2],
    "cut by a byte": lambda whole: whole[:-1],
    "newer": lambda whole: whole[:8] + b"\7" + whole[9:],
}
