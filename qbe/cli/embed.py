"""qbe embed: sounds or segments -> a stream of embeddings."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field, replace
from functools import partial
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
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from qbe.cli.progress import Update
    from qbe.disk import Changes
    from qbe.encoder import Encoder
    from qbe.streams.framing import StreamReader
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
    from qbe.encoder import open_encoder

    has_sounds = not is_stdin(inputs, files_from)
    _check(output, new, retry, npy, shard, has_sounds)
    out: BinaryIO | str = stdout_stream() if output is None else output
    report = Report()
    folders = finder(hidden, exclude, follow)
    paths = list(once(sound_files(inputs, files_from, null, report, folders))) if has_sounds else []
    if shard is not None:
        paths = shard_of(paths, shard)
    encoder = open_encoder(model)
    held = Changes(paths) if new is None else _changes(paths, new, encoder, retry, quiet)
    step, least = window_hop(hop, encoder.sample_rate, encoder.samples), None if keep_silence else silence
    run = _Run(encoder, jobs, step, least, expand, report, partial(progress, "embed", quiet=quiet, verbose=verbose))
    if has_sounds and output is not None:
        run.go_on(output, held)
    else:
        embeddings = run.of_sounds(held.lacking) if has_sounds else run.of_stdin()
        files = len(held.lacking) if has_sounds else None if run.reader else 1
        if npy:
            run.write_arrays(embeddings, files, stdout_stream())
        else:
            run.write(embeddings, files, out, held.known)
    if verbose:
        tell_inputs("embed", folders, run.ended, run.sounding, run.failed)
    return report.end()


@dataclass
class _Run:
    """One run of the command, from sounds or what comes on stdin to a stream.

    hop : samples; silence : None: none is left out
    shown : a bar on which the work is shown, for so many files
    ended : the files that were read; sounding : the names of those that hold sound
    reader : of the stream on stdin, if there is one
    """

    encoder: Encoder
    jobs: int | None
    hop: int
    silence: float | None
    expand: float
    report: Report
    shown: Callable[[int | None], AbstractContextManager[Update]]
    ended: list[File] = field(default_factory=list)
    sounding: set[bytes] = field(default_factory=set)
    reader: StreamReader | None = None

    @property
    def header(self) -> Header:
        from qbe.support.names import here

        return replace(self.encoder.header, folder=self.reader.header.folder if self.reader else here())

    @property
    def failed(self) -> int:
        return self.report.failed + (self.reader.failed if self.reader else 0)

    def of_sounds(self, sources: Sequence[bytes | BinaryIO]) -> Iterator[Embedding]:
        from qbe.embedding import files_embedded

        found = files_embedded(
            sources, self.encoder, self.report, self.ended.append,
            jobs=self.jobs, hop=self.hop, silence=self.silence, expand=self.expand,
        )  # fmt: skip
        return noted(found, self.sounding)

    def of_stdin(self) -> Iterator[Embedding]:
        """Of a stream of segments, or of one sound."""
        from qbe.streams.framing import StreamReader

        if not starts_stream(stdin()):
            return self.of_sounds([io.BytesIO(whole_stdin())])
        self.reader = StreamReader(stdin(), "segments")
        self.encoder.check_rate(self.reader.header.sample_rate)
        self.ended = self.reader.files
        return noted(self.encoder.embeddings(self.reader.segments(), self.jobs), self.sounding)

    def write_arrays(self, embeddings: Iterator[Embedding], files: int | None, out: BinaryIO) -> None:
        from qbe.streams.blocks import write_blocks

        with self.shown(files) as update:
            write_blocks(out, watched(embeddings, self.encoder.sample_rate, update, files))

    def write(self, embeddings: Iterator[Embedding], files: int | None, out: BinaryIO | str, known: list[File]) -> None:
        """As a stream, to a file of that name whole or not at all. known : files that are told behind the embeddings"""
        from qbe.streams.files import write_stream
        from qbe.streams.framing import StreamWriter, with_files

        stream = write_stream(out, self.header) if isinstance(out, str) else StreamWriter(out, self.header)
        with self.shown(files) as update, stream as writer:
            found = watched(embeddings, self.encoder.sample_rate, update, files)
            writer.write_all(with_files(found, self.ended))
            writer.files, writer.failed = known, self.failed

    def go_on(self, output: str, held: Changes) -> None:
        """With a stream of sounds in a file, from where it was stopped the last time."""
        from qbe.audio.identity import is_as_it_was
        from qbe.streams.framing import with_files
        from qbe.streams.resuming import resumed_stream

        options = f"hop {self.hop}, silence {self.silence}, expand {self.expand:g}"
        with resumed_stream(output, replace(self.header, options=options)) as stream:
            left = stream.left(held.lacking, is_as_it_was)
            if there := len(held.lacking) - len(left):
                say(f"{output}: {there} of {len(held.lacking)} files are in {stream.part} already: going on")
            try:
                with self.shown(len(left)) as update:
                    embeddings = watched(self.of_sounds(left), self.encoder.sample_rate, update, len(left))
                    for record in with_files(embeddings, self.ended):
                        stream.write(record)
                stream.finish(self.header, held.lacking, held.known, self.failed)
            except KeyboardInterrupt:
                say(f"{output}: stopped: what is whole stays in {stream.part}; the same command goes on with it")
                raise


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
