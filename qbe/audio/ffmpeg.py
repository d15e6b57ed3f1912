"""The second decoder: the ffmpeg program, where there is one, for what libsndfile does not know."""

from __future__ import annotations

import io
import os
import re
import selectors
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from qbe.audio.decoding import BLOCK_SECONDS, Decoding
from qbe.audio.kinds import Kind
from qbe.streams.records import Audio
from qbe.support.bounded import CHUNK
from qbe.support.errors import AudioError

PROGRAM = "QBE_FFMPEG"  # in the environment: the program, or nothing for none
HEADER = struct.Struct(">6I")  # of an AU file: magic, where the sound begins, its size, encoding, rate, channels
STALLED = 60.0  # seconds without a byte, after which no more is waited for
KEPT = 4096  # bytes of its messages
MOST_AT_ONCE = 1 << 28  # bytes that it may ask the system for
OWN_WORDS = re.compile(r"^(\[[^\]]*\] *)*((/dev/fd/\d+|pipe:\d*|file:\S+): )?")
NO_SOUND = ("matches no streams", "does not contain any stream")


def program() -> str | None:
    """Its name: $QBE_FFMPEG where that is set, else what is on PATH; None where there is none."""
    return shutil.which(os.environ.get(PROGRAM, "ffmpeg"))


def decode(file: BinaryIO, name: str, kind: Kind) -> Decoding:
    """The sound in an open file from its beginning. AudioError where there is none in it."""
    output = _Output(_started(file, name, kind), name)
    head = output.read(HEADER.size)
    if len(head) < HEADER.size:
        output.close()
        raise AudioError(f"{name}: {output.complaint() or 'ffmpeg finds no sound in it'}")
    _, begin, _, _, rate, channels = HEADER.unpack(head)
    output.read(begin - HEADER.size)
    return Decoding(rate, channels, _blocks(output, rate, channels), by_ffmpeg=True)


def _started(file: BinaryIO, name: str, kind: Kind) -> subprocess.Popen[bytes]:
    """ffmpeg, writing the sound of a file to a pipe as AU, 32-bit floats."""
    command = program()
    assert command
    assert kind.demuxer
    with _descriptor(file) as descriptor:
        # The kind is known: what guesses would follow playlists and addresses in a file that only claims to be sound.
        source = ["-protocol_whitelist", "file", "-f", kind.demuxer, "-i", f"file:/dev/fd/{descriptor}"]
        quiet = ["-nostdin", "-hide_banner", "-v", "error", "-max_alloc", str(MOST_AT_ONCE)]
        try:
            return subprocess.Popen(
                [command, *quiet, *source, "-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[descriptor],
            )  # fmt: skip
        except OSError as error:
            raise AudioError(f"{name}: {command} cannot be run ({error.strerror})") from None


@contextmanager
def _descriptor(file: BinaryIO) -> Iterator[int]:
    """A file descriptor of an open file; what is only in memory is written into one."""
    file.seek(0)
    if isinstance(file, io.FileIO):
        yield file.fileno()
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield copy.fileno()


class _Output:
    """What ffmpeg writes, and the first of what it says. It is killed when this is closed."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self.process, self.name = process, name
        self.data, self.said = b"", b""
        self.open = selectors.DefaultSelector()
        for pipe in (process.stdout, process.stderr):
            assert pipe
            self.open.register(pipe, selectors.EVENT_READ)

    def read(self, size: int) -> bytes:
        """So many bytes; fewer at the end. AudioError where nothing comes for long."""
        parts = [self.data]
        left = size - len(self.data)
        while left > 0 and self.open.get_map():
            data = self._next()
            parts.append(data)
            left -= len(data)
        data = b"".join(parts)
        self.data = data[size:]
        return data[:size]

    def _next(self) -> bytes:
        """What comes next of the sound: nothing where it was a message."""
        ready = self.open.select(STALLED)
        if not ready:
            raise AudioError(f"{self.name}: ffmpeg has given nothing for {STALLED:g} s")
        sound = b""
        for key, _ in ready:
            data = os.read(key.fd, CHUNK)
            if not data:
                self.open.unregister(key.fileobj)
            elif key.fileobj is self.process.stdout:
                sound = data
            else:
                self.said = (self.said + data)[:KEPT]
        return sound

    def complaint(self) -> str:
        """The first line that ffmpeg has said, without its marks; empty where it has said nothing."""
        lines = (OWN_WORDS.sub("", line) for line in self.said.decode(errors="replace").splitlines())
        line = next((line for line in lines if line.strip()), "")
        if any(words in line for words in NO_SOUND):
            return "holds no sound"
        return f"ffmpeg: {line[:1].lower()}{line[1:].rstrip('. ')}" if line else ""

    def close(self) -> None:
        self.process.kill()
        self.open.close()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()
        self.process.wait()


def _blocks(output: _Output, rate: int, channels: int) -> Iterator[Audio]:
    frames, size = 0, channels * 4
    try:
        while data := output.read(round(BLOCK_SECONDS * rate) * size):
            block = np.frombuffer(data[: len(data) // size * size], ">f4").astype(np.float32).reshape(-1, channels)
            frames += len(block)
            yield block
        if complaint := output.complaint():
            raise AudioError(f"{output.name}: broken near {frames / rate:.3f} s ({complaint})")
    finally:
        output.close()
