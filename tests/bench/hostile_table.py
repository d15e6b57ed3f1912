"""Put bad sounds, streams, models and libraries to the commands that read such, and print what each does.

    python tests/bench/hostile_table.py

Every line is a process of its own: its exit code, the most memory it took, how many lines it wrote to stderr and the
first of them. Sounds are given together with a good one: whether that was done is told too. The inputs are those of
tests/hostile.py, which tests/pipeline/test_hostile.py puts to every command.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import tone, write_sound
from hostile import (
    EMBEDDING_STREAMS,
    LIBRARIES,
    MODELS,
    ODD_SOUNDS,
    SEGMENT_STREAMS,
    SOUNDS,
    WHOLE_STREAMS,
    write_sounds,
)
from shell import measured

from qbe.streams.framing import StreamReader

GOOD = "good.wav"
QBE = [sys.executable, "-m", "qbe"]


def outcome(*arguments: str, stdin: str = os.devnull) -> tuple[str, bytes]:
    """One line of the table but for what was put in, and stdout."""
    with open(stdin, "rb") as source:
        done, memory = measured([*QBE, *arguments], stdin=source)
    lines = done.stderr.decode(errors="replace").splitlines()
    return f"{done.returncode:4} {memory:5.0f}  {len(lines)}  {lines[0] if lines else ''}", done.stdout


def sounds() -> Iterator[tuple[str, str, str]]:
    """What was put in, the command, and its outcome."""
    write_sounds(Path())
    for folder, names in (("bad", SOUNDS), ("odd", ODD_SOUNDS)):
        for name in names:
            told, out = outcome("embed", f"{folder}/{name}", GOOD)
            assert os.fsencode(GOOD) in {record.path for record in StreamReader(io.BytesIO(out))}
            yield name, "embed, good.wav done", told


def streams() -> Iterator[tuple[str, str, str]]:
    for stage, made, commands in (
        ("embeddings", EMBEDDING_STREAMS, (("index", "-o", "m.idx"), ("search", "m.idx", "-"))),
        ("segments", SEGMENT_STREAMS, (("embed",), ("deform", "--gain", "1"), ("train", "-o", "x.onnx"))),
    ):
        for name, content in made.items():
            Path("stream").write_bytes(content)
            for command in commands:
                yield f"{stage}: {name}", command[0], outcome(*command, stdin="stream")[0]


def models() -> Iterator[tuple[str, str, str]]:
    Path("weights.bin").write_bytes(bytes(4 * 16_384 * 8))
    for name, (content, _) in MODELS.items():
        Path("bad.onnx").write_bytes(content)
        for command in (("embed", "--model", "bad.onnx", GOOD), ("search", "lib.idx", "--model", "bad.onnx", GOOD)):
            yield f"model: {name}", command[0], outcome(*command)[0]


def libraries() -> Iterator[tuple[str, str, str]]:
    whole = Path("lib.idx").read_bytes()
    middle = len(whole) // 2
    made = {name: make(whole) for name, make in LIBRARIES.items()}
    made["a bit flipped"] = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for name, content in made.items():
        Path("bad.idx").write_bytes(content)
        for command in (("search", "bad.idx", GOOD), ("info", "bad.idx"), ("index", "--check", "bad.idx")):
            yield f"library: {name}", command[0], outcome(*command)[0]


def main() -> None:
    print(f"{'input':<44} {'command':<21} {'exit':>4} {'MB':>5}  lines on stderr, and the first")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_sound(Path(GOOD), tone(440, 0.5))
        Path("m.emb").write_bytes(WHOLE_STREAMS[0])
        outcome("index", "-o", "m.idx", stdin="m.emb")
        subprocess.run(["sh", "-c", '"$@" embed good.wav | "$@" index -o lib.idx', "sh", *QBE], check=True)
        for table in (sounds, streams, models, libraries):
            for given, command, told in table():
                print(f"{ascii(given)[1:-1][:44]:<44} {command:<21} {told}", flush=True)


if __name__ == "__main__":
    main()
