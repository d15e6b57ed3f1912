"""Reading what must be in memory as a whole, and comes from who knows where: never more than would fit."""

from __future__ import annotations

from typing import BinaryIO

from qbe.errors import QbeError

MOST = 1 << 30  # bytes
CHUNK = 1 << 20


def read_whole(file: BinaryIO, name: str, error: type[QbeError]) -> bytes:
    """All that is left in a file or pipe. `error`, with `name` in it, where there is more than MOST."""
    content = bytearray()
    while chunk := file.read(CHUNK):
        content += chunk
        if len(content) > MOST:
            raise error(f"{name}: over {MOST >> 20} MB, too much to take in at once")
    return bytes(content)
