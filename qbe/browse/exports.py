"""What is selected on the page, as files for other programs."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable, Sequence

from qbe.browse.view import View
from qbe.support.errors import QbeError, UsageError

MOST, MOST_CLIPS = 100_000, 500  # points at a time
CLIP_SECONDS = 30  # of each


def playlist(view: View, numbers: Sequence[int]) -> bytes:
    """M3U: a path a line. One that does not fit in a line is left out."""
    paths = (os.path.abspath(view.located(number)) for number in numbers)
    return b"#EXTM3U\n" + b"".join(path + b"\n" for path in paths if not set(path) & set(b"\r\n"))


def table(view: View, numbers: Sequence[int]) -> bytes:
    """Path, start and length, seconds, parted by tabs, a point a line."""
    shown = ((view.located(number), view.shown(number)) for number in numbers)
    return b"".join(b"%s\t%.4f\t%.4f\n" % (path, one["start"], one["length"]) for path, one in shown)


def clips(view: View, numbers: Sequence[int]) -> bytes:
    """A ZIP file with the sound of each, up to CLIP_SECONDS, as WAV; and a list of those that cannot be read."""
    if len(numbers) > MOST_CLIPS:
        raise UsageError(f"{len(numbers)} sounds are selected: clips are made of {MOST_CLIPS} at most")
    packed, missing = io.BytesIO(), []
    with zipfile.ZipFile(packed, "w") as archive:
        for place, number in enumerate(numbers, 1):
            try:
                wav = view.wav(number).cut(CLIP_SECONDS)
                archive.writestr(f"{place:03d}-{_plain(view.path(number))}.wav", b"".join(wav.bytes_from(0, len(wav))))
            except (QbeError, OSError) as error:
                missing.append(f"{error}\n")
        if missing:
            archive.writestr("not-read.txt", "".join(missing))
    return packed.getvalue()


def _plain(path: bytes) -> str:
    """The name of a file, of letters that every system takes."""
    stem = os.path.splitext(os.path.basename(os.fsdecode(path)))[0]
    return re.sub(r"[^\w.-]+", "_", stem, flags=re.ASCII)[:60]


EXPORTS: dict[str, tuple[Callable[[View, Sequence[int]], bytes], str, str]] = {
    "m3u": (playlist, "audio/x-mpegurl", "selection.m3u"),
    "tsv": (table, "text/tab-separated-values", "selection.tsv"),
    "zip": (clips, "application/zip", "selection.zip"),
}  # by what they are called: how they are made, their kind, and the name that they are saved under
