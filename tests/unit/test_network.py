"""The network and the ONNX file that is made of it."""

from __future__ import annotations

import json
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import DATA, noise

from qbe.audio.segmentation import segments
from qbe.encoder import default_model, load_encoder, open_encoder
from qbe.learn import export as exporting
from qbe.learn.export import export, onnx_bytes, parity, probe_sounds
from qbe.learn.network import DIMENSION, Network
from qbe.learn.quantisation import optimised, quantised
from qbe.streams.records import Audio
from qbe.support.errors import ModelError, raise_error


@cache
def real_sounds() -> Audio:
    """Segments of the demo's sounds, float32 [64, WINDOW]."""
    paths = [bytes(path) for path in sorted((DATA / "library").rglob("*.*"))]
    return np.stack([segment.audio for segment in islice(segments(paths, raise_error), 0, None, 2)][:64])


@pytest.fixture(scope="module")
def network() -> Network:
    """Random weights, with running statistics of real input so that activations are lively."""
    torch.manual_seed(0)
    network = Network()
    with torch.no_grad():
        for seed in range(5):
            network.train()(
                torch.from_numpy(np.stack([noise(1.024, seed=seed), *probe_sounds(), *real_sounds()[seed::5]]))
            )
    return network.eval()


@pytest.fixture(scope="module")
def model(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    export(network, str(path), name="test", licence="CC0-1.0", training={"seed": 1}, sounds=real_sounds(), int8=False)
    return path


def test_vectors_have_unit_norm(network: Network) -> None:
    with torch.no_grad():
        vectors = network(torch.from_numpy(probe_sounds()))
    assert vectors.shape == (4, DIMENSION)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4), atol=1e-5, rtol=0)


def test_onnx_gives_what_torch_gives(network: Network) -> None:
    metadata = {"sample_rate": "16000", "samples": "16384", "dimension": str(DIMENSION)}
    sounds = np.concatenate([probe_sounds(), real_sounds()])
    assert parity(network, onnx_bytes(network, metadata), sounds) < 1e-5


def test_metadata_as_onnxruntime_reads_it(model: Path) -> None:
    metadata = onnxruntime.InferenceSession(str(model)).get_modelmeta().custom_metadata_map
    assert metadata["sample_rate"] == "16000"
    assert metadata["samples"] == "16384"
    assert metadata["dimension"] == "128"
    assert (metadata["name"], metadata["licence"]) == ("test", "CC0-1.0")
    assert json.loads(metadata["training"]) == {"seed": 1}
    assert json.loads(metadata["filterbank"])["wavelet"] == "morlet"


def test_a_model_that_differs_from_torch_is_not_written(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "parity", lambda *_: 0.5)
    with pytest.raises(ModelError, match=r"differs from torch by 0\.5"):
        export(network, str(tmp_path / "m.onnx"), name="", licence="", training={}, sounds=real_sounds(), int8=False)
    assert list(tmp_path.iterdir()) == []


def initialisers(model: bytes) -> dict[str, str]:
    """Name and type of all weights of an ONNX file."""
    weights = onnx.load_from_string(model).graph.initializer
    return {weight.name: onnx.TensorProto.DataType.Name(weight.data_type) for weight in weights}


def test_int8_makes_the_encoder_small_and_leaves_the_filter_bank(network: Network, model: Path, tmp_path: Path) -> None:
    export(network, str(tmp_path / "i.onnx"), name="i", licence="", training={}, sounds=real_sounds(), int8=True)
    small = (tmp_path / "i.onnx").read_bytes()
    assert len(small) < 0.45 * model.stat().st_size  # convolutions a quarter, what follows them a half
    whole = initialisers(model.read_bytes())
    bank = {name for name in whole if name.startswith("filterbank.")}
    assert bank
    assert {initialisers(small).get(name) for name in bank} == {"FLOAT"}
    kinds = [kind for name, kind in initialisers(small).items() if name not in bank]
    assert kinds.count("INT8") > 10
    one, other = (open_encoder(str(path)).embed(real_sounds()) for path in (model, tmp_path / "i.onnx"))
    assert (one * other).sum(1).min() > 0.98
    assert open_encoder(str(tmp_path / "i.onnx")).name == "i"


def test_joined_steps_give_the_same_embeddings(model: Path) -> None:
    small, _ = quantised(model.read_bytes(), real_sounds())
    again = optimised(small)  # there is little left to join
    assert len(onnx.load_from_string(again).graph.node) <= len(onnx.load_from_string(small).graph.node)
    whole, joined = (load_encoder(one) for one in (model.read_bytes(), optimised(model.read_bytes())))
    np.testing.assert_allclose(joined.embed(real_sounds()), whole.embed(real_sounds()), atol=1e-6)
    metadata = [onnxruntime.InferenceSession(one).get_modelmeta().custom_metadata_map for one in (small, again)]
    assert metadata[0] == metadata[1] and metadata[0]["name"] == "test"


def test_the_default_model_is_joined_already() -> None:
    """So that it starts fast: steps of whole and of 8-bit numbers do not follow each other one by one."""
    kinds = [node.op_type for node in onnx.load(default_model()).graph.node]
    assert kinds.count("QLinearConv") > 10 and kinds.count("Conv") < kinds.count("QLinearConv")


def test_int8_that_changes_embeddings_is_refused(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qbe.learn.quantisation.lowest_cosine", lambda *_: 0.99)
    with pytest.raises(ModelError, match=r"--int8: refused: .* cosine of 0\.9900 .*0\.995"):
        export(network, str(tmp_path / "m.onnx"), name="", licence="", training={}, sounds=real_sounds(), int8=True)
    assert list(tmp_path.iterdir()) == []


def test_the_cosine_of_int8_is_measured_on_sounds_it_was_not_fitted_to(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("qbe.learn.quantisation.lowest_cosine", lambda _one, _two, sounds: seen.append(sounds) or 1.0)
    quantised(model.read_bytes(), real_sounds())
    np.testing.assert_array_equal(seen[0], real_sounds()[32:])


def test_any_batch_size(model: Path) -> None:
    encoder = open_encoder(str(model))
    audio = np.stack([noise(1.024, seed=seed) for seed in range(5)])
    np.testing.assert_allclose(encoder.embed(audio), np.concatenate([encoder.embed(a[None]) for a in audio]), atol=1e-5)


def test_load_encoder_is_open_encoder(model: Path) -> None:
    assert load_encoder(model.read_bytes()).sha256 == open_encoder(str(model)).sha256
