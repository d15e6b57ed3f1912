"""A chain of deformations as a person asks for it: what is left to chance is drawn for every sound."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from qbe.audio.deformation import SEGMENT_SECONDS, check, deformed
from qbe.audio.recipe import DEFORMATIONS, Recipe, choose, draw, draw_near
from qbe.streams.records import Deformation, Segment
from qbe.support.errors import UsageError

# Hears of a sound's path and what is done to it.
Tell = Callable[[bytes, list[Deformation]], None]

ALONE = [change for change in DEFORMATIONS if change != "mix"]  # need no other sound
MIX_DB = -6.0  # of a sound that is mixed in without a level


@dataclass(frozen=True)
class Step:
    """One option: `name` of the operation (or "random"), and its value."""

    name: str
    value: float | str


def drawn(steps: Iterable[Step], rng: np.random.Generator, seconds: float) -> list[Deformation]:
    """The deformations of one sound, `seconds` long. UsageError where a step cannot be done."""
    out: list[Deformation] = []
    for step in steps:
        if step.name == "random":
            out += [draw(rng, Recipe(), change) for change in choose(rng, Recipe(), ALONE)]
        elif step.name == "near":
            out.append(draw_near(rng, min(_distance(step), max(0.0, seconds - SEGMENT_SECONDS))))
        else:
            out.append(_fixed(step, rng))
    for deformation in out:
        check(deformation)
    return out


def _distance(step: Step) -> float:
    """Of --near, in seconds."""
    seconds = float(step.value)
    if not 0 <= seconds < math.inf:
        raise UsageError(f"--near {seconds:g}: must be 0 seconds or more")
    return seconds


def _fixed(step: Step, rng: np.random.Generator) -> Deformation:
    if step.name == "mix":
        return _mix(str(step.value))
    value = float(step.value)
    parameters: dict[str, dict[str, float]] = {
        "pitch": {"semitones": value},
        "stretch": {"factor": value},
        "noise": {"snr_db": value, "seed": int(rng.integers(2**31)) if step.name == "noise" else 0},
        "gain": {"db": value},
        "eq": {"db_per_octave": value},
    }
    return Deformation(step.name, parameters[step.name])


def _mix(text: str) -> Deformation:
    """FILE or FILE:DB."""
    name, colon, level = text.rpartition(":")
    if colon:
        try:
            return Deformation("mix", {"path": os.fsencode(name), "db": float(level)})
        except ValueError:
            pass
    return Deformation("mix", {"path": os.fsencode(text), "db": MIX_DB})


def describe(deformations: Iterable[Deformation]) -> str:
    """In a few characters that may stand in a file name: pitch+2 stretch1.5 noise20."""
    words = []
    for deformation in deformations:
        first = next(iter(deformation.parameters.values()))
        if isinstance(first, bytes):
            words.append(f"mix-{os.fsdecode(os.path.basename(first))}")
        else:
            signed = deformation.name in ("pitch", "gain", "eq", "near")
            words.append(deformation.name + (f"{first:+.4g}" if signed else f"{first:.4g}"))
    return " ".join(words)


def deform_segments(
    segments: Iterable[Segment],
    steps: list[Step],
    seed: int,
    sample_rate: int,
    tell: Tell | None,
) -> Iterator[Segment]:
    """Deformed segments, of as many samples as they had: cut, or followed by zeros, where the tempo changed.

    `near` puts the audio of another segment of the same file in place of one's own; `tell` hears what is done.
    """
    rng = np.random.default_rng(seed)
    for step in steps:
        if step.name == "near":
            segments = _near(segments, round(_distance(step) * sample_rate), sample_rate, rng)
    others = [step for step in steps if step.name != "near"]
    for segment in segments:
        deformations = drawn(others, rng, SEGMENT_SECONDS)
        if tell:
            tell(segment.path, deformations)
        sound = segment.audio[: segment.length]
        audio = deformed(sound, sample_rate, deformations)[: len(segment.audio)]
        yield replace(
            segment,
            length=len(audio),
            audio=np.pad(audio, (0, len(segment.audio) - len(audio))),
            deformations=(*segment.deformations, *deformations),
        )


def _near(segments: Iterable[Segment], reach: int, sample_rate: int, rng: np.random.Generator) -> Iterator[Segment]:
    """Each segment with the audio of another one of its file at most `reach` samples away, where there is one."""

    def exchanged(anchor: Segment) -> Segment:
        others = [s for s in held if abs(s.start - anchor.start) <= reach and s is not anchor]
        if not others:
            return anchor
        other = others[rng.integers(len(others))]
        history = Deformation("near", {"offset": (other.start - anchor.start) / sample_rate})
        return replace(anchor, audio=other.audio, length=other.length, deformations=(*anchor.deformations, history))

    for _, group in groupby(segments, lambda segment: segment.path):
        held: deque[Segment] = deque()
        waiting: deque[Segment] = deque()
        for segment in group:
            held.append(segment)
            waiting.append(segment)
            while segment.start - waiting[0].start > reach:
                yield exchanged(waiting.popleft())
            while waiting[0].start - held[0].start > reach:
                held.popleft()
        while waiting:
            yield exchanged(waiting.popleft())
