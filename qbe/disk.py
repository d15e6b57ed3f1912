"""Is a library true to the disk? Which of its sounds are gone or changed there, and what is there that it lacks.

A file is known by its name, by another name that leads to it (through links, hard ones too, or from another folder),
or, where what had its content before is gone or has changed, by that content: then it has moved, and nothing of it is
to be heard again. The checksum is of all bytes of files up to 192 KiB; of larger ones, whose middle it hardly sees, the
time of the last change must be the same too.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from qbe.audio.identity import WHOLE, content, file_state, is_as_it_was
from qbe.search.store import About, FileEntry, Store
from qbe.streams.framing import StreamReader
from qbe.streams.records import File
from qbe.support.names import Inode, absolute, here, inode, key

SEVERAL = 3  # files of a folder that are gone, from which on it may be the folder that is


class Standing(StrEnum):
    """How a file on disk is to what a library holds of it."""

    HERE = "here"
    CHANGED = "changed"
    GONE = "gone"


def is_gone(path: bytes) -> bool:
    """Whether there is no such file; one that may not be looked at counts as there."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def standing(entry: FileEntry, about: About) -> Standing:
    """Of a file of a library; one that was not read to its end has not changed."""
    path = about.located(entry.path)
    if is_gone(path):
        return Standing.GONE
    state = file_state(path)
    is_as_it_was = state is None or entry.size < 0 or (state.size, state.mtime) == (entry.size, entry.mtime)
    return Standing.HERE if is_as_it_was else Standing.CHANGED


def once(paths: Iterable[bytes]) -> Iterator[bytes]:
    """Each file once, by the first of its names."""
    seen: set[Inode | bytes] = set()
    for path in paths:
        file = inode(path) or path
        if file not in seen:
            seen.add(file)
            yield path


@dataclass
class Changes:
    """How sounds on disk are to those that are held.

    lacking : what is to be heard, in order: what is new, and what has changed
    known : what is held, but under another name, or before it was touched: as it is now, and what it was
    new, changed, moved, unchanged : how many of the sounds; gone : how many are held that are no longer there
    """

    lacking: list[bytes] = field(default_factory=list)
    known: list[File] = field(default_factory=list)
    new: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    gone: int = 0

    def __str__(self) -> str:
        return (
            f"{self.new} new, {self.changed} changed, {self.moved} moved, {self.unchanged} unchanged, {self.gone} gone"
        )


def changes(
    paths: Iterable[bytes], entries: Iterable[FileEntry], folder: bytes | None, *, retry: bool, can_move: bool = True
) -> Changes:
    """How files are to those that are held.

    folder : where the names of the entries begin; None: here
    retry : what could not be read is to be heard again
    can_move : whether what is held can get another name; else what has moved is new
    """
    return _Comparison(list(entries), folder, retry, can_move).of(list(once(paths)))


class _Comparison:
    def __init__(self, entries: list[FileEntry], folder: bytes | None, retry: bool, can_move: bool) -> None:
        self.folder, self.retry, self.can_move, self.here = folder, retry, can_move, here()
        self.known = {self.key(entry.path, None): entry for entry in reversed(entries)}
        self.left: dict[int, FileEntry] = {entry.number: entry for entry in entries}  # no file of theirs has been met

    def key(self, name: bytes, given: bytes | None) -> bytes:
        return key(name, self.folder or self.here, given)

    def located(self, entry: FileEntry) -> bytes:
        return os.path.join(self.folder or b"", entry.path)

    def of(self, paths: Sequence[bytes]) -> Changes:
        changes = Changes()
        met = {path: self.known.get(self.key(path, self.here)) for path in paths}
        for entry in met.values():
            self.left.pop(entry.number if entry else -1, None)
        held = {at: entry for entry in self.left.values() if (at := inode(self.located(entry)))}
        names = {path: path for path in paths}  # by which each is to be held
        for path in (path for path, entry in met.items() if entry is None):
            if (at := inode(path)) and (entry := held.get(at)):
                met[path], names[path] = entry, self.located(entry)
                self.left.pop(entry.number, None)
        gone = [entry for entry in self.left.values() if is_gone(self.located(entry))]
        differing = [entry for path, entry in met.items() if entry and self._differs(path, entry)]
        free = _Free(entry for entry in [*differing, *gone] if not (self.retry and entry.failed))
        for path, entry in met.items():
            if entry and not self._differs(path, entry):
                changes.unchanged += 1
            elif was := free.take(path) if self.can_move else None:
                changes.known.append(replace(was[0], path=names[path], was=self.located(was[1])))
                is_touched = was[1] is entry
                changes.moved, changes.unchanged = changes.moved + (not is_touched), changes.unchanged + is_touched
            else:
                changes.lacking.append(names[path])
                changes.new, changes.changed = changes.new + (entry is None), changes.changed + (entry is not None)
        changes.gone = sum(not free.is_taken(entry) for entry in gone)
        return changes

    def _differs(self, path: bytes, entry: FileEntry) -> bool:
        return not is_as_it_was(File(path, entry.size, entry.mtime)) or (self.retry and entry.failed)


class _Free:
    """Files that are held, and are no longer on disk what they were."""

    def __init__(self, entries: Iterable[FileEntry]) -> None:
        self._entries = {entry.number: entry for entry in entries}
        self._taken: set[int] = set()
        self._by_content: dict[int, list[int]] = {}
        for entry in self._entries.values():
            self._by_content.setdefault(entry.content, []).append(entry.number)
        self._sizes = {entry.size for entry in self._entries.values() if entry.content}

    def is_taken(self, entry: FileEntry) -> bool:
        return entry.number in self._taken

    def take(self, path: bytes) -> tuple[File, FileEntry] | None:
        """The one that a file was, which is free no longer; and the file as it is."""
        state = file_state(path)
        if state is None or state.size not in self._sizes or not (checksum := content(path)):
            return None
        for number in self._by_content.get(checksum, []):
            entry = self._entries[number]
            if number not in self._taken and (state.size <= WHOLE or state.mtime == entry.mtime):
                self._taken.add(number)
                return replace(state, content=checksum), entry
        return None


class HeldNames:
    """Gives each file the name by which a store has it, whichever of its names is given; others keep theirs.

    given : the folder in which names are given; None: here
    """

    def __init__(self, store: Store, given: bytes | None) -> None:
        self._store, self._given, self._folder = store, given or here() or b"", store.about.folder or here() or b""
        self._keys = {key(entry.path, self._folder, None) for entry in store.files()}
        self._found: dict[bytes, bytes] = {}

    def __call__(self, name: bytes) -> bytes:
        if name not in self._found:
            is_known = key(name, self._folder, self._given) in self._keys
            at = None if is_known else inode(os.path.join(self._given, name))
            self._found[name] = self._by_inode.get(at, name) if at else name
        return self._found[name]

    @cached_property
    def _by_inode(self) -> dict[Inode | None, bytes]:
        """All files are looked at on disk only where one comes under a name that is not known."""
        paths = [os.path.join(self._folder, entry.path) for entry in self._store.files()]
        return {inode(path): path for path in reversed(paths)}


def held_by_stream(reader: StreamReader) -> list[FileEntry]:
    """The files of a stream, which is read to its end. StreamError as reading it."""
    for _ in reader:
        pass
    return [
        FileEntry(number, file.path, file.size, file.mtime, file.end, 0, file.content, file.failed, file.by_ffmpeg)
        for number, file in enumerate(reader.files)
    ]


def gone_files(store: Store) -> list[bytes]:
    """The names of all files of a library that are no longer on disk."""
    return [entry.path for entry in store.files() if is_gone(store.about.located(entry.path))]


@dataclass(frozen=True)
class Emptied:
    """A folder most of whose files are gone: how many, of how many."""

    folder: bytes
    gone: int
    files: int


def emptied_folder(store: Store, gone: Iterable[bytes]) -> Emptied | None:
    """The folder of which most is gone, with all that lies in it, as where a disk is not mounted; of several the one
    with most that is gone. None where there is none."""
    about, held, missing, files = store.about, Counter[bytes](), Counter[bytes](), 0
    for entry in store.files():
        held.update(_above(absolute(about.located(entry.path), here())))
        files += 1
    for path in gone:
        missing.update(_above(absolute(about.located(path), here())))
    most = [
        Emptied(folder, count, held[folder])
        for folder, count in missing.items()
        if 2 * count > held[folder] and (count >= SEVERAL or count == files)
    ]
    return max(most, key=lambda one: (one.gone, len(one.folder)), default=None)


def _above(path: bytes) -> Iterator[bytes]:
    """The folders that a file lies in."""
    while (folder := os.path.dirname(path)) != path:
        path = folder
        yield path
