"""The only code that runs a model: segments in, embeddings out, with onnxruntime."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qbe.streams.records import MAX_DIMENSION, MAX_RATE, MIN_RATE, NORM_ERROR, Audio, Embedding, Header, Segment, Vector
from qbe.support.ahead import mapped
from qbe.support.bounded import read_whole
from qbe.support.errors import ModelError, display

if TYPE_CHECKING:
    import onnxruntime

# Else onnxruntime keeps a database in the user's cache and sends reports. Read when it is loaded, and not only here.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

BATCH = 16
MAX_SAMPLES = 1 << 22  # more would be no segment but a whole recording


@dataclass(frozen=True)
class Encoder:
    """A loaded model. `sha256` is its identity; `samples` is the length of a segment at `sample_rate`."""

    session: onnxruntime.InferenceSession
    sha256: str
    name: str
    sample_rate: int
    samples: int
    dimension: int

    @property
    def header(self) -> Header:
        """Of a stream of this model's embeddings."""
        return Header("embeddings", self.sample_rate, self.sha256, self.name, self.dimension)

    def check_rate(self, sample_rate: int) -> None:
        """ModelError where segments were cut at another rate than this model's."""
        if sample_rate != self.sample_rate:
            raise ModelError(f"the segments are at {sample_rate} Hz and model {self.name} takes {self.sample_rate} Hz")

    def embed(self, audio: Audio) -> Vector:
        """Raw samples, float32 [B, samples] -> unit vectors, float32 [B, dimension]."""
        try:
            vectors: Vector = self.session.run(["embedding"], {"audio": audio})[0]
        except Exception as error:  # onnxruntime has no common base class of its own
            raise ModelError(f"model {self.name} fails: {_first_line(error)}") from None
        if vectors.shape != (len(audio), self.dimension) or not np.isfinite(vectors).all():
            raise ModelError(f"model {self.name} gives embeddings that are not numbers (NaN or infinite)")
        if np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max(initial=0) > NORM_ERROR:
            raise ModelError(f"model {self.name} gives embeddings whose length is not 1; not a qbe model")
        return vectors

    def embeddings(self, segments: Iterable[Segment], jobs: int | None = None) -> Iterator[Embedding]:
        """Embed segments in their order, `jobs` batches at a time, None: one for each core; a few batches are in
        memory, never the whole."""
        segments = iter(segments)
        batches = iter(lambda: list(islice(segments, BATCH)), [])
        return chain.from_iterable(mapped(batches, self.embedded, jobs))

    def embedded(self, batch: list[Segment]) -> list[Embedding]:
        """The embeddings of some segments, at once: BATCH of them are quickest."""
        for segment in batch:
            if len(segment.audio) != self.samples:
                raise ModelError(
                    f"model {self.name} takes segments of {self.samples} samples, not {len(segment.audio)}: "
                    "cut the sounds for this model"
                )
        vectors = self.embed(np.stack([segment.audio for segment in batch]))
        return [
            Embedding(segment.path, segment.start, segment.length, self.sample_rate, vector, segment.level)
            for segment, vector in zip(batch, vectors, strict=True)
        ]


def default_model() -> Path:
    """The model that the package carries: inside it when installed, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "models" / "default.onnx"
    return installed if installed.exists() else package.parent / "models" / "default.onnx"


def open_encoder(path: str | None) -> Encoder:
    """The encoder in an ONNX file; None: the default model. ModelError where it breaks the contract."""
    file = Path(path) if path else default_model()
    name = display(bytes(file))
    try:
        with open(file, "rb") as opened:
            return load_encoder(read_whole(opened, name, ModelError), name)
    except OSError as error:
        raise ModelError(f"{name}: no model can be read ({error.strerror})") from None


def load_encoder(model: bytes, name: str = "model") -> Encoder:
    """The encoder in the bytes of an ONNX file; `name` is for messages. Given as bytes it cannot name outside data."""
    import onnxruntime  # only here, as a library is opened, and its sounds compared, without

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # parallel over batches instead: nothing is lost to waiting
    options.log_severity_level = 4
    # A model that names other files would else be given them from the current folder.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise ModelError(f"{name}: not an ONNX model that can be run ({_first_line(error)})") from None
    metadata = session.get_modelmeta().custom_metadata_map
    try:
        rate, samples, dimension = (int(metadata[key]) for key in ("sample_rate", "samples", "dimension"))
    except (KeyError, ValueError):
        raise ModelError(f"{name}: its metadata lacks sample_rate, samples or dimension; not a qbe model") from None
    if not (MIN_RATE <= rate <= MAX_RATE and 0 < samples <= MAX_SAMPLES and 0 < dimension <= MAX_DIMENSION):
        raise ModelError(f"{name}: {samples} samples at {rate} Hz to {dimension} numbers; not a qbe model")
    _check_contract(session, name, samples, dimension)
    sha256 = hashlib.sha256(model).hexdigest()
    return Encoder(session, sha256, metadata.get("name", name), rate, samples, dimension)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _check_contract(session: onnxruntime.InferenceSession, name: str, samples: int, dimension: int) -> None:
    def signature(nodes: list[onnxruntime.NodeArg]) -> list[tuple[str, str, list[object]]]:
        return [(node.name, node.type, list(node.shape[1:])) for node in nodes]

    wanted_in = [("audio", "tensor(float)", [samples])]
    wanted_out = [("embedding", "tensor(float)", [dimension])]
    if signature(session.get_inputs()) != wanted_in or signature(session.get_outputs()) != wanted_out:
        raise ModelError(
            f"{name}: takes or gives something other than audio [batch, {samples}] -> embedding [batch, {dimension}]"
        )
