"""qbe embed: sounds or segments -> a stream of embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import (
    Exclude,
    Expand,
    FilesFrom,
    Follow,
    Hidden,
    Hop,
    Inputs,
    Jobs,
    KeepSilence,
    Model,
    NoFfmpeg,
    NullNames,
    Quiet,
    Silence,
    Verbose,
    command,
)
from qbe.cli.inputs import finder, sound_files, stdin, tell_inputs
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
    hidden: Hidden = False,
    exclude: Exclude = None,
    follow: Follow = False,
    no_ffmpeg: NoFfmpeg = False,  # noqa: ARG001  # heeded when it is parsed
    expand: Expand = 1.0,
    model: Model = None,
    hop: Hop = None,
    silence: Silence = -100.0,
    keep_silence: KeepSilence = False,
    new: Annotated[
        str | None,
        typer.Option(metavar="LIBRARY", help="Only sounds that LIBRARY lacks, or that have changed since."),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="With --new: those that could not be read too.")] = False,
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
    folders = finder(hidden, exclude, follow)
    paths = sound_files(inputs, files_from, null, report, folders)
    encoder = open_encoder(model)
    reader: StreamReader | None = None
    ended: list[File] = []
    if retry and new is None:
        raise UsageError("--retry goes with --new")
    if new is not None:
        if not inputs and not files_from:
            raise UsageError("--new goes with files and folders")
        paths = _unknown(paths, new, encoder, retry)
    if inputs or files_from:
        step = window_hop(hop, encoder.sample_rate, encoder.samples)
        least = None if keep_silence else silence
        embedded = files_embedded(
            paths, encoder, report, ended.append, jobs=jobs, hop=step, silence=least, expand=expand
        )
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
    if verbose:
        tell_inputs("embed", folders, ended)
    return report.end()


def _unknown(paths: list[bytes], library: str, encoder: Encoder, retry: bool) -> list[bytes]:
    """The sounds that a library does not hold as they are now; `retry`: or that could not be read."""
    from qbe.library import open_library
    from qbe.search.queries import check_model
    from qbe.stores import state_of

    if state_of(library) is None:
        say(f"{library}: not there yet: all sounds are new")
        return paths
    opened = open_library(library)
    check_model(opened.about, opened.store.name, encoder.name, encoder.sha256)
    return opened.lacks(paths, retry=retry)
