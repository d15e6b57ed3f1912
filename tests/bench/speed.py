"""How fast sounds are embedded, in how much memory, and how long one cold search takes.

    python tests/bench/speed.py FOLDER [--hours H]

FOLDER holds sounds to embed (the first H hours of them, 1 by default). The search is timed over a library of that
folder, beside a Python that only imports what a search cannot do without. Every command is a process of its own; the
best of five is shown for the short ones.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))

from shell import measured

from qbe.audio.finding import find_audio
from qbe.support.errors import raise_error

QBE = str(Path(sys.executable).with_name("qbe"))
IMPORTS = "import numpy, onnxruntime, soundfile"


def seconds(arguments: list[str], output: Path | None = None) -> float:
    """Wall time of a command."""
    began = time.perf_counter()
    with open(output or os.devnull, "wb") as file:
        subprocess.run(arguments, stdout=file, check=True)
    return time.perf_counter() - began


def choose(folder: Path, hours: float) -> tuple[list[bytes], float]:
    """The first sounds that make up so many hours, and how many they are."""
    chosen, total = [], 0.0
    for path in find_audio([os.fsencode(folder)], raise_error):
        if total >= hours * 3600:
            break
        total += soundfile.info(path).duration
        chosen.append(path)
    return chosen, total / 3600


def peak_memory(*arguments: str) -> float:
    """MB that a command takes at most."""
    done, memory = measured([QBE, *arguments])
    done.check_returncode()
    return memory


def write_long(path: Path, hours: float) -> None:
    """Stereo noise bursts at 44.1 kHz, FLAC."""
    rng = np.random.default_rng(0)
    minute = (rng.normal(0, 0.1, (60 * 44_100, 2)) * (np.arange(60 * 44_100) % 30_000 < 9000)[:, None]).astype("f4")
    with soundfile.SoundFile(path, "w", 44_100, 2, "PCM_16", format="FLAC") as file:
        for _ in range(round(hours * 60)):
            file.write(minute)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, default=1.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        write_long(scratch / "ten.flac", 10 / 3600 + 0.02)
        write_long(scratch / "long.flac", 2.0)
        print(f"peak memory of embed, 1 minute  {peak_memory('embed', str(scratch / 'ten.flac')):8.0f} MB")
        print(f"peak memory of embed, 2 hours   {peak_memory('embed', str(scratch / 'long.flac')):8.0f} MB")
        paths, hours = choose(arguments.folder, arguments.hours)
        (scratch / "names").write_bytes(b"\0".join(paths))
        for jobs in (1, 2):
            command = [QBE, "embed", "--jobs", str(jobs), "--files-from", str(scratch / "names"), "-0"]
            took = seconds(command, scratch / "all.emb")
            print(f"embed --jobs {jobs}, {len(paths)} files, {hours:.2f} h  {hours * 3600 / took:8.0f} x real time")
        with open(scratch / "all.emb", "rb") as stream:
            subprocess.run([QBE, "index", "-o", str(scratch / "lib.idx")], stdin=stream, check=True)
        query = os.fsdecode(paths[len(paths) // 2])
        search = min(seconds([QBE, "search", str(scratch / "lib.idx"), query]) for _ in range(5))
        start = min(seconds([sys.executable, "-c", IMPORTS]) for _ in range(5))
        print(f"qbe search, cold process        {search:8.2f} s")
        print(f"python -c {IMPORTS!r}  {start:.2f} s")


if __name__ == "__main__":
    main()
