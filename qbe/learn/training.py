"""Train the network: triplets in, steps out, a checkpoint every few minutes."""

from __future__ import annotations

import dataclasses
import io
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from qbe.learn.collapse import CollapseWatch
from qbe.learn.components import fit_components
from qbe.learn.devices import exact_convolutions, half_precision, loading_workers, open_device
from qbe.learn.losses import Outcome, Views, batch_loss, compare
from qbe.learn.network import Network
from qbe.learn.progress import History, Progress, schedule
from qbe.learn.settings import Settings
from qbe.learn.triplets import Batch, HeldOut
from qbe.streams.records import Audio
from qbe.support.errors import TrainingError
from qbe.support.saving import save_file

CHECKPOINT_SECONDS = 180.0
RECALL_STEPS = 100


class Learner(ABC):
    """A network on its way: everything that changes with a step, and how to save and restore it.

    held_out : what recall is measured on, if anything
    """

    averaged = False  # whether the network for use is an average over the steps

    def __init__(self, held_out: HeldOut | None, settings: Settings, checkpoint: Path, device: torch.device) -> None:
        self.held_out, self.settings, self.checkpoint, self.device = held_out, settings, checkpoint, device
        self.half = half_precision(device)
        torch.manual_seed(settings.seed)
        self.network = Network(learn_filterbank=settings.learn_filterbank, widths=settings.widths).to(device)
        # With the channels last convolutions are a fifth faster on a CPU, and tensor cores want them so.
        self.network.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.learned = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.learned, weight_decay=settings.weight_decay, fused=self._fused)
        self.step, self.seconds, self.history = 0, 0.0, History()
        self.watch = CollapseWatch(settings)

    @property
    def _fused(self) -> bool | None:
        return True if self.device.type == "cuda" else None

    @property
    def used(self) -> Network:
        """The network that recall is measured of, and that becomes the model."""
        return self.network

    @abstractmethod
    def run(self) -> Iterator[Progress]:
        """Train to the end.

        Raises TrainingError when embeddings are no longer numbers; the last good checkpoint stays.
        """

    def restore(self, state: dict[str, Any]) -> Self:
        """Go on from what `load_checkpoint` read."""
        self.network.load_state_dict(state["network"])
        for group in state["optimizer"]["param_groups"]:  # it may have begun on another device
            group["fused"] = self._fused
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.history = History(**state["history"])
        return self

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on, as plain data."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "settings": dataclasses.asdict(self.settings),
            "step": self.step,
            "seconds": self.seconds,
            "history": dataclasses.asdict(self.history),
        }

    def save(self) -> None:
        """Put `state` into the checkpoint, whole or not at all."""
        # By way of memory: torch would hide from us that the disk is full.
        buffer = io.BytesIO()
        torch.save(self.state(), buffer)
        with save_file(str(self.checkpoint)) as file:
            file.write(buffer.getbuffer())

    def not_numbers(self, what: str) -> TrainingError:
        """What to raise where values are not finite."""
        before = ", ".join(f"{loss:.3f}" for loss in self.history.loss[-3:]) or "none"
        return TrainingError(
            f"{what} are not numbers any more at step {self.step} (loss of the steps before: {before}); "
            f"{self.checkpoint} is kept; begin again with a lower --learning-rate than "
            f"{self.settings.learning_rate:g}"
        )

    def compared(self, network: Network, decibels: Tensor) -> Tensor:
        """What the loss compares, by the encoder in half precision where that pays: [B, 1, F, T] -> [B, D], unit
        norm."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            projected: Tensor = network.encoder.projected(decibels)
        return functional.normalize(projected.float(), dim=1)

    def embed_all(self, sounds: list[Audio]) -> Tensor:
        """What the loss compares, with the statistics of batches that were learned, on the CPU: [n, D]."""
        network = self.used
        training = network.training
        network.eval()
        with torch.no_grad():
            parts = [
                self.compared(network, network.decibels(torch.from_numpy(np.stack(part)).to(self.device))).cpu()
                for part in _parts(sounds, self.settings.batch)
            ]
        network.train(training)
        return torch.cat(parts)

    def recall(self, held_out: HeldOut) -> float:
        """Recall@1: the share of deformed segments whose nearest original is their own."""
        nearest = (self.embed_all(held_out.deformed) @ self.embed_all(held_out.originals).T).argmax(1)
        return float((nearest == torch.arange(len(nearest))).float().mean())

    def note_recall(self) -> None:
        """Into the history, after a step at which it is due."""
        if self.held_out and (self.step % RECALL_STEPS == 0 or self.step == self.settings.steps):
            self.history.recall.append((self.step, self.recall(self.held_out)))

    def finish(self, sounds: Audio, others: Audio, counts: NDArray[np.float32]) -> Network:
        """The network for use, on the CPU, its components fitted on pairs of segments, float32 [n, WINDOW] each, that
        count so much [n]."""
        network = self.used.eval()
        with exact_convolutions():
            fit_components(network, sounds, others, counts)
        return network.to("cpu")


class Training(Learner):
    """Learns from batches that other processes make: batch number `step` for every step."""

    def __init__(
        self,
        batches: Dataset[Batch],
        held_out: HeldOut | None,
        settings: Settings,
        checkpoint: Path,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(held_out, settings, checkpoint, device or open_device("cpu"))
        self.batches = batches

    def run(self) -> Iterator[Progress]:
        """One Progress a step."""
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
                recall=self.history.last_recall,
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
            raise self.not_numbers(what)

    def embed(self, audio: Tensor) -> Tensor:
        """What the loss compares: [B, L] -> [B, D], unit norm."""
        return self.compared(self.network, self.network.decibels(audio.to(self.device, non_blocking=True)))

    def _note(self, outcome: Outcome) -> None:
        self.step += 1
        self.history.loss.append(float(outcome.loss.detach()))
        self.note_recall()

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


def _parts(sounds: list[Audio], size: int) -> Iterator[list[Audio]]:
    return (sounds[first : first + size] for first in range(0, len(sounds), size))


def _ignore_interrupt(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the main one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
