"""Which names of files a glob means."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence


def lies_inside(path: bytes, globs: Sequence[bytes]) -> bool:
    """Whether a name matches a glob, or a folder in it does; * stands for slashes too."""
    plain = [glob.rstrip(b"/") for glob in globs]
    return any(fnmatch.fnmatchcase(path, glob) or fnmatch.fnmatchcase(path, glob + b"/*") for glob in plain)
