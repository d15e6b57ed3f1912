"""A query: the embeddings of a sound that is searched for, from a file, from audio on stdin, or from a stream."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from qbe.audio import reading
from qbe.audio.identity import identified
from qbe.encoder import Encoder, open_encoder
from qbe.search.cutting import cut_query
from qbe.search.store import About
from qbe.search.windows import Windows, loudness
from qbe.streams.blocks import MAGIC, read_blocks
from qbe.streams.framing import StreamReader, model_label
from qbe.streams.packing import is_stream
from qbe.streams.records import Audio, Embedding, File, Vector
from qbe.support.errors import AudioError, ModelError, UsageError, display

MOST_NAMES = 3  # that a query of several sounds is called by
SMALLEST = 1e-6  # a vector that is shorter points nowhere


@dataclass(frozen=True)
class Query:
    """path : the bytes of the name; files : that it came from
    windows, line : what it is compared by with files, and with places in them
    part : where in them it lies, start and end in samples, if it is not the whole
    """

    path: bytes
    windows: Windows
    line: Windows
    files: tuple[File, ...]
    part: tuple[int, int] | None = None


def blend(likes: Sequence[Query], unlikes: Sequence[Query], weight: float) -> Query:
    """A query of one vector: the mean of `likes`, less `weight` times the mean of `unlikes`, of length one.

    Every sound counts alike, as the mean of its segments' vectors, weighted by their level, of length one. UsageError
    where nothing is left.
    """
    vector = np.mean([_centre(query) for query in likes], axis=0)
    if unlikes:
        vector = vector - weight * np.mean([_centre(query) for query in unlikes], axis=0)
    length = float(np.linalg.norm(vector))
    if length < SMALLEST:
        raise UsageError(f"--like and --unlike cancel each other out at --weight {weight:g}")
    name = b" - ".join([b" + ".join(_named(likes)), *_named(unlikes)])
    files = tuple(file for query in (*likes, *unlikes) for file in query.files)
    windows = Windows.of((vector / length).astype(np.float32)[None])
    return Query(name, windows, windows, files)


def _named(queries: Sequence[Query]) -> list[bytes]:
    """The sounds by their names without folders; of many the first, and how many more there are."""
    names = [os.path.basename(query.path) or query.path for query in queries]
    return names if len(names) <= MOST_NAMES else [names[0], b"%d more" % (len(names) - 1)]


def _centre(query: Query) -> NDArray[np.float64]:
    mean = query.windows.centre
    return mean / max(SMALLEST, float(np.linalg.norm(mean)))


def check_model(about: About, library: str, name: str | None, sha256: str | None) -> None:
    """ModelError where sounds would be compared with a library of another model's."""
    if sha256 != about.model:
        raise ModelError(
            f"{library} was built with model {model_label(about.name, about.model)}, not with "
            f"{model_label(name, sha256)}: give the library's model with --model, or build the library again"
        )


@dataclass
class QueryReader:
    """Reads queries for one library with the model that built it.

    about, library : of the library and its name; model : an ONNX file, None for the default
    expand : how many times slower to play the sounds

    Every method raises ModelError where the model is not the library's, AudioError and StreamError as reading does.
    """

    about: About
    library: str
    model: str | None
    expand: float = 1.0

    @cached_property
    def encoder(self) -> Encoder:
        """Loaded when the first sound is to be embedded: embeddings need none."""
        encoder = open_encoder(self.model)
        check_model(self.about, self.library, encoder.name, encoder.sha256)
        return encoder

    def from_sound(
        self, source: bytes | BinaryIO, start: float = 0.0, duration: float | None = None, name: bytes | None = None
    ) -> Query:
        """The query in a sound, or in a part of it (seconds)."""
        path = name or (source if isinstance(source, bytes) else b"-")
        encoder = self.encoder
        rate = encoder.sample_rate
        blocks = reading.read_blocks(source, rate, start=start, duration=duration, expand=self.expand)
        return self._embedded(path, blocks, start, duration)

    def from_samples(
        self, samples: NDArray[Any], sample_rate: float, start: float = 0.0, duration: float | None = None
    ) -> Query:
        """The query in samples in memory, [frames] or [frames, channels], or in a part of them (seconds)."""
        encoder = self.encoder
        blocks = reading.array_blocks(samples, sample_rate, encoder.sample_rate, start=start, duration=duration)
        return self._embedded(b"-", blocks, start, duration)

    def _embedded(self, path: bytes, blocks: Iterable[Audio], start: float, duration: float | None) -> Query:
        hop = max(1, round(self.about.hop * self.expand))
        cuts = cut_query(blocks, path, self.encoder.samples, hop)
        if not cuts.windows:
            raise AudioError(f"{display(path)}: only silence: nothing to search for")
        vectors = np.stack([one.vector for one in self.encoder.embeddings(cuts.windows)])
        starts = np.rint(np.array([one.start for one in cuts.windows]) / self.expand).astype(np.int64)
        levels, length = np.array([one.level for one in cuts.windows]), round(cuts.length / self.expand)
        windows, line = (
            Windows(vectors, starts, laid, loudness(levels[laid[:, 0]]), length).used for laid in (cuts.laid, cuts.line)
        )
        begin = round(start * self.encoder.sample_rate)
        part = (begin, begin + length) if start or duration is not None else None
        return Query(path, windows, line, _known(path), part)

    def from_stream(self, file: BinaryIO, start: float = 0.0, duration: float | None = None) -> list[Query]:
        """The queries in audio, or in a stream of segments or embeddings (one a file), from a seekable file."""
        first = file.read(1)
        file.seek(0)
        if not first:
            raise AudioError("standard input: empty")
        if first == MAGIC[:1]:
            return [self._from_rows(file)]
        if not is_stream(first):
            return [self.from_sound(file, start, duration)]
        if start or duration is not None:
            raise UsageError("--start and --duration pick a part of a sound; standard input holds a stream")
        return self._from_records(StreamReader(file))

    def _from_rows(self, file: BinaryIO) -> Query:
        """The query whose segments are the rows of NPY arrays. They name no model, so only their width is checked."""
        vectors = np.concatenate([np.zeros((0, self.about.dimension), np.float32), *self._blocks(file)])
        if not len(vectors):
            raise AudioError("standard input: an array without rows: nothing to search for")
        starts = self.about.hop * np.arange(len(vectors))
        windows = Windows.of(vectors, starts, length=int(starts[-1]) + 2 * self.about.hop)
        return Query(b"-", windows, windows, ())

    def _blocks(self, file: BinaryIO) -> Iterator[Vector]:
        for block in read_blocks(file):
            if block.shape[1] != self.about.dimension:
                raise UsageError(f"the rows have {block.shape[1]} numbers, {self.library} {self.about.dimension}")
            yield block

    def _from_records(self, reader: StreamReader) -> list[Query]:
        if reader.header.stage == "segments":
            self.encoder.check_rate(reader.header.sample_rate)
            embeddings = self.encoder.embeddings(reader.segments())
        else:
            check_model(self.about, self.library, reader.header.name, reader.header.model)
            embeddings = reader.embeddings()
        return [_of_records(path, list(group)) for path, group in groupby(embeddings, lambda one: one.path)]


def _of_records(path: bytes, embeddings: list[Embedding]) -> Query:
    """Of one sound, a slot for each: it begins with the first."""
    vectors, starts = np.stack([one.vector for one in embeddings]), np.array([one.start for one in embeddings])
    levels = np.array([one.level for one in embeddings], np.float32)  # None becomes NaN
    length = max(one.start + one.length for one in embeddings) - starts[0]
    windows = Windows.of(vectors, starts - starts[0], levels, int(length))
    return Query(path, windows, windows, _known(path))


def _known(path: bytes) -> tuple[File, ...]:
    """The file of that name, if there is one, as it is now."""
    return (identified(path) or File(path, -1, 0),)
