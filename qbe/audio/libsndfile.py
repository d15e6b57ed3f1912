"""The first decoder: libsndfile, checked against what the file holds."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import BinaryIO

import numpy as np
import soundfile

from qbe.audio.containers import chunks, flac, mpeg, ogg
from qbe.audio.containers.splicing import Spliced, size_of
from qbe.audio.decoding import BLOCK_SECONDS, Decoding, UnknownFormatError
from qbe.audio.resampling import resampled
from qbe.streams.records import Audio
from qbe.support.errors import AudioError, AudioWarning

SHORTFALL_SECONDS = 0.5  # MP3 and Vorbis files may promise a little more than they hold
SIZE_CLAIM = re.compile(r"\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)")
PIPED = 1 << 31  # programs write a multiple of this into a header that goes down a pipe, or
PIPED_LESS = 1 << 16  # up to as much less
FRAME = 1152  # samples of an MP3's
COUNTLESS = 1 << 60  # frames; libsndfile's number of those that it cannot know is beyond
LEFT = 4096  # bytes that may be left without a word

# By libsndfile's names: whether there is more of the sound behind a byte.
GOES_ON: dict[str, Callable[[BinaryIO, int], bool]] = {"MP3": mpeg.goes_on, "FLAC": flac.goes_on}

# A file as several, or with another header, for it to be read whole.
PARTS: dict[str, Callable[[BinaryIO], Iterator[Spliced]]] = {
    "MP3": mpeg.parts,
    "OGG": ogg.parts,
    "FLAC": flac.parts,
    **dict.fromkeys(("WAV", "WAVEX", "RF64", "AIFF", "CAF", "AU"), chunks.parts),
}


class _Opened(soundfile.SoundFile):  # type: ignore[misc]
    """Read to where libsndfile ends: soundfile would else stop where the header says, and seek after every read, which
    not every decoder can."""

    def seekable(self) -> bool:
        return False


def decode(file: BinaryIO, name: str, start: float = 0.0, duration: float | None = None) -> Decoding:
    """A part of the sound in an open file, seconds. UnknownFormatError where it is none; messages tell its `name`."""
    try:
        sound = _open(file)
    except (soundfile.SoundFileError, TypeError) as error:
        raise UnknownFormatError(_reason(error)) from None
    if sound.format == "SVX" and sound.channels > 1:
        raise UnknownFormatError(f"{sound.channels} channels, which libsndfile would mix up")
    reader = _Reader(sound, file, name, start, duration)
    return Decoding(sound.samplerate, sound.channels, reader.blocks())


def _open(file: BinaryIO) -> _Opened:
    """By descriptor or object: of a name libsndfile would take ._NAME beside it, where there is one, for a part."""
    file.seek(0)
    return _Opened(file.fileno() if isinstance(file, io.FileIO) else file, closefd=False)


def _reason(error: Exception) -> str:
    """What libsndfile says, in the middle of a sentence."""
    text = str(getattr(error, "error_string", error)).strip().rstrip(".").removeprefix("Error : ")
    return text[:1].lower() + text[1:]


class _Reader:
    """Reads one sound. position : the next frame that is to be given"""

    def __init__(self, sound: _Opened, file: BinaryIO, name: str, start: float, duration: float | None) -> None:
        self.sound, self.file, self.name, self.start = sound, file, name, start
        self.rate, self.channels, self.format = sound.samplerate, sound.channels, sound.format
        self.frames, self.promised = sound.frames, _promised_frames(sound)
        self.first = self.position = round(start * self.rate)
        self.last = COUNTLESS if duration is None else self.position + round(duration * self.rate)
        self.fault: AudioError | None = None

    @property
    def _is_there(self) -> bool:
        """Whether the first frame is one that the header tells of."""
        return self.first < self.frames < COUNTLESS or not self.first

    def blocks(self) -> Iterator[Audio]:
        """Float32 [n, channels]; in the end AudioError where something is missing."""
        with self.sound as sound:
            if self._is_there:
                if self.first:
                    sound.seek(self.first)
                yield from self._given(self._decoded(sound))
            left = self._left() if self._is_there else LEFT
        if self.position == self.frames:  # what is behind it is no fault of its own
            self.fault = None
        if left and self.position < self.last:
            yield from self._of_parts()
        self._check(left)

    def _decoded(self, sound: soundfile.SoundFile) -> Iterator[Audio]:
        """All that libsndfile gives, up to a fault."""
        while not self.fault:
            size = min(round(BLOCK_SECONDS * sound.samplerate), max(1, self.last - self.position))
            block = np.full((size, sound.channels), np.nan, np.float32)
            try:
                read: Audio = sound.read(out=block)
            except soundfile.SoundFileError as error:  # what is good of the block has been written by then
                read = block[: int(np.isfinite(block).all(1).argmin())]
                self._note_fault(f"broken at {(self.position + len(read)) / self.rate:.3f} s ({_reason(error)})")
            if not len(read):
                return
            yield read

    def _note_fault(self, what: str) -> None:
        self.fault = AudioError(f"{self.name}: {what}")

    def _given(self, blocks: Iterator[Audio], skip: int = 0) -> Generator[Audio, None, int]:
        """The blocks less `skip` frames at their beginning, up to the last frame that is wanted. Returns how many came,
        those that were skipped among them."""
        came = 0
        for block in blocks:
            came += len(block)
            kept = block[skip : skip + self.last - self.position]
            skip -= min(skip, len(block))
            if len(kept):
                self.position += len(kept)
                yield kept
            if self.position == self.last:
                break
        return came

    def _left(self) -> int:
        """How many bytes libsndfile has not looked at that may be sound."""
        reached = self.file.tell()
        if self.format in GOES_ON and not GOES_ON[self.format](self.file, reached):
            return 0
        return size_of(self.file) - reached

    def _of_parts(self) -> Iterator[Audio]:
        """What comes after the frames that were given, of the parts of the file."""
        ended, passed = self.position, 0
        for number, part in enumerate(PARTS.get(self.format, _no_parts)(self.file)):
            if part.junk >= 1 and number:
                self._warn(f"{part.junk} bytes at {passed / self.rate:.3f} s are no {self.format}: passed over")
            try:
                sound = _open(part)  # type: ignore[arg-type]
            except soundfile.SoundFileError as error:
                self._note_fault(f"what comes after {passed / self.rate:.3f} s cannot be read ({_reason(error)})")
                return
            with sound:
                skip = max(0, self.position - passed - part.lost)
                if self._is_alike(sound) and skip and skip >= sound.frames:
                    passed += sound.frames + part.lost
                    continue
                came = yield from self._given(self._alike(sound), skip)
            if not number and self.position > ended and self._is_there and self._is_told():
                self._warn(f"holds more than its header tells: {self.position / self.rate:.3f} s, all read")
            passed = self.position if came > skip else passed + part.lost + came
        self.frames = max(passed, self.frames) if self.frames < COUNTLESS else passed

    def _is_alike(self, sound: soundfile.SoundFile) -> bool:
        return bool(sound.samplerate == self.rate and sound.channels == self.channels)

    def _alike(self, sound: soundfile.SoundFile) -> Iterator[Audio]:
        """A part at the rate and with the channels of the first: mono spreads to all; others are averaged."""
        blocks = self._decoded(sound)
        if sound.channels != self.channels:
            blocks = (np.repeat(block.mean(1, keepdims=True), self.channels, 1) for block in blocks)
        return resampled(blocks, sound.samplerate, self.rate, self.channels)

    def _is_told(self) -> bool:
        """Whether the header tells how long the sound is: in MP3 it need not."""
        return self.promised < COUNTLESS and (self.format != "MP3" or mpeg.promised(self.file) is not None)

    def _tell_junk(self) -> None:
        """Of an MP3 that lacks frames: what libmpg123 has passed over by itself."""
        if junk := sum(stretch.junk for stretch in mpeg.stretches(self.file)):
            self._warn(f"{junk} bytes are no {self.format}: passed over")

    def _warn(self, what: str) -> None:
        warnings.warn(f"{self.name}: {what}", AudioWarning, stacklevel=2)

    def _check(self, left: int) -> None:
        """AudioError where less was read than there should be."""
        if self.fault:
            raise self.fault
        if self.position == self.first < self.last:
            end = self.frames / self.rate
            what = f"start {self.start:g} s lies beyond the end at {end:.3f} s" if self.first else "holds no samples"
            raise AudioError(f"{self.name}: {what}")
        at = f"{self.name}: ends at {self.position / self.rate:.3f} s"
        last = min(self.last, self.promised)
        if self.position < last - SHORTFALL_SECONDS * self.rate and self._is_told():
            raise AudioError(f"{at} of {last / self.rate:.3f} s; truncated?")
        if self.position < last - FRAME and self.format == "MP3":
            self._tell_junk()
        if self.position < self.last and self.format == "OGG" and ogg.is_cut(self.file):
            raise AudioError(f"{at} in the middle of a page; truncated?")
        if left >= LEFT and self.position < self.last and self.format not in PARTS:
            raise AudioError(f"{at}, and {left} bytes behind it are of no format that is known: not read")


def _no_parts(_: BinaryIO) -> Iterator[Spliced]:
    return iter(())


def _promised_frames(sound: soundfile.SoundFile) -> int:
    """How many frames the header speaks of. libsndfile counts those that are there; its log tells the difference."""
    frames: int = sound.frames
    for line in sound.extra_info.splitlines():
        if match := SIZE_CLAIM.match(line):
            claimed, present = int(match[1]), int(match[2])
            if 0 < present < claimed and -claimed % PIPED > PIPED_LESS:
                return round(frames * claimed / present)
    return frames
