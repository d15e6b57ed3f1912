"""Whether a sound that was altered finds its original: each asks a library of all the plain ones."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qbe.audio.reading import read_blocks
from qbe.audio.segmentation import cut
from qbe.measure.alterations import ALTERATIONS
from qbe.measure.evaluation import NORMAL_95, Part, Task, maxsim
from qbe.measure.systems import System, embedded, sounding
from qbe.search.windows import Windows
from qbe.streams.records import Audio, Segment, Vector
from qbe.support.ahead import cores
from qbe.support.errors import AudioError, until_fault

LONGEST_QUERY = 30.0  # s; of longer sounds the beginning asks


@dataclass(frozen=True)
class Found:
    """first : the share of the altered sounds whose original is the first answer, and its 95 % interval

    queries : how many asked, among as many plain sounds
    """

    alteration: str
    system: str
    first: float
    interval: tuple[float, float]
    queries: int


class Originals:
    """A library of plain sounds, as each system sees them.

    sounds : of every part of the tasks its windows in every system, as `embed_parts` gives them
    """

    def __init__(self, tasks: Sequence[Task], sounds: dict[Part, list[Windows]], systems: Sequence[System]) -> None:
        self.parts = [part for part, found in sounds.items() if found]
        self.systems = systems
        self.related = _related(tasks, self.parts)
        plain = [[sounds[part][place] for part in self.parts] for place in range(len(systems))]
        self.ways = [system.seen(of_one) for system, of_one in zip(systems, plain, strict=True)]
        self.seen = [
            [_joined([see(sound).vectors for sound in of_one]) for see in ways]
            for ways, of_one in zip(self.ways, plain, strict=True)
        ]

    def come_first(self, number: int, place: int, query: Windows) -> NDArray[np.bool_]:
        """Whether the part of that number is the one first answer to a query of a system, in each way to see it."""
        others = ~self.related[number]
        scores = (
            maxsim(see(query), candidates, starts)
            for see, (candidates, starts) in zip(self.ways[place], self.seen[place], strict=True)
        )
        return np.array([bool((score[number] > score[others]).all()) for score in scores])


def _joined(sounds: list[Vector]) -> tuple[Vector, NDArray[np.intp]]:
    """One after the other, and where each begins."""
    return np.concatenate(sounds), np.cumsum([0, *(len(sound) for sound in sounds[:-1])])


def _related(tasks: Sequence[Task], parts: list[Part]) -> NDArray[np.bool_]:
    """Which parts are no wrong answers to each, bool [n, n]: itself, and those of its group in any task."""
    number = {part: k for k, part in enumerate(parts)}
    groups = defaultdict(set)
    for task in tasks:
        for item in task.items:
            if item.part in number:
                groups[task.file, item.group].add(number[item.part])
    related = np.eye(len(parts), dtype=bool)
    for members in map(list, groups.values()):
        related[np.ix_(members, members)] = True
    return related


def find_originals(originals: Originals, root: bytes) -> Iterator[list[NDArray[np.bool_]]]:
    """Of every part, in order, for each system whether it is found: bool [ways, alterations].

    root : the folder that relative paths start from. Raises ModelError.
    """
    with ThreadPoolExecutor(cores()) as pool:
        yield from pool.map(lambda number: _found(originals, number, root), range(len(originals.parts)))


def _found(originals: Originals, number: int, root: bytes) -> list[NDArray[np.bool_]]:
    part, found = originals.parts[number], []
    for place, system in enumerate(originals.systems):
        audio = _beginning(part, root, system.sample_rate)
        firsts = []
        for k, alter in enumerate(ALTERATIONS.values()):
            altered = alter(audio, system.sample_rate, np.random.default_rng([number, k]))
            firsts.append(originals.come_first(number, place, _embedded(altered, system)))
        found.append(np.stack(firsts, 1))
    return found


def _beginning(part: Part, root: bytes, sample_rate: int) -> Audio:
    """Of a part that has been read before, up to a fault where it has one: float32 [n]."""
    duration = min(LONGEST_QUERY, part.duration or LONGEST_QUERY)
    blocks = read_blocks(os.path.join(root, part.path), sample_rate, start=part.start, duration=duration)
    heard = until_fault(blocks, AudioError, lambda _: None)  # a fault was told when the plain sounds were read
    return np.concatenate([np.zeros(0, np.float32), *heard])


def _embedded(audio: Audio, system: System) -> Windows:
    """Cut as the plain sounds are, of digital silence one window."""

    def segments(silence: float | None) -> Iterator[Segment]:
        some = audio if len(audio) else np.zeros(1, np.float32)
        return cut([some], b"", window=system.samples, hop=system.samples // 2, silence=silence)

    [windows] = embedded(sounding(segments), [system])
    return windows


def summary(systems: Sequence[System], found: list[list[NDArray[np.bool_]]]) -> list[Found]:
    """What `find_originals` gave of all parts, by alteration and system; of several ways to see, the one that finds
    the most of all counts."""
    rows = []
    for place, system in enumerate(systems):
        firsts = np.stack([of_part[place] for of_part in found], 2)  # [ways, alterations, parts]
        best = firsts[firsts.mean((1, 2)).argmax()]
        rows.append([_row(name, system.name, of_one) for name, of_one in zip(ALTERATIONS, best, strict=True)])
    return [row for of_alteration in zip(*rows, strict=True) for row in of_alteration]


def _row(alteration: str, system: str, firsts: NDArray[np.bool_]) -> Found:
    share, count = float(firsts.mean()), len(firsts)
    return Found(alteration, system, share, wilson(share, count), count)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `count` (Wilson, 1927): never empty, where all or none are counted too."""
    z = NORMAL_95**2 / count
    middle = (share + z / 2) / (1 + z)
    reach = np.sqrt(z * share * (1 - share) + z**2 / 4) / (1 + z)
    return float(middle - reach), float(middle + reach)
