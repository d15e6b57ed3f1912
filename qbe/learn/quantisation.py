"""The encoder in 8-bit integers: a smaller file that runs faster. The filter bank keeps its 32 bits."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from qbe.encoder import load_encoder
from qbe.streams.records import Audio
from qbe.support.errors import ModelError

LEAST_COSINE = 0.995  # of any sound's embedding to that of the model in 32 bits
BATCH = 32


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, sounds: Audio) -> None:
        self.batches: Iterator[Audio] = iter(np.split(sounds, range(BATCH, len(sounds), BATCH)))

    def get_next(self) -> dict[str, Audio] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"audio": batch}


def quantised(model: bytes, sounds: Audio) -> tuple[bytes, float]:
    """The model with a static int8 encoder, and the lowest cosine of its embeddings to those of `model`.

    sounds : float32 [n, samples], half of them to find the ranges of activations, the others to compare

    ModelError where that cosine is under LEAST_COSINE.
    """
    proto = onnx.load_from_string(model)
    frozen = [node.name for node in proto.graph.node if not node.name.startswith("/encoder/")]
    half = len(sounds) // 2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        logging.getLogger().setLevel(logging.ERROR)  # it recommends a step that changes nothing here
        quantize_static(
            proto,
            path,
            _Batches(sounds[:half]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Seven bits of weight: processors without VNNI add products of eight in 16 bits, which overflow.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=frozen,
        )
        small = onnx.load(path)
    onnx.helper.set_model_props(small, {prop.key: prop.value for prop in proto.metadata_props})
    written = bytes(small.SerializeToString())
    cosine = lowest_cosine(model, written, sounds[half:])
    if not cosine >= LEAST_COSINE:
        raise ModelError(
            f"--int8: refused: embeddings of 8 bits have a cosine of {cosine:.4f} to those of 32, under "
            f"{LEAST_COSINE:g}; go on with --resume without --int8"
        )
    return written, cosine


def lowest_cosine(model: bytes, other: bytes, sounds: Audio) -> float:
    """Of the embeddings that two models give."""
    one, two = load_encoder(model), load_encoder(other)
    return min(
        float((one.embed(sounds[k : k + BATCH]) * two.embed(sounds[k : k + BATCH])).sum(1).min())
        for k in range(0, len(sounds), BATCH)
    )
