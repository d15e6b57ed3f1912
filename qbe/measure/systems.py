"""Systems under evaluation, models and baselines: from sounds to vectors, and from vectors to a ranking."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from qbe.audio.reading import read_blocks
from qbe.audio.segmentation import SAMPLE_RATE, WINDOW, cut
from qbe.audio.silence import FAINT
from qbe.encoder import BATCH, open_encoder
from qbe.measure.baselines import FEATURES, best_variant, variants
from qbe.measure.evaluation import Part, Retrieval, from_middle, library_retrieval
from qbe.search.windows import Windows
from qbe.streams.records import Audio, Segment, Vector
from qbe.support.ahead import cores
from qbe.support.errors import AudioError, OnError, display, until_fault

Measure = Callable[[Sequence[Windows], Sequence[str], Sequence[str]], Retrieval]


@dataclass(frozen=True)
class System:
    """name : in tables
    sample_rate, samples : of the windows it takes
    embed : float32 [B, samples] -> [B, D]
    measure : from the windows of all sounds, their labels and groups, as `qbe.measure.evaluation.retrieval`
    seen : from the windows of all sounds, the ways in which each may be seen among them; the best one counts
    """

    name: str
    sample_rate: int
    samples: int
    embed: Callable[[Audio], Vector]
    measure: Measure
    seen: Callable[[Sequence[Windows]], list[Callable[[Windows], Windows]]]


def model_system(path: str | None) -> System:
    """The model in an ONNX file, called as the file; None: the default model. Raises as `open_encoder`."""
    encoder = open_encoder(path)
    name = display(os.fsencode(path)) if path else "default"
    return System(name, encoder.sample_rate, encoder.samples, encoder.embed, library_retrieval, from_middle)


def baseline_system(name: str) -> System:
    """One of `qbe.measure.baselines.FEATURES`."""
    return System(name, SAMPLE_RATE, WINDOW, FEATURES[name], best_variant, variants)


def embed_parts(
    parts: Sequence[Part], systems: Sequence[System], root: bytes, on_error: OnError
) -> Iterator[list[Windows]]:
    """Of every part, in order, its windows in every system, a slot each; none at all where nothing can be decoded.

    root : the folder that relative paths start from. What was decoded before a fault counts; the fault goes to
    `on_error`. Audio is in memory in batches of windows. Raises ModelError.
    """
    with ThreadPoolExecutor(cores()) as pool:
        for found, faults in pool.map(lambda part: _embedded(part, systems, root), parts):
            if faults:
                on_error(faults[0])  # the others are the same, met again by other windows
            yield found


def _embedded(part: Part, systems: Sequence[System], root: bytes) -> tuple[list[Windows], list[AudioError]]:
    found: dict[int, Windows] = {}
    faults: list[AudioError] = []
    for (sample_rate, samples), users in _by_window(systems).items():
        segments = windows(part, root, sample_rate, samples, faults.append)
        found |= zip(users, embedded(segments, [systems[user] for user in users]), strict=False)  # or there are none
    return [found[place] for place in range(len(systems))] if len(found) == len(systems) else [], faults


def embedded(segments: Iterator[Segment], systems: Sequence[System]) -> list[Windows]:
    """The windows of a sound in some systems that take the same, a slot each; none where there are no segments."""
    vectors: list[list[Vector]] = [[] for _ in systems]
    levels: list[float] = []
    while batch := list(islice(segments, BATCH)):
        audio = np.stack([segment.audio for segment in batch])
        for system, of_one in zip(systems, vectors, strict=True):
            of_one.append(system.embed(audio))
        levels += [segment.level for segment in batch]
    return [Windows.of(np.concatenate(of_one), levels=np.array(levels)) for of_one in vectors if of_one]


def _by_window(systems: Sequence[System]) -> dict[tuple[int, int], list[int]]:
    """Places of systems by the windows they take: those that take the same share the decoding."""
    users = defaultdict(list)
    for place, system in enumerate(systems):
        users[system.sample_rate, system.samples].append(place)
    return users


def windows(
    part: Part, root: bytes, sample_rate: int, samples: int, on_fault: Callable[[AudioError], None]
) -> Iterator[Segment]:
    """The segments of a part, cut as `qbe search` cuts a query, until a fault, which goes to `on_fault`.

    Of digital silence comes the first segment, so that every sound that can be read is ranked.
    """
    source = os.path.join(root, part.path)

    def segments(silence: float | None) -> Iterator[Segment]:
        blocks = read_blocks(source, sample_rate, start=part.start, duration=part.duration)
        return cut(until_fault(blocks, AudioError, on_fault), source, window=samples, hop=samples // 2, silence=silence)

    cuts = sounding(segments)
    first = next(cuts, None)
    if first is None:
        on_fault(AudioError(f"{display(source)}: the part at {part.start:g} s holds no samples"))
    return chain([first] if first else [], cuts)


def sounding(segments: Callable[[float | None], Iterator[Segment]]) -> Iterator[Segment]:
    """The segments of a sound that are no silence; of silence the first.

    segments : gives them as `qbe.audio.segmentation.cut` does, told what is silence
    """
    cuts = segments(FAINT)
    first = next(cuts, None) or next(segments(None), None)
    return chain([first] if first else [], cuts)
