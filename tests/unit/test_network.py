"""The network and the ONNX file that is made of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import noise

from qbe.encoder import load_encoder, open_encoder
from qbe.errors import ModelError
from qbe.learn import export as exporting
from qbe.learn.export import export, onnx_bytes, parity, probe_sounds
from qbe.learn.network import DIMENSION, Network


@pytest.fixture(scope="module")
def network() -> Network:
    """Random weights, with running statistics of real input so that activations are lively."""
    torch.manual_seed(0)
    network = Network()
    with torch.no_grad():
        for seed in range(5):
            network.train()(torch.from_numpy(np.stack([noise(1.024, seed=seed), *probe_sounds()])))
    return network.eval()


@pytest.fixture(scope="module")
def model(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    export(network, str(path), name="test", licence="CC0-1.0", training={"seed": 1})
    return path


def test_vectors_have_unit_norm(network: Network) -> None:
    with torch.no_grad():
        vectors = network(torch.from_numpy(probe_sounds()))
    assert vectors.shape == (4, DIMENSION)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4), atol=1e-5, rtol=0)


def test_onnx_gives_what_torch_gives(network: Network) -> None:
    metadata = {"sample_rate": "16000", "samples": "16384", "dimension": str(DIMENSION)}
    assert parity(network, onnx_bytes(network, metadata)) < 1e-5


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
        export(network, str(tmp_path / "m.onnx"), name="", licence="", training={})
    assert list(tmp_path.iterdir()) == []


def test_any_batch_size(model: Path) -> None:
    encoder = open_encoder(str(model))
    audio = np.stack([noise(1.024, seed=seed) for seed in range(5)])
    np.testing.assert_allclose(encoder.embed(audio), np.concatenate([encoder.embed(a[None]) for a in audio]), atol=1e-5)


def test_load_encoder_is_open_encoder(model: Path) -> None:
    assert load_encoder(model.read_bytes()).sha256 == open_encoder(str(model)).sha256
