"""From segments to triplets to a trained model."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import noise, tone

from qbe.audio.segmentation import WINDOW, cut
from qbe.encoder import open_encoder
from qbe.errors import TrainingError
from qbe.learn import triplets as drawing
from qbe.learn.corpus import Corpus, open_corpus, write_corpus
from qbe.learn.session import Session
from qbe.learn.training import Settings, Training
from qbe.learn.triplets import Recipe, Triplets
from qbe.streams.records import Audio, Segment


def cuts(sounds: dict[bytes, Audio], hop: int = WINDOW) -> Iterator[Segment]:
    for path, audio in sounds.items():
        yield from cut([audio], path, hop=hop)


def quantised(audio: Audio) -> Audio:
    return (np.rint(audio * 32768) / 32768).astype(np.float32)


@pytest.mark.parametrize("hop", [WINDOW, WINDOW // 2, 5000])
def test_overlapping_segments_give_every_sample_once(tmp_path: Path, hop: int) -> None:
    sounds = {b"a": noise(5.3), b"b": noise(0.4, seed=1), b"c": noise(1.9, seed=2)}
    corpus = write_corpus(cuts(sounds, hop), tmp_path)
    assert [len(a) for a in sounds.values()] == corpus.runs["length"].tolist()
    for run, audio in enumerate(sounds.values()):
        np.testing.assert_array_equal(corpus.read(run, 0, len(audio)), quantised(audio))


def test_silence_parts_a_file_into_runs(tmp_path: Path) -> None:
    gap = np.concatenate([noise(2.0), np.zeros(WINDOW * 3, np.float32), noise(2.0, seed=1)])
    corpus = write_corpus(cuts({b"a": gap, b"b": noise(1.0, seed=2)}), tmp_path)
    assert corpus.runs["file"].tolist() == [0, 0, 1]
    assert corpus.runs["start"][1] > 32_000
    start = int(corpus.runs["start"][1])
    np.testing.assert_array_equal(corpus.read(1, 0, 5000), quantised(gap[start : start + 5000]))


def test_reading_beyond_a_run_gives_zeros(tmp_path: Path) -> None:
    corpus = write_corpus(cuts({b"a": noise(0.5), b"b": noise(0.5, seed=1)}), tmp_path)
    assert not corpus.read(0, 0, WINDOW)[8000:].any()


def test_loud_samples_do_not_wrap(tmp_path: Path) -> None:
    corpus = write_corpus(cuts({b"a": np.full(9000, 1.7, np.float32), b"b": noise(1.0)}), tmp_path)
    assert corpus.read(0, 0, 10)[0] == pytest.approx(1, abs=1e-4)


def test_too_little_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="at least two files"):
        write_corpus(cuts({b"a": noise(9.0)}), tmp_path)
    with pytest.raises(TrainingError, match="at least two files"):
        write_corpus([], tmp_path)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Files of 16, 4 and 1 seconds, with the time in every sample."""
    ramp = (np.arange(16 * 16_000) % 30_000 / 32768 + 0.01).astype(np.float32)
    return write_corpus(
        cuts({b"long": ramp, b"middle": ramp[: 4 * 16_000], b"short": ramp[:16_000]}), tmp_path_factory.mktemp("corpus")
    )


def batches(corpus: Corpus, recipe: Recipe, seed: int = 0, batch: int = 50) -> Triplets:
    return Triplets(corpus, recipe, batch=batch, window=WINDOW, sample_rate=16_000, seed=seed)


@pytest.mark.parametrize(("balance", "weights"), [("duration", [16, 4, 1]), ("sqrt", [4, 2, 1])])
def test_anchors_are_drawn_by_weight(corpus: Corpus, balance: str, weights: list[int]) -> None:
    plain = Recipe(balance=balance, pitch_share=0, stretch_share=0, noise_share=0, proximity_share=1)  # type: ignore[arg-type]
    triplets = batches(corpus, plain)
    drawn = Counter(int(file) for step in range(20) for file in triplets[step].files)
    shares = np.array([drawn[k] for k in range(3)]) / 1000
    np.testing.assert_allclose(shares, np.array(weights) / sum(weights), atol=0.06)


def test_a_batch_depends_on_seed_and_step_alone(corpus: Corpus) -> None:
    first = batches(corpus, Recipe(), batch=4)
    for name in ("anchors", "positives", "files"):
        assert torch.equal(getattr(first[7], name), getattr(batches(corpus, Recipe(), batch=4)[7], name))
    assert not torch.equal(first[7].anchors, first[8].anchors)
    assert not torch.equal(first[7].anchors, batches(corpus, Recipe(), seed=1, batch=4)[7].anchors)


def test_a_near_positive_lies_within_the_distance(corpus: Corpus) -> None:
    plain = Recipe(near=2.0, pitch_share=0, stretch_share=0, noise_share=0, proximity_share=1)
    triplets, rng, gaps = batches(corpus, plain), np.random.default_rng(0), []
    for _ in range(200):
        anchor, positive = triplets.pair(0, rng)
        # The first samples tell where each was cut, up to the ramp's period.
        gap = abs(round((anchor[0] - positive[0]) * 32768))
        gaps.append(min(gap, 30_000 - gap))
    assert max(gaps) <= 32_000
    assert max(gaps) > 10_000


def test_a_positive_is_never_the_anchor_itself(corpus: Corpus) -> None:
    triplets = batches(corpus, Recipe(pitch_share=0, stretch_share=0, noise_share=0, proximity_share=0))
    rng = np.random.default_rng(0)
    for _ in range(20):
        anchor, positive = triplets.pair(2, rng)
        assert not np.array_equal(anchor, positive)


def test_stretched_positives_fill_the_window(tmp_path: Path) -> None:
    corpus = write_corpus(cuts({b"a": tone(300, 30.0), b"b": tone(500, 30.0)}), tmp_path)
    triplets = batches(corpus, Recipe(pitch_share=1, stretch_share=1, proximity_share=0), batch=20)
    for positive in triplets[0].positives:
        assert positive.shape == (WINDOW,)
        assert positive[-800:].abs().max() > 0.05, "a gap at the end"


def test_what_is_drawn_is_what_is_applied(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(drawing, "deformed", lambda audio, _, history: seen.append(list(history)) or audio)
    triplets = batches(corpus, Recipe(proximity_share=0, pitch_share=0.5, stretch_share=0.5, noise_share=0.5))
    rng = np.random.default_rng(0)
    for _ in range(300):
        triplets.pair(0, rng)
    counts = Counter(deformation.name for history in seen for deformation in history)
    assert counts["noise"] == pytest.approx(150, abs=40)
    assert counts["stretch"] == pytest.approx(150, abs=40)
    assert counts["pitch"] == pytest.approx(150 + 300 / 8, abs=40)  # also where nothing else was drawn


def small(steps: int) -> Settings:
    return Settings(steps=steps, batch=4, seed=3)


def trained(corpus: Corpus, checkpoint: Path, steps: int, stop: int | None = None) -> Training:
    training = (
        Training.resumed(corpus, checkpoint) if checkpoint.exists() else Training(corpus, small(steps), checkpoint)
    )
    for progress in training.run():
        if progress.step == stop:
            training.save()
            break
    return training


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(corpus: Corpus, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = trained(corpus, tmp_path / "whole.pt", 4)
    trained(corpus, tmp_path / "parts.pt", 4, stop=2)
    parts = trained(corpus, tmp_path / "parts.pt", 4)
    torch.set_num_threads(threads)
    assert (whole.step, parts.step) == (4, 4)
    for name, value in whole.encoder.state_dict().items():
        assert torch.equal(value, parts.encoder.state_dict()[name]), name


def test_progress_tells_where_training_stands(corpus: Corpus, tmp_path: Path) -> None:
    states = list(Training(corpus, small(3), tmp_path / "c.pt").run())
    assert [state.step for state in states] == [1, 2, 3]
    assert [state.done for state in states] == pytest.approx([1 / 3, 2 / 3, 1])
    assert all(np.isfinite(state.loss) and state.views_per_second > 0 for state in states)
    timed = Training(corpus, dataclasses.replace(small(1), steps=None, minutes=0.01), tmp_path / "t.pt")
    assert [state.done for state in timed.run()][-1] == 1


def test_embeddings_that_are_no_numbers_stop_it_and_keeps_the_checkpoint(corpus: Corpus, tmp_path: Path) -> None:
    training = Training(corpus, small(3), tmp_path / "c.pt")
    training.save()
    before = (tmp_path / "c.pt").read_bytes()
    with torch.no_grad():
        training.encoder.head.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="not numbers any more at step 0"):
        list(training.run())
    assert (tmp_path / "c.pt").read_bytes() == before


def test_a_session_from_sounds_to_a_model(tmp_path: Path) -> None:
    sounds = {b"%d" % k: tone(200 * (k + 1), 2.0) + noise(2.0, seed=k, amplitude=0.01) for k in range(6)}
    session = Session(tmp_path / "m.onnx")
    session.begin(cuts(sounds), small(2))
    with pytest.raises(TrainingError, match="an unfinished training: go on with --resume"):
        Session(tmp_path / "m.onnx").begin(cuts(sounds), small(2))
    next(iter(session.train()))
    later = Session(tmp_path / "m.onnx")
    later.take_up(steps=3, minutes=None)
    assert [state.step for state in later.train()] == [1, 2, 3]
    later.finish("tiny", "CC0-1.0")
    assert open_encoder(str(tmp_path / "m.onnx")).name == "tiny"
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    with pytest.raises(TrainingError, match="no such checkpoint to resume"):
        Session(tmp_path / "m.onnx").take_up(None, None)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    sounds = {b"%d" % k: tone(150 * 1.3**k, 3.0) + noise(3.0, seed=k, amplitude=0.02) for k in range(12)}
    corpus = write_corpus(cuts(sounds), tmp_path)
    settings = Settings(
        steps=20, batch=12, recipe=Recipe(pitch_share=0, stretch_share=0, noise_share=0.2, proximity_share=1)
    )
    losses = [state.loss for state in Training(corpus, settings, tmp_path / "c.pt").run()]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert len(open_corpus(tmp_path).runs) == 12
