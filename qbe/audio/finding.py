"""Find the sounds in folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from qbe.support.errors import AudioError, OnError, display
from qbe.support.names import lies_inside

# libsndfile's containers under the endings people give them; headerless "raw" cannot be recognised.
LIBSNDFILE = frozenset(
    b"8svx aif aifc aiff au avr caf flac htk iff mat mp1 mp2 mp3 nist oga ogg opus paf pvf rf64 sd2 sds sf snd sph "
    b"svx voc w64 wav wave wavex wve xi".split()
)
# What ffmpeg reads besides: sound, and video with sound.
FFMPEG = frozenset(
    b"3ga 3gp aac ac3 adts amr ape asf avi dff dsf dts eac3 flv m2ts m4a m4b m4r m4v mka mkv mov mp4 mpc mpeg mpg mts "
    b"oma ogv rm shn spx tak tta webm wma wmv wv".split()
)
EXTENSIONS = LIBSNDFILE | FFMPEG

# Folders in which systems keep what is not for people: deleted files, thumbnails, halves of macOS's files.
SYSTEM = frozenset([b"@eaDir", b"__MACOSX", b"$RECYCLE.BIN", b"System Volume Information", b"lost+found"])


class _Folder(NamedTuple):
    """above : the device and number of all folders that this one lies in: a link to one of them leads round"""

    path: bytes
    above: frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Finder:
    """How folders are searched.

    hidden : look into hidden and system folders too, and take hidden files
    exclude : globs; files and folders that match one, or lie in one that does, are passed over
    follow : go into folders that are links
    passed : counts what is passed over, by what it is
    """

    hidden: bool = False
    exclude: Sequence[bytes] = ()
    follow: bool = False
    passed: Counter[str] = field(default_factory=Counter)

    def find(self, inputs: Iterable[bytes], on_error: OnError) -> Iterator[bytes]:
        """Files as they are named; folders are walked in order of name for files with a known ending.

        A name that does not exist, and a folder that cannot be listed, go to `on_error`.
        """
        for path in inputs:
            if os.path.isdir(path):
                yield from self._walk(path, on_error)
            elif os.path.lexists(path):
                yield path
            else:
                on_error(AudioError(f"{display(path)}: no such file or folder"))

    def _walk(self, folder: bytes, on_error: OnError) -> Iterator[bytes]:
        waiting = [_Folder(folder, frozenset())]
        while waiting:
            folder, above = waiting.pop()
            try:
                status, entries = os.stat(folder), sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                on_error(AudioError(f"{display(folder)}: {error.strerror}"))
                continue
            known = above | {(status.st_dev, status.st_ino)}
            kept = [entry for entry in entries if not self._is_passed(entry)]
            yield from (entry.path for entry in kept if not _is_folder(entry) and self._is_sound(entry, on_error))
            inside = [entry for entry in kept if _is_folder(entry) and self._is_entered(entry, known)]
            waiting += [_Folder(entry.path, known) for entry in reversed(inside)]

    def _is_passed(self, entry: os.DirEntry[bytes]) -> bool:
        """Whether hidden or excluded."""
        is_hidden = entry.name.startswith(b".") or (entry.name in SYSTEM and _is_folder(entry))
        if is_hidden and (not self.hidden or entry.name.startswith(b"._")):
            self._pass("hidden", entry)
        elif self.exclude and (lies_inside(entry.path, self.exclude) or lies_inside(entry.name, self.exclude)):
            self._pass("excluded", entry)
        else:
            return False
        return True

    def _pass(self, what: str, entry: os.DirEntry[bytes]) -> None:
        """Count a folder, or a file that would be a sound."""
        if _is_folder(entry):
            self.passed[f"{what} folders"] += 1
        elif _ending(entry.name) in EXTENSIONS:
            self.passed[f"{what} sounds"] += 1

    def _is_sound(self, entry: os.DirEntry[bytes], on_error: OnError) -> bool:
        if _ending(entry.name) not in EXTENSIONS:
            self.passed["other files"] += 1
        elif os.path.isfile(entry.path) or not os.path.exists(entry.path):  # whoever opens a link to nowhere tells it
            return True
        else:  # a pipe that no one writes to would keep us waiting
            on_error(AudioError(f"{display(entry.path)}: not a file"))
        return False

    def _is_entered(self, entry: os.DirEntry[bytes], known: frozenset[tuple[int, int]]) -> bool:
        if not entry.is_symlink():
            return True
        status = entry.stat()
        if not self.follow:
            self.passed["links to folders"] += 1
        elif (status.st_dev, status.st_ino) in known:
            self.passed["links that lead round"] += 1
        else:
            return True
        return False


def find_audio(inputs: Iterable[bytes], on_error: OnError) -> Iterator[bytes]:
    """The sounds that are named, and those in folders that are, as a `Finder` finds them that was told nothing."""
    return Finder().find(inputs, on_error)


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    """Or a link to one."""
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))


def _ending(name: bytes) -> bytes:
    return name.rpartition(b".")[2].lower()
