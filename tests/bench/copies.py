"""Where exact copies of sounds are found, and whether shifted sounds find their originals.

    python tests/bench/copies.py [FOLDER] [--sounds N]

N sounds of up to 30 s, spread over FOLDER (40; tests/data/library when none is named).

First table: the sounds as files, and all of them in one recording with a second of silence between; how far the place
of a copy begins and ends from where the sound does, in seconds, the middle and the worst, and how many begin within
0.3 s. Second table: with silence before, and with the beginning cut off (where half of it or more, and half a second,
is left); how many find their original first among N, and what those of a second or more score, the least and the
middle; as `qbe search` cuts queries, and with windows that are not shifted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from material import RATE, Sound, library_of, sounds_asked_for

from qbe.library import Library, Result
from qbe.search import cutting
from qbe.streams.records import Audio

LONGEST = 30.0
SHIFTS = (0.1, 0.2, 0.3, 0.4, 0.5)  # s
GAP = 1.0  # s
NEAR = 0.3  # s, from the start of a sound to where it is found
LEFT = 0.5  # s that must be left of a sound, and its share


def late(audio: Audio, seconds: float) -> Audio:
    return np.pad(audio, (round(seconds * RATE), 0))


def cut_off(audio: Audio, seconds: float) -> Audio:
    return audio[round(seconds * RATE) :]


def answer(library: Library, audio: Audio, *, places: bool = False) -> Result:
    return library.search(audio, sample_rate=RATE, k=1, places=places, exact=True)[0]


def in_one(sounds: list[Sound]) -> tuple[Audio, list[float]]:
    """One after the other with GAP of silence between, and where each begins, s."""
    audio = np.concatenate([late(sound.audio, GAP) for sound in sounds])
    lengths = np.array([GAP + sound.seconds for sound in sounds])
    return audio, (lengths.cumsum() - lengths + GAP).tolist()


def places_of_copies(sounds: list[Sound], scratch: Path) -> Iterator[str]:
    files = library_of(scratch / "files", [(sound.name, sound.audio) for sound in sounds])
    audio, begins = in_one(sounds)
    joined = library_of(scratch / "joined", [("all", audio)])
    for name, library, starts, places in (
        ("files", files, [0.0] * len(sounds), False),
        ("places in files", files, [0.0] * len(sounds), True),
        ("places in one recording", joined, begins, True),
    ):
        found = [answer(library, sound.audio, places=places) for sound in sounds]
        first = np.array([abs(result.start - start) for result, start in zip(found, starts, strict=True)])
        ends = [start + sound.seconds for start, sound in zip(starts, sounds, strict=True)]
        last = np.array([abs(result.end - end) for result, end in zip(found, ends, strict=True)])
        yield (
            f"| {name} | {np.median(first):.3f} | {max(first):.3f} | {np.median(last):.3f} | {max(last):.3f} | "
            f"{(first < NEAR).sum()} | {min(result.score for result in found):.3f} |"
        )


def found(library: Library, sounds: list[Sound], audios: list[Audio]) -> str:
    """How many find their original first; of those of a second or more, the least score and the middle one."""
    results = [answer(library, audio) for audio in audios]
    first = [Path(result.path).stem == sound.name for result, sound in zip(results, sounds, strict=True)]
    scores = [result.score for result, sound in zip(results, sounds, strict=True) if sound.seconds >= 1]
    return f"{sum(first)} | {min(scores, default=np.nan):.3f} | {np.median(scores):.3f}"


def shifted(library: Library, sounds: list[Sound]) -> Iterator[str]:
    aligned: tuple[int, ...] = cutting.SHIFTS
    for alter in (late, cut_off):
        for seconds in SHIFTS:
            left = LEFT + seconds if alter is cut_off else 0
            some = [s for s in sounds if s.seconds >= left and (alter is late or s.seconds >= 2 * seconds)]
            audios = [alter(sound.audio, seconds) for sound in some]
            now = found(library, some, audios)
            vars(cutting)["SHIFTS"] = aligned[:1]
            plain = found(library, some, audios)
            vars(cutting)["SHIFTS"] = aligned
            what = "silence before" if alter is late else "beginning cut off"
            yield f"| {seconds} s, {what} | {len(some)} | {now} | {plain} |"


def main() -> None:
    sounds = sounds_asked_for(__doc__, LONGEST)
    print(f"{len(sounds)} sounds\n\n| copies in | start: middle | worst | end: middle | worst | right | least score |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for line in places_of_copies(sounds, scratch):
            print(line, flush=True)
        library = library_of(scratch / "library", [(sound.name, sound.audio) for sound in sounds])
        print("\n| shift | sounds | first | least | middle | not shifted: first | least | middle |")
        print("|---|---|---|---|---|---|---|---|")
        for line in shifted(library, sounds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
