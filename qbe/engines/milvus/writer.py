"""The one who writes a library on a Milvus server (`qbe.search.writer.Writer`).

Nothing that a reader sees is changed before all that is new is on the server's disk, and counted. Then the name of the
library is made to point to another catalog. What it took the place of stays until the next writer comes, who also
removes what a writer that was stopped has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from qbe.engines.milvus import files, rows
from qbe.engines.milvus.address import parse_address
from qbe.engines.milvus.budgets import measure_budgets
from qbe.engines.milvus.catalog import (
    CATALOG,
    FILES,
    SEGMENTS,
    Catalog,
    collection,
    collections,
    publish,
    read_catalog,
    text_of,
)
from qbe.engines.milvus.files import BY_FFMPEG, FAILED, Files, row_of, row_of_gone
from qbe.engines.milvus.inserting import Centre, Inserter, entries_of
from qbe.engines.milvus.lock import Lock, locked
from qbe.engines.milvus.rows import BITS, Rows, keys_of
from qbe.engines.milvus.server import WORKING, Server
from qbe.engines.milvus.store import MilvusStore
from qbe.engines.milvus.whole import open_files
from qbe.search.centring import middle
from qbe.search.store import About, FileEntry
from qbe.search.writer import Written, built_of, check_appended
from qbe.streams.intake import Intake
from qbe.streams.records import Embedding, File, Header
from qbe.streams.spelling import Spelling
from qbe.support.errors import LibraryError
from qbe.support.names import here, where_begun

DELETED = 4096  # keys in one call


class MilvusWriter:
    """Has the lock of a library."""

    def __init__(self, server: Server, lock: Lock) -> None:
        self.server, self.lock, self.name = server, lock, server.address.name
        self.inserter = Inserter(server, lock)

    def replace(self, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        _, dimension = built_of(header)
        with Intake(None, dimension, Spelling.of_new(header)) as intake:
            intake.add_stream(embeddings, files)
            if not intake.count:
                raise LibraryError(f"{self.name}: not written: the stream holds no embeddings")
            old = read_catalog(self.server)
            self._clean(old)
            self._build(header, intake, old.generation if old else 0)
            return _written(intake)

    def append(self, header: Header, embeddings: Iterable[Embedding], files: Iterable[File]) -> Written:
        catalog = read_catalog(self.server)
        if catalog is None:
            return self.replace(header, embeddings, files)
        check_appended(self.name, catalog.about, header)
        if where_begun(catalog.about.folder) is None:  # not known, or gone
            catalog = replace(catalog, about=replace(catalog.about, folder=header.folder or catalog.about.folder))
        spelling = Spelling(where_begun(catalog.about.folder) or header.folder, header.folder)
        with Intake(None, catalog.about.dimension, spelling) as intake:
            intake.add_stream(embeddings, files)
            written = _written(intake)
            moved = 0
            if intake.names or intake.moved:
                self._clean(catalog)
                moved = self._add(catalog, intake)
            return replace(written, moved=moved, lost=written.lost - moved)

    def remove(self, names: Iterable[bytes], *, folders: bool = True) -> list[bytes]:
        catalog = read_catalog(self.server)
        if catalog is None:
            raise LibraryError(f"{self.name}: no such library: make one with `qbe index -o`")
        self._clean(catalog)
        table, gone, missing = open_files(self.server, catalog), dict[int, FileEntry](), []
        folder = where_begun(catalog.about.folder) or here()
        spellings = [Spelling(folder, given) for given in (None, here())]
        for name in names:
            forms = {form for spelling in spellings for form in spelling.forms(name)}
            meant = [entry for form in forms for entry in (table.under(form) if folders else table.named([form]))]
            missing += [] if meant else [name]
            gone |= {entry.number: entry for entry in meant}
        if gone:
            self._commit(catalog, [], list(gone.values()))
        return missing

    def _clean(self, catalog: Catalog | None) -> None:
        """Remove what is no longer read, or never was: other collections than the library's; what has numbers that are
        not given out; and files that are gone."""
        found = self.server.properties(self.server.address.library)
        kept = {found[0], catalog.table, catalog.segments} if found and catalog else set()
        for kind in (CATALOG, FILES, SEGMENTS):
            for name in set(collections(self.server, kind)) - kept:
                self.lock.check()
                self.server.drop(name)
        if catalog is None:
            return
        table = open_files(self.server, catalog)
        self.lock.check()
        if self.server.count(catalog.segments, f"key >= {catalog.next << BITS}"):
            self.server.delete(catalog.segments, f"key >= {catalog.next << BITS}")
        if self.server.count(table.name, f"number >= {catalog.next}"):
            self.server.delete(table.name, f"number >= {catalog.next}")
        self._delete(table, catalog)

    def _delete(self, table: Files, catalog: Catalog) -> None:
        """Files that are gone: their segments, then they themselves, and last what tells that they are gone."""
        gone = sorted(table.gone)
        there = self.server.query(table.name, f"number in {gone}", files.COLUMNS) if gone else []
        keys = [key for entry in map(files.entry_of, there) for key in keys_of(entry)]
        for name, field, numbers in ((catalog.segments, "key", keys), (table.name, "number", gone)):
            for first in range(0, len(numbers), DELETED):
                self.lock.check()
                self.server.delete(name, f"{field} in {numbers[first : first + DELETED]}")
        if gone:
            self.lock.check()
            self.server.delete(table.name, f"gone > {files.NONE} and number < {catalog.next}")

    def _build(self, header: Header, intake: Intake, generation: int) -> None:
        model, dimension = built_of(header)
        about = About(model, header.name or "", header.sample_rate, dimension, intake.hop, header.folder)
        centre = Centre(middle(intake.total, intake.count))
        names = [collection(self.server.address.library, self.lock.token, kind) for kind in (FILES, SEGMENTS)]
        table, segments = names
        empty = Catalog(about, text_of(centre.middle), table, segments, generation, 0, 0, 0, 0)
        self.server.create(segments, rows.fields(dimension), index=rows.INDEX)
        self.server.create(table, files.FIELDS, index=files.INDEX)
        entries = entries_of(intake, 0)
        self.inserter.segments(segments, intake, centre, 0)
        self.inserter.files(table, map(row_of, entries))
        for name, field in ((segments, rows.VECTOR), (table, "unused")):
            self.server.flush(name)
            self.server.wait_for_index(name, field)
        self.server.wait_until(lambda: self.server.has_loaded(names), WORKING)
        self.inserter.count(segments, "", intake.count)
        self.inserter.count(table, "", len(entries))
        kept = Rows(self.server, segments, dimension)
        catalog = replace(
            _changed(empty, entries, []), next=len(entries), budgets=measure_budgets(kept, intake, centre, len(entries))
        )
        self.lock.check()
        publish(self.server, catalog)

    def _add(self, catalog: Catalog, intake: Intake) -> int:
        """What has come, and what has moved; how much that is."""
        table, spelling = open_files(self.server, catalog), intake.spelling
        forms = {form: number for key, number in intake.files.items() for form in spelling.forms_of_key(key)}
        replaced = list(table.named(forms))
        for entry in replaced:
            intake.names[forms[entry.path]] = entry.path
        moved = {
            form: file
            for file in intake.moved
            if spelling.key(file.path) not in intake.files
            for form in spelling.forms(file.was)
        }
        found = [(entry, moved[entry.path]) for entry in table.named(moved)]
        there = list(table.named({form for _, file in found for form in spelling.forms(file.path)}))
        self._take(catalog, intake, found)
        gone = {entry.number: entry for entry in [*replaced, *there, *(entry for entry, _ in found)]}
        entries = entries_of(intake, catalog.next)
        if entries:
            self.inserter.segments(catalog.segments, intake, Centre(catalog.centre), catalog.next)
            self._commit(catalog, entries, list(gone.values()))
        return len(found)

    def _take(self, catalog: Catalog, intake: Intake, found: list[tuple[FileEntry, File]]) -> None:
        """The rows of files that have moved, under their new names."""
        store = MilvusStore(self.server, catalog)
        for number, (entry, file) in zip(intake.add_moved([file for _, file in found]), found, strict=True):
            rows, _ = store.rows_of(np.array([entry.number]))
            places, vectors = store.places(rows), store.given(store.vectors(rows))
            files = np.full(len(rows), number)
            intake.enter_rows(files, places[:, 1], places[:, 2], store.levels(rows), [vectors])
            intake.set_facts(number, entry.end, FAILED * entry.failed | BY_FFMPEG * entry.by_ffmpeg, file)

    def _commit(self, catalog: Catalog, new: list[FileEntry], gone: list[FileEntry]) -> None:
        """Files that came, whose rows are there, and files that are gone."""
        first = catalog.next + len(new)
        tombs = [row_of_gone(first + at, entry.number) for at, entry in enumerate(gone)]
        self.inserter.files(catalog.table, [*map(row_of, new), *tombs])
        for written in (catalog.segments, catalog.table):
            self.server.flush(written)
        self.inserter.count(catalog.segments, f"key >= {catalog.next << BITS}", sum(entry.segments for entry in new))
        self.inserter.count(catalog.table, f"number >= {catalog.next}", len(new) + len(tombs))
        changed = replace(_changed(catalog, new, gone), next=first + len(tombs))
        self.lock.check()
        publish(self.server, changed)


def _written(intake: Intake) -> Written:
    return Written(len(intake.names), intake.count, intake.repeated, lost=len(intake.moved))


def _changed(catalog: Catalog, new: list[FileEntry], gone: list[FileEntry]) -> Catalog:
    """What is told once files have come and others are gone."""

    def more(of: str) -> int:
        return sum(int(getattr(entry, of)) for entry in new) - sum(int(getattr(entry, of)) for entry in gone)

    return replace(
        catalog,
        generation=catalog.generation + 1,
        files=catalog.files + len(new) - len(gone),
        rows=catalog.rows + more("segments"),
        samples=catalog.samples + more("end"),
        unread=catalog.unread + more("failed"),
        by_ffmpeg=catalog.by_ffmpeg + more("by_ffmpeg"),
    )


@contextmanager
def open_milvus_writer(name: str) -> Iterator[MilvusWriter]:
    """Who may write the library at an address. LibraryError where another process is about it."""
    server = Server(parse_address(name))
    with locked(server) as lock:
        yield MilvusWriter(server, lock)
