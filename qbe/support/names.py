"""Which files a name means.

A name is shown as it was given. Two names mean one file where they lead to it: so `x`, `./x`, `/home/me/x` in /home/me,
and a hard link to it are one. What has seen the disk tells that from there (`same_file`); what has not, by one spelling
for all names of a path (`key`).
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

Inode = tuple[int, int]


def spelt(name: bytes) -> str:
    """A name in one spelling: an accent is part of its letter (NFC), whichever system wrote it."""
    return unicodedata.normalize("NFC", name.decode(errors="surrogateescape"))


def lies_inside(path: bytes, globs: Sequence[bytes]) -> bool:
    """Whether a name matches a glob, or a folder in it does; * stands for slashes too."""
    name = spelt(path)
    return any(_pattern(glob).match(name) for glob in globs)


@lru_cache
def _pattern(glob: bytes) -> re.Pattern[str]:
    plain = spelt(glob.rstrip(b"/"))
    return re.compile(f"{fnmatch.translate(plain)}|{fnmatch.translate(plain + '/*')}")


def here() -> bytes | None:
    """The folder that relative names begin in; None where it is gone."""
    with suppress(OSError):
        return os.getcwdb()
    return None


def where_begun(folder: bytes | None) -> bytes | None:
    """The folder in which names begin that were given in one; None, for here, where that is not known or gone."""
    return folder if folder and os.path.isabs(folder) and os.path.isdir(folder) else None


def absolute(name: bytes, folder: bytes | None) -> bytes:
    """Where a name leads that is read in a folder, without `.`, `..` and slashes for nothing."""
    path = os.path.normpath(os.path.join(folder or b"", name))
    return path[1:] if path.startswith(b"//") else path


def key(name: bytes, folder: bytes | None, given: bytes | None) -> bytes:
    """The one spelling of all names of a path: relative where it lies in `folder`.

    folder : of what is compared; given : in which the name is read; None: there too
    """
    if folder is None:
        return absolute(name, None)
    path = absolute(name, None)
    if path.startswith((b"/", b"..")) or given not in (None, folder):
        path = absolute(name, given or folder)
        if path == folder:
            return b"."
        if path.startswith(folder.rstrip(b"/") + b"/"):
            path = path[len(folder.rstrip(b"/")) + 1 :]
    return name if path == name else path


def spelt_from(name: bytes, folder: bytes, given: bytes) -> bytes:
    """A name that was given in one folder, as it is read in another; one that is absolute as it is."""
    return name if os.path.isabs(name) else key(name, folder, given)


def led_from(name: bytes, folder: bytes, given: bytes | None) -> bytes:
    """The way from a folder to a file, links in the way followed: wherever both are moved together, it leads there."""
    place, last = os.path.split(absolute(name, given))
    return os.path.relpath(os.path.join(_real(place or b"."), last), _real(folder))


@lru_cache
def _real(folder: bytes) -> bytes:
    return os.path.realpath(folder)


def without_token(text: str) -> str:
    """A message without what stands before the @ of an address: that is for the server alone."""
    return re.sub(r"(milvuss?://)\S*@", r"\1", text)


def inode(path: bytes) -> Inode | None:
    """By what a file is told from all others on this machine. None where there is none, or it is a pipe or the like."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a name with a NUL in it is no file's
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def same_file(path: bytes, other: bytes) -> bool:
    """Whether two names mean one file: the same bytes, or one file on disk under both."""
    if path == other:
        return True
    with suppress(OSError, ValueError):  # a name with a NUL in it is no file's
        return os.path.samefile(path, other)
    return False
