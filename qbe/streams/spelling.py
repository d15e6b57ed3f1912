"""How the names in a stream are spelt in a library, and which of them mean the same file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self

from qbe.streams.records import Header
from qbe.support.names import absolute, here, key, led_from, spelt_from


@dataclass(frozen=True)
class Spelling:
    """folder : where the library's relative names begin, absolute; None: not known, or all names are its own already
    given : where those that come do; None: there too
    travels : whether names are the ways from `folder` to the files
    """

    folder: bytes | None = None
    given: bytes | None = None
    travels: bool = False

    @classmethod
    def of_new(cls, header: Header) -> Self:
        """Of a library that is built of a stream."""
        return cls(header.folder if header.folder and os.path.isabs(header.folder) else None)

    def key(self, name: bytes) -> bytes:
        """Of a name that comes: the same as that of all names of the file."""
        if self.travels and self.folder:
            return led_from(name, self.folder, self.given or here())
        return key(name, self.folder, self.given)

    def kept(self, name: bytes) -> bytes:
        """As it stands in the library: as it came, if it is right from there."""
        if self.travels:
            return self.key(name)
        if self.folder is None or self.given in (None, self.folder):
            return name
        return spelt_from(name, self.folder, self.given or b"")

    def key_of_kept(self, name: bytes) -> bytes:
        """Of a name that stands in the library."""
        return key(name, None if self.travels else self.folder, None)

    def forms(self, name: bytes) -> set[bytes]:
        """How a name that comes may stand in the library: as most do."""
        return {name, *self.forms_of_key(self.key(name))}

    def forms_of_key(self, key: bytes) -> set[bytes]:
        """How a name of that key may stand there."""
        return {key, b"./" + key, absolute(key, self.folder)}
