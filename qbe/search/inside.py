"""What words of `--in` mean in a library: names as they are, or globs; or nothing, and then which names are near."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from qbe.search.store import Store
from qbe.support.errors import UsageError, display
from qbe.support.names import absolute, here, key, lies_inside, spelt

NEAREST = 3  # names to offer
COMPARED = 200  # names, those that share most pairs of letters with the word
CLASSES = 64  # of pairs of letters
SIGNS = dict.fromkeys(map(ord, "*?[]"))


def globs_of(words: Sequence[bytes], store: Store, option: str = "--in ") -> list[bytes]:
    """The globs that words stand for: of one that is the name of a file or folder of the library, signs are letters.

    option : where they were given, for messages

    UsageError, with the nearest names, for a word that no file of the library matches or lies in.
    """
    if not words:
        return []
    files = [entry.path for entry in store.files()]
    names = {spelt(path): path for path in files}
    names |= {folder: folder.encode(errors="surrogateescape") for folder in _folders(names)}
    return [_meant(word, files, names, store, option) for word in words]


def _meant(word: bytes, files: list[bytes], names: dict[str, bytes], store: Store, option: str) -> bytes:
    for form in _forms(word, store.about.folder):
        if spelt(form).rstrip("/") in names:
            return glob.escape(form)
        if any(lies_inside(path, [form]) for path in files):
            return form
    near = ", ".join(map(display, nearest(spelt(word), names)))
    hint = f"; near it: {near}" if near else ""
    raise UsageError(f"{option}{display(word)}: no file of {store.name} matches it or lies in a folder that does{hint}")


def _forms(word: bytes, folder: bytes | None) -> Iterator[bytes]:
    """As it was typed; then as other names of what it leads to from here: as seen from the library's, and absolute."""
    yield word
    now = here()
    own = key(word, folder or now, now)
    yield own
    yield absolute(own, folder or now)


def _folders(paths: Iterable[str]) -> set[str]:
    folders: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in folders:
            folders.add(path)
    return folders


def nearest(word: str, names: dict[str, bytes]) -> list[bytes]:
    """Names that end in something like a word, nearest first; a word of two steps is held against two, and so on."""
    plain = word.translate(SIGNS).strip("/").lower()
    steps = plain.count("/") + 1
    endings: dict[str, bytes] = {}
    for name, path in names.items():
        endings.setdefault("/".join(name.rsplit("/", steps)[-steps:]).lower(), path)
    return [endings[ending] for ending in difflib.get_close_matches(plain, _alike(plain, list(endings)), NEAREST)]


def _alike(word: str, texts: list[str]) -> list[str]:
    """Those COMPARED that share most pairs of letters with a word: of a hundred thousand difflib would take seconds."""
    if len(texts) <= COMPARED:
        return texts
    letters = np.frombuffer("\0".join([word, *texts]).encode("utf-32-le", "surrogatepass"), np.uint32)
    text = np.cumsum(letters == 0)
    pairs = (letters[:-1] * np.uint32(31) + letters[1:]) % CLASSES
    counts = np.bincount(text[:-1] * CLASSES + pairs, minlength=(len(texts) + 1) * CLASSES).reshape(-1, CLASSES)
    shared = np.minimum(counts[1:], counts[0]).sum(1) / (counts[1:].sum(1) + counts[0].sum())
    return [texts[at] for at in np.argsort(-shared, kind="stable")[:COMPARED]]
