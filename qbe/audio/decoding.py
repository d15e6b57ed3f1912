"""A sound as a decoder gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qbe.streams.records import Audio

BLOCK_SECONDS = 2.0


class UnknownFormatError(Exception):
    """A decoder makes nothing of a file; the text says why, as in the middle of a sentence."""


@dataclass(frozen=True)
class Decoding:
    """blocks : float32 [n, channels], one after the other. AudioError comes of them where the sound is broken; what is
    good has come by then.
    by_ffmpeg : whether ffmpeg decodes it
    """

    sample_rate: int
    channels: int
    blocks: Iterator[Audio]
    by_ffmpeg: bool = False
