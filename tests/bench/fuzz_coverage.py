"""Fuzz the stream reader, guided by which of its lines an input reaches (needs atheris: pip install atheris).

    python tests/bench/fuzz_coverage.py [FOLDER] -max_total_time=300

The inputs that reached something new are kept in FOLDER. Any exception but a StreamError of one line is a fault, and
ends the run with the input. Other options are those of libFuzzer.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["qbe.streams", "msgpack"]):
    from qbe.errors import StreamError
    from qbe.streams.framing import StreamReader

from hostile import WHOLE_STREAMS


def read(data: bytes) -> None:
    try:
        for _ in StreamReader(io.BytesIO(data)):
            pass
    except StreamError as error:
        assert "\n" not in str(error)


def main() -> None:
    arguments = sys.argv
    if len(arguments) > 1 and not arguments[1].startswith("-"):
        folder = Path(arguments[1])
        folder.mkdir(exist_ok=True)
        for number, stream in enumerate(WHOLE_STREAMS):
            (folder / f"whole-{number}").write_bytes(stream)
    atheris.Setup(arguments, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
