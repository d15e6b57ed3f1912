"""The loop that never waits, on the CPU and with a small network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import noise, tone, write_sound

from qbe.audio.recipe import Recipe
from qbe.audio.segmentation import WINDOW, cut
from qbe.encoder import open_encoder
from qbe.learn import device_training
from qbe.learn.averaging import Average
from qbe.learn.batches import Batches
from qbe.learn.corpus import Corpus, write_corpus
from qbe.learn.device_training import DeviceTraining
from qbe.learn.devices import enough_memory
from qbe.learn.kinds import Grouping, read_kinds, ungrouped
from qbe.learn.materials import Materials
from qbe.learn.network import Network
from qbe.learn.pool import Pool
from qbe.learn.rooms import read_rooms
from qbe.learn.session import Session
from qbe.learn.settings import Settings
from qbe.learn.training import load_checkpoint
from qbe.learn.triplets import HeldOut, Triplets
from qbe.streams.records import Segment
from qbe.support.errors import TrainingError, UsageError

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


MIXTURE = Recipe(proximity=0.8, neighbour=0.3, pitch=0.3, stretch=0.3, eq=0.3, noise=0.1, room=0.3, anchors=0.5)


def small(steps: int, **changes: object) -> Settings:
    values = {"steps": steps, "loss": "nt-xent", "batch": 8, "widths": SMALL, "recipe": MIXTURE, **changes}
    return Settings(**values)  # type: ignore[arg-type]


def training(corpus: Corpus, checkpoint: Path, settings: Settings) -> DeviceTraining:
    batches = Batches(Pool(corpus, ungrouped(corpus), CPU), settings)
    return DeviceTraining(batches, HeldOut(corpus), settings, checkpoint)


def same_weights(one: Network, other: Network) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_the_loss_falls_and_reports_come_every_few_steps(corpus: Corpus, tmp_path: Path) -> None:
    learned = training(corpus, tmp_path / "c.pt", small(60))
    reports = list(learned.run())
    assert [report.step for report in reports] == [50, 60]
    assert reports[-1].loss < reports[0].loss
    assert len(learned.history.loss) == 60
    assert [step for step, _ in learned.history.recall] == [60]
    assert reports[0].done == pytest.approx(50 / 60)
    assert reports[1].done == 1


@pytest.mark.parametrize("loss", ["nt-xent", "cosine"])
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    monkeypatch.setattr(device_training, "REPORTED", 2)
    settings = small(6, loss=loss)
    whole = training(corpus, tmp_path / "whole.pt", settings)
    list(whole.run())
    stopped = training(corpus, tmp_path / "parts.pt", settings)
    assert next(stopped.run()).step == 2
    stopped.save()
    parts = training(corpus, tmp_path / "parts.pt", settings).restore(load_checkpoint(tmp_path / "parts.pt"))
    assert [report.step for report in parts.run()] == [4, 6]
    assert parts.history == whole.history
    assert same_weights(whole.network, parts.network)
    assert same_weights(whole.average.network, parts.average.network)


def test_losses_that_are_no_numbers_stop_it_and_keep_the_checkpoint(corpus: Corpus, tmp_path: Path) -> None:
    learned = training(corpus, tmp_path / "c.pt", small(3))
    learned.save()
    before = (tmp_path / "c.pt").read_bytes()
    with torch.no_grad():
        learned.network.encoder.projection[-1].bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"not numbers any more .*lower --learning-rate"):
        list(learned.run())
    assert (tmp_path / "c.pt").read_bytes() == before


def test_a_collapse_is_told(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned = training(corpus, tmp_path / "c.pt", small(100))
    monkeypatch.setattr(learned, "_learn", lambda _: torch.tensor([1.0, 0.5, 0.99]))
    assert [bool(report.warning) for report in learned.run()] == [False, True]


def test_training_is_repeated_by_its_seed(corpus: Corpus, tmp_path: Path) -> None:
    runs = [training(corpus, tmp_path / "c.pt", small(3)) for _ in range(2)]
    losses = [list(run.run())[-1].loss for run in runs]
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


def cuts(count: int = 6) -> Iterator[Segment]:
    for k in range(count):
        sound = tone(150 * 1.2**k, 3.0) + noise(3.0, seed=k, amplitude=0.02)
        yield from cut([sound], b"%d/%d.wav" % (k // 2, k), hop=WINDOW)


def session(folder: Path) -> Session:
    return Session(folder / "m.onnx", CPU, by_batch=True)


def materials(folder: Path, count: int = 6) -> Materials:
    """A table of kinds for `cuts`, and one room."""
    lines = ["path\tkind\tsource", *(f"{k // 2}/{k}.wav\tspeech\t{k}" for k in range(count))]
    (folder / "kinds.tsv").write_text("\n".join(lines))
    (folder / "rooms").mkdir()
    write_sound(folder / "rooms" / "hall.wav", noise(0.5))
    return Materials.read(folder / "kinds.tsv", folder / "rooms")


def test_a_session_from_sounds_to_a_model_that_says_how_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_training, "REPORTED", 1)
    (tmp_path / "given").mkdir()
    settings = small(3, kinds="kinds.tsv", rooms="rooms", name="tiny")
    begun = session(tmp_path)
    begun.begin_with(cuts(), settings, materials(tmp_path / "given"))
    shutil.rmtree(tmp_path / "given")  # what is needed of it has been kept
    assert next(iter(begun.train())).step == 1
    begun.training.save()
    later = Session(tmp_path / "m.onnx", CPU)
    later.take_up(None, None)
    assert isinstance(later.training, DeviceTraining)
    assert len(later.materials.rooms) == 1 and later.materials.kinds
    assert [state.step for state in later.train()] == [2, 3]
    summary = later.finish(int8=False, plot=str(tmp_path / "p.svg"))
    assert (summary.steps, summary.averaged) == (3, 3)
    model = open_encoder(str(tmp_path / "m.onnx"))
    metadata = model.session.get_modelmeta().custom_metadata_map
    made = json.loads(metadata["training"])
    assert (made["averaged"], made["widths"], made["kinds"], made["rooms"]) == (True, list(SMALL), "kinds.tsv", "rooms")
    assert made["recipe"]["room"] == 0.3
    assert "balance" not in made
    assert json.loads(metadata["filterbank"])["encoder_widths"] == list(SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "p.svg"]


def test_the_model_is_the_average(tmp_path: Path) -> None:
    begun = session(tmp_path)
    begun.begin_with(cuts(), small(2))
    list(begun.train())
    learned = begun.training
    assert isinstance(learned, DeviceTraining)
    average = {name: value.clone() for name, value in learned.average.network.state_dict().items()}
    begun.finish(int8=False, plot=None)
    kept = learned.average.network.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in average.items() if ".of_" not in name)
    sounds = np.stack([noise(1.024, seed=seed) for seed in range(4)])
    with torch.no_grad():
        expected = learned.average.network(torch.from_numpy(sounds)).numpy()
    np.testing.assert_allclose(open_encoder(str(tmp_path / "m.onnx")).embed(sounds), expected, atol=1e-4)


def test_a_table_that_lacks_a_file_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    few = materials(tmp_path / "given", count=3)
    with pytest.raises(TrainingError, match=r"kinds.tsv: says nothing of 1/3.wav"):
        session(tmp_path).begin_with(cuts(), small(1), few)
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks, separated by tabs, the columns kind, path, source"),
        (b"path\tkind\na\tspeech", "lacks, separated by tabs, the columns source"),
        (b"path\tkind\tsource\na\tspeech", "line 2: must have a path, a kind and a source"),
        (b"path\tkind\tsource\na\t\tb", "line 2: must have a path, a kind and a source"),
        (b"path\tkind\tsource\n" + b"a" * 200_000 + b"\tb\tc", "field larger than field limit"),
    ],
)
def test_what_is_no_table_of_kinds(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "kinds.tsv").write_bytes(content)
    with pytest.raises(TrainingError, match=message):
        read_kinds(tmp_path / "kinds.tsv")


def test_only_what_a_training_uses_is_kept(tmp_path: Path) -> None:
    materials(tmp_path).keep(tmp_path)
    kept = Materials.kept(tmp_path)
    assert kept.kinds and len(kept.rooms) == 1
    Materials().keep(tmp_path)
    assert Materials.kept(tmp_path) == Materials()


def test_a_gpu_that_is_too_small_is_told_in_one_line() -> None:
    with pytest.raises(TrainingError, match=r"too little memory .* a smaller --batch"), enough_memory():
        raise torch.OutOfMemoryError


def test_rooms_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such folder: --rooms takes"):
        read_rooms(tmp_path / "rooms")
    (tmp_path / "rooms").mkdir()
    with pytest.raises(TrainingError, match="no sounds in it: --rooms takes"):
        read_rooms(tmp_path / "rooms")
    write_sound(tmp_path / "rooms" / "a.wav", noise(0.3), 48_000)
    assert len(read_rooms(tmp_path / "rooms")[0]) == pytest.approx(1600, abs=10)
    write_sound(tmp_path / "rooms" / "b.wav", np.zeros(1000, np.float32))
    with pytest.raises(TrainingError, match=r"b.wav: silent"):
        read_rooms(tmp_path / "rooms")


@pytest.mark.parametrize(
    ("by_batch", "changes", "message"),
    [
        (False, {"recipe": Recipe(room=0.1, short=0.1, anchors=1)}, "recipe: room, short, anchors: only with --device"),
        (False, {"rooms": "halls"}, "--rooms: not used: give room a weight"),
        (True, {"rooms": "halls"}, "--rooms: not used: give room a weight"),
        (True, {"recipe": Recipe(gain=0.1)}, "recipe: gain: only with --device cpu"),
        (True, {"recipe": Recipe(max_semitones=13)}, "max_semitones 13: with --device cuda at most 12"),
        (True, {"recipe": Recipe(max_stretch=2.5)}, "max_stretch 2.5: with --device cuda at most 2"),
        (True, {"recipe": Recipe(neighbour=0.3)}, "neighbour 0.3: with --device cuda at most 0.25: .* 75% of all are"),
        (True, {"recipe": Recipe(synthetic=0.5)}, "synthetic 0.5: with --device cuda at most 0.25"),
    ],
)
def test_recipes_that_cannot_be_made_so(
    tmp_path: Path, by_batch: bool, changes: dict[str, object], message: str
) -> None:
    begun = Session(tmp_path / "m.onnx", CPU, by_batch=by_batch)
    with pytest.raises(UsageError, match=message):
        begun.begin_with(cuts(), Settings(steps=1, **changes))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_gpu_makes_pairs_by_the_batch_unless_wavelets_are_learned(tmp_path: Path) -> None:
    for device, learned, by_batch in (("cuda", False, True), ("cuda", True, False), ("cpu", False, False)):
        begun = Session(tmp_path / "m.onnx", torch.device(device))
        begun.check(Settings(learn_filterbank=learned))
        assert begun.by_batch == by_batch


def test_kinds_decide_what_is_drawn_one_by_one_too(corpus: Corpus) -> None:
    kinds = [("speech" if k < 6 else "environment") for k in range(len(corpus.paths))]
    grouping = Grouping.of(kinds, [str(k) for k in range(len(kinds))])
    triplets = Triplets(corpus, Settings(batch=200), grouping)
    drawn = triplets[0].sources.numpy()
    assert np.mean(drawn < 6) == pytest.approx(0.22 / (0.22 + 0.14), abs=0.1)
