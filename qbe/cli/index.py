"""qbe index: a stream of embeddings -> a library."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import Quiet, Verbose, command
from qbe.cli.inputs import stdin
from qbe.cli.outputs import Report, say
from qbe.cli.progress import progress, watched
from qbe.support.errors import LibraryError, UsageError, display

if TYPE_CHECKING:
    from qbe.streams.records import Embedding, File, Header

    # The files that were read, and how many could not be, are known when the embeddings have come.
    Source = tuple[Header, Iterator[Embedding], Sequence[File], Callable[[], int]]


@command(
    "index",
    "qbe embed ~/samples | qbe index -o lib.idx",
    "qbe embed --new lib.idx ~/samples | qbe index --append -o lib.idx",
    "qbe index --remove ~/samples/old -o lib.idx",
)
def index(
    removed: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATHS]...", help="With --remove: files, or folders with all in them."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="LIBRARY", help="The library to write.")
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add to the library; files that it holds are replaced.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove PATHS from the library.")] = False,
    trees: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=64, help="Independent trees of cells.  [default: 1]"),
    ] = None,
    check: Annotated[str | None, typer.Option(metavar="LIBRARY", help="Verify every checksum of a library.")] = None,
    paths: Annotated[
        str | None, typer.Option(metavar="FILE", help="Names of the rows of NPY arrays on stdin, one a line.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="FILE", help="ONNX model that NPY arrays are from.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Build a library from embeddings.

    Reads streams from stdin; an old library is replaced when the new one is whole.
    """
    if (output is None) == (check is None):
        raise UsageError("name the library to write (-o LIBRARY), or one to verify (--check LIBRARY)")
    if remove and not removed:
        raise UsageError("--remove: name the PATHS to remove")
    if removed and not remove:
        raise UsageError(f"{removed[0]}: embeddings come on stdin; only --remove takes PATHS")
    if append + remove + (check is not None) > 1:
        raise UsageError("--append, --remove and --check are each a thing of its own: give one of them")
    if model is not None and paths is None:
        raise UsageError("--model goes with --paths: a stream says itself which model it is from")
    if check is not None:
        return _check(check, quiet, verbose)
    if removed:
        return _remove(str(output), removed)
    source = _streamed() if paths is None else _named(paths, model)
    return _write(str(output), source, append, trees, quiet, verbose)


def _check(name: str, quiet: bool, verbose: bool) -> int:
    from qbe.stores import open_store

    store = open_store(name)
    with progress("index", 1.0, quiet=quiet, verbose=verbose) as update:

        def read(done: int, size: int) -> None:
            update(done / size, f"{done / 1e6:.1f} of {size / 1e6:.1f} MB")

        damaged = store.check(read)
    if damaged:
        raise LibraryError(f"{name}: damaged: wrong checksum in {', '.join(damaged)}; build it again")
    return 0


def _remove(library: str, paths: list[str]) -> int:
    from qbe.stores import open_writer

    report = Report()
    with open_writer(library) as writer:
        for name in writer.remove(map(os.fsencode, paths)):
            report(LibraryError(f"{display(name)}: not in {library}"))
    return report.end()


def _streamed() -> Source:
    from qbe.streams.blocks import MAGIC
    from qbe.streams.framing import StreamReader

    if stdin().peek(1)[:1] == MAGIC[:1]:  # type: ignore[attr-defined]
        raise UsageError("standard input holds NPY arrays: say which rows they are with --paths FILE")
    reader = StreamReader(stdin(), "embeddings")
    return reader.header, reader.embeddings(), reader.files, lambda: reader.failed


def _named(paths: str, model: str | None) -> Source:
    """Of rows whose model is not known, the library is of none: only other such rows can be searched for."""
    from itertools import chain

    from qbe.audio.segmentation import HOP, SAMPLE_RATE, WINDOW
    from qbe.streams.blocks import named, read_blocks
    from qbe.streams.records import Header

    names = open(paths, "rb")  # noqa: SIM115  # read as the rows are, to the end of the command
    blocks = read_blocks(stdin())
    first = next(blocks, None)
    dimension = 0 if first is None else first.shape[1]
    header = Header("embeddings", SAMPLE_RATE, "", "", dimension)
    if model is not None:
        from qbe.encoder import open_encoder

        header = open_encoder(model).header
        if dimension not in (0, header.dimension):
            raise UsageError(f"the rows have {dimension} numbers and those of {model} {header.dimension}")
    rows = chain([] if first is None else [first], blocks)
    return header, named(rows, names, header, paths, window=WINDOW, hop=HOP), [], lambda: 0


def _write(path: str, source: Source, append: bool, trees: int | None, quiet: bool, verbose: bool) -> int:
    from qbe.stores import open_writer

    header, embeddings, files, failed = source
    with open_writer(path, trees) as writer, progress("index", None, quiet=quiet, verbose=verbose) as update:
        write = writer.append if append else writer.replace
        written = write(header, watched(embeddings, header.sample_rate, update), files)
    if written.repeated:
        say(f"{path}: {written.repeated} segments came more than once and are kept once")
    if count := failed():
        say(f"{path}: written without the {count} inputs that could not be read")
    return 0
