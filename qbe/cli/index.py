"""qbe index: a stream of embeddings -> a library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import Quiet, Verbose, command
from qbe.cli.inputs import stdin
from qbe.cli.outputs import say
from qbe.cli.progress import progress, watched
from qbe.errors import LibraryError, UsageError

if TYPE_CHECKING:
    from qbe.streams.records import Embedding, Header

    Source = tuple[Header, Iterator[Embedding], Callable[[], int]]


@command("index", "qbe embed ~/samples | qbe index -o lib.idx", "cat a.emb b.emb | qbe index -o lib.idx")
def index(
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="LIBRARY", help="The library to write.")
    ] = None,
    trees: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=64, help="Trees that cut it into cells: more find more."),
    ] = 1,
    check: Annotated[str | None, typer.Option(metavar="LIBRARY", help="Verify every checksum of a library.")] = None,
    paths: Annotated[
        str | None, typer.Option(metavar="FILE", help="Names of the rows of NPY arrays on stdin, one a line.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="FILE", help="ONNX model that NPY arrays are from.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Build a library from embeddings.

    Reads streams from stdin, one or several in a row. An old library is replaced only when the new one is complete.
    """
    if (output is None) == (check is None):
        raise UsageError("name the library to write (-o LIBRARY), or one to verify (--check LIBRARY)")
    if model is not None and paths is None:
        raise UsageError("--model goes with --paths: a stream says itself which model it is from")
    if check is not None:
        return _check(check)
    header, embeddings, failed = _streamed() if paths is None else _named(paths, model)
    with progress("index", None, quiet=quiet, verbose=verbose) as update:
        _build(str(output), header, watched(embeddings, header.sample_rate, update), trees)
    if count := failed():
        say(f"{output}: written without the {count} inputs that could not be read")
    return 0


def _check(path: str) -> int:
    from qbe.index.library import open_library

    if damaged := open_library(path).damaged_blocks():
        raise LibraryError(f"{path}: damaged: wrong checksum in {', '.join(damaged)}; build it again")
    return 0


def _streamed() -> Source:
    from qbe.streams.blocks import MAGIC
    from qbe.streams.framing import StreamReader

    if stdin().peek(1)[:1] == MAGIC[:1]:  # type: ignore[attr-defined]
        raise UsageError("standard input holds NPY arrays: say which rows they are with --paths FILE")
    reader = StreamReader(stdin(), "embeddings")
    return reader.header, reader.embeddings(), lambda: reader.failed


def _named(paths: str, model: str | None) -> Source:
    """Of rows whose model is not known, the library is of none: only other such rows can be searched for."""
    from itertools import chain

    from qbe.audio.segmentation import SAMPLE_RATE
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
    return header, named(chain([] if first is None else [first], blocks), names, header, paths), lambda: 0


def _build(path: str, header: Header, embeddings: Iterator[Embedding], trees: int) -> None:
    from qbe.index.building import build_library

    built = build_library(path, header, embeddings, trees)
    if built.repeated:
        say(f"{path}: {built.repeated} segments came more than once and are kept once")
