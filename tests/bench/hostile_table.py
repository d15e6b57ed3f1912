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
from hostile import EMBEDDING_STREAMS, MODELS, ODD_SOUNDS, SEGMENT_STREAMS, SOUNDS, WHOLE_STREAMS

from qbe.streams.framing import StreamReader

GOOD = "good.wav"
QBE = [sys.executable, "-m", "qbe"]
# By way of a small process: the memory of the one it is started from counts as a program's own.
LAUNCHER = """
import os, resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
os.write(int(sys.argv[1]), b"%d %d" % (code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024))
"""


def outcome(*arguments: str, stdin: str = os.devnull) -> tuple[str, bytes]:
    """One line of the table but for what was put in, and stdout."""
    reader, writer = os.pipe()
    with open(stdin, "rb") as source:
        command = [sys.executable, "-c", LAUNCHER, str(writer), *QBE, *arguments]
        done = subprocess.run(command, stdin=source, capture_output=True, check=True, pass_fds=[writer])
    code, memory = os.read(reader, 64).split()
    os.close(reader)
    os.close(writer)
    lines = done.stderr.decode(errors="replace").splitlines()
    return f"{int(code):4} {int(memory):5}  {len(lines)}  {lines[0] if lines else ''}", done.stdout


def sounds() -> Iterator[tuple[str, str, str]]:
    """What was put in, the command, and its outcome."""
    for folder, written in (("bad", {name: write for name, (write, _) in SOUNDS.items()}), ("odd", ODD_SOUNDS)):
        os.mkdir(folder)
        for name, write in written.items():
            if folder == "odd":  # soundfile would not write to every name
                write(Path("odd") / "plain.wav")
                os.rename("odd/plain.wav", f"odd/{name}")
            else:
                write(Path("bad") / name)
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
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    cut = {"empty": b"", "text": b"no library" * 1000, "cut in half": whole[:middle], "cut by a byte": whole[:-1]}
    for name, content in {**cut, "newer": whole[:8] + b"\xff" + whole[9:], "a bit flipped": flipped}.items():
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
