"""qbe index: a stream of embeddings -> a library."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import command
from qbe.cli.inputs import stdin
from qbe.cli.outputs import Report, say
from qbe.errors import LibraryError, UsageError, display

if TYPE_CHECKING:
    from qbe.index.building import Built


@command("index")
def index(
    paths: Annotated[
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
        typer.Option(metavar="N", min=1, max=64, help="Trees that cut it into cells: more find more.  [default: 1]"),
    ] = None,
    check: Annotated[str | None, typer.Option(metavar="LIBRARY", help="Verify every checksum of a library.")] = None,
) -> int:
    """Build a library, one file, from the embeddings on stdin (several streams in a row are one).

    An old library is replaced only when the new one is complete: a stream that breaks off leaves it as it was.

    Examples: qbe embed ~/samples | qbe index -o lib.idx

    qbe embed --new lib.idx ~/samples | qbe index --append -o lib.idx

    qbe index --remove ~/samples/old kick.wav -o lib.idx
    """
    if (output is None) == (check is None):
        raise UsageError("name the library to write (-o LIBRARY), or one to verify (--check LIBRARY)")
    if remove and not paths:
        raise UsageError("--remove: name the PATHS to remove")
    if paths and not remove:
        raise UsageError(f"{paths[0]}: embeddings come on stdin; only --remove takes PATHS")
    if append + remove + (check is not None) > 1:
        raise UsageError("--append, --remove and --check are each a thing of its own: give one of them")
    if check is not None:
        return _check(check)
    return _remove(str(output), paths) if paths else _write(str(output), append, trees)


def _check(path: str) -> int:
    from qbe.index.library import open_library

    if damaged := open_library(path).damaged_blocks():
        raise LibraryError(f"{path}: damaged: wrong checksum in {', '.join(damaged)}; build it again")
    return 0


def _remove(library: str, paths: list[str]) -> int:
    from qbe.index.growing import remove_from_library

    report = Report()
    for name in remove_from_library(library, map(os.fsencode, paths)):
        report(LibraryError(f"{display(name)}: not in {library}"))
    return report.exit_code


def _write(path: str, append: bool, trees: int | None) -> int:
    from qbe.index.building import build_library
    from qbe.index.growing import append_to_library
    from qbe.streams.framing import StreamReader

    reader = StreamReader(stdin(), "embeddings")
    write = append_to_library if append else build_library
    built: Built = write(path, reader.header, reader.embeddings(), trees, reader.files)
    if built.repeated:
        say(f"{path}: {built.repeated} segments came more than once and are kept once")
    if reader.failed:
        say(f"{path}: written without the {reader.failed} inputs that could not be read")
    return 0
