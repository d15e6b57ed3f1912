"""What a training uses besides the sounds: a table of kinds, and the responses of rooms."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from qbe.learn.corpus import Corpus
from qbe.learn.kinds import Grouping, Kinds, read_kinds, ungrouped
from qbe.learn.rooms import read_rooms
from qbe.learn.settings import Balance
from qbe.streams.records import Audio

KINDS, ROOMS = "kinds.tsv", "rooms.npz"


@dataclass(frozen=True)
class Materials:
    """kinds : None: nothing is known of kinds; rooms : float32 [n] each, at the sample rate of training"""

    kinds: Kinds | None = None
    rooms: list[Audio] = field(default_factory=list)

    @classmethod
    def read(cls, kinds: Path | None, rooms: Path | None) -> Self:
        """From what the user names. A QbeError says what is wrong with it."""
        return cls(read_kinds(kinds) if kinds else None, read_rooms(rooms) if rooms else [])

    def grouping(self, corpus: Corpus, balance: Balance) -> Grouping:
        """By the table, or, where there is none, by the balance alone."""
        return self.kinds.grouping(corpus) if self.kinds else ungrouped(corpus, balance)

    def keep(self, folder: Path) -> None:
        """Put all into the folder of a training, and nothing else, so that it goes on with the same."""
        for name in (KINDS, ROOMS):  # of a training that was killed before its first checkpoint
            (folder / name).unlink(missing_ok=True)
        if self.kinds:
            (folder / KINDS).write_bytes(self.kinds.content)
        if self.rooms:
            with open(folder / ROOMS, "wb") as file:
                np.savez(file, *self.rooms)

    @classmethod
    def kept(cls, folder: Path) -> Self:
        """What `keep` put there."""
        table, responses = folder / KINDS, folder / ROOMS
        rooms: list[Audio] = []
        if responses.exists():
            with np.load(responses) as arrays:
                rooms = [arrays[name] for name in arrays.files]
        return cls(read_kinds(table) if table.exists() else None, rooms)
