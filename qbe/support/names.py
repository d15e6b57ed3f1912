"""Which files a name means."""

from __future__ import annotations

import fnmatch
import os
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache


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


def without_token(text: str) -> str:
    """A message without what stands before the @ of an address: that is for the server alone."""
    return re.sub(r"(milvuss?://)\S*@", r"\1", text)


def same_file(path: bytes, other: bytes) -> bool:
    """Whether two names mean one file: the same bytes, or one file on disk under both."""
    if path == other:
        return True
    with suppress(OSError, ValueError):  # a name with a NUL in it is no file's
        return os.path.samefile(path, other)
    return False
