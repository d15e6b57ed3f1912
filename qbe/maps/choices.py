"""What can be asked of a map; nothing is loaded for it."""

from __future__ import annotations

from enum import StrEnum


class ColourBy(StrEnum):
    """What the colours of a map tell."""

    FOLDER = "folder"
    LEVEL = "level"
    LENGTH = "length"
    TAG = "tag"
