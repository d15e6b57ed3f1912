"""The library that is shown, opened anew when it has been replaced, and its map, kept from one time to the next."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qbe.browse.view import View
from qbe.library import open_library
from qbe.maps.points import Points, files_of, segments_of
from qbe.maps.projection import Coordinates, OnShare, extend, project
from qbe.maps.table import Table, known_points, read_table, written
from qbe.stores import state_of
from qbe.streams.records import Numbers
from qbe.support.errors import QbeError, UsageError
from qbe.support.saving import save_file

ENOUGH = 0.5  # of the points must be on the old map, else a new one is made


def _unheard(_: float) -> None:
    """No one wants to know how far it is."""


@dataclass
class Opened:
    """name : of the library; model : as for `open_library`; segments : a point is one, not a file
    table : a map of it that is kept; None: the one in the cache
    """

    name: str
    model: str | None
    segments: bool
    table: str | None
    _generation: int = 0
    _state: Hashable = None
    _view: View | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self, on_share: OnShare = _unheard) -> tuple[View, int]:
        """The library as it is, and how often it has been opened."""
        with self._lock:
            state = state_of(self.name)  # None where it is gone: then the open one is all there is
            if self._view is None or (state is not None and state != self._state):
                self._view = self._opened(on_share)
                self._state, self._generation = state, self._generation + 1
            return self._view, self._generation

    def _opened(self, on_share: OnShare) -> View:
        library = open_library(self.name, model=self.model)
        points = segments_of(library.store) if self.segments else files_of(library.store)
        return View(library, points, self._laid_out(points, library.store.name, on_share), self.segments)

    def _laid_out(self, points: Points, name: str, on_share: OnShare) -> Coordinates:
        if self.table:
            return _on_map(points, read_table(self.table), self.table, on_share)
        cache = _cache(name, self.segments)
        known, places = _kept(points, cache)
        if len(known) == len(points):
            return extend(points, known, places, 0)
        is_enough = len(known) > ENOUGH * len(points)
        where = extend(points, known, places, 0, on_share) if is_enough else project(points, 2, 0, on_share)
        with suppress(OSError):  # a cache that cannot be written is none
            cache.parent.mkdir(parents=True, exist_ok=True)
            with save_file(str(cache)) as file:
                file.writelines(written(points, where))
        return where


def _kept(points: Points, cache: Path) -> tuple[Numbers, Coordinates]:
    """The points that were laid out before, and where; none where there is no map, or one that is of no use."""
    with suppress(QbeError, OSError):
        return known_points(points, read_table(str(cache)))
    return np.empty(0, np.int64), np.empty((0, 2))


def _on_map(points: Points, table: Table, name: str, on_share: Callable[[float], None]) -> Coordinates:
    """UsageError where it is of something else."""
    known, places = known_points(points, table)
    if not len(known):
        raise UsageError(f"--map {name}: holds nothing of this library; make one with `qbe map -o {name}`")
    if places.shape[1] != 2:
        raise UsageError(f"--map {name}: has three dimensions, and the page is flat")
    return extend(points, known, places, 0, on_share)


def _cache(library: str, segments: bool) -> Path:
    """Where the map of a library is kept, by its name."""
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    name = hashlib.sha256(os.fsencode(os.path.realpath(library))).hexdigest()[:32]
    return Path(folder) / "qbe" / f"{name}-{'segments' if segments else 'files'}.map"
