"""Which store has a name? The only code that knows what kinds of libraries there are, and imports what is meant."""

from __future__ import annotations

from contextlib import AbstractContextManager

from qbe.search.store import Store, Writer


def open_store(name: str) -> Store:
    """The library of that name. LibraryError where there is none, or it is damaged or of another version."""
    from qbe.index.store import open_file

    return open_file(name)


def open_writer(name: str, trees: int | None = None) -> AbstractContextManager[Writer]:
    """Who may write the library of that name, or begin it. LibraryError where another process is about it.

    trees : of a library that is a file: how many trees of cells, each with cells of its own
    """
    from qbe.index.writer import open_file_writer

    return open_file_writer(name, trees)
