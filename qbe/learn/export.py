"""A trained network as the one ONNX file that everything else runs on."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np
import onnx
import torch

from qbe.audio.segmentation import SAMPLE_RATE, WINDOW
from qbe.encoder import load_encoder
from qbe.learn import filterbank
from qbe.learn.network import DIMENSION, Network
from qbe.learn.quantisation import quantised
from qbe.streams.records import Audio
from qbe.support.errors import ModelError
from qbe.support.saving import save_file

OPSET = 17
REAL = 64  # segments of sound that torch and onnxruntime are compared on
PARITY = 1e-4  # the furthest that any number of an embedding may lie from torch's


def export(
    network: Network, path: str, *, name: str, licence: str, training: dict[str, object], sounds: Audio, int8: bool
) -> str:
    """Write `network` to `path` as ONNX: `audio` float32 [batch, samples] -> `embedding` float32 [batch, D].

    The file takes its place only after onnxruntime has given the same embeddings as torch for `sounds`, real segments
    [n, WINDOW], and for noise, a tone, a click and silence. With `int8` the encoder is then quantised.

    Gives how near the file comes to the network, in words. ModelError where that is not near enough.
    """
    network.eval()
    metadata = {
        "sample_rate": str(SAMPLE_RATE),
        "samples": str(WINDOW),
        "dimension": str(DIMENSION),
        "name": name,
        "licence": licence,
        "filterbank": json.dumps(filterbank_parameters(network)),
        "training": json.dumps(training),
    }
    model = onnx_bytes(network, metadata)
    difference = parity(network, model, np.concatenate([probe_sounds(), sounds[:REAL]]))
    if not difference < PARITY:
        raise ModelError(f"{path}: not written: ONNX differs from torch by {difference:.2g}, more than {PARITY:g}")
    quality = f"at most {difference:.1g} from torch on {REAL} real segments"
    if int8:
        model, cosine = quantised(model, sounds)
        quality += f"; int8, cosine to 32 bits at least {cosine:.4f}"
    with save_file(path) as file:
        file.write(model)
    return quality


def filterbank_parameters(network: Network) -> dict[str, object]:
    return {
        "wavelet": "morlet",
        "channels": filterbank.CHANNELS,
        "lowest_hz": filterbank.LOWEST,
        "highest_hz": filterbank.HIGHEST,
        "hop": filterbank.HOP,
        "dynamic_range_db": filterbank.DYNAMIC_RANGE_DB,
        "encoder_widths": network.encoder.widths,
    }


def onnx_bytes(network: Network, metadata: dict[str, str]) -> bytes:
    """The network as ONNX. By the TorchScript exporter: the newer one drops guards against the logarithm of zero."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of shapes that are constant by the contract
        torch.onnx.export(
            network,
            (torch.zeros(2, WINDOW),),
            buffer,  # type: ignore[arg-type]
            input_names=["audio"],
            output_names=["embedding"],
            dynamic_axes={"audio": {0: "batch"}, "embedding": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, metadata)
    return bytes(model.SerializeToString())


def parity(network: Network, model: bytes, sounds: Audio) -> float:
    """The largest difference between torch's and onnxruntime's embeddings of sounds, [n, WINDOW]."""
    with torch.no_grad():
        expected = network(torch.from_numpy(sounds)).numpy()
    return float(np.abs(load_encoder(model).embed(sounds) - expected).max())


def probe_sounds() -> Audio:
    """Noise, a tone, a click and silence, float32 [4, WINDOW]."""
    sounds = np.zeros((4, WINDOW), np.float32)
    sounds[0] = np.random.default_rng(0).normal(0, 0.1, WINDOW)
    sounds[1] = 0.5 * np.sin(2 * np.pi * 440 / SAMPLE_RATE * np.arange(WINDOW))
    sounds[2, WINDOW // 2] = 1.0
    return sounds
