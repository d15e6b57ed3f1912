"""The loop that never waits, on the CPU and with a small network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qbe.audio.segmentation import WINDOW
from qbe.learn.averaging import Average
from qbe.learn.batches import Batches, Doses
from qbe.learn.corpus import Corpus, write_corpus
from qbe.learn.device_training import DeviceTraining
from qbe.learn.export import export
from qbe.learn.kinds import ungrouped
from qbe.learn.network import Network
from qbe.learn.pool import Pool
from qbe.learn.settings import Settings
from qbe.streams.records import Segment

CPU = torch.device("cpu")
SMALL = (8, 16, 16, 32)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    rng = np.random.default_rng(0)
    t = np.arange(2 * WINDOW)
    segments = []
    for k in range(10):
        sound = (np.sin(t * 0.01 * (k + 2)) * 0.3 + rng.normal(0, 0.01, len(t))).astype(np.float32)
        name = b"%d/%d.wav" % (k // 2, k)
        segments += [Segment(name, s, WINDOW, sound[s : s + WINDOW]) for s in (0, WINDOW)]
    return write_corpus(segments, tmp_path)


def training(corpus: Corpus, checkpoint: Path | None = None, steps: int = 12) -> DeviceTraining:
    batches = Batches(Pool(corpus, ungrouped(corpus), CPU), Doses(short=0), 8)
    settings = Settings(steps=steps, loss="nt-xent", batch=8, widths=SMALL)
    return DeviceTraining(batches, settings, checkpoint)


def test_the_loss_falls_and_what_is_saved_can_be_taken_up(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    learned = training(corpus, path, steps=60)
    reports = list(learned.run())
    assert [report.step for report in reports] == [50, 60]
    assert reports[-1].loss < reports[0].loss
    state = torch.load(path, weights_only=True)
    again = training(corpus).restore(state)
    assert again.step == 60
    for one, other in ((learned.network, again.network), (learned.average.network, again.average.network)):
        assert all(
            torch.equal(one.state_dict()[name], value)
            for name, value in other.state_dict().items()
            if name.startswith("encoder")
        )


def test_training_is_repeated_by_its_seed(corpus: Corpus) -> None:
    one, other = training(corpus, steps=3), training(corpus, steps=3)
    losses = [list(t.run())[-1].loss for t in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_an_average_comes_near_what_stays() -> None:
    network = Network(widths=SMALL)
    average = Average(network, decay=0.5)
    with torch.no_grad():
        for parameter in network.encoder.parameters():
            parameter.add_(1.0)
        network.encoder.stem[1].running_mean.fill_(3.0)
    for _ in range(60):
        average.update()
    for name, value in network.encoder.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(average.network.encoder.state_dict()[name], value, atol=1e-4, rtol=1e-4)


def test_the_finished_network_becomes_a_model(corpus: Corpus, tmp_path: Path) -> None:
    learned = training(corpus)
    list(learned.run())
    network = learned.finish(segments=256)
    sounds = np.stack([corpus.read(run, 0, WINDOW) for run in range(8)])
    quality = export(
        network, str(tmp_path / "model.onnx"), name="small", licence="MIT", training={}, sounds=sounds, int8=False
    )
    assert "from torch" in quality
