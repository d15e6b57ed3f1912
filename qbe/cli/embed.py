"""qbe embed: sounds or segments -> a stream of embeddings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import FilesFrom, Hop, Inputs, Jobs, KeepSilence, Model, NullNames, Quiet, Silence, Verbose, command
from qbe.cli.inputs import sound_files, stdin
from qbe.cli.outputs import Report, say, stdout_stream
from qbe.cli.progress import progress, watched
from qbe.support.errors import UsageError

if TYPE_CHECKING:
    from qbe.encoder import Encoder
    from qbe.streams.records import File


@command(
    "embed",
    "qbe embed ~/samples | qbe index -o lib.idx",
    "find . -name '*.wav' -print0 | qbe embed --files-from - -0 > wavs.emb",
    "qbe embed --new lib.idx ~/samples | qbe index --append -o lib.idx",
)
def embed(
    inputs: Inputs = None,
    files_from: FilesFrom = None,
    null: NullNames = False,
    model: Model = None,
    hop: Hop = None,
    silence: Silence = -100.0,
    keep_silence: KeepSilence = False,
    new: Annotated[
        str | None,
        typer.Option(metavar="LIBRARY", help="Only sounds that LIBRARY lacks, or that have changed since."),
    ] = None,
    jobs: Jobs = 2,
    npy: Annotated[bool, typer.Option("--npy", help="NPY blocks [n, D], one a file, not records.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Turn sounds into embeddings, the numbers that are compared.

    Takes sounds, or a stream of segments on stdin; a stream of embeddings goes to stdout, in the same order.
    """
    from qbe.audio.segmentation import window_hop
    from qbe.embedding import files_embedded
    from qbe.encoder import open_encoder
    from qbe.streams.blocks import write_blocks
    from qbe.streams.framing import StreamReader, StreamWriter

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
        least = None if keep_silence else silence
        embedded = files_embedded(paths, encoder, report, ended.append, jobs=jobs, hop=step, silence=least)
        total: int | None = len(paths)
    else:
        reader, total = StreamReader(stdin(), "segments"), None
        encoder.check_rate(reader.header.sample_rate)
        embedded, ended = encoder.embeddings(reader.segments(), jobs), reader.files
    with progress("embed", total, quiet=quiet, verbose=verbose) as update:
        embeddings = watched(embedded, encoder.sample_rate, update, total)
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
    from qbe.library import open_library
    from qbe.search.queries import check_model

    if not os.path.exists(library):
        say(f"{library}: not there yet: all sounds are new")
        return paths
    opened = open_library(library)
    check_model(opened.about, library, encoder.name, encoder.sha256)
    return opened.lacks(paths)
