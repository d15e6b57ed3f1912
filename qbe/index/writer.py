"""The one who writes a library file (`qbe.search.store.Writer`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from qbe.index.file.layout import Footer
from qbe.index.file.library import open_library
from qbe.index.store import FileStore
from qbe.index.write.building import write_library
from qbe.index.write.growing import change, named
from qbe.search.store import Written, built_of, check_appended
from qbe.streams.intake import Intake
from qbe.streams.records import Embedding, File, Header
from qbe.support.errors import LibraryError
from qbe.support.saving import locked


@contextmanager
def open_file_writer(path: str, trees: int | None = None) -> Iterator[FileWriter]:
    """Who may write a library file. LibraryError where another process is about it.

    trees : how many (1), each with cells of its own. Of a library so small that it is one cell there is one.
    """
    with locked(path):
        yield FileWriter(path, trees)


class FileWriter:
    """Has the lock of a library file."""

    def __init__(self, path: str, trees: int | None) -> None:
        self.path, self.trees = path, trees

    def replace(self, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        model, dimension = built_of(header)
        with self._intake(dimension) as intake:
            intake.add_stream(embeddings, files)
            if not intake.count:
                raise LibraryError(f"{self.path}: not written: the stream holds no embeddings")
            name, trees = header.name or "", self.trees or 1
            write_library(self.path, intake, Footer(model, name, header.sample_rate, dimension, trees, ()))
            return _written(intake)

    def append(self, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        if not os.path.exists(self.path):
            return self.replace(header, embeddings, files)
        library = open_library(self.path)
        check_appended(self.path, FileStore(library).about, header)
        with self._intake(library.footer.dimension) as intake:
            intake.add_stream(embeddings, files)
            written = _written(intake)  # before parts of the library come in too
            if intake.files:
                gone = named(library, intake.files.__contains__)
                change(library, intake, gone, self.trees or library.footer.trees)
            return written

    def remove(self, names: Iterable[bytes]) -> list[bytes]:
        library = open_library(self.path)
        missing = {name.rstrip(b"/"): name for name in names}
        wanted = set(missing)

        def is_meant(file: bytes) -> bool:
            meant = wanted.intersection(_itself_and_above(file))
            for name in meant:
                missing.pop(name, None)
            return bool(meant)

        gone = named(library, is_meant)
        if gone.any():
            with self._intake(library.footer.dimension) as intake:
                change(library, intake, gone, library.footer.trees)
        return list(missing.values())

    def _intake(self, dimension: int) -> Intake:
        return Intake(os.path.dirname(os.path.realpath(self.path)), dimension)


def _written(intake: Intake) -> Written:
    return Written(len(intake.files), intake.count, intake.repeated)


def _itself_and_above(file: bytes) -> Iterable[bytes]:
    """A name and the folders in it, without slashes at the end."""
    at = len(file)
    while at >= 0:
        yield file[:at].rstrip(b"/")
        at = file.rfind(b"/", 0, at)
