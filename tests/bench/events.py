"""Whether each time that a sound comes in recordings is found by one of the others, once and where it is.

    python tests/bench/events.py [FOLDER] [--minutes 30 20] [--sounds N] [--snr 15 6 0]

Two recordings of running water (or of what lies in --background, a folder) hold 48 calls of three kinds, 16 of each. A
kind is one sound of up to 0.6 s of FOLDER (tests/data/library when none is named), or N of one folder; each call is one
of them up to half a semitone higher or lower, and up to 3 dB louder or fainter than the SNR says: RMS of the call to
that of the background where it lies. Each call of the first recording asks for places: tight (0.5 s, the call in the
middle), and loose (3 s, the call a second from its beginning); its own place cannot answer.

recall: how many of the 15 others of its kind are among the first 15; twice: how many of the first 15 places, and of the
first 50, are of an event that a better one is of; error: how far from where the call is, in seconds, the found place
has it, of the middle and of the worst place.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from material import DATA, RATE, Sound, decibels, library_of, sounds_of

from qbe.audio import studio
from qbe.audio.sound import from_samples
from qbe.library import Library, Result
from qbe.streams.records import Audio

KINDS, CALLS = 3, 16
HIGHER, LOUDER = 0.5, 3.0  # semitones, dB: a call than another of its kind, at most
SHORTEST, LONGEST = 0.15, 0.6  # s
APART = 8.0  # s, from one event to the next at least
CROSSFADE = 1.0  # s
AUDIBLE = 30.0  # dB under its peak, where a call begins and ends
TIGHT, LOOSE, MARGIN = 0.5, 3.0, 1.0  # s


@dataclass(frozen=True)
class Event:
    """recording : its number; start, end : of the call, seconds"""

    recording: int
    kind: int
    start: float
    end: float

    def overlaps(self, result: Result) -> bool:
        return Path(result.path).stem == str(self.recording) and result.start < self.end and result.end > self.start


@dataclass(frozen=True)
class Answered:
    """Of one query.

    twice : among the first CALLS - 1 places, and among all
    errors : of those that are right, seconds
    """

    recall: float
    twice: tuple[int, int]
    errors: list[float]


def trimmed(audio: Audio) -> Audio:
    """From where a sound is first within AUDIBLE of its peak to where it last is."""
    smooth = np.convolve(np.abs(audio), np.ones(80) / 80, "same")
    heard = np.flatnonzero(smooth > 10 ** (-AUDIBLE / 20) * smooth.max())
    return audio[heard[0] : heard[-1] + 1]


def kinds_of(folder: Path, count: int) -> list[list[Sound]]:
    """Of KINDS folders, far from each other, the first sounds that are no clicks."""
    families: dict[str, list[Sound]] = {}
    for sound in sounds_of(folder, longest=LONGEST):
        if len(trimmed(sound.audio)) >= SHORTEST * RATE:
            families.setdefault(sound.kind, []).append(sound)
    wide = [family[:count] for family in families.values() if len(family) >= count]
    return [wide[at * len(wide) // KINDS] for at in range(KINDS)]


def background(sounds: list[Sound], seconds: float, rng: np.random.Generator) -> Audio:
    """Sounds that are drawn, each after the other, crossfaded at equal power, all equally loud."""
    out, fade = np.zeros(round(seconds * RATE), np.float32), round(CROSSFADE * RATE)
    ramp = np.sin(np.linspace(0, np.pi / 2, fade)).astype(np.float32)
    at = 0
    while at < len(out):
        sound = sounds[rng.integers(len(sounds))]
        piece = sound.audio * np.float32(10 ** ((-30 - sound.level) / 20))
        piece[:fade] *= ramp
        piece[-fade:] *= ramp[::-1]
        heard = piece[: len(out) - at]
        out[at : at + len(heard)] += heard
        at += len(piece) - fade
    return out


def variant(sound: Sound, rng: np.random.Generator) -> Audio:
    semitones = float(rng.uniform(-HIGHER, HIGHER))
    return trimmed(studio.shift_pitch(from_samples(sound.audio[:, None], RATE), semitones).samples()[:, 0])


def planted(
    recordings: list[Audio], kinds: list[list[Sound]], snr: float, rng: np.random.Generator
) -> tuple[list[Audio], list[Event]]:
    """Recordings with calls in them, the kinds in turn, at places that are drawn; and where."""
    mixed, events = [audio.copy() for audio in recordings], []
    order = [kind for _ in range(CALLS) for kind in rng.permutation(KINDS)]
    seconds = np.array([len(audio) / RATE for audio in recordings])
    slot = seconds.sum() / len(order)
    for number, kind in enumerate(order):
        time = number * slot + rng.uniform(APART / 2, slot - APART / 2)
        recording = int(time > seconds[0])
        start = round(np.clip(time - recording * seconds[0], 4, seconds[recording] - 8) * RATE)
        call = variant(kinds[kind][rng.integers(len(kinds[kind]))], rng)
        here = slice(start, start + len(call))
        gain = decibels(recordings[recording][here]) - decibels(call) + snr + rng.uniform(-LOUDER, LOUDER)
        mixed[recording][here] += call * np.float32(10 ** (gain / 20))
        events.append(Event(recording, int(kind), start / RATE, (start + len(call)) / RATE))
    return mixed, events


def asked(library: Library, folder: Path, event: Event, events: list[Event], is_tight: bool) -> Answered:
    lead = (TIGHT - (event.end - event.start)) / 2 if is_tight else MARGIN
    results = library.search(
        folder / "0.wav", start=event.start - lead, duration=TIGHT if is_tight else LOOSE, places=True, k=50
    )
    seen: list[int] = []
    errors, twice = [], [0, 0]
    for rank, result in enumerate(results):
        of = [number for number, other in enumerate(events) if other is not event and other.overlaps(result)]
        for number in of[:1]:
            twice[0] += number in seen and rank < CALLS - 1
            twice[1] += number in seen
            if number not in seen and rank < CALLS - 1 and events[number].kind == event.kind:
                errors.append(abs(result.start + lead - events[number].start))
            seen.append(number)
    return Answered(len(errors) / (CALLS - 1), (twice[0], twice[1]), errors)


def rows(library: Library, folder: Path, events: list[Event], snr: float) -> Iterator[str]:
    for is_tight in (True, False):
        of = [asked(library, folder, event, events, is_tight) for event in events if event.recording == 0]
        recall = [np.mean([a.recall for a, e in zip(of, events, strict=False) if e.kind == k]) for k in range(KINDS)]
        errors = [error for one in of for error in one.errors] or [np.nan]
        twice = [sum(one.twice[all_of] for one in of) for all_of in (0, 1)]
        yield (
            f"| {snr:.0f} | {'tight' if is_tight else 'loose'} | {np.mean([one.recall for one in of]):.3f} | "
            f"{' '.join(f'{one:.2f}' for one in recall)} | {twice[0]} | {twice[1]} | "
            f"{np.median(errors):.2f} | {np.max(errors):.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--background", type=Path, default=DATA / "water")
    parser.add_argument("--minutes", type=float, nargs=2, default=(30, 20))
    parser.add_argument("--sounds", type=int, default=1, help="of a kind")
    parser.add_argument("--snr", type=float, nargs="+", default=(15, 6, 0), help="dB")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    kinds = kinds_of(arguments.folder, arguments.sounds)
    water = sounds_of(arguments.background, shortest=3 * CROSSFADE, longest=120)
    recordings = [background(water, 60 * minutes, rng) for minutes in arguments.minutes]
    print(f"kinds: {'; '.join(', '.join(sound.name for sound in kind) for kind in kinds)}\n")
    print("| SNR, dB | query | recall | by kind | twice in 15 | in 50 | error, s: middle | worst |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for snr in arguments.snr:
            mixed, events = planted(recordings, kinds, snr, np.random.default_rng(1))
            folder = Path(name) / f"{snr:g}"
            library = library_of(folder, [(str(number), audio) for number, audio in enumerate(mixed)])
            for line in rows(library, folder, events, snr):
                print(line, flush=True)


if __name__ == "__main__":
    main()
