"""Where a training stands, has been, and goes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

WARM_UP = 0.03  # of the whole run


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    loss, active : as in losses.Outcome, of the last step, or on average of those since the last report; mean_cosine :
        as in losses.Views, likewise
    recall : the newest recall@1 of held-out segments, None where nothing is held out or none was measured yet
    done : 0 to 1; seconds : spent training, earlier sittings included
    views_per_second, waiting : of this sitting; waiting is the share of its time without a batch to learn from
    warning : what looks wrong since this step
    """

    step: int
    loss: float
    active: float
    mean_cosine: float
    recall: float | None
    done: float
    seconds: float
    views_per_second: float
    waiting: float
    warning: str | None


@dataclass
class History:
    """loss : of every step; recall : (step, recall@1) of every measurement"""

    loss: list[float] = field(default_factory=list)
    recall: list[tuple[int, float]] = field(default_factory=list)

    @property
    def last_recall(self) -> float | None:
        return self.recall[-1][1] if self.recall else None


def schedule(done: float) -> float:
    """The learning rate's factor: a short linear rise, then half a cosine down to zero."""
    if done < WARM_UP:
        return (done + 1e-3) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
