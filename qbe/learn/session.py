"""One training from sounds to a model file, and the folder beside the model that lets it survive a stop."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from qbe.errors import TrainingError
from qbe.learn.corpus import open_corpus, write_corpus
from qbe.learn.export import export
from qbe.learn.training import Progress, Settings, Training
from qbe.streams.records import Segment


class Session:
    """begin or take_up, then train, then finish.

    MODEL.training holds the decoded sounds and the last checkpoint; it is removed when the model is written.
    """

    def __init__(self, model: Path) -> None:
        self.model = model
        self.folder = model.with_name(model.name + ".training")
        self.checkpoint = self.folder / "checkpoint.pt"
        self.training: Training | None = None

    def begin(self, segments: Iterable[Segment], settings: Settings) -> None:
        """Decode the sounds. TrainingError where an unfinished training is in the way, or there is too little sound."""
        if self.checkpoint.exists():
            raise TrainingError(f"{self.folder}: an unfinished training: go on with --resume, or remove the folder")
        self.folder.mkdir(exist_ok=True)
        try:
            write_corpus(segments, self.folder)
        except BaseException:  # there is nothing yet that could be taken up
            shutil.rmtree(self.folder)
            raise
        self.training = Training(open_corpus(self.folder), settings, self.checkpoint)
        self.training.save()

    def take_up(self, steps: int | None, minutes: float | None) -> None:
        """Go on from the checkpoint, to a new end where one is given. TrainingError where there is none."""
        if not self.checkpoint.exists():
            raise TrainingError(f"{self.checkpoint}: no such checkpoint to resume; begin without --resume")
        self.training = Training.resumed(open_corpus(self.folder), self.checkpoint)
        if steps or minutes:
            self.training.settings = dataclasses.replace(self.training.settings, steps=steps, minutes=minutes)

    def train(self) -> Iterator[Progress]:
        """Train to the end, one Progress a step."""
        assert self.training
        return self.training.run()

    def finish(self, name: str, licence: str) -> None:
        """Write the model and remove the folder."""
        assert self.training
        training = self.training
        parameters = {
            **dataclasses.asdict(training.settings),
            "steps_done": training.step,
            "hours": round(len(training.corpus.audio) / 16_000 / 3600, 3),
        }
        export(training.network, str(self.model), name=name, licence=licence, training=parameters)
        shutil.rmtree(self.folder)
