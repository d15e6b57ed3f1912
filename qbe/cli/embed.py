"""qbe embed: sounds or segments -> a stream of embeddings."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import FilesFrom, Hop, Inputs, Jobs, KeepSilence, Model, NullNames, Quiet, command
from qbe.cli.inputs import sound_files, stdin, window_hop
from qbe.cli.outputs import Report, Update, progress, say, stdout_stream
from qbe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbe.encoder import Encoder
    from qbe.streams.records import Embedding, File


@command("embed")
def embed(
    inputs: Inputs = None,
    files_from: FilesFrom = None,
    null: NullNames = False,
    model: Model = None,
    hop: Hop = None,
    keep_silence: KeepSilence = False,
    new: Annotated[
        str | None,
        typer.Option(metavar="LIBRARY", help="Only sounds that LIBRARY lacks, or that have changed since."),
    ] = None,
    jobs: Jobs = 2,
    npy: Annotated[bool, typer.Option("--npy", help="NPY blocks [n, D], one a file, not records.")] = False,
    quiet: Quiet = False,
) -> int:
    """Turn sounds, or a stream of segments on stdin, into a stream of embeddings on stdout, in their order.

    Examples: qbe embed ~/samples | qbe index -o lib.idx

    find . -name '*.wav' -print0 | qbe embed --files-from - -0 > all.emb

    qbe embed --new lib.idx ~/samples | qbe index --append -o lib.idx
    """
    from qbe.audio.segmentation import segments
    from qbe.encoder import open_encoder
    from qbe.streams.framing import StreamReader, StreamWriter, write_blocks

    out, report = stdout_stream(), Report()
    paths = sound_files(inputs, files_from, null, report)
    encoder = open_encoder(model)
    reader: StreamReader | None = None
    ended: list[File] = []
    if new is not None:
        if not inputs and not files_from:
            raise UsageError("--new goes with files and folders")
        paths = _unknown(paths, new, encoder)
    if inputs or files_from:
        step = window_hop(hop, encoder.sample_rate, encoder.samples)
        source = segments(
            paths,
            report,
            sample_rate=encoder.sample_rate,
            window=encoder.samples,
            hop=step,
            keep_silence=keep_silence,
            on_end=ended.append,
        )
        total: int | None = len(paths)
    else:
        reader, total = StreamReader(stdin(), "segments"), None
        encoder.check_rate(reader.header.sample_rate)
        source, ended = reader.segments(), reader.files
    with progress("embed", total, quiet) as update:
        embeddings = _watched(encoder.embeddings(source, jobs), encoder.sample_rate, update)
        if npy:
            write_blocks(out, embeddings)
        else:
            with StreamWriter(out, encoder.header) as writer:
                for embedding in embeddings:
                    writer.write(embedding)
                writer.files = ended
                writer.failed = report.failed + (reader.failed if reader else 0)
    return report.exit_code


def _unknown(paths: list[bytes], library: str, encoder: Encoder) -> list[bytes]:
    """The sounds that a library does not hold as they are now."""
    from qbe.audio.segmentation import file_state
    from qbe.index.library import open_library
    from qbe.queries import check_model
    from qbe.streams.records import File

    if not os.path.exists(library):
        say(f"{library}: not there yet: all sounds are new")
        return paths
    opened = open_library(library)
    check_model(opened.footer, library, encoder.name, encoder.sha256)
    known = {path: File(path, size, mtime) for path, size, mtime in opened.states()}
    return [path for path in paths if path not in known or file_state(path) != known[path]]


def _watched(embeddings: Iterator[Embedding], sample_rate: int, update: Update) -> Iterator[Embedding]:
    """The same embeddings; on the way, files done, hours of audio and speed go to the progress bar."""
    began = time.monotonic()
    files, path, reached, samples = -1, None, 0, 0
    for embedding in embeddings:
        if embedding.path != path:
            path, reached, files = embedding.path, 0, files + 1
        end = embedding.start + embedding.length
        samples, reached = samples + max(0, end - reached), max(reached, end)
        seconds = samples / sample_rate
        update(files, f"{files} files, {seconds / 3600:.2f} h, {seconds / (time.monotonic() - began):.0f}x real time")
        yield embedding
