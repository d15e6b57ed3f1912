"""Train the network: triplets in, steps out, a checkpoint every few minutes."""

from __future__ import annotations

import dataclasses
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch.utils.data import DataLoader

from qbe.audio.segmentation import SAMPLE_RATE, WINDOW
from qbe.errors import TrainingError
from qbe.learn.corpus import Corpus
from qbe.learn.losses import TripletLoss, triplet_loss
from qbe.learn.network import Network
from qbe.learn.triplets import Batch, Recipe, Triplets
from qbe.saving import save_file

CHECKPOINT_SECONDS = 180.0
WARM_UP = 0.03  # of the whole run


@dataclass(frozen=True)
class Settings:
    """Training ends after `steps` or after `minutes` of training, whichever is given."""

    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    batch: int = 128
    margin: float = 0.25
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    recipe: Recipe = field(default_factory=Recipe)

    def done(self, step: int, seconds: float) -> float:
        """The share of the run that is over, 0 to 1."""
        share = step / self.steps if self.steps else seconds / (60 * self.minutes) if self.minutes else 1.0
        return min(1.0, share)


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    loss, kept, violations : of the last step, as in TripletLoss
    done : 0 to 1; seconds : spent training, earlier sittings included
    """

    step: int
    loss: float
    kept: float
    violations: float
    done: float
    seconds: float
    views_per_second: float


class Training:
    """A network on its way: everything that changes with a step, and how to save and restore it."""

    def __init__(self, corpus: Corpus, settings: Settings, checkpoint: Path) -> None:
        self.corpus, self.settings, self.checkpoint = corpus, settings, checkpoint
        torch.manual_seed(settings.seed)
        self.network = Network()
        # On a CPU convolutions are a fifth faster with the channels last.
        self.encoder = self.network.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(self.encoder.parameters(), weight_decay=settings.weight_decay)
        self.step, self.seconds = 0, 0.0

    @classmethod
    def resumed(cls, corpus: Corpus, checkpoint: Path) -> Self:
        """The training that `save` left in `checkpoint`."""
        state = torch.load(checkpoint, weights_only=True)
        settings = Settings(**{**state["settings"], "recipe": Recipe(**state["settings"]["recipe"])})
        training = cls(corpus, settings, checkpoint)
        training.encoder.load_state_dict(state["encoder"])
        training.optimizer.load_state_dict(state["optimizer"])
        training.step, training.seconds = state["step"], state["seconds"]
        return training

    def save(self) -> None:
        """Put everything that is needed to go on into the checkpoint, whole or not at all."""
        state = {
            "encoder": self.encoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "settings": dataclasses.asdict(self.settings),
            "step": self.step,
            "seconds": self.seconds,
        }
        with save_file(str(self.checkpoint)) as file:
            torch.save(state, file)

    def run(self) -> Iterator[Progress]:
        """Train to the end, one Progress a step.

        Raises TrainingError when embeddings are no longer numbers; the last good checkpoint stays.
        """
        self.encoder.train()
        batches = _batches(self.corpus, self.settings, self.step)
        saved = self.seconds
        began = time.monotonic() - self.seconds
        while (done := self.settings.done(self.step, self.seconds)) < 1:
            outcome = self._learn(next(batches), self.settings.learning_rate * _schedule(done))
            self.step += 1
            before, self.seconds = self.seconds, time.monotonic() - began
            yield Progress(
                step=self.step,
                loss=float(outcome.loss.detach()),
                kept=outcome.kept,
                violations=outcome.violations,
                done=self.settings.done(self.step, self.seconds),
                seconds=self.seconds,
                views_per_second=2 * self.settings.batch / (self.seconds - before),
            )
            if self.seconds - saved > CHECKPOINT_SECONDS:
                self.save()
                saved = self.seconds
        self.save()
        self.network.eval()

    def _learn(self, batch: Batch, learning_rate: float) -> TripletLoss:
        """One step of the optimizer."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        anchors, positives = self.network(torch.cat([batch.anchors, batch.positives])).chunk(2)
        outcome = triplet_loss(anchors, positives, batch.files, self.settings.margin)
        # Not the loss: an embedding that is not a number has no semi-hard negative, and its triplet is left out.
        if not (torch.isfinite(anchors).all() and torch.isfinite(positives).all()):
            raise TrainingError(f"embeddings are not numbers any more at step {self.step}; {self.checkpoint} is kept")
        self.optimizer.zero_grad()
        outcome.loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 5.0)
        self.optimizer.step()
        return outcome


def _schedule(done: float) -> float:
    """The learning rate's factor: a short linear rise, then half a cosine down to zero."""
    if done < WARM_UP:
        return (done + 1e-3) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def _batches(corpus: Corpus, settings: Settings, first: int) -> Iterator[Batch]:
    """Batches from number `first` on, made ahead by another process."""
    triplets = Triplets(
        corpus, settings.recipe, batch=settings.batch, window=WINDOW, sample_rate=SAMPLE_RATE, seed=settings.seed
    )
    order = range(first, settings.steps if settings.steps else 2**31)
    loader = DataLoader(
        triplets, batch_size=None, sampler=order, num_workers=1, prefetch_factor=4, worker_init_fn=_ignore_interrupt
    )
    return iter(loader)


def _ignore_interrupt(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the main one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
