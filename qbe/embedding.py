"""Sounds to embeddings, from Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from qbe.audio.reading import array_blocks, read_blocks
from qbe.audio.segmentation import cut, read, window_hop, without_notes
from qbe.audio.silence import FAINT
from qbe.encoder import BATCH, Encoder, open_encoder
from qbe.streams.records import Audio, Embedding, File, Segment, Vector
from qbe.support.errors import AudioError, OnError, UsageError
from qbe.support.workers import in_order

Path = str | bytes | os.PathLike[str]
Sound = Path | BinaryIO | NDArray[Any]


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of one sound, a segment a row.

    vectors : float32 [n, D], unit length; a cosine is a product of two
    starts, ends : float64 [n], where the segments lie in the sound, seconds
    levels : float32 [n], the root mean square of each segment in dB of full scale; NaN where it is not known
    model : sha256 of the model they are of; only embeddings of one model can be compared
    """

    vectors: Vector
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    levels: NDArray[np.float32]
    model: str

    def __len__(self) -> int:
        return len(self.vectors)


def embed(
    sound: Sound,
    *,
    sample_rate: float | None = None,
    start: float = 0.0,
    duration: float | None = None,
    model: str | None = None,
    hop: float | None = None,
    silence: float | None = FAINT,
    expand: float = 1.0,
) -> Embeddings:
    """The embeddings of a sound, as `qbe embed` gives them.

    sound : the name of a file; an open seekable file; or samples, [frames] or [frames, channels], floats or integers
    sample_rate : Hz, of samples; a file says its own
    start, duration : the part to embed, seconds; None: to the end
    model : an ONNX file; None: the model in the package
    hop : seconds from one segment to the next; None: half a segment
    silence : dBFS; segments that are fainter are left out, as are those 60 dB under the loudest. None: none is
    expand : how many times slower to play a file, as for bats; places are of the file as it is

    A sound of L seconds gives 1 + ceil(max(0, L - W) / hop) segments of W seconds (1.024 with the model in the
    package), less those that are silence: of silence alone there are none.

    Raises AudioError, ModelError, and UsageError where samples come without a rate.
    """
    encoder = encoder_of(model)
    name, blocks = _blocks(sound, sample_rate, encoder.sample_rate, start, duration, expand)
    step = window_hop(hop, encoder.sample_rate, encoder.samples)
    windows = cut(blocks, name, window=encoder.samples, hop=step, silence=silence)
    embeddings = (placed(embedding, expand) for embedding in encoder.embeddings(windows))
    return collected(embeddings, encoder.sample_rate, encoder.dimension, encoder.sha256)


def _blocks(
    sound: Sound, rate: float | None, wanted: int, start: float, duration: float | None, expand: float
) -> tuple[bytes, Iterator[Audio]]:
    """A sound's name, and its samples, mono and at the rate that is wanted."""
    if isinstance(sound, np.ndarray):
        return b"-", array_blocks(sound, rate_of(rate), wanted, start=start, duration=duration, expand=expand)
    source = source_of(sound)
    name = source if isinstance(source, bytes) else b"-"
    return name, read_blocks(source, wanted, start=start, duration=duration, expand=expand)


def source_of(sound: Path | BinaryIO) -> bytes | BinaryIO:
    """A file by the bytes of its name, or an open one as it is."""
    return os.fsencode(sound) if isinstance(sound, str | bytes | os.PathLike) else sound


def rate_of(sample_rate: float | None) -> float:
    """Of samples. UsageError where it was left out."""
    if sample_rate is None:
        raise UsageError("samples say nothing of their rate: give it as sample_rate, Hz")
    return sample_rate


def collected(embeddings: Iterable[Embedding], sample_rate: int, dimension: int, model: str) -> Embeddings:
    """The records of one sound as arrays."""
    records = list(embeddings)
    vectors = np.array([record.vector for record in records], np.float32).reshape(-1, dimension)
    places = np.array([(record.start, record.start + record.length) for record in records]).reshape(-1, 2)
    starts, ends = places.T / sample_rate
    levels = np.array([record.level for record in records], np.float32)  # None becomes NaN
    return Embeddings(vectors, starts, ends, levels, model)


def encoder_of(model: str | None) -> Encoder:
    """The model in an ONNX file; the one in the package is opened once. ModelError where it breaks the contract."""
    return _default_encoder() if model is None else open_encoder(model)


@cache
def _default_encoder() -> Encoder:
    return open_encoder(None)


def files_embedded(
    sources: Sequence[bytes | BinaryIO],
    encoder: Encoder,
    on_error: OnError,
    on_end: Callable[[File], None],
    *,
    jobs: int | None,
    hop: int,
    silence: float | None,
    expand: float = 1.0,
) -> Iterator[Embedding]:
    """The embeddings of many files, in order. A file that fails goes to `on_error`, and what was read of it stays; all
    go to `on_end`.

    jobs : threads that read and embed; None: one for each core
    hop : samples
    sources, silence, expand : as for `qbe.audio.segmentation.segments`; places are of the files as they are
    """

    def heard(source: bytes | BinaryIO) -> Iterator[Segment | AudioError | File]:
        return read(source, encoder.sample_rate, encoder.samples, hop, silence, expand)

    pieces = in_order(sources, heard, Segment, encoder.embedded, BATCH, jobs)
    return (placed(embedding, expand) for embedding in without_notes(pieces, on_error, on_end))


def placed(embedding: Embedding, expand: float) -> Embedding:
    """An embedding of a sound that was slowed down so many times, with its place in the sound as it is."""
    if expand == 1:
        return embedding
    start = round(embedding.start / expand)
    end = max(start + 1, round((embedding.start + embedding.length) / expand))
    return replace(embedding, start=start, length=end - start)
