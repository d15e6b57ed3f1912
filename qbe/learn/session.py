"""One training from decoded sounds to a model file, and the folder beside the model that lets it survive a stop."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qbe.audio.segmentation import WINDOW
from qbe.learn.batches import Batches
from qbe.learn.corpus import Corpus, open_corpus, write_corpus
from qbe.learn.device_training import DeviceTraining
from qbe.learn.devices import enough_memory
from qbe.learn.export import export
from qbe.learn.kinds import Grouping
from qbe.learn.materials import Materials
from qbe.learn.plotting import Distances, plot_training
from qbe.learn.pool import Pool
from qbe.learn.progress import Progress
from qbe.learn.settings import Settings
from qbe.learn.training import Learner, Training, load_checkpoint
from qbe.learn.triplets import HeldOut, Place, Triplets
from qbe.streams.records import Audio, Segment
from qbe.support.errors import TrainingError

REAL_SOUNDS = 512  # that an exported model is checked on
FITTED = 8192  # pairs that the embedding's components are found on
FEWEST = 256
PICTURED_BATCHES = 8


class Session:
    """begin, begin_with or take_up; then train; then finish.

    The folder MODEL.training holds the last checkpoint and says where the decoded sounds are (in it, where they came
    as a stream); it is removed when the model is written.

    by_batch : whether pairs are made by the batch where the network learns, None: on a GPU. A training goes on as it
        began, whatever the device.
    """

    def __init__(self, model: Path, device: torch.device, by_batch: bool | None = None) -> None:
        self.model, self.device = model, device
        self.by_batch = by_batch
        self.materials = Materials()
        self.folder = model.with_name(model.name + ".training")
        self.checkpoint = self.folder / "checkpoint.pt"
        self.training: Learner
        self.grouping: Grouping
        self.triplets: Triplets
        self.last: Progress | None = None

    def check(self, settings: Settings) -> None:
        """TrainingError where an unfinished training is in the way, UsageError where settings cannot be kept here."""
        if self.checkpoint.exists():
            raise TrainingError(f"{self.folder}: an unfinished training: go on with --resume, or remove the folder")
        if self.by_batch is None:  # learned wavelets need the samples of every pair
            self.by_batch = self.device.type == "cuda" and not settings.learn_filterbank
        settings.check(by_batch=self.by_batch)

    def begin(self, sounds: Path, settings: Settings, materials: Materials | None = None) -> None:
        """With sounds that are decoded in the folder `sounds`. TrainingError where there is too little."""
        self.check(settings)
        self.materials = materials or self.materials
        corpus = open_corpus(sounds)
        self._prepare(corpus, settings)
        self.folder.mkdir(exist_ok=True)
        (self.folder / "sounds").write_bytes(os.path.relpath(bytes(sounds), bytes(self.folder)))
        self.materials.keep(self.folder)
        self.training.save()

    def begin_with(self, segments: Iterable[Segment], settings: Settings, materials: Materials | None = None) -> None:
        """With the sounds of a stream, which are kept in the folder."""
        self.check(settings)
        self.folder.mkdir(exist_ok=True)
        try:
            write_corpus(segments, self.folder)
            self.begin(self.folder, settings, materials)
        except BaseException:  # there is nothing yet that could be taken up
            shutil.rmtree(self.folder)
            raise

    def take_up(self, steps: int | None, minutes: float | None) -> None:
        """Go on from the checkpoint, to a new end where one is given. TrainingError where there is none."""
        state = load_checkpoint(self.checkpoint)
        settings = Settings.restored(state["settings"])
        if steps or minutes:
            settings = settings.until(steps, minutes)
        self.by_batch = "average" in state
        self.materials = Materials.kept(self.folder)
        sounds = Path(os.fsdecode((self.folder / "sounds").read_bytes()))
        self._prepare(open_corpus(self.folder / sounds), settings)
        self.training.restore(state)

    def _prepare(self, corpus: Corpus, settings: Settings) -> None:
        grouping = self.materials.grouping(corpus, settings.balance)
        self.grouping, self.triplets = grouping, Triplets(corpus, settings, grouping)
        held_out = HeldOut(corpus) if corpus.held_out().any() else None
        if not self.by_batch:
            self.training = Training(self.triplets, held_out, settings, self.checkpoint, self.device)
            return
        with enough_memory():
            pool = Pool(corpus, grouping, self.device)
            batches = Batches(pool, settings, self.materials.rooms)
            self.training = DeviceTraining(batches, held_out, settings, self.checkpoint)

    def train(self) -> Iterator[Progress]:
        """Train to the end, one Progress a step or a few. Ctrl-C and SIGTERM take effect then, when it is saved."""
        with enough_memory(), _Postponed() as signals:
            for progress in self.training.run():
                self.last = progress
                yield progress
                if signals.number:
                    self.training.save()
                    break
        if signals.number:
            signal.raise_signal(signals.number)

    def finish(self, *, int8: bool, plot: str | None) -> Summary:
        """Write the model, and the picture where one is wanted; remove the folder.

        ModelError where the model would not do, see `export`; then the folder stays.
        """
        training, settings = self.training, self.training.settings
        distances = self._distances() if plot else None
        network = training.finish(*self._pairs(FITTED, seed=1))
        parameters = {
            **dataclasses.asdict(settings),
            "averaged": training.averaged,
            "steps_done": training.step,
            "minutes_done": round(training.seconds / 60, 1),
            "hours": round(self.triplets.corpus.hours, 3),
        }
        if settings.kinds:  # they decided what was drawn
            del parameters["balance"]
        names = {"name": parameters.pop("name"), "licence": parameters.pop("licence")}
        quality = export(
            network,
            str(self.model),
            training=parameters,
            sounds=self._sounds(REAL_SOUNDS, seed=0),
            int8=int8,
            **names,
        )
        if plot and distances:
            plot_training(plot, training.history, distances)
        shutil.rmtree(self.folder)
        return self._summary(quality)

    def _summary(self, quality: str) -> Summary:
        training, loss = self.training, self.training.history.loss
        averaged = min(50, len(loss))
        return Summary(
            steps=training.step,
            seconds=training.seconds,
            views_per_second=self.last.views_per_second if self.last else 0.0,
            waiting=self.last.waiting if self.last else 0.0,
            first_loss=float(np.mean(loss[:averaged])),
            last_loss=float(np.mean(loss[-averaged:])),
            averaged=averaged,
            recall=training.history.last_recall,
            size=self.model.stat().st_size,
            quality=quality,
        )

    def _sounds(self, count: int, seed: int) -> Audio:
        """Segments from anywhere in the sounds, float32 [count, WINDOW]; fewer where there are fewer, but some."""
        return self._read(self._places(count, np.random.default_rng(seed)))

    def _pairs(self, count: int, seed: int) -> tuple[Audio, Audio, NDArray[np.float32]]:
        """The same, for each another that counts as the same, and how much each of these pairs counts, [count]."""
        rng = np.random.default_rng(seed)
        places = self._places(count, rng)
        others = [self.triplets.same(rng, place) for place in places]
        files = self.triplets.corpus.runs["file"][[place.run for place in places]]
        return self._read(places), self._read(others), self.grouping.beside(files)

    def _places(self, count: int, rng: np.random.Generator) -> list[Place]:
        count = min(count, max(FEWEST, len(self.triplets.corpus.audio) // WINDOW))
        return [self.triplets.place(rng) for _ in range(count)]

    def _read(self, places: list[Place]) -> Audio:
        return np.stack([self.triplets.read(place) for place in places])

    def _distances(self) -> Distances:
        """What the network makes of batches that it has not learned from."""
        training = self.training
        settings = dataclasses.replace(training.settings, seed=training.settings.seed + 1)
        if isinstance(training, DeviceTraining):
            others = Batches(training.batches.pool, settings, self.materials.rooms)
            return Distances.between(training.views(others, PICTURED_BATCHES), settings)
        batches = Triplets(self.triplets.corpus, settings)
        return Distances.of(training, [batches[step] for step in range(PICTURED_BATCHES)])


@dataclass(frozen=True)
class Summary:
    """What came of a training.

    steps, seconds : in all; views_per_second, waiting : of the last sitting, as in Progress
    first_loss, last_loss : means over `averaged` steps
    recall : as in Progress; size : of the model, bytes; quality : as `export` gives it
    """

    steps: int
    seconds: float
    views_per_second: float
    waiting: float
    first_loss: float
    last_loss: float
    averaged: int
    recall: float | None
    size: int
    quality: str


class _Postponed:
    """Keeps Ctrl-C and SIGTERM until they are wanted; the second one is not kept, and what is ignored stays so."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.handlers: dict[int, Any] = {}

    def __enter__(self) -> _Postponed:
        wanted = [
            number
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) != signal.SIG_IGN
        ]
        self.handlers = {number: signal.signal(number, self._note) for number in wanted}
        return self

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        self.__exit__()

    def __exit__(self, *_: object) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
