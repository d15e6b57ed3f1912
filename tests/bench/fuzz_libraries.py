"""Mutate library files and read them: a clear message or an answer, bounded memory, nothing else.

    python tests/bench/fuzz_libraries.py [--rounds N] [--seed S]

Bits are flipped, parts are cut off, cut out, overwritten and zeroed; and slots, footers and tables are forged, with
checksums that are right. A small form of this is in tests/unit/test_fuzzing.py.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzzing import fuzz
from kills import QUERY, small_libraries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        libraries = small_libraries(Path(folder))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcomes = fuzz(libraries, QUERY, Path(folder) / "fuzzed.idx", arguments.rounds, arguments.seed)
    for outcome, count in sorted(outcomes.items()):
        print(f"{outcome:<32} {count:8}")
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{arguments.rounds} files, no crash; {more:.0f} MB more memory than before")


if __name__ == "__main__":
    main()
