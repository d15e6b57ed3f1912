"""Which colour a point has, by its folder, its level, its length or its tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qbe.maps.choices import ColourBy
from qbe.maps.points import Points
from qbe.support.errors import display

# Okabe and Ito's colours, told apart by eyes of all kinds (jfly.uni-koeln.de/color), without black and yellow.
APART = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
OTHERS, OTHERS_LABEL = "#999999", "others"
# From low to high, even steps to the eye: viridis (bids.github.io/colormap).
STEPS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
TAILS = 2  # per cent at both ends that have the colours of the ends

Words = Mapping[bytes, Sequence[str]]  # of files, by their names
NO_WORDS: Words = {}


@dataclass(frozen=True)
class Colours:
    """of : the number of each point's colour, uint8 [n]; palette : these, as #rrggbb; labels : what each stands for"""

    of: NDArray[np.uint8]
    palette: Sequence[str]
    labels: Sequence[str]


def colours(points: Points, by: ColourBy, words: Words = NO_WORDS) -> Colours:
    """Of all points of a map. words : that files bear, for TAG"""
    if by is ColourBy.FOLDER:
        folders = telling_folders(points.names)
        shown = {folder: display(folder) or "." for folder in set(folders)}
        return _of_files(points, [shown[folder] for folder in folders])
    if by is ColourBy.TAG:
        return _of_files(points, _commonest([words.get(name, ()) for name in points.names]))
    if by is ColourBy.LEVEL:
        return _of_steps(points.levels, [f"{level:.0f} dB" for level in _bounds(points.levels)])
    lengths = np.log10(np.maximum(points.lengths, 1e-3))  # from clicks to hours
    return _of_steps(lengths, [f"{10**length:.2g} s" for length in _bounds(lengths)])


def _of_files(points: Points, labels: Sequence[str | None]) -> Colours:
    """Those labels of files that most points have, have colours of their own."""
    counts: Counter[str] = Counter()
    for label, count in zip(labels, np.bincount(points.files, minlength=len(labels)).tolist(), strict=True):
        if label:
            counts[label] += count
    common = [label for label, _ in counts.most_common(len(APART))]
    numbers = {label: number for number, label in enumerate(common)}
    of_file = np.array([numbers.get(label or "", len(common)) for label in labels], np.uint8)
    return Colours(of_file[points.files], [*APART[: len(common)], OTHERS], [*common, OTHERS_LABEL])


def _commonest(words: Sequence[Sequence[str]]) -> list[str | None]:
    """Of the words of each file the one that most others bear too, though not most of all: that would tell nothing."""
    counts = Counter(word for own in words for word in own)
    half = sum(map(bool, words)) / 2
    telling = {word for word, count in counts.items() if count <= half} or set(counts)
    return [max(telling.intersection(own), key=lambda word: (counts[word], word), default=None) for own in words]


def telling_folders(names: Sequence[bytes]) -> list[bytes]:
    """The folder of each file that tells most: the first one in which not all are."""
    first, last = (name.split(b"/")[:-1] for name in (min(names), max(names)))  # what these share, all do
    differ = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    shared = next(differ, min(len(first), len(last)))
    parts = (name.split(b"/", shared + 1) for name in names)
    return [folders[shared] if len(folders) > shared + 1 else b"" for folders in parts]


def _bounds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values at the middle of each step, evenly from one tail to the other."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(STEPS))
    low, high = np.percentile(known, [TAILS, 100 - TAILS])
    return np.linspace(low, max(high, low + 1e-6), len(STEPS))


def _of_steps(values: NDArray[np.float64], labels: Sequence[str]) -> Colours:
    bounds = _bounds(values)
    step = np.rint((values - bounds[0]) / (bounds[1] - bounds[0]))
    of = np.where(np.isfinite(step), np.clip(step, 0, len(STEPS) - 1), len(STEPS)).astype(np.uint8)
    return Colours(of, [*STEPS, OTHERS], [*labels, "not known"])
