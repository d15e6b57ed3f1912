"""What a file is, by its first bytes: its name may say anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

HEAD = 1024  # bytes that are looked at
TAG = 10  # bytes before an ID3 tag's content


@dataclass(frozen=True)
class Kind:
    """name : as messages tell it; short : in a list of many
    demuxer : what reads it in ffmpeg; None: it is no sound
    """

    name: str
    short: str
    demuxer: str | None

    @property
    def is_libsndfiles(self) -> bool:
        """Whether libsndfile should know it too."""
        return self.short in ("wav", "w64", "8svx", "aiff", "flac", "ogg", "caf", "au", "voc", "mp3")


# The first pattern that matches counts.
PATTERNS = [
    (re.compile(pattern, re.DOTALL), Kind(name, short, demuxer))
    for pattern, name, short, demuxer in [
        (rb"RIFF....AVI |RIFF....AVIX", "AVI", "avi", "avi"),
        (rb"(RIFF|RIFX|RF64|BW64)", "WAV", "wav", "wav"),
        (rb"riff\x2e\x91\xcf\x11", "Wave64", "w64", "w64"),
        (rb"FORM....8SVX", "8SVX", "8svx", "iff"),
        (rb"FORM....AIF[FC]", "AIFF", "aiff", "aiff"),
        (rb"fLaC", "FLAC", "flac", "flac"),
        (rb"OggS.{24}\x7fFLAC", "FLAC in Ogg", "oga", "ogg"),
        (rb"OggS.{24}Speex", "Speex", "spx", "ogg"),
        (rb"OggS.{24}\x80theora", "Ogg video", "ogv", "ogg"),
        (rb"OggS", "Ogg", "ogg", "ogg"),
        (rb"caff", "CAF", "caf", "caf"),
        (rb"\.snd", "AU", "au", "au"),
        (rb"Creative Voice File", "VOC", "voc", "voc"),
        (rb"....(ftyp|moov|mdat|wide|free|skip)", "MPEG-4", "m4a", "mov"),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media", "wma", "asf"),
        (rb"\x1a\x45\xdf\xa3", "Matroska or WebM", "webm", "matroska"),
        (rb"wvpk", "WavPack", "wv", "wv"),
        (rb"MAC ", "Monkey's Audio", "ape", "ape"),
        (rb"TTA1", "True Audio", "tta", "tta"),
        (rb"MP\+", "Musepack", "mpc", "mpc"),
        (rb"MPCK", "Musepack", "mpc", "mpc8"),
        (rb"tBaK", "TAK", "tak", "tak"),
        (rb"ajkg", "Shorten", "shn", "shn"),
        (rb"DSD ", "DSD", "dsf", "dsf"),
        (rb"FRM8", "DSD", "dff", "iff"),
        (rb"#!AMR", "AMR", "amr", "amr"),
        (rb"\.RMF", "RealMedia", "rm", "rm"),
        (rb"FLV\x01", "Flash video", "flv", "flv"),
        (rb"\x0b\x77...[\x58-\xff]", "E-AC-3", "eac3", "eac3"),
        (rb"\x0b\x77", "AC-3", "ac3", "ac3"),
        (rb"\x7f\xfe\x80\x01", "DTS", "dts", "dts"),
        (rb"\x00\x00\x01\xba", "MPEG video", "mpg", "mpeg"),
        (rb"\x47.{187}\x47.{187}\x47", "MPEG transport stream", "ts", "mpegts"),
        (rb".{4}\x47.{191}\x47.{191}\x47", "MPEG transport stream", "ts", "mpegts"),
        (rb"\xff[\xf0\xf1\xf8\xf9]", "AAC", "aac", "aac"),
        (rb"\xff[\xe2-\xe7\xea-\xef\xf2-\xf7\xfa-\xff]", "MP3", "mp3", "mp3"),
        (rb"\s*<(!DOCTYPE html|html)(?i:)", "an HTML page", "html", None),
        (rb"\s*<(\?xml|svg|!DOCTYPE)", "XML", "xml", None),
        (rb"%PDF", "a PDF document", "pdf", None),
        (rb"PK\x03\x04|Rar!|7z\xbc\xaf|\x1f\x8b|BZh|\xfd7zXZ", "an archive", "archive", None),
        (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP", "a picture", "picture", None),
        (rb"MThd", "MIDI, notes without sound", "midi", None),
        (rb"\x00\x05\x16\x07", "macOS's notes on another file", "apple", None),
        (rb"#EXTM3U|\[playlist\]", "a playlist", "playlist", None),
        (rb"[\t\n\r -\x7e]{4,}\Z", "text", "text", None),
        (rb"\x00+\Z", "nothing but zeros", "zeros", None),
        (rb"\Z", "empty", "empty", None),
    ]
]


def kind_of(file: BinaryIO) -> Kind | None:
    """Of an open file; None where the first bytes tell nothing. An ID3 tag before a sound is passed over."""
    file.seek(0)
    head = file.read(HEAD)
    tagged = head[:3] == b"ID3" and len(head) >= TAG
    if tagged:
        a, b, c, d = head[6:TAG]
        file.seek(TAG + (a << 21 | b << 14 | c << 7 | d))
        head = file.read(HEAD)
    found = next((kind for pattern, kind in PATTERNS if pattern.match(head)), None)
    return Kind("MP3", "mp3", "mp3") if tagged and not (found and found.demuxer) else found
