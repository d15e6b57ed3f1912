"""qbe embed: sounds or segments -> a stream of embeddings."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

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
from qbe.cli.inputs import (
    finder,
    is_stdin,
    noted,
    shard_of,
    sound_files,
    starts_stream,
    stdin,
    tell_inputs,
    whole_stdin,
)
from qbe.cli.outputs import Report, say, stdout_stream
from qbe.cli.progress import progress, watched
from qbe.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from qbe.disk import Changes
    from qbe.encoder import Encoder
    from qbe.streams.records import Embedding, File, Header


@command(
    "embed",
    "qbe embed ~/samples | qbe index -o lib.idx",
    "find . -name '*.wav' -print0 | qbe embed --files-from - -0 > wavs.emb",
    "qbe embed -o samples.emb ~/samples",
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
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write there; go on where that was stopped."),
    ] = None,
    new: Annotated[
        str | None,
        typer.Option(metavar="LIBRARY|STREAM", help="Only sounds that it lacks, or that have changed since."),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="The Ith of N equal parts of the sounds, from 1.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="With --new: those that could not be read too.")] = False,
    jobs: Jobs = None,
    npy: Annotated[bool, typer.Option("--npy", help="NPY blocks [n, D], one a file, not records.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Turn sounds into embeddings, the numbers that are compared.

    Takes sounds, or on stdin one sound or a stream of segments; a stream of embeddings comes out, in the same order.
    """
    from qbe.audio.segmentation import window_hop
    from qbe.disk import Changes, once
    from qbe.embedding import files_embedded
    from qbe.encoder import open_encoder
    from qbe.streams.blocks import write_blocks
    from qbe.streams.framing import StreamReader
    from qbe.support.names import here

    has_sounds = not is_stdin(inputs, files_from)
    _check(output, new, retry, npy, shard, has_sounds)
    out, report = stdout_stream() if output is None else None, Report()
    folders = finder(hidden, exclude, follow)
    paths = list(once(sound_files(inputs, files_from, null, report, folders))) if has_sounds else []
    if shard is not None:
        paths = shard_of(paths, shard)
    encoder = open_encoder(model)
    held = Changes(paths) if new is None else _changes(paths, new, encoder, retry, quiet)
    header, least = replace(encoder.header, folder=here()), None if keep_silence else silence
    ended: list[File] = []
    sounding: set[bytes] = set()
    reader: StreamReader | None = None
    step = window_hop(hop, encoder.sample_rate, encoder.samples)

    def embedded(sources: Sequence[bytes | BinaryIO]) -> Iterator[Embedding]:
        found = files_embedded(
            sources, encoder, report, ended.append, jobs=jobs, hop=step, silence=least, expand=expand
        )
        return noted(found, sounding)

    if has_sounds and output is not None:
        options = f"hop {step}, silence {least}, expand {expand:g}"
        _go_on(output, header, options, held, embedded, ended, report, quiet, verbose)
    else:
        sources: list[Any] = held.lacking
        if not has_sounds and starts_stream(stdin()):
            reader = StreamReader(stdin(), "segments")
            encoder.check_rate(reader.header.sample_rate)
            ended, header = reader.files, replace(header, folder=reader.header.folder)
        elif not has_sounds:
            sources = [io.BytesIO(whole_stdin())]
        total = None if reader else len(sources)
        with progress("embed", total, quiet=quiet, verbose=verbose) as update:
            found = noted(encoder.embeddings(reader.segments(), jobs), sounding) if reader else embedded(sources)
            embeddings = watched(found, encoder.sample_rate, update, total)
            if npy:
                write_blocks(out or stdout_stream(), embeddings)
            else:
                _write(
                    out,
                    output,
                    header,
                    embeddings,
                    ended,
                    held.known,
                    lambda: reader.failed if reader else report.failed,
                )
    if verbose:
        tell_inputs("embed", folders, ended, sounding, report.failed + (reader.failed if reader else 0))
    return report.end()


def _check(output: str | None, new: str | None, retry: bool, npy: bool, shard: str | None, has_sounds: bool) -> None:
    if retry and new is None:
        raise UsageError("--retry goes with --new")
    for option, given in (("--new", new), ("--shard", shard)):
        if given is not None and not has_sounds:
            raise UsageError(f"{option} goes with files and folders")
    if npy and output is not None:
        raise UsageError("--npy writes to stdout: leave out -o")
    if output is not None and new is not None and os.path.realpath(output) == os.path.realpath(new):
        raise UsageError(f"-o {output}: would be replaced by what it lacks: name another file")


def _changes(paths: list[bytes], name: str, encoder: Encoder, retry: bool, quiet: bool) -> Changes:
    """How sounds are to those that a library or a stream holds; that is said."""
    from qbe.disk import Changes, changes, held_by_stream
    from qbe.search.queries import check_model
    from qbe.search.store import About
    from qbe.stores import open_store, state_of
    from qbe.streams.framing import StreamReader
    from qbe.streams.packing import is_stream
    from qbe.support.names import where_begun

    if state_of(name) is None:
        say(f"{name}: not there yet: all sounds are new")
        return Changes(paths, new=len(paths))
    if os.path.isfile(name) and is_stream(_first_byte(name)):
        with open(name, "rb") as file:
            reader = StreamReader(file, "embeddings")
            header = reader.header
            about = About(header.model or "", header.name or "", header.sample_rate, header.dimension or 0, 0)
            check_model(about, name, encoder.name, encoder.sha256)
            entries = held_by_stream(reader)
        found = changes(paths, entries, where_begun(header.folder), retry=retry, can_move=False)
    else:
        store = open_store(name)
        name = store.name
        check_model(store.about, name, encoder.name, encoder.sha256)
        found = changes(paths, store.files(), store.about.folder, retry=retry)
    if not quiet:
        say(f"{name}: {found}")
    return found


def _first_byte(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(1)


def _write(
    out: BinaryIO | None,
    output: str | None,
    header: Header,
    embeddings: Iterator[Embedding],
    ended: list[File],
    moved: list[File],
    failed: Callable[[], int],
) -> None:
    """A stream to stdout, or, whole or not at all, to a file."""
    from qbe.streams.files import write_stream
    from qbe.streams.framing import StreamWriter, with_files

    with write_stream(output, header) if output is not None else StreamWriter(out or stdout_stream(), header) as writer:
        writer.write_all(with_files(embeddings, ended))
        writer.files, writer.failed = moved, failed()


def _go_on(
    output: str,
    header: Header,
    options: str,
    held: Changes,
    embedded: Callable[[list[bytes]], Iterator[Embedding]],
    ended: list[File],
    report: Report,
    quiet: bool,
    verbose: bool,
) -> None:
    """A stream of sounds to a file, from where it was stopped the last time."""
    from qbe.audio.identity import is_as_it_was
    from qbe.streams.framing import with_files
    from qbe.streams.resuming import resumed_stream

    with resumed_stream(output, replace(header, options=options)) as stream:
        left = stream.left(held.lacking, is_as_it_was)
        if there := len(held.lacking) - len(left):
            say(f"{output}: {there} of {len(held.lacking)} files are in {stream.part} already: going on")
        try:
            with progress("embed", len(left), quiet=quiet, verbose=verbose) as update:
                embeddings = watched(embedded(left), header.sample_rate, update, len(left))
                for record in with_files(embeddings, ended):
                    stream.write(record)
            stream.finish(header, held.lacking, held.known, report.failed)
        except KeyboardInterrupt:
            say(f"{output}: stopped: what is whole stays in {stream.part}; the same command goes on with it")
            raise
