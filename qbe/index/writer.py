"""The one who writes a library file (`qbe.search.writer.Writer`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from qbe.index.file.layout import Footer
from qbe.index.file.library import Library, open_library
from qbe.index.store import FileStore
from qbe.index.write.building import write_library
from qbe.index.write.growing import change, named, replaced
from qbe.search.writer import Written, built_of, check_appended
from qbe.streams.intake import Intake
from qbe.streams.records import Embedding, File, Header
from qbe.streams.spelling import Spelling
from qbe.support.errors import LibraryError
from qbe.support.names import here
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
        with self._intake(dimension, Spelling.of_new(header)) as intake:
            intake.add_stream(embeddings, files)
            if not intake.count:
                raise LibraryError(f"{self.path}: not written: the stream holds no embeddings")
            name, trees = header.name or "", self.trees or 1
            footer = Footer(model, name, header.sample_rate, dimension, trees, (), folder=header.folder)
            write_library(self.path, intake, footer)
            return _written(intake)

    def append(self, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        if not os.path.exists(self.path):
            return self.replace(header, embeddings, files)
        library = open_library(self.path)
        check_appended(self.path, FileStore(library).about, header)
        spelling = _spelling(library, header.folder)
        if library.footer.folder is None or (os.path.isabs(library.footer.folder) and not library.folder):
            library.footer = replace(library.footer, folder=header.folder or library.footer.folder)
        with self._intake(library.footer.dimension, spelling) as intake:
            intake.add_stream(embeddings, files)
            written = _written(intake)  # before parts of the library come in too
            gone = replaced(library, intake)
            moved = len(intake.names) - written.files
            if intake.names:
                change(library, intake, gone, self.trees or library.footer.trees)
            return replace(written, moved=moved, lost=written.lost - moved)

    def remove(self, names: Iterable[bytes], *, folders: bool = True) -> list[bytes]:
        library, given, found = open_library(self.path), list(names), set[bytes]()
        told, typed = (_spelling(library, folder) for folder in (None, here()))
        wanted = {spelling.key(name): name for spelling in (typed, told) for name in given}

        def is_meant(file: bytes) -> bool:
            kept = told.key_of_kept(file)
            meant = [wanted[name] for name in (_itself_and_above(kept) if folders else [kept]) if name in wanted]
            found.update(meant)
            return bool(meant)

        gone = named(library, is_meant)
        if gone.any():
            with self._intake(library.footer.dimension, told) as intake:
                change(library, intake, gone, library.footer.trees)
        return [name for name in given if name not in found]

    def _intake(self, dimension: int, spelling: Spelling) -> Intake:
        return Intake(os.path.dirname(os.path.realpath(self.path)), dimension, spelling)


def _written(intake: Intake) -> Written:
    return Written(len(intake.names), intake.count, intake.repeated, lost=len(intake.moved))


def _spelling(library: Library, given: bytes | None) -> Spelling:
    """Of names in a library. given : where those begin that come, as of a header. LibraryError where the names of both
    travel, and not alike."""
    folder = library.footer.folder
    if given is not None and not os.path.isabs(given):
        if folder is None or os.path.normpath(folder) != os.path.normpath(given):
            raise LibraryError(
                f"{library.path}: holds names that begin elsewhere: what is added follows them; leave out "
                "--relative-to, or build it again"
            )
        return Spelling()
    if folder is None or os.path.isabs(folder):
        return Spelling(library.folder or given, given)
    place = os.path.dirname(os.path.realpath(os.fsencode(library.path)))
    return Spelling(os.path.join(place, folder), given, travels=True)


def _itself_and_above(file: bytes) -> Iterable[bytes]:
    """A name and the folders in it, without slashes at the end."""
    at = len(file)
    while at >= 0:
        yield file[:at].rstrip(b"/")
        at = file.rfind(b"/", 0, at)
    yield b"/" if file.startswith(b"/") else b"."
