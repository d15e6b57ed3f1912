"""qbe index: a stream of embeddings -> a library."""

from __future__ import annotations

from typing import Annotated

import typer

from qbe.cli.app import Quiet, Verbose, command
from qbe.cli.inputs import stdin
from qbe.cli.outputs import say
from qbe.cli.progress import progress, watched
from qbe.errors import LibraryError, UsageError


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
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Build a library from embeddings.

    Reads streams from stdin, one or several in a row. An old library is replaced only when the new one is complete.
    """
    if (output is None) == (check is None):
        raise UsageError("name the library to write (-o LIBRARY), or one to verify (--check LIBRARY)")
    return _check(check) if check is not None else _build(str(output), trees, quiet, verbose)


def _check(path: str) -> int:
    from qbe.index.library import open_library

    if damaged := open_library(path).damaged_blocks():
        raise LibraryError(f"{path}: damaged: wrong checksum in {', '.join(damaged)}; build it again")
    return 0


def _build(path: str, trees: int, quiet: bool, verbose: bool) -> int:
    from qbe.index.building import build_library
    from qbe.streams.framing import StreamReader

    reader = StreamReader(stdin(), "embeddings")
    with progress("index", None, quiet=quiet, verbose=verbose) as update:
        embeddings = watched(reader.embeddings(), reader.header.sample_rate, update)
        built = build_library(path, reader.header, embeddings, trees)
    if built.repeated:
        say(f"{path}: {built.repeated} segments came more than once and are kept once")
    if reader.failed:
        say(f"{path}: written without the {reader.failed} inputs that could not be read")
    return 0
