"""Train where batches are made: a loop that never waits for the device, but every few seconds to tell how it stands."""

from __future__ import annotations

import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from qbe.errors import TrainingError
from qbe.learn.averaging import Average
from qbe.learn.batches import Batches
from qbe.learn.components import set_components
from qbe.learn.devices import half_precision
from qbe.learn.losses import compare, nt_xent_parts
from qbe.learn.network import Network
from qbe.learn.settings import Settings
from qbe.learn.training import CHECKPOINT_SECONDS, Progress, schedule
from qbe.saving import save_file

REPORTED = 50  # steps between two looks at the loss
FITTED = 8192  # segments that the embedding's components are found on


class DeviceTraining:
    """A network and the average of its weights on the device of its batches; learns with NT-Xent."""

    def __init__(
        self,
        batches: Batches,
        settings: Settings,
        checkpoint: Path | None = None,
        saved_every: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.batches, self.settings = batches, settings
        self.checkpoint, self.saved_every = checkpoint, saved_every
        self.device = batches.device
        self.half = half_precision(self.device)
        torch.manual_seed(settings.seed)
        self.network = Network(widths=settings.widths).to(self.device)
        self.network.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.learned = [p for p in self.network.encoder.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.learned, weight_decay=settings.weight_decay, fused=self.device.type == "cuda"
        )
        self.average = Average(self.network)
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []

    def run(self, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
        """Train to the end by the settings; one Progress for every REPORTED steps, and for the last.

        TrainingError when the loss is no number any more; the last good checkpoint stays.
        """
        self.network.train()
        began, first, saved = clock() - self.seconds, self.step, self.seconds
        earlier = self.seconds
        recent: list[Tensor] = []
        while (done := self.settings.done(self.step, self.seconds)) < 1:
            recent.append(self._learn(self.settings.learning_rate * schedule(done)))
            self.step += 1
            self.seconds = clock() - began
            over = self.settings.done(self.step, self.seconds) >= 1
            if len(recent) < REPORTED and not over:
                continue
            loss, active, cosine = self._read(recent)
            recent.clear()
            self.seconds = clock() - began
            spent = max(1e-9, self.seconds - earlier)
            rate = 2 * self.batches.count * (self.step - first) / spent
            yield Progress(self.step, loss, active, cosine, None, done, self.seconds, rate, 0.0, None)
            if self.checkpoint and (self.seconds - saved > self.saved_every or over):
                self.save(self.checkpoint)
                saved = self.seconds
        self.network.eval()

    def _learn(self, learning_rate: float) -> Tensor:
        """One step; loss, active share and mean cosine of its batch, still on the device, [3]."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        batch = self.batches[self.step]
        anchors, positives = self.embed(batch.decibels).chunk(2)
        views = compare(anchors, positives, batch.sources)
        loss, active = nt_xent_parts(views, self.settings.temperature)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.learned, 5.0)
        self.optimizer.step()
        self.average.update()
        return torch.stack([loss.detach(), active, views.similarity.detach().mean()])

    def embed(self, decibels: Tensor) -> Tensor:
        """What the loss compares: [B, 1, F, T] -> [B, D], unit norm."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            projected: Tensor = self.network.encoder.projected(decibels)
        return functional.normalize(projected.float(), dim=1)

    def _read(self, recent: list[Tensor]) -> tuple[float, float, float]:
        """Means over the last steps. Here, and only here, the device is waited for."""
        values = torch.stack(recent).mean(0).tolist()
        if not all(math.isfinite(value) for value in values):
            raise TrainingError(
                f"the loss is not a number any more at step {self.step} (before: {self.losses[-3:]}); begin again with "
                f"a lower --learning-rate than {self.settings.learning_rate:g}"
            )
        self.losses.append(values[0])
        return values[0], values[1], values[2]

    def state(self) -> dict[str, Any]:
        """Everything of the networks, and what a run is made by, as plain data."""
        return {
            "network": self.network.encoder.state_dict(),
            "average": self.average.network.encoder.state_dict(),
            "settings": dataclasses.asdict(self.settings),
            "doses": dataclasses.asdict(self.batches.doses),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
        }

    def save(self, path: Path) -> None:
        """Put `state` into a file, whole or not at all."""
        buffer = io.BytesIO()
        torch.save(self.state(), buffer)
        with save_file(str(path)) as file:
            file.write(buffer.getbuffer())

    def restore(self, state: dict[str, Any]) -> Self:
        """Go on from weights that were saved; the optimizer begins anew."""
        self.network.encoder.load_state_dict(state["network"])
        self.average.network.encoder.load_state_dict(state["average"])
        self.step, self.seconds, self.losses = state["step"], state["seconds"], list(state["losses"])
        self.average.steps = self.step
        return self

    def finish(self, *, averaged: bool = True, segments: int = FITTED) -> Network:
        """The network for use, its components fitted on segments drawn as anchors are."""
        network = self.average.network if averaged else self.network
        network.eval()
        set_components(network, self.batches.plain(segments, seed=1))
        return network
