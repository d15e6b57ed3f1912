"""Everything that decides how a network is trained."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from qbe.audio.recipe import Recipe
from qbe.support.errors import UsageError

Balance = Literal["duration", "sqrt", "folder"]
Loss = Literal["cosine", "l2", "nt-xent"]
Negatives = Literal["files", "folders"]
Mining = Literal["none", "semi-hard", "hardest"]

WIDTHS = (24, 48, 96, 192)
MOST_SEMITONES, MOST_STRETCH = 12.0, 2.0  # by the batch: so much is read for a positive
MARGINS: dict[Loss, float] = {"cosine": 0.25, "l2": 0.1, "nt-xent": 0.0}


@dataclass(frozen=True)
class Settings:
    """Training ends after `steps` or after `minutes` of training, whichever is given.

    balance : how the chance of a file to give the next anchor follows from its duration
    negatives : sounds of all other files, or only those of other folders
    near : seconds between an anchor and a positive elsewhere in its file, at most
    batch : pairs of anchor and positive
    widths : of the network's blocks
    kinds, rooms : the names of the table of kinds and of the folder of impulse responses, where there are any
    margin : None: the usual one of the loss; temperature : of NT-Xent
    name, licence : of the model
    """

    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    balance: Balance = "duration"
    negatives: Negatives = "files"
    near: float = 10.0
    batch: int = 128
    loss: Loss = "cosine"
    mining: Mining = "semi-hard"
    margin: float | None = None
    temperature: float = 0.1
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    learn_filterbank: bool = False
    widths: tuple[int, ...] = WIDTHS
    kinds: str | None = None
    rooms: str | None = None
    name: str = "unnamed"
    licence: str = "unstated"

    @classmethod
    def restored(cls, values: dict[str, Any]) -> Self:
        """From what `dataclasses.asdict` made of settings."""
        widths = tuple(values.get("widths", WIDTHS))
        return cls(**{**values, "recipe": Recipe(**values["recipe"]), "widths": widths})

    @property
    def hinge(self) -> float:
        """The margin that the loss works with."""
        return MARGINS[self.loss] if self.margin is None else self.margin

    def check(self, *, by_batch: bool) -> None:
        """UsageError where pairs cannot be made so: by the batch, on a GPU, or one by one."""
        recipe = self.recipe
        if self.rooms and not recipe.room:
            raise UsageError("--rooms: not used: give room a weight in --recipe, as in room=0.15")
        if by_batch:
            _check_by_batch(recipe)
        elif recipe.on_device:
            names = ", ".join(recipe.on_device)
            raise UsageError(f"recipe: {names}: only with --device cuda and without --learn-filterbank")

    def until(self, steps: int | None, minutes: float | None) -> Self:
        """The same with another end."""
        return dataclasses.replace(self, steps=steps, minutes=minutes)

    def done(self, step: int, seconds: float) -> float:
        """The share of the run that is over, 0 to 1."""
        share = step / self.steps if self.steps else seconds / (60 * self.minutes) if self.minutes else 1.0
        return min(1.0, share)


def _check_by_batch(recipe: Recipe) -> None:
    if recipe.gain:
        raise UsageError("recipe: gain: only with --device cpu; it changes nothing that the network sees: leave it out")
    why = f": such positives are neither shifted nor stretched, and {recipe.shifted:.0%} of all are"
    free = 1 - recipe.shifted
    limits = {
        "max_semitones": (MOST_SEMITONES, ""), "max_stretch": (MOST_STRETCH, ""),
        "neighbour": (free, why), "synthetic": (free, why),
    }  # fmt: skip
    for name, (most, reason) in limits.items():
        if getattr(recipe, name) > most + 1e-9:
            raise UsageError(f"recipe: {name} {getattr(recipe, name):g}: with --device cuda at most {most:.3g}{reason}")
