"""Stop `qbe embed -o FILE` at random moments, by SIGKILL, SIGINT and SIGTERM, and go on each time.

    python tests/bench/stops.py [--stops N] [--seed S] [--files F]

After each stop: no file that was whole in FILE.part is lost or embedded again, and FILE is not there, or whole. Once in
five the last bytes of FILE.part are taken away too, or zeros, as after a loss of power. Whenever a run comes to its
end, FILE is byte for byte what an uninterrupted run writes. A small form of this is in tests/pipeline/test_resuming.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from stops import sounds_of, stop_embedding

DATA = Path(__file__).parents[1] / "data" / "library"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=58)
    arguments = parser.parse_args()
    sounds = sorted(path for path in DATA.rglob("*.*") if path.is_file())
    with tempfile.TemporaryDirectory() as folder:
        sounds_of(Path(folder), [sounds[k % len(sounds)] for k in range(arguments.files)])
        outcomes = stop_embedding(Path(folder), arguments.stops, arguments.seed)
    for outcome, count in sorted(outcomes.items()):
        print(f"{outcome:<32} {count:6}")


if __name__ == "__main__":
    main()
