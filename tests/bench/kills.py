"""Kill writers of a library at random moments and see, after each kill, that it is whole: the old one or the new one.

    python tests/bench/kills.py [--kills N] [--seed S] [--files F]

Builds, appends, removals, and appends that build the whole anew are killed with SIGKILL, while two processes search the
library on and on. After each kill every checksum, every file and every vector is compared. A small form of this is in
tests/pipeline/test_survival.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from kills import kill_writers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=600, help="ten segments each")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = kill_writers(Path(folder), arguments.kills, seed=arguments.seed, files=arguments.files)
    for outcome, count in sorted(outcomes.items()):
        print(f"{outcome:<24} {count:6}")
    print(f"{sum(n for outcome, n in outcomes.items() if 'killed' in outcome)} kills, no library lost or mixed")


if __name__ == "__main__":
    main()
