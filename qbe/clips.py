"""What was found as sounds, from Python: `qbe clip` calls the same."""

from __future__ import annotations

import os
from collections.abc import Iterable

from qbe.audio.clipping import Clipper, Place
from qbe.embedding import Path
from qbe.library import Result


def write_clips(results: Iterable[Result], folder: Path, *, pad: float = 0.0) -> list[str]:
    """Write the place of each result into a folder, as a WAV file of its own.

    pad : seconds before and after each that come along, as far as the sound goes

    Gives their names. They have their source's rate, channels and sample format; a place that comes twice is written
    once. Raises AudioError where a sound cannot be read or ends before the place does, UsageError where a file is there
    that would be overwritten; the clips before are whole then.
    """
    clipper = Clipper(os.fsencode(folder), pad)
    os.makedirs(folder, exist_ok=True)
    places = (Place(os.fsencode(result.path), result.start, result.end) for result in results)
    return [os.fsdecode(clipper.write(place)) for place in places]
