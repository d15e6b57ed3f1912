"""The records of a stream. qbe-stream(5) documents them for other languages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "qbe"
VERSION = 1
STAGES = ("segments", "embeddings")
MIN_RATE, MAX_RATE = 100, 1_000_000  # Hz
LONGEST = 1e9  # seconds; what lies beyond is a slip, and no number of samples
MAX_DIMENSION = 1 << 16  # of a vector
NORM_ERROR = 1e-3  # how far the length of a vector may be from 1
LEAST_LEVEL = -200.0  # dBFS: what is told of digital silence

Audio = NDArray[np.float32]
Vector = NDArray[np.float32]
Numbers = NDArray[np.int64]  # of rows, files, places


@dataclass(frozen=True)
class Header:
    """First record of a stream.

    stage : one of STAGES; only embeddings have
    model, name : sha256 of the ONNX file, and what the model calls itself
    dimension : of the vectors

    folder : absolute, where relative names of files begin; None where that is not known. Of a stream that a writer of a
        library is given it may be relative: then the names are to travel with the library, and it is seen from there
    options : of a stream that is not finished: what, beside the model, its embeddings depend on
    """

    stage: str
    sample_rate: int
    model: str | None = None
    name: str | None = None
    dimension: int | None = None
    folder: bytes | None = None
    options: str | None = None


@dataclass(frozen=True)
class Deformation:
    """One operation of `qbe.audio.deformation` by its name; parameters are numbers, or the bytes of a path."""

    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Segment:
    """A window of a sound.

    path : the bytes of the file name
    start, length : samples at the header's rate; length < window where the sound ended and zeros follow
    audio : float32 [window], mono, +-1
    """

    path: bytes
    start: int
    length: int
    audio: Audio
    deformations: tuple[Deformation, ...] = ()

    @property
    def level(self) -> float:
        """Of the part that is no padding, dBFS."""
        return level(self.audio[: self.length])


def level(samples: Audio) -> float:
    """The root mean square of samples in dB of full scale, a square wave of +-1; LEAST_LEVEL where it is less."""
    power = float(np.dot(samples, samples)) / max(1, len(samples))
    return max(LEAST_LEVEL, 10 * math.log10(power)) if power > 0 else LEAST_LEVEL


@dataclass(frozen=True)
class Embedding:
    """The place of a segment and its unit vector, float32 [D]. level : dBFS; None where it is not known"""

    path: bytes
    start: int
    length: int
    sample_rate: int
    vector: Vector
    level: float | None = None


@dataclass(frozen=True)
class File:
    """A sound that was read to its end, or could not be, and by what to see whether it has changed since.

    size : bytes; mtime : when it last changed, nanoseconds since 1970
    content : a checksum of its bytes (`qbe.audio.identity`); 0 where it is not known
    failed : whether it could not be read
    by_ffmpeg : whether it was decoded by ffmpeg
    end : how long it is, samples at the header's rate; 0 where not known
    was : the name under which a library holds this sound that has moved since; empty where it has not
    """

    path: bytes
    size: int
    mtime: int
    content: int = 0
    failed: bool = False
    by_ffmpeg: bool = False
    end: int = 0
    was: bytes = b""


@dataclass(frozen=True)
class End:
    """Last record of a stream: how many records came, how many inputs could not be read."""

    count: int
    failed: int


Record = Header | Segment | Embedding | File | End
