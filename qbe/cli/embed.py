"""qbe embed: sounds or segments -> a stream of embeddings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import FilesFrom, Hop, Inputs, Jobs, KeepSilence, Model, NullNames, Quiet, command
from qbe.cli.inputs import sound_files, stdin, window_hop
from qbe.cli.outputs import Report, stdout_stream
from qbe.cli.progress import Update, progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbe.streams.records import Embedding


@command(
    "embed",
    "qbe embed ~/samples | qbe index -o lib.idx",
    "find . -name '*.wav' -print0 | qbe embed --files-from - -0 > wavs.emb",
)
def embed(
    inputs: Inputs = None,
    files_from: FilesFrom = None,
    null: NullNames = False,
    model: Model = None,
    hop: Hop = None,
    keep_silence: KeepSilence = False,
    jobs: Jobs = 2,
    npy: Annotated[bool, typer.Option("--npy", help="NPY blocks [n, D], one a file, not records.")] = False,
    quiet: Quiet = False,
) -> int:
    """Turn sounds into embeddings, the numbers that are compared.

    Takes sounds, or a stream of segments on stdin; a stream of embeddings goes to stdout, in the same order.
    """
    from qbe.audio.segmentation import segments
    from qbe.encoder import open_encoder
    from qbe.streams.framing import StreamReader, StreamWriter, write_blocks

    out, report = stdout_stream(), Report()
    paths = sound_files(inputs, files_from, null, report)
    encoder = open_encoder(model)
    reader: StreamReader | None = None
    if inputs or files_from:
        step = window_hop(hop, encoder.sample_rate, encoder.samples)
        source = segments(
            paths,
            report,
            sample_rate=encoder.sample_rate,
            window=encoder.samples,
            hop=step,
            keep_silence=keep_silence,
        )
        total: int | None = len(paths)
    else:
        reader, total = StreamReader(stdin(), "segments"), None
        encoder.check_rate(reader.header.sample_rate)
        source = reader.segments()
    with progress("embed", total, quiet) as update:
        embeddings = _watched(encoder.embeddings(source, jobs), encoder.sample_rate, update)
        if npy:
            write_blocks(out, embeddings)
        else:
            with StreamWriter(out, encoder.header) as writer:
                for embedding in embeddings:
                    writer.write(embedding)
                writer.failed = report.failed + (reader.failed if reader else 0)
    return report.exit_code


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
