"""The encoder's convolutions in 8-bit integers: a smaller file that runs faster. The filter bank keeps its 32 bits; the
layers after the convolutions work in 32 too, with weights that are stored in 16."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from qbe.encoder import load_encoder
from qbe.streams.records import Audio
from qbe.support.errors import ModelError

LEAST_COSINE = 0.995  # of any sound's embedding to that of the model in 32 bits
BATCH = 32
CONVOLUTIONS = ("/encoder/stem", "/encoder/blocks")  # here the time goes
# Components are found among small differences, which 8 bits would drown.
REST = ("/encoder/projection", "/encoder/of_")


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, sounds: Audio) -> None:
        self.batches: Iterator[Audio] = iter(np.split(sounds, range(BATCH, len(sounds), BATCH)))

    def get_next(self) -> dict[str, Audio] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"audio": batch}


def quantised(model: bytes, sounds: Audio) -> tuple[bytes, float]:
    """The model with static int8 convolutions, and the lowest cosine of its embeddings to those of `model`.

    sounds : float32 [n, samples], half of them to find the ranges of activations, the others to compare

    ModelError where that cosine is under LEAST_COSINE.
    """
    proto = onnx.load_from_string(model)
    frozen = [node.name for node in proto.graph.node if not node.name.startswith(CONVOLUTIONS)]
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
    _store_in_16_bits(small.graph)
    onnx.helper.set_model_props(small, {prop.key: prop.value for prop in proto.metadata_props})
    written = optimised(bytes(small.SerializeToString()))
    cosine = lowest_cosine(model, written, sounds[half:])
    if not cosine >= LEAST_COSINE:
        raise ModelError(
            f"--int8: refused: embeddings of 8 bits have a cosine of {cosine:.4f} to those of 32, under "
            f"{LEAST_COSINE:g}; go on with --resume without --int8"
        )
    return written, cosine


def _store_in_16_bits(graph: onnx.GraphProto) -> None:
    """The weights of REST, which are widened when the model is loaded."""
    used = {name for node in graph.node if node.name.startswith(REST) for name in node.input}
    for weight in [w for w in graph.initializer if w.name in used and w.data_type == onnx.TensorProto.FLOAT]:
        narrow = onnx.numpy_helper.to_array(weight).astype(np.float16)
        graph.initializer.remove(weight)
        graph.initializer.append(onnx.numpy_helper.from_array(narrow, weight.name + "_16"))
        widen = onnx.helper.make_node("Cast", [weight.name + "_16"], [weight.name], to=onnx.TensorProto.FLOAT)
        graph.node.insert(0, widen)


def optimised(model: bytes) -> bytes:
    """The same model with its steps joined, as onnxruntime joins them on any processor whenever it loads one: it starts
    in half of the time. Constants are left as they are, so that 16 bits stay 16."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 4  # it warns that what it writes is for this machine, as it is of the next level
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "joined.onnx")
        onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
        )
        return Path(options.optimized_model_filepath).read_bytes()


def lowest_cosine(model: bytes, other: bytes, sounds: Audio) -> float:
    """Of the embeddings that two models give."""
    one, two = load_encoder(model), load_encoder(other)
    return min(
        float((one.embed(sounds[k : k + BATCH]) * two.embed(sounds[k : k + BATCH])).sum(1).min())
        for k in range(0, len(sounds), BATCH)
    )
