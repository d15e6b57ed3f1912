"""Which files a name means."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from contextlib import suppress


def lies_inside(path: bytes, globs: Sequence[bytes]) -> bool:
    """Whether a name matches a glob, or a folder in it does; * stands for slashes too."""
    plain = [glob.rstrip(b"/") for glob in globs]
    return any(fnmatch.fnmatchcase(path, glob) or fnmatch.fnmatchcase(path, glob + b"/*") for glob in plain)


def same_file(path: bytes, other: bytes) -> bool:
    """Whether two names mean one file: the same bytes, or one file on disk under both."""
    if path == other:
        return True
    with suppress(OSError, ValueError):  # a name with a NUL in it is no file's
        return os.path.samefile(path, other)
    return False
