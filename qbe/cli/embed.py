"""qbe embed: sounds or segments -> a stream of embeddings."""

from __future__ import annotations

from typing import Annotated

import typer

from qbe.cli.app import FilesFrom, Hop, Inputs, Jobs, KeepSilence, Model, NullNames, Quiet, Verbose, command
from qbe.cli.inputs import sound_files, stdin, window_hop
from qbe.cli.outputs import Report, stdout_stream
from qbe.cli.progress import progress, watched


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
    verbose: Verbose = False,
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
    with progress("embed", total, quiet=quiet, verbose=verbose) as update:
        embeddings = watched(encoder.embeddings(source, jobs), encoder.sample_rate, update, total)
        if npy:
            write_blocks(out, embeddings)
        else:
            with StreamWriter(out, encoder.header) as writer:
                for embedding in embeddings:
                    writer.write(embedding)
                writer.failed = report.failed + (reader.failed if reader else 0)
    return report.exit_code
