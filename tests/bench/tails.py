"""Whether a sound finds its original when noise or silence lies before or after it, and is found so.

    python tests/bench/tails.py [FOLDER] [--sounds N]

N sounds of up to 5 s, spread over FOLDER (40; tests/data/library when none is named), as loud as they are there. Noise
is white, its level RMS in dBFS. A row an alteration: how many altered sounds find their original first in a library of
the plain ones, and how many plain sounds find their altered one first in a library of those.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
from material import RATE, Sound, library_of, sounds_asked_for

from qbe.library import Library
from qbe.search.answers import Wanted
from qbe.search.queries import Query
from qbe.search.store import EXACT
from qbe.streams.records import Audio

LONGEST = 5.0
SECONDS = (1.0, 3.0, 8.0)
LEVELS = (-np.inf, -96.0, -80.0, -60.0)  # dBFS


def tail(seconds: float, level: float, seed: int) -> Audio:
    rng = np.random.default_rng(seed)
    return (10 ** (level / 20) * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def altered(sounds: list[Sound], is_before: bool, seconds: float, level: float) -> list[Audio]:
    tails = [tail(seconds, level, number) for number in range(len(sounds))]
    return [
        np.concatenate([noise, sound.audio] if is_before else [sound.audio, noise])
        for sound, noise in zip(sounds, tails, strict=True)
    ]


def found(library: Library, queries: list[Query], sounds: list[Sound]) -> list[Sound]:
    """Those of the sounds whose query has the file of their name as its first answer."""
    answered = [results for _, results in library.answers(queries, Wanted(1), EXACT)]
    return [
        sound
        for sound, results in zip(sounds, answered, strict=True)
        if results and Path(results[0].path).stem == sound.name
    ]


def row(alteration: str, *firsts: list[Sound], sounds: list[Sound]) -> str:
    lost = sorted({sound.name for first in firsts for sound in sounds if sound not in first})
    return f"| {alteration} | {' | '.join(str(len(first)) for first in firsts)} | {', '.join(lost)} |"


def main() -> None:
    sounds = sounds_asked_for(__doc__, LONGEST)
    levels = [sound.level for sound in sounds]
    print(f"{len(sounds)} sounds, at {np.median(levels):.0f} dBFS in the middle, {min(levels):.0f} at the least\n")
    print("| alteration | altered ask | altered answer | not found |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        plain = library_of(scratch / "plain", [(sound.name, sound.audio) for sound in sounds])
        queries = [plain.query(sound.audio, RATE) for sound in sounds]
        print(row("none", found(plain, queries, sounds), found(plain, queries, sounds), sounds=sounds), flush=True)
        for number, (level, seconds, is_before) in enumerate(itertools.product(LEVELS, SECONDS, (True, False))):
            audios = altered(sounds, is_before, seconds, level)
            asked = found(plain, [plain.query(audio, RATE) for audio in audios], sounds)
            names = (sound.name for sound in sounds)
            library = library_of(scratch / str(number), zip(names, audios, strict=True))
            what = "silence" if level == -np.inf else f"noise at {level:.0f}"
            where = "before" if is_before else "after"
            answered = found(library, queries, sounds)
            print(row(f"{seconds:.0f} s of {what} {where}", asked, answered, sounds=sounds), flush=True)


if __name__ == "__main__":
    main()
