"""Fuzz the reader of streams or that of libraries, guided by which of its lines an input reaches.

    python tests/bench/fuzz_coverage.py streams|libraries FOLDER -max_total_time=300

Needs atheris (pip install atheris). FOLDER holds whole inputs to begin with and takes those that reached something new.
Libraries are read as if all checksums were right. Any exception but a StreamError or LibraryError of one line is a
fault, and ends the run with the input. Other options are those of libFuzzer.
"""

from __future__ import annotations

import io
import sys
import tempfile
import zlib
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["qbe.streams", "qbe.index", "msgpack"]):
    from qbe.index.file.library import open_library
    from qbe.streams.framing import StreamReader
    from qbe.support.errors import StreamError

from fuzzing import use
from hostile import WHOLE_STREAMS
from kills import QUERY, small_libraries

LARGEST = 1 << 20  # bytes of an input


def read_stream(data: bytes) -> None:
    try:
        for _ in StreamReader(io.BytesIO(data)):
            pass
    except StreamError as error:
        assert "\n" not in str(error)


def read_library(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".idx") as file:
        file.write(data)
        file.flush()
        use(Path(file.name), QUERY)


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(exist_ok=True)
    if kind == "libraries":
        zlib.crc32 = lambda *_: 0
        with tempfile.TemporaryDirectory() as place:
            whole = small_libraries(Path(place))
            (Path(place) / "whole.idx").write_bytes(whole[0])
            assert not open_library(str(Path(place) / "whole.idx")).damaged_blocks()
    else:
        whole = WHOLE_STREAMS
    for number, data in enumerate(whole):
        (folder / f"whole-{number}").write_bytes(data)
    arguments = [sys.argv[0], str(folder), f"-max_len={LARGEST}", *sys.argv[3:]]
    atheris.Setup(arguments, read_library if kind == "libraries" else read_stream)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
