"""Train the network: triplets in, steps out, a checkpoint every few minutes."""

from __future__ import annotations

import dataclasses
import io
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from qbe.learn.collapse import CollapseWatch
from qbe.learn.devices import half_precision, loading_workers, open_device
from qbe.learn.losses import Outcome, Views, batch_loss, compare
from qbe.learn.network import Network
from qbe.learn.settings import Settings
from qbe.learn.triplets import Batch, HeldOut
from qbe.streams.records import Audio
from qbe.support.errors import TrainingError
from qbe.support.saving import save_file

CHECKPOINT_SECONDS = 180.0
RECALL_STEPS = 100
WARM_UP = 0.03  # of the whole run


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    loss, active : of the last step, as in losses.Outcome; mean_cosine : as in losses.Views
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


class Training:
    """A network on its way: everything that changes with a step, and how to save and restore it.

    batches : batch number `step` for every step; held_out : what recall is measured on, if anything
    """

    def __init__(
        self,
        batches: Dataset[Batch],
        held_out: HeldOut | None,
        settings: Settings,
        checkpoint: Path,
        device: torch.device | None = None,
    ) -> None:
        self.batches, self.held_out, self.settings, self.checkpoint = batches, held_out, settings, checkpoint
        self.device = device or open_device("cpu")
        self.half = half_precision(self.device)
        torch.manual_seed(settings.seed)
        self.network = Network(learn_filterbank=settings.learn_filterbank, widths=settings.widths).to(self.device)
        # With the channels last convolutions are a fifth faster on a CPU, and tensor cores want them so.
        self.network.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.learned = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.learned, weight_decay=settings.weight_decay)
        self.step, self.seconds, self.history = 0, 0.0, History()
        self.watch = CollapseWatch(settings)

    def restore(self, state: dict[str, Any]) -> Self:
        """Go on from what `load_checkpoint` read."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.history = History(**state["history"])
        return self

    def save(self) -> None:
        """Put everything that is needed to go on into the checkpoint, whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "settings": dataclasses.asdict(self.settings),
            "step": self.step,
            "seconds": self.seconds,
            "history": dataclasses.asdict(self.history),
        }
        # By way of memory: torch would hide from us that the disk is full.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with save_file(str(self.checkpoint)) as file:
            file.write(buffer.getbuffer())

    def run(self) -> Iterator[Progress]:
        """Train to the end, one Progress a step.

        Raises TrainingError when embeddings are no longer numbers; the last good checkpoint stays.
        """
        self.network.train()
        batches = self._loaded()
        saved = earlier = self.seconds
        began, first, waited = time.monotonic() - earlier, self.step, 0.0
        while (done := self.settings.done(self.step, self.seconds)) < 1:
            asked = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - asked
            outcome, views = self._learn(batch, self.settings.learning_rate * schedule(done))
            self._note(outcome)
            self.seconds = time.monotonic() - began
            spent = self.seconds - earlier
            yield Progress(
                step=self.step,
                loss=self.history.loss[-1],
                active=outcome.active,
                mean_cosine=views.mean_cosine,
                recall=self.history.recall[-1][1] if self.history.recall else None,
                done=self.settings.done(self.step, self.seconds),
                seconds=self.seconds,
                views_per_second=2 * len(batch.sources) * (self.step - first) / spent,
                waiting=waited / spent,
                warning=self.watch.sees(self.history.loss[-1], views.mean_cosine),
            )
            if self.seconds - saved > CHECKPOINT_SECONDS:
                self.save()
                saved = self.seconds
        self.save()
        self.network.eval()

    def _learn(self, batch: Batch, learning_rate: float) -> tuple[Outcome, Views]:
        """One step of the optimizer."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        anchors, positives = self.embed(torch.cat([batch.anchors, batch.positives])).chunk(2)
        views = compare(anchors, positives, batch.sources.to(self.device))
        # Not the loss: an embedding that is not a number has no semi-hard negative, and its triplet is left out.
        self._check_finite("embeddings", views.similarity)
        outcome = batch_loss(views, self.settings)
        self.optimizer.zero_grad()
        outcome.loss.backward()  # type: ignore[no-untyped-call]
        # Before the step: no checkpoint may hold what a bad gradient makes of the weights.
        self._check_finite("gradients", torch.nn.utils.clip_grad_norm_(self.learned, 5.0))
        self.optimizer.step()
        return outcome, views

    def _check_finite(self, what: str, values: Tensor) -> None:
        if not torch.isfinite(values).all():
            before = ", ".join(f"{loss:.3f}" for loss in self.history.loss[-3:]) or "none"
            raise TrainingError(
                f"{what} are not numbers any more at step {self.step} (loss of the steps before: {before}); "
                f"{self.checkpoint} is kept; begin again with a lower --learning-rate than "
                f"{self.settings.learning_rate:g}"
            )

    def embed(self, audio: Tensor) -> Tensor:
        """What the loss compares, by the encoder in half precision where that pays: [B, L] -> [B, D], unit norm."""
        decibels = self.network.decibels(audio.to(self.device, non_blocking=True))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            projected: Tensor = self.network.encoder.projected(decibels)
        return functional.normalize(projected.float(), dim=1)

    def _note(self, outcome: Outcome) -> None:
        self.step += 1
        self.history.loss.append(float(outcome.loss.detach()))
        if self.held_out and (self.step % RECALL_STEPS == 0 or self.step == self.settings.steps):
            self.history.recall.append((self.step, self.recall(self.held_out)))

    def embed_all(self, sounds: list[Audio]) -> Tensor:
        """What `embed` gives with the statistics of batches that were learned, on the CPU: [n, D]."""
        training = self.network.training
        self.network.eval()
        with torch.no_grad():
            parts = [
                self.embed(torch.from_numpy(np.stack(sounds[first : first + self.settings.batch]))).cpu()
                for first in range(0, len(sounds), self.settings.batch)
            ]
        self.network.train(training)
        return torch.cat(parts)

    def recall(self, held_out: HeldOut) -> float:
        """Recall@1: the share of deformed segments whose nearest original is their own."""
        nearest = (self.embed_all(held_out.deformed) @ self.embed_all(held_out.originals).T).argmax(1)
        return float((nearest == torch.arange(len(nearest))).float().mean())

    def _loaded(self) -> Iterator[Batch]:
        """Batches from the present step on, made ahead by other processes; their order is that of the steps."""
        loader = DataLoader(
            self.batches,
            batch_size=None,
            sampler=range(self.step, self.settings.steps or 2**31),
            num_workers=loading_workers(self.device),
            prefetch_factor=4,
            worker_init_fn=_ignore_interrupt,
        )
        return iter(loader)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What `Training.save` wrote, as plain data: no code is run. TrainingError where there is none."""
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        Settings.restored(state["settings"])
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such checkpoint to resume; begin without --resume") from None
    except Exception as error:  # pickle, zip and torch have errors of many kinds
        raise TrainingError(f"{path}: not a checkpoint of this version ({type(error).__name__})") from None
    checkpoint: dict[str, Any] = state
    return checkpoint


def schedule(done: float) -> float:
    """The learning rate's factor: a short linear rise, then half a cosine down to zero."""
    if done < WARM_UP:
        return (done + 1e-3) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def _ignore_interrupt(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the main one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
