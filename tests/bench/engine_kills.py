"""Kill writers of a library on a Milvus server, and the server, and see whether anything is lost or mixed.

    QBE_MILVUS_SERVER=.venv/engines/bin/milvus-server python tests/bench/engine_kills.py KILLS [--seed N]

Half of the kills are of `qbe index`, half of the server, at random moments of builds, appends and removals. Prints what
became of the library, how often; ends with a traceback where it was neither the old one nor the new one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from engine_kills import kill
from servers import RealServer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = RealServer(Path(folder) / "server")
        try:
            outcomes = kill(server, Path(folder), arguments.kills // 2, ["writer", "server"], seed=arguments.seed)
        finally:
            server.kill()
    for outcome, count in sorted(outcomes.items()):
        print(f"{outcome}\t{count}")


if __name__ == "__main__":
    main()
