"""Which store has a name? The only code that knows what kinds of libraries there are, and imports what is meant.

A name is a file's, or an address: milvus://HOST:PORT/LIBRARY, with milvuss:// for TLS.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from contextlib import AbstractContextManager

from qbe.search.store import Store
from qbe.search.writer import Writer
from qbe.support.errors import LibraryError, UsageError

MILVUS = ("milvus://", "milvuss://")


def state_of(name: str) -> Hashable:
    """What tells one state of a library from every other: as long as it is equal, nothing has been written. None where
    there is no library of that name. LibraryError where that cannot be told."""
    if name.startswith(MILVUS):
        _need_client(name)
        from qbe.engines.milvus.store import state_of_library

        return state_of_library(name)
    try:
        state = os.stat(name)
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def open_store(name: str) -> Store:
    """The library of that name. LibraryError where there is none, or it is damaged, of another version, or out of
    reach."""
    if name.startswith(MILVUS):
        _need_client(name)
        from qbe.engines.milvus.store import open_milvus

        return open_milvus(name)
    from qbe.index.store import open_file

    return open_file(name)


def open_writer(name: str, trees: int | None = None) -> AbstractContextManager[Writer]:
    """Who may write the library of that name, or begin it. LibraryError where another process is about it.

    trees : of a library that is a file: how many trees of cells, each with cells of its own
    """
    if name.startswith(MILVUS):
        if trees is not None:
            raise UsageError("--trees goes with a library that is a file: a server has an index of its own")
        _need_client(name)
        from qbe.engines.milvus.writer import open_milvus_writer

        return open_milvus_writer(name)
    from qbe.index.writer import open_file_writer

    return open_file_writer(name, trees)


def _need_client(name: str) -> None:
    from importlib.util import find_spec

    if find_spec("pymilvus") is None:
        scheme = name.partition("://")[0]
        raise LibraryError(f"{scheme}://...: needs pymilvus: pip install '.[milvus]' in a clone of qbe")
