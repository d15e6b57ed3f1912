"""A recipe: how positives are made out of anchors, and how much of each change there is.

Pitch shift, time stretch, noise and a recording's colour keep a sound's class; sounds near in time share one; a mixture
inherits the classes of its parts (Jansen et al., arXiv 1711.02209). Files side by side in a folder are often of one
voice, of one instrument, or takes of one sound.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from qbe.streams.records import Deformation
from qbe.support.errors import UsageError, display

# In the order in which they are applied.
DEFORMATIONS = ("pitch", "stretch", "eq", "gain", "mix", "noise")
ELSEWHERE = ("proximity", "neighbour")  # where a positive is taken from, if not from the anchor's own place
CHANGES = (*ELSEWHERE, *DEFORMATIONS)
# Only where batches are made on the GPU that learns from them.
ON_DEVICE = ("curve", "band", "room", "background", "short", "synthetic")


@dataclass(frozen=True)
class Recipe:
    """How positives are made. Fields that CHANGES and ON_DEVICE name are weights, the others are limits.

    The weight of a change is the share of positives that it touches, 0 to 1. Changes are drawn one by one for every
    example, and combine: with proximity 0.6 and pitch 0.5, 30 % of positives are from nearby and shifted too. With
    neighbour it is taken from another file, whatever proximity says.

    curve, band, room : of the recording; background : other sounds under this one; short : a piece of it, in silence
    synthetic : pairs of synthesised sounds in place of recorded ones, of all
    anchors : how often the recording of an anchor is changed too, against that of a positive; on a GPU

    max_semitones, max_stretch : both ways, drawn evenly in semitones and in the logarithm of the factor
    max_tilt : dB per octave, both ways; max_gain : dB, both ways
    max_energy : of a sound that is mixed in, against this one's
    min_snr, max_snr : dB, of noise; min_background, max_background : dB
    """

    proximity: float = 0.6
    neighbour: float = 0.0
    pitch: float = 0.5
    stretch: float = 0.5
    eq: float = 0.0
    gain: float = 0.0
    mix: float = 0.0
    noise: float = 0.15
    curve: float = 0.0
    band: float = 0.0
    room: float = 0.0
    background: float = 0.0
    short: float = 0.0
    synthetic: float = 0.0
    anchors: float = 0.0
    max_semitones: float = 8.0
    max_stretch: float = 1.5
    max_tilt: float = 3.0
    max_gain: float = 12.0
    max_energy: float = 0.25
    min_snr: float = 5.0
    max_snr: float = 30.0
    min_background: float = 5.0
    max_background: float = 25.0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"recipe: {name} {value:g}: must be from {low:g} to {high:g}")
        if not any(getattr(self, name) for name in (*CHANGES, *ON_DEVICE)):
            raise UsageError(f"recipe: every weight is 0: give some of {', '.join(CHANGES)}")
        for name in ("snr", "background"):
            low, high = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if low > high:
                raise UsageError(f"recipe: min_{name} {low:g} is over max_{name} {high:g}")

    @property
    def on_device(self) -> list[str]:
        """What only batches that are made on a GPU can have."""
        return [name for name in (*ON_DEVICE, "anchors") if getattr(self, name)]

    @property
    def shifted(self) -> float:
        """The share of positives whose pitch or length changes, where a batch is made at once: a part of it of a fixed
        size, as these cost more. Of the rarer of the two changes half come with the other."""
        together = max(min(self.pitch, self.stretch) / 2, self.pitch + self.stretch - 1)
        return self.pitch + self.stretch - together


RANGES = {
    **dict.fromkeys((*CHANGES, *ON_DEVICE, "anchors"), (0.0, 1.0)),
    "max_semitones": (0.0, 48.0),
    "max_stretch": (1.0, 4.0),
    "max_tilt": (0.0, 24.0),
    "max_gain": (0.0, 60.0),
    "max_energy": (1e-6, 1.0),
    "min_snr": (-40.0, 100.0),
    "max_snr": (-40.0, 100.0),
    "min_background": (-40.0, 100.0),
    "max_background": (-40.0, 100.0),
}


def read_recipe(text: str) -> Recipe:
    """A recipe from `pitch=0.5,noise=0.2`, or from the TOML file of that name. A weight that is not named is 0.

    UsageError where it is neither, or names something that a recipe does not have.
    """
    values = _pairs(text) if "=" in text else _toml(text)
    known = {field.name for field in fields(Recipe)}
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"recipe: {name}: no such thing; there are {', '.join(sorted(known))}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"recipe: {name} {value!r}: not a number")
    return Recipe(**dict.fromkeys(CHANGES, 0.0) | {name: float(value) for name, value in values.items()})  # type: ignore[arg-type]


def _pairs(text: str) -> dict[str, object]:
    values: dict[str, object] = {}
    for word in text.split(","):
        name, _, number = word.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            raise UsageError(f"recipe: {word}: must be NAME=NUMBER, as in pitch=0.5,noise=0.2") from None
    return values


def _toml(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(
            f"recipe: {display(os.fsencode(path))}: {error.strerror}; give a TOML file, or pitch=0.5,noise=0.2"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"recipe: {display(os.fsencode(path))}: not TOML ({error})") from None


def choose(rng: np.random.Generator, recipe: Recipe, changes: Sequence[str] = CHANGES) -> list[str]:
    """The changes of one example out of `changes`: each by its weight, and where none came up, one of them by weight.

    Empty only where all of them weigh nothing.
    """
    weights = np.array([getattr(recipe, name) for name in changes])
    chosen = rng.random(len(changes)) < weights
    if not chosen.any() and weights.any():
        chosen[rng.choice(len(changes), p=weights / weights.sum())] = True
    return [name for name, is_chosen in zip(changes, chosen, strict=True) if is_chosen]


def draw(rng: np.random.Generator, recipe: Recipe, change: str, mixed_in: bytes = b"") -> Deformation:
    """How far one of DEFORMATIONS goes. mixed_in : the name of the sound for "mix"."""
    both_ways = rng.uniform(-1, 1)
    draws: dict[str, Callable[[], dict[str, object]]] = {
        "pitch": lambda: {"semitones": recipe.max_semitones * both_ways},
        "stretch": lambda: {"factor": float(recipe.max_stretch**both_ways)},
        "eq": lambda: {"db_per_octave": recipe.max_tilt * both_ways},
        "gain": lambda: {"db": recipe.max_gain * both_ways},
        # 1 - random is over 0: an energy has a logarithm.
        "mix": lambda: {"path": mixed_in, "db": 10 * math.log10(recipe.max_energy * (1 - rng.random()))},
        "noise": lambda: {"snr_db": rng.uniform(recipe.min_snr, recipe.max_snr), "seed": int(rng.integers(2**31))},
    }
    return Deformation(change, draws[change]())


def draw_near(rng: np.random.Generator, seconds: float) -> Deformation:
    """Another segment of the sound, up to `seconds` further on."""
    return Deformation("near", {"offset": rng.uniform(0, seconds)})
