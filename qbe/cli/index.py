"""qbe index: a stream of embeddings -> a library."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from qbe.cli.app import Quiet, Verbose, command
from qbe.cli.outputs import Output, Report, say
from qbe.cli.progress import progress, watched
from qbe.cli.sources import Source, from_arrays, streamed
from qbe.support.errors import LibraryError, UsageError, display


@command(
    "index",
    "qbe embed ~/samples | qbe index -o lib.idx",
    "qbe embed --new lib.idx ~/samples | qbe index --append -o lib.idx",
    "qbe index --prune --dry-run -o lib.idx",
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
    prune: Annotated[bool, typer.Option("--prune", help="Remove what is no longer on disk from the library.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --prune: only name what would be removed.")] = False,
    force: Annotated[bool, typer.Option("--force", help="With --prune: though most of a folder is gone.")] = False,
    whole_files: Annotated[
        bool, typer.Option("--whole-files", help="Take a stream that is cut: the files of it that are whole.")
    ] = False,
    absolute: Annotated[bool, typer.Option("--absolute", help="Keep names as absolute ones.")] = False,
    relative_to: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Keep names as seen from there: for moving it with its sounds."),
    ] = None,
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
    if append + remove + prune + (check is not None) > 1:
        raise UsageError("--append, --remove, --prune and --check are each a thing of its own: give one of them")
    if (dry_run or force) and not prune:
        raise UsageError("--dry-run and --force go with --prune")
    if whole_files and paths is not None:
        raise UsageError("--whole-files goes with streams, not with --paths")
    if absolute and relative_to is not None:
        raise UsageError("--absolute and --relative-to each say how names are kept: give one of them")
    if model is not None and paths is None:
        raise UsageError("--model goes with --paths: a stream says itself which model it is from")
    if check is not None:
        return _check(check, quiet, verbose)
    library = str(output)
    if removed:
        return _remove(library, removed)
    if prune:
        return _prune(library, dry_run, force)
    source = streamed(whole_files=whole_files) if paths is None else from_arrays(paths, model)
    if append:
        source = source.as_held(library)
    if absolute:
        source = source.absolute()
    elif relative_to is not None:
        source = source.relative(relative_to, library)
    return _write(library, source, append, trees, quiet, verbose)


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


def _prune(library: str, dry_run: bool, force: bool) -> int:
    from qbe.disk import emptied_folder, gone_files
    from qbe.stores import open_store, open_writer

    with open_writer(library) as writer:
        store = open_store(library)
        gone = gone_files(store)
        if dry_run:
            Output().write([{"path": path} for path in gone])
            say(f"{library}: {len(gone)} of {store.held()[0]} files are gone and would be removed")
        emptied = emptied_folder(store, gone) if gone and not force else None
        if emptied:
            raise LibraryError(
                f"{display(emptied.folder)}: {emptied.gone} of its {emptied.files} files in {library} are gone: is a "
                "disk not mounted? Nothing is removed; --force removes them"
            )
        if gone and not dry_run:
            writer.remove(gone, folders=False)
            say(f"{library}: {len(gone)} files that are gone are removed")
    return 0


def _write(path: str, source: Source, append: bool, trees: int | None, quiet: bool, verbose: bool) -> int:
    from qbe.stores import open_writer

    header = source.header
    with open_writer(path, trees) as writer, progress("index", None, quiet=quiet, verbose=verbose) as update:
        write = writer.append if append else writer.replace
        written = write(header, watched(source.embeddings, header.sample_rate, update), source.files)
    if written.repeated:
        say(f"{path}: {written.repeated} segments came more than once and are kept once")
    if written.lost:
        say(f"{path}: {written.lost} files that moved are not in it: `qbe embed --new` finds them again")
    if count := source.failed():
        say(f"{path}: written without the {count} inputs that could not be read")
    return 0
