"""Strict readers of the formats that results are written in, each from its format's own documentation."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    start: float
    end: float
    text: str


def label_track(content: bytes) -> list[Label]:
    """Audacity manual, "Importing and Exporting Labels": UTF-8; a line a label, start and end in seconds and the label,
    parted by tabs; a label holds neither tab nor line end."""
    labels = []
    assert content.endswith(b"\n") or not content
    for line in content.decode().removesuffix("\n").split("\n") if content else []:
        start, end, text = line.split("\t")
        assert re.fullmatch(r"\d+\.\d+", start)
        assert re.fullmatch(r"\d+\.\d+", end)
        assert text.isprintable()
        assert float(start) <= float(end)
        labels.append(Label(float(start), float(end), text))
    return labels


NEEDED = ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)"]


def selection_table(content: bytes) -> list[dict[str, bytes]]:
    """Raven Pro User's Manual, "Selection tables": tab-delimited text; a first line with the names of the columns, of
    which those of a selection's number, view, channel, times and frequencies are required; a line a selection."""
    first, *lines = content.removesuffix(b"\n").split(b"\n")
    names = first.decode().split("\t")
    assert names[: len(NEEDED)] == NEEDED
    assert len(set(names)) == len(names)
    rows = []
    for number, line in enumerate(lines, 1):
        cells = line.split(b"\t")
        assert len(cells) == len(names)
        row = dict(zip(names, cells, strict=True))
        assert int(row["Selection"]) == number
        assert re.fullmatch(rb"(Spectrogram|Waveform) \d+", row["View"])
        assert int(row["Channel"]) >= 1
        assert float(row["Begin Time (s)"]) <= float(row["End Time (s)"])
        assert 0 <= float(row["Low Freq (Hz)"]) < float(row["High Freq (Hz)"])
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Item:
    """of a playlist: seconds is -1 where unknown; options : of the player"""

    path: bytes
    seconds: int
    title: str
    options: dict[str, float]


def playlist(content: bytes) -> list[Item]:
    """Extended M3U as VLC reads it (modules/demux/playlist/m3u.c): #EXTM3U; then for each item #EXTINF:seconds,title,
    perhaps #EXTVLCOPT:name=value, and the file. Other lines that begin with # are comments, and space before a line is
    left out."""
    first, *lines = content.removesuffix(b"\n").split(b"\n")
    assert first == b"#EXTM3U"
    items: list[Item] = []
    seconds, title, options = -1, "", {}
    for line in lines:
        line = line.removesuffix(b"\r").lstrip(b" \t")
        if line.startswith(b"#EXTINF:"):
            length, _, name = line.removeprefix(b"#EXTINF:").partition(b",")
            seconds, title, options = int(length), name.decode(), {}
        elif line.startswith(b"#EXTVLCOPT:"):
            option, _, value = line.removeprefix(b"#EXTVLCOPT:").partition(b"=")
            options[option.decode()] = float(value)
        else:
            assert line
            assert not line.startswith(b"#")
            items.append(Item(line, seconds, title, options))
    return items


def comma_separated(content: bytes) -> list[dict[str, bytes]]:
    """RFC 4180 as Python's own reader has it, strict; every line ends in CRLF."""
    assert content.endswith(b"\r\n") or not content
    text = io.StringIO(content.decode(errors="surrogateescape"), newline="")
    rows = csv.DictReader(text, strict=True)
    return [{name: cell.encode(errors="surrogateescape") for name, cell in row.items()} for row in rows]
