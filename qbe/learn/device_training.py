"""Train where batches are made: a loop that never waits for the device, but every few steps to tell how it stands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from qbe.learn.averaging import Average
from qbe.learn.batches import Batches
from qbe.learn.devices import fast_convolutions
from qbe.learn.losses import Views, compare, loss_parts
from qbe.learn.network import Network
from qbe.learn.progress import Progress, schedule
from qbe.learn.settings import Settings
from qbe.learn.training import CHECKPOINT_SECONDS, Learner
from qbe.learn.triplets import HeldOut

REPORTED = 50  # steps between two looks at the loss


class DeviceTraining(Learner):
    """Learns on the device of its batches; the network for use is the average of its weights."""

    averaged = True

    def __init__(self, batches: Batches, held_out: HeldOut | None, settings: Settings, checkpoint: Path) -> None:
        super().__init__(held_out, settings, checkpoint, batches.device)
        self.batches = batches
        self.average = Average(self.network)

    @property
    def used(self) -> Network:
        return self.average.network

    def run(self) -> Iterator[Progress]:
        """One Progress for every REPORTED steps, and for the last."""
        self.network.train()
        saved = earlier = self.seconds
        began, first = time.monotonic() - earlier, self.step
        recent: list[Tensor] = []
        with fast_convolutions():
            while (done := self.settings.done(self.step, self.seconds)) < 1:
                recent.append(self._learn(self.settings.learning_rate * schedule(done)))
                self.step += 1
                self.seconds = time.monotonic() - began
                if self.step % REPORTED and self.settings.done(self.step, self.seconds) < 1:
                    continue
                losses = self._read(recent)
                self.seconds = time.monotonic() - began
                views = 2 * self.batches.count * (self.step - first)
                yield self._progress(losses, views / (self.seconds - earlier))
                recent = []
                if self.seconds - saved > CHECKPOINT_SECONDS:
                    self.save()
                    saved = self.seconds
        self.save()
        self.network.eval()

    def _learn(self, learning_rate: float) -> Tensor:
        """One step; loss, active share and mean cosine of its batch, still on the device, [3]."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        batch = self.batches[self.step]
        anchors, positives = self.compared(self.network, batch.decibels).chunk(2)
        loss, active, cosine = loss_parts(compare(anchors, positives, batch.sources), self.settings)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.learned, 5.0)
        self.optimizer.step()
        self.average.update()
        return torch.stack([loss.detach(), active, cosine])

    def _read(self, recent: list[Tensor]) -> Tensor:
        """What `_learn` gave for the last steps, on the CPU, [n, 3]. Here, and only here, the device is waited for."""
        values = torch.stack(recent).cpu()
        if not torch.isfinite(values).all():
            raise self.not_numbers("losses")
        self.history.loss += values[:, 0].tolist()
        self.note_recall()
        return values

    def _progress(self, values: Tensor, views_per_second: float) -> Progress:
        """After the steps that `values` are of, [n, 3]."""
        warnings = [self.watch.sees(loss, cosine) for loss, _, cosine in values.tolist()]
        loss, active, cosine = values.mean(0).tolist()
        return Progress(
            step=self.step,
            loss=loss,
            active=active,
            mean_cosine=cosine,
            recall=self.history.last_recall,
            done=self.settings.done(self.step, self.seconds),
            seconds=self.seconds,
            views_per_second=views_per_second,
            waiting=0.0,
            warning=next(filter(None, warnings), None),
        )

    def state(self) -> dict[str, Any]:
        """With the average."""
        return {**super().state(), "average": self.average.network.encoder.state_dict()}

    def restore(self, state: dict[str, Any]) -> Self:
        """With the average."""
        super().restore(state)
        self.average.network.encoder.load_state_dict(state["average"])
        self.average.steps = self.step
        return self

    def views(self, batches: Batches, count: int) -> list[Views]:
        """Of the first `count` batches, by the network for use, on the CPU."""
        found = []
        network = self.used.eval()
        for step in range(count):
            batch = batches[step]
            with torch.no_grad():
                anchors, positives = self.compared(network, batch.decibels).cpu().chunk(2)
            found.append(compare(anchors, positives, batch.sources.cpu()))
        return found
