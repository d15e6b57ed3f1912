"""From triplets to a trained model, through stops."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from conftest import noise, tone

from qbe.audio.recipe import Recipe
from qbe.audio.segmentation import WINDOW, cut
from qbe.encoder import open_encoder
from qbe.learn import devices
from qbe.learn import training as running
from qbe.learn.corpus import Corpus, write_corpus
from qbe.learn.devices import half_precision, open_device
from qbe.learn.plotting import Distances
from qbe.learn.session import Session
from qbe.learn.settings import Settings
from qbe.learn.training import Training, load_checkpoint
from qbe.learn.triplets import HeldOut, Triplets
from qbe.streams.records import Audio, Segment
from qbe.support.errors import TrainingError, UsageError

CPU = torch.device("cpu")


def cuts(sounds: dict[bytes, Audio]) -> Iterator[Segment]:
    for path, audio in sounds.items():
        yield from cut([audio], path, hop=WINDOW)


def some_sounds(count: int) -> dict[bytes, Audio]:
    return {b"%d" % k: tone(150 * 1.2**k, 3.0) + noise(3.0, seed=k, amplitude=0.02) for k in range(count)}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of twelve files, decoded; one of them is held out."""
    folder = tmp_path_factory.mktemp("sounds")
    write_corpus(cuts(some_sounds(12)), folder)
    return folder


@pytest.fixture(scope="module")
def corpus(sounds: Path) -> Corpus:
    from qbe.learn.corpus import open_corpus

    return open_corpus(sounds)


def small(steps: int, **changes: object) -> Settings:
    return Settings(**{"steps": steps, "batch": 4, "seed": 3, **changes})  # type: ignore[arg-type]


def started(corpus: Corpus, settings: Settings, checkpoint: Path) -> Training:
    return Training(Triplets(corpus, settings), HeldOut(corpus), settings, checkpoint)


def trained(corpus: Corpus, settings: Settings, checkpoint: Path, stop: int | None = None) -> Training:
    """To the end, or to a stop after which all is forgotten but the checkpoint."""
    training = started(corpus, settings, checkpoint)
    if checkpoint.exists():
        training.restore(load_checkpoint(checkpoint))
    for progress in training.run():
        if progress.step == stop:
            training.save()
            break
    return training


@pytest.mark.parametrize(
    "changes",
    [{}, {"learn_filterbank": True}, {"loss": "nt-xent"}, {"mining": "none", "recipe": Recipe(mix=0.5, eq=0.5)}],
    ids=lambda changes: "-".join(changes) or "default",
)
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    corpus: Corpus, tmp_path: Path, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "RECALL_STEPS", 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = trained(corpus, small(4, **changes), tmp_path / "whole.pt")
    trained(corpus, small(4, **changes), tmp_path / "parts.pt", stop=2)
    parts = trained(corpus, small(4, **changes), tmp_path / "parts.pt")
    torch.set_num_threads(threads)
    assert (whole.step, parts.step) == (4, 4)
    assert parts.history == whole.history
    assert [step for step, _ in whole.history.recall] == [2, 4]
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, parts.network.state_dict()[name]), name


def test_the_filter_bank_is_frozen_unless_it_is_to_be_learned(corpus: Corpus, tmp_path: Path) -> None:
    for learned in (False, True):
        training = started(corpus, small(2, learn_filterbank=learned), tmp_path / f"{learned}.pt")
        before = [group.weight.clone() for group in training.network.filterbank.groups]  # type: ignore[union-attr, operator]
        low_pass = training.network.filterbank.decimators[0].conv.weight.clone()  # type: ignore[union-attr, operator]
        list(training.run())
        after = [group.weight for group in training.network.filterbank.groups]
        changed = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]  # type: ignore[arg-type]
        assert changed == [learned] * len(changed)
        assert torch.equal(low_pass, training.network.filterbank.decimators[0].conv.weight)  # type: ignore[union-attr, arg-type]


def test_progress_tells_where_training_stands(corpus: Corpus, tmp_path: Path) -> None:
    states = list(started(corpus, small(3), tmp_path / "c.pt").run())
    assert [state.step for state in states] == [1, 2, 3]
    assert [state.done for state in states] == pytest.approx([1 / 3, 2 / 3, 1])
    assert all(np.isfinite(state.loss) and state.views_per_second > 0 for state in states)
    assert all(0 <= state.waiting <= 1 and 0 <= state.active <= 1 for state in states)
    assert [state.recall is None for state in states] == [True, True, False]
    settings = Settings(batch=4, minutes=0.01)
    assert [state.done for state in started(corpus, settings, tmp_path / "t.pt").run()][-1] == 1


def test_recall_is_the_share_that_finds_its_original(corpus: Corpus, tmp_path: Path) -> None:
    training = started(corpus, small(1), tmp_path / "c.pt")
    held_out = HeldOut(corpus)
    held_out.deformed = [*held_out.originals]
    assert training.recall(held_out) == 1
    held_out.deformed = held_out.originals[1:] + held_out.originals[:1]
    assert training.recall(held_out) == 0


def test_measuring_recall_changes_nothing(corpus: Corpus, tmp_path: Path) -> None:
    training = started(corpus, small(1), tmp_path / "c.pt")
    training.network.train()
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.recall(HeldOut(corpus))
    assert training.network.training
    assert all(torch.equal(before[name], value) for name, value in training.network.state_dict().items())


def test_embeddings_that_are_no_numbers_stop_it_and_keep_the_checkpoint(corpus: Corpus, tmp_path: Path) -> None:
    training = started(corpus, small(3), tmp_path / "c.pt")
    training.save()
    before = (tmp_path / "c.pt").read_bytes()
    with torch.no_grad():
        training.network.encoder.projection[-1].bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="not numbers any more at step 0"):
        list(training.run())
    assert (tmp_path / "c.pt").read_bytes() == before


def test_gradients_that_are_no_numbers_stop_it_before_they_reach_the_weights(corpus: Corpus, tmp_path: Path) -> None:
    training = started(corpus, small(3), tmp_path / "c.pt")
    training.network.encoder.projection[-1].weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(TrainingError, match="gradients are not numbers any more at step 0"):
        list(training.run())
    assert all(torch.isfinite(value).all() for value in training.network.state_dict().values())


def test_a_full_disk_at_a_checkpoint_keeps_the_old_one(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = started(corpus, small(2), tmp_path / "c.pt")
    training.save()
    before = (tmp_path / "c.pt").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        list(training.run())
    assert (tmp_path / "c.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_half_precision_learns_too(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "half_precision", lambda _: True)
    training = started(corpus, small(2), tmp_path / "c.pt")
    assert training.half
    assert all(np.isfinite(state.loss) for state in training.run())
    norms = training.embed_all(HeldOut(corpus).originals).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms), atol=1e-5, rtol=0)


def test_half_precision_is_for_processors_that_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, wanted in (("fma avx2", False), ("avx512f avx512_bf16", True), ("amx_bf16 amx_tile", True)):
        (tmp_path / "cpuinfo").write_text(f"flags: {flags}\n")
        monkeypatch.setattr(devices, "CPUINFO", tmp_path / "cpuinfo")
        assert half_precision(CPU) == wanted
    assert half_precision(torch.device("cuda"))


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"--device cuda: not there .*: use --device cpu"):
        open_device("cuda")
    assert (open_device("auto"), open_device("cpu")) == (CPU, CPU)


def test_a_session_from_sounds_to_a_model(tmp_path: Path) -> None:
    session = Session(tmp_path / "m.onnx", CPU)
    session.begin_with(cuts(some_sounds(6)), small(2, name="tiny", licence="CC0-1.0"))
    with pytest.raises(TrainingError, match="an unfinished training: go on with --resume"):
        Session(tmp_path / "m.onnx", CPU).begin_with(cuts(some_sounds(6)), small(2))
    next(iter(session.train()))
    later = Session(tmp_path / "m.onnx", CPU)
    later.take_up(steps=3, minutes=None)
    assert [state.step for state in later.train()] == [1, 2, 3]
    summary = later.finish(int8=False, plot=str(tmp_path / "p.svg"))
    assert (summary.steps, summary.averaged) == (3, 3)
    assert summary.size == (tmp_path / "m.onnx").stat().st_size
    assert open_encoder(str(tmp_path / "m.onnx")).name == "tiny"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "p.svg"]
    assert ElementTree.parse(tmp_path / "p.svg").getroot().tag.endswith("svg")
    with pytest.raises(TrainingError, match="no such checkpoint to resume"):
        Session(tmp_path / "m.onnx", CPU).take_up(None, None)


def test_a_session_finds_its_sounds_again_and_says_when_they_are_gone(sounds: Path, tmp_path: Path) -> None:
    Session(tmp_path / "m.onnx", CPU).begin(sounds, small(1))
    Session(tmp_path / "m.onnx", CPU).take_up(None, None)
    (tmp_path / "m.onnx.training" / "sounds").write_bytes(b"../nowhere")
    with pytest.raises(TrainingError, match="the decoded sounds are gone"):
        Session(tmp_path / "m.onnx", CPU).take_up(None, None)


def test_a_checkpoint_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "c.pt").write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "c.pt")
    torch.save({"step": 1}, tmp_path / "c.pt")
    with pytest.raises(TrainingError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "c.pt")


@pytest.mark.parametrize("loss", ["cosine", "l2", "nt-xent"])
def test_training_lowers_the_loss(corpus: Corpus, tmp_path: Path, loss: str) -> None:
    recipe = Recipe(pitch=0, stretch=0, noise=0.2, proximity=1)
    settings = small(20, batch=12, recipe=recipe, loss=loss)
    losses = [state.loss for state in started(corpus, settings, tmp_path / "c.pt").run()]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_mining_brings_negatives_nearer_but_not_nearer_than_the_positive(corpus: Corpus, tmp_path: Path) -> None:
    settings = small(1, batch=16)
    training = started(corpus, settings, tmp_path / "c.pt")
    distances = Distances.of(training, [Triplets(corpus, settings)[step] for step in range(2)])
    assert distances.mining == "semi-hard"
    assert len(distances.positive) == len(distances.before) == 64
    assert distances.after.min() > distances.positive.min()
    assert distances.after.mean() < distances.before.mean()
