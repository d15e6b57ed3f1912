"""Which collections a library is, and what is told of them: a property of the one that the library's name points to.

A library `samples` is the alias `samples` of an empty collection, `samples__TOKEN_catalog`, whose property `qbe` tells
of everything else: `samples__TOKEN_files` and `samples__TOKEN_segments`. Each time that it is written there is another
catalog, and the alias is switched to it. (A property that is changed is not safe: Milvus 2.3.5 has the one before when
it is started again.)
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from pymilvus import DataType

from qbe.engines.milvus.server import Server
from qbe.search.store import About
from qbe.streams.records import Vector
from qbe.support.errors import LibraryError

FORMAT = 1
PROPERTY = "qbe"
CATALOG, FILES, SEGMENTS, LOCK = "catalog", "files", "segments", "lock"
TOKENS = r"[0-9a-f]{16}"
# Of a collection that only has properties; the server wants fields too.
FIELDS: list[tuple[str, DataType, dict[str, Any]]] = [
    ("number", DataType.INT64, {}),
    ("unused", DataType.FLOAT_VECTOR, {"dim": 2}),
]


@dataclass(frozen=True)
class Catalog:
    """What a library holds at one moment.

    about : its model, and what goes with it; the folder of names as it was given, though it may be gone
    middle : base64 of float32 [D]: where its vectors are seen from until it is built anew
    table, segments : the collections of its files and of its segments
    generation : how often it has been written
    next : numbers from this on no file has; what has one has not been written to its end
    files, rows, samples : how many files there are, their segments, and how long they are together
    unread, by_ffmpeg : how many of them could not be read to their end, and how many ffmpeg decoded
    budgets : recalls, rising, and how many rows a search has to look at to reach each
    since : when it was made known, as the server counts time: all that it tells of was there before. None: not known
    """

    about: About
    middle: str
    table: str
    segments: str
    generation: int
    next: int
    files: int
    rows: int
    samples: int
    unread: int = 0
    by_ffmpeg: int = 0
    budgets: tuple[tuple[float, int], ...] = ()
    since: int | None = None

    @property
    def centre(self) -> Vector:
        return np.frombuffer(base64.b64decode(self.middle), "<f4")

    def properties(self) -> dict[str, str]:
        """As they are kept."""
        told = asdict(replace(self, since=None))
        told["about"]["folder"] = self.about.folder and os.fsdecode(self.about.folder)
        return {PROPERTY: json.dumps({"format": FORMAT, **told})}


def text_of(middle: Vector) -> str:
    """The middle as it is kept."""
    return base64.b64encode(middle.astype("<f4").tobytes()).decode()


def collection(library: str, token: str, kind: str) -> str:
    return f"{library}__{token}_{kind}"


def collections(server: Server, kind: str) -> Iterator[str]:
    """Those of a kind that are a library's, also what writers that were stopped have left."""
    library = server.address.library
    return (name for name in server.collections() if re.fullmatch(f"{library}__{TOKENS}_{kind}", name))


def publish(server: Server, catalog: Catalog) -> None:
    """Make a library what a catalog tells, at once. All that it tells of is there already."""
    name = collection(server.address.library, secrets.token_hex(8), CATALOG)
    server.create(name, FIELDS, catalog.properties())
    server.point(server.address.library, name)


def read_catalog(server: Server) -> Catalog | None:
    """What a library is; None where there is none of that name.

    LibraryError where something else has that name, or the library is of a later version of this program.
    """
    name = server.address.name
    found = server.properties(server.address.library)
    if found is None:
        return None
    _, properties, since = found
    try:
        told = json.loads(properties[PROPERTY])
    except (KeyError, ValueError):
        raise LibraryError(f"{name}: a collection of another program, no library of qbe: take another name") from None
    if told.pop("format", None) != FORMAT:
        raise LibraryError(f"{name}: of another version of qbe: build it again, or take the newest version")
    budgets = tuple((float(recall), int(rows)) for recall, rows in told.pop("budgets"))
    about = told.pop("about")
    folder = about.pop("folder", None)
    told |= {"about": About(**about, folder=folder and os.fsencode(folder)), "budgets": budgets, "since": since}
    return Catalog(**told)
