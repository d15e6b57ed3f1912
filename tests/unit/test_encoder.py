"""Running a model: the default one, and files that are none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, ROOT, noise, tone

from qbe.audio.reading import read_blocks
from qbe.audio.segmentation import WINDOW, cut, segments
from qbe.encoder import Encoder, default_model, open_encoder
from qbe.streams.records import Segment, Vector
from qbe.support.errors import ModelError, raise_error


def sound(name: str) -> Vector:
    """One whole window of a demo sound."""
    path = os.fsencode(DATA / "library" / name)
    return next(cut(read_blocks(path, 16_000), path)).audio


REAL = [
    "water/stream 1.ogg",
    "speech/carlo-conf-kicked.wav",
    "notes/flute-C5.mp3",
    "game/coin2.wav",
    "doors/door_open.ogg",
]


@pytest.mark.parametrize("decibels", [-20, -6, 20])
@pytest.mark.parametrize("name", REAL)
def test_gain_does_not_matter(encoder: Encoder, name: str, decibels: float) -> None:
    audio = sound(name)
    a, b = encoder.embed(np.stack([audio, audio * np.float32(10 ** (decibels / 20))]))
    assert a @ b > 1 - 0.01


@pytest.mark.parametrize("audio", [np.zeros(WINDOW), np.ones(WINDOW), np.full(WINDOW, 1e-30), np.eye(1, WINDOW, 99)[0]])
def test_silence_and_odd_signals_are_finite(encoder: Encoder, audio: Vector) -> None:
    vector = encoder.embed(audio.astype(np.float32)[None])[0]
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


def test_the_default_model_keeps_the_contract(encoder: Encoder) -> None:
    assert (encoder.sample_rate, encoder.samples, encoder.dimension) == (16_000, 16_384, 128)
    assert encoder.sha256 == hashlib.sha256(default_model().read_bytes()).hexdigest()
    assert default_model().stat().st_size < 8e6


def test_the_default_model_hears_likeness(encoder: Encoder, library_sounds: list[Path]) -> None:
    """A sound's neighbour is far more often of its own folder than chance would have it."""
    vectors = []
    for path in library_sounds:
        embeddings = encoder.embeddings(segments([os.fsencode(path)], raise_error))
        mean = np.mean([embedding.vector for embedding in embeddings], axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    cosine = np.stack(vectors) @ np.stack(vectors).T
    np.fill_diagonal(cosine, -1)
    kinds = np.array([path.parent.name for path in library_sounds])
    chance = np.mean([(kinds == kind).sum() - 1 for kind in kinds]) / (len(kinds) - 1)
    assert np.mean(kinds[cosine.argmax(1)] == kinds) > 4 * chance


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 16, 17, 130])
def test_order_is_kept(encoder: Encoder, jobs: int, count: int) -> None:
    cuts = [Segment(b"%d" % k, k, WINDOW, tone(100 + 10 * k, 1.024)) for k in range(count)]
    out = list(encoder.embeddings(cuts, jobs))
    assert [(embedding.path, embedding.start) for embedding in out] == [(cut.path, cut.start) for cut in cuts]
    if count > 16:
        np.testing.assert_allclose(out[16].vector, encoder.embed(cuts[16].audio[None])[0], atol=1e-5)


def test_a_long_stream_is_never_held(encoder: Encoder) -> None:
    taken = 0

    def endless() -> Iterator[Segment]:
        nonlocal taken
        audio = noise(1.024)
        while True:
            taken += 1
            yield Segment(b"a", taken, WINDOW, audio)

    embeddings = encoder.embeddings(endless(), 2)
    for _ in range(40):
        next(embeddings)
    assert taken < 40 + 7 * 16


def test_an_error_on_the_way_comes_through(encoder: Encoder) -> None:
    short = Segment(b"a", 0, 100, np.zeros(100, np.float32))
    with pytest.raises(ModelError, match="segments of 16384 samples, not 100"):
        list(encoder.embeddings([short]))
    with pytest.raises(ModelError, match=r"at 8000 Hz and model .* takes 16000 Hz"):
        encoder.check_rate(8000)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x07" * 50])
def test_files_that_are_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.onnx: ") as caught:
        open_encoder(str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="No such file"):
        open_encoder(str(tmp_path / "none.onnx"))


def test_a_model_of_another_shape(tmp_path: Path) -> None:
    """Metadata that lies about the graph."""
    path = tmp_path / "m.onnx"
    path.write_bytes(default_model().read_bytes().replace(b"\n\x07samples\x12\x0516384", b"\n\x07samples\x12\x0516385"))
    with pytest.raises(ModelError, match="something other than audio"):
        open_encoder(str(path))


def test_the_card_names_the_models_that_are_here() -> None:
    card = (ROOT / "models" / "README.md").read_text()
    for path in sorted((ROOT / "models").glob("*.onnx")):
        content = path.read_bytes()
        assert f"| `{path.name}` | {len(content) / 1e6:.1f} | `{hashlib.sha256(content).hexdigest()}` |" in card
