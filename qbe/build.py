"""Build libraries, from Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from qbe.audio.finding import find_audio
from qbe.audio.segmentation import window_hop
from qbe.audio.silence import FAINT
from qbe.disk import HeldNames, once
from qbe.embedding import Path, encoder_of, files_embedded
from qbe.stores import open_store, open_writer, state_of
from qbe.streams.records import Embedding, File
from qbe.support.errors import QbeError
from qbe.support.names import here

OnFile = Callable[[int, int], None]


@dataclass(frozen=True)
class Built:
    """What was put into a library. failures : what could not be read, and why; what was read before a fault is in it"""

    files: int
    segments: int
    failures: tuple[QbeError, ...]


def build_library(
    name: Path,
    paths: Path | Sequence[Path],
    *,
    append: bool = False,
    model: str | None = None,
    hop: float | None = None,
    silence: float | None = FAINT,
    jobs: int | None = None,
    trees: int | None = None,
    progress: OnFile | None = None,
) -> Built:
    """A library of sounds, as `qbe embed PATHS | qbe index -o NAME` builds it; one of that name is replaced.

    paths : files, and folders with all in them
    append : add to the library that is there instead; files that it holds are replaced
    model, hop, silence : as for `qbe.embed`
    jobs : threads that read and embed; None: one for each core
    trees : of cells; more find a little more in the same time, and take more room
    progress : called with how many files are through, and of how many

    What is there stays until the new one is whole. Files that cannot be read are left out, and told. Raises
    LibraryError where another process is writing it or no sound is left, ModelError where the model breaks the
    contract or the library is of another.
    """
    failures: list[QbeError] = []
    ended: list[File] = []
    sounds = list(once(find_audio(_names(paths), failures.append)))
    if append and state_of(os.fsdecode(name)) is not None:
        sounds = list(map(HeldNames(open_store(os.fsdecode(name)), None), sounds))
    encoder = encoder_of(model)
    step = window_hop(hop, encoder.sample_rate, encoder.samples)
    embeddings = files_embedded(sounds, encoder, failures.append, ended.append, jobs=jobs, hop=step, silence=silence)
    with open_writer(os.fsdecode(name), trees) as writer:
        write = writer.append if append else writer.replace
        header = replace(encoder.header, folder=here())
        written = write(header, _told(embeddings, len(sounds), progress) if progress else embeddings, ended)
    return Built(written.files, written.segments, tuple(failures))


def _told(embeddings: Iterator[Embedding], files: int, progress: OnFile) -> Iterator[Embedding]:
    """The same embeddings; on the way, how many files are through."""
    through, path = -1, None
    for embedding in embeddings:
        if embedding.path != path:
            path, through = embedding.path, through + 1
            progress(through, files)
        yield embedding
    progress(files, files)


def remove_from_library(name: Path, paths: Path | Sequence[Path]) -> list[str]:
    """Remove files, and all files under folders, by the names they came with. Gives the names that match none.

    LibraryError where there is no library, or another process is writing it.
    """
    with open_writer(os.fsdecode(name)) as writer:
        return [os.fsdecode(path) for path in writer.remove(_names(paths))]


def _names(paths: Path | Sequence[Path]) -> list[bytes]:
    return [os.fsencode(path) for path in ([paths] if isinstance(paths, str | bytes | os.PathLike) else paths)]
