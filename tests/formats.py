"""Sounds as the programs of the trade write them, for the tests of reading: each from one plain sound."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from conftest import DATA

from qbe.audio.reading import read_blocks
from qbe.streams.records import Audio

RATE = 44_100
HAS_PROGRAMS = all(shutil.which(program) for program in ("ffmpeg", "lame", "opusenc"))


def plain(seconds: float = 6.0) -> Audio:
    """A few sounds one after the other, at RATE, float32 [n]."""
    names = ("water/stream 1.ogg", "glass/break-1.ogg", "doors/door_close.ogg", "fire/burning-1.ogg")
    pieces = [np.concatenate(list(read_blocks(bytes(DATA / "library" / name), RATE))) for name in names]
    audio = np.resize(np.concatenate(pieces), round(seconds * RATE))
    return (audio * 0.7 / np.abs(audio).max()).astype(np.float32)


def run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, capture_output=True)


def by_ffmpeg(*options: str) -> Callable[[Path, Path], None]:
    return lambda plain, path: run("ffmpeg", "-v", "error", "-y", "-i", plain, *options, path)


def joined(plain: Path, path: Path) -> None:
    """Two MP3 files one behind the other."""
    audio, rate = soundfile.read(plain, dtype="float32")
    halves = []
    for k, half in enumerate((audio[: 2 * rate], audio[2 * rate :])):
        piece = path.with_name(f"half{k}")
        soundfile.write(f"{piece}.wav", half, rate)
        run("lame", "--quiet", "-b", 128, f"{piece}.wav", f"{piece}.mp3")
        halves.append(Path(f"{piece}.mp3").read_bytes())
    path.write_bytes(b"".join(halves))


def chained(codec: str) -> Callable[[Path, Path], None]:
    def write(plain: Path, path: Path) -> None:
        audio, rate = soundfile.read(plain, dtype="float32")
        links = []
        for k, half in enumerate((audio[: 2 * rate], audio[2 * rate :])):
            piece = path.with_name(f"link{k}")
            soundfile.write(f"{piece}.wav", half, rate)
            if codec == "opus":
                run("opusenc", "--quiet", "--bitrate", 160, "--serial", k, f"{piece}.wav", f"{piece}.opus")
            else:
                run("ffmpeg", "-v", "error", "-y", "-i", f"{piece}.wav", "-c:a", "libvorbis", "-serial_offset", k,
                    "-f", "ogg", f"{piece}.vorbis")  # fmt: skip
            links.append(Path(f"{piece}.{codec}").read_bytes())
        path.write_bytes(b"".join(links))

    return write


def changed(write: Callable[[Path, Path], None], change: Callable[[bytearray], object]) -> Callable[[Path, Path], None]:
    """A file in which bytes are changed."""

    def write_changed(plain: Path, path: Path) -> None:
        write(plain, path)
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)

    return write_changed


def lame(*options: object) -> Callable[[Path, Path], None]:
    return lambda plain, path: run("lame", "--quiet", *options, plain, path)


def as_wav(subtype: str = "PCM_16", format: str = "WAV") -> Callable[[Path, Path], None]:
    def write(plain: Path, path: Path) -> None:
        audio, rate = soundfile.read(plain, dtype="float32")
        soundfile.write(path, audio, rate, subtype, format=format)

    return write


def patched(name: bytes, size: int, order: str = "<") -> Callable[[bytearray], None]:
    """Say another size of the chunk of that name."""

    def change(data: bytearray) -> None:
        struct.pack_into(f"{order}I", data, data.index(name) + 4, size)

    return change


def piped_flac(plain: Path, path: Path) -> None:
    """Of unknown length."""
    command = ["ffmpeg", "-v", "error", "-i", str(plain), "-f", "flac", "pipe:1"]
    path.write_bytes(subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout)


def halve_xing(data: bytearray) -> None:
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] // 2)


def halve_flac(data: bytearray) -> None:
    at = data.index(b"fLaC") + 21
    count = int.from_bytes(data[at : at + 5], "big")
    total = count & (1 << 36) - 1
    data[at : at + 5] = (count - total + total // 2).to_bytes(5, "big")


def junk(data: bytearray) -> None:
    """400 bytes that look like nothing, in the middle."""
    data[len(data) // 2 : len(data) // 2] = np.random.default_rng(1).integers(1, 255, 400).astype(np.uint8).tobytes()


@dataclass(frozen=True)
class Form:
    """How to write a sound in a format.

    needs_ffmpeg : whether it is read by ffmpeg alone
    told : of what is said about it, where anything is
    loss : seconds that may be wrong of it
    alike : cosine with the plain sound
    """

    name: str
    write: Callable[[Path, Path], None]
    needs_ffmpeg: bool = False
    told: str = ""
    loss: float = 0.0
    alike: float = 0.97


FORMS = [
    Form("plain.wav", as_wav()),
    Form("float.wav", as_wav("FLOAT")),
    Form("sound.aiff", as_wav(format="AIFF")),
    Form("sound.caf", as_wav(format="CAF")),
    Form("sound.au", as_wav(format="AU")),
    Form("sound.w64", as_wav(format="W64")),
    Form("sound.rf64", as_wav(format="RF64")),
    Form("sound.flac", as_wav(format="FLAC")),
    Form("sound.mp3", lame("-b", 192)),
    Form("sound.ogg", by_ffmpeg("-c:a", "libvorbis", "-q:a", "6")),
    Form("sound.opus", lambda plain, path: run("opusenc", "--quiet", "--bitrate", 160, plain, path)),
    Form("joined.mp3", joined),
    Form("xing.mp3", changed(lame("-V", 2), halve_xing), told="holds more than its header tells"),
    Form("headerless.mp3", lame("-V", 2, "-t")),
    Form("junk.mp3", changed(lame("-b", 192), junk), loss=0.2),
    Form("chained.ogg", chained("vorbis")),
    Form("chained.opus", chained("opus")),
    Form("piped.flac", piped_flac),
    Form("count.flac", changed(as_wav(format="FLAC"), halve_flac), told="holds more than its header tells"),
    Form("dead.wav", changed(as_wav(), patched(b"data", 0)), told="holds more than its header tells"),
    Form("wrapped.wav", changed(as_wav(), patched(b"data", 2 * RATE)), told="holds more than its header tells"),
    Form("short.aiff", changed(as_wav(format="AIFF"), patched(b"SSND", RATE, ">")), told="holds more than its header"),
    Form("sound.m4a", by_ffmpeg("-c:a", "aac", "-b:a", "192k"), needs_ffmpeg=True),
    Form("aac named.mp3", by_ffmpeg("-c:a", "aac", "-b:a", "192k", "-f", "adts"), needs_ffmpeg=True),
    Form("lossless.m4a", by_ffmpeg("-c:a", "alac"), needs_ffmpeg=True),
    Form("sound.wma", by_ffmpeg("-c:a", "wmav2", "-b:a", "192k"), needs_ffmpeg=True, alike=0.8),  # its encoder is noisy
    Form("sound.webm", by_ffmpeg("-c:a", "libopus", "-b:a", "160k"), needs_ffmpeg=True),
    Form("sound.mka", by_ffmpeg("-c:a", "flac"), needs_ffmpeg=True),
    Form("sound.wv", by_ffmpeg("-c:a", "wavpack"), needs_ffmpeg=True),
    Form("sound.ac3", by_ffmpeg("-c:a", "ac3", "-b:a", "192k"), needs_ffmpeg=True),
    Form("flac in.oga", by_ffmpeg("-c:a", "flac", "-f", "ogg"), needs_ffmpeg=True),
]  # fmt: skip


def write_forms(folder: Path, seconds: float = 6.0) -> Path:
    """All of FORMS, and the plain sound that they were made of, whose path this gives."""
    scratch = folder / "scratch"
    scratch.mkdir()
    source = scratch / "source.wav"
    soundfile.write(source, plain(seconds), RATE)
    for form in FORMS:
        form.write(source, scratch / form.name)
        (scratch / form.name).rename(folder / form.name)
    return source
