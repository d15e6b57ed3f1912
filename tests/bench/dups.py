"""Which copies of sounds `qbe dups` finds, among sounds that are none.

    python tests/bench/dups.py FOLDER... [--sounds N] [--others M] [--seed S] [--keep FOLDER]

N sounds (100) of 0.15 to 6 s, drawn from the folders, each as it is (16-bit WAV) and altered in 12 ways; and M others
(250): half of them are drawn from the folders too, half are the N shifted by one or two semitones, up or down, played
faster or with their length kept. All of them become one library.

Table: of the copies altered in each way, how many are in the group of their original, as `qbe dups` tells it, and by
their embeddings alone, from a score of .98 on; then how many of all that are told beside the first of a group are
copies of it (precision), and how many of all copies are in the group of their original (recall). Sounds that are
drawn and are copies of each other already count as mistakes; they are named. --keep makes the sounds there, or takes
those that are there.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

import qbe
from qbe.audio import studio
from qbe.audio.finding import find_audio
from qbe.audio.resampling import resampled
from qbe.audio.sound import from_samples, open_sound
from qbe.copies import Copy, Kind
from qbe.search.duplicates import Finder
from qbe.search.store import Store
from qbe.streams.records import Audio
from qbe.support.errors import AudioError

ALIKE = 0.98
NAMED = 20  # mistakes
SHORTEST, LONGEST = 0.15, 6.0  # s
FAINTEST = 1e-3  # RMS
MP3_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000)


@dataclass
class Sound:
    """audio : float32 [n], mono; rng : for what is drawn"""

    audio: Audio
    rate: int
    rng: np.random.Generator

    def of(self, audio: Audio, rate: int | None = None) -> Sound:
        return Sound(audio, rate or self.rate, self.rng)

    def at(self, rate: int) -> Sound:
        return self.of(np.concatenate(list(resampled(iter([self.audio]), self.rate, rate))), rate)

    def late(self, least: float, most: float) -> Sound:
        """After so many seconds of silence, drawn between two bounds."""
        return self.of(np.pad(self.audio, (round(self.rng.uniform(least, most) * self.rate), 0)))

    def trimmed(self) -> Sound:
        """Up to a tenth less at each end, half a second at most."""
        begin, end = (self.rng.uniform(0, min(0.1 * len(self.audio), 0.5 * self.rate), 2)).astype(int)
        return self.of(self.audio[begin : len(self.audio) - end])

    def quiet(self) -> Sound:
        """By 20 dB."""
        return self.of(self.audio * np.float32(0.1))

    def wav(self, path: Path) -> None:
        """16 bits, dithered by triangular noise."""
        noise = self.rng.random(len(self.audio)) - self.rng.random(len(self.audio))
        samples = np.rint(np.clip(self.audio * 32767 + noise, -32768, 32767)) / 32768
        soundfile.write(path, samples, self.rate, "PCM_16")

    def flac(self, path: Path) -> None:
        soundfile.write(path, self.audio, self.rate, "PCM_24")

    def ogg(self, path: Path) -> None:
        soundfile.write(path, self.audio, self.rate)

    def opus(self, path: Path) -> None:
        soundfile.write(path, self.at(48_000).audio, 48_000, format="OGG", subtype="OPUS")

    def mp3(self, path: Path, kbit: int = 128) -> None:
        """Of so many kbit/s, or 64 at most where the rate is under 32 kHz."""
        rate = min(MP3_RATES, key=lambda one: (one < self.rate, abs(one - self.rate)))
        most, least = (320, 32) if rate >= 32_000 else (160, 8)  # what libsndfile makes levels 0 to 1 of
        level = (most - (kbit if rate >= 32_000 else min(kbit, 64))) / (most - least)
        mode = {"bitrate_mode": "CONSTANT", "compression_level": level}
        with soundfile.SoundFile(path, "w", rate, 1, format="MP3", subtype="MPEG_LAYER_III", **mode) as out:
            out.write(self.at(rate).audio)


# By name: the file's ending, and how it is made.
ALTERATIONS: dict[str, tuple[str, Callable[[Sound, Path], None]]] = {
    "MP3, 128 kbit per s": ("mp3", lambda sound, path: sound.mp3(path)),
    "MP3, 64 kbit per s": ("mp3", lambda sound, path: sound.mp3(path, 64)),
    "Ogg Vorbis": ("ogg", lambda sound, path: sound.ogg(path)),
    "Opus": ("opus", lambda sound, path: sound.opus(path)),
    "24 bits": ("flac", lambda sound, path: sound.flac(path)),
    "dithered again": ("wav", lambda sound, path: sound.wav(path)),
    "48 kHz": ("wav", lambda sound, path: sound.at(48_000).wav(path)),
    "-20 dB": ("wav", lambda sound, path: sound.quiet().wav(path)),
    "40 ms before": ("wav", lambda sound, path: sound.late(0.04, 0.04).wav(path)),
    "40 to 500 ms before": ("wav", lambda sound, path: sound.late(0.04, 0.5).wav(path)),
    "ends trimmed": ("wav", lambda sound, path: sound.trimmed().wav(path)),
    "MP3 of the last and -20 dB": ("mp3", lambda sound, path: sound.trimmed().quiet().late(0.04, 0.5).mp3(path)),
}


def drawn(folders: list[bytes], count: int, rng: np.random.Generator) -> Iterator[Sound]:
    """So many sounds."""
    files = list(find_audio(folders, lambda _: None))
    for number in rng.permutation(len(files)):
        try:
            if not SHORTEST <= soundfile.info(files[number]).duration <= LONGEST:
                continue
            sound = open_sound(files[number])
        except (AudioError, soundfile.LibsndfileError):
            continue
        audio = sound.samples().mean(1)
        if sound.sample_rate >= 16_000 and np.sqrt(np.mean(audio**2)) >= FAINTEST:
            yield Sound(audio / max(1.0, np.abs(audio).max()), sound.sample_rate, rng)
            if not (count := count - 1):
                return


def shifted(sound: Sound, semitones: int, *, keeps_length: bool) -> Sound:
    if keeps_length:
        whole = from_samples(sound.audio[:, None], sound.rate)
        return sound.of(studio.shift_pitch(whole, semitones).samples()[:, 0])
    faster = resampled(iter([sound.audio]), sound.rate * 2 ** (semitones / 12), sound.rate)
    return sound.of(np.concatenate(list(faster)))


def make(folder: Path, sounds: list[Sound], count: int, others: int) -> None:
    """The sounds as files, FOLDER/WAY/NUMBER.ENDING."""
    for name in ("as it is", *ALTERATIONS, "shifted", "others"):
        (folder / name).mkdir(parents=True)
    for number, sound in enumerate(sounds):
        sound.wav(folder / ("as it is" if number < count else "others") / f"{number}.wav")
        for name, (ending, write) in ALTERATIONS.items() if number < count else ():
            write(sound, folder / name / f"{number}.{ending}")
    for number in range(others - others // 2):
        semitones = (1, -1, 2, -2)[number // count % 4]
        moved = shifted(sounds[number % count], semitones, keeps_length=number % 2 == 0)
        moved.wav(folder / "shifted" / f"{number % count}{semitones:+}.wav")


def origin(path: Path) -> str:
    """What copies have in common: a shifted sound is another."""
    return path.stem


def summary(name: str, groups: list[list[Copy]], copies: dict[str, list[Path]]) -> list[str]:
    """A column of the table."""
    group_of = {Path(os.fsdecode(copy.path)): number for number, group in enumerate(groups) for copy in group}
    cells, found, wanted = [name], 0, 0
    for paths in copies.values():
        right = sum(
            group_of.get(path, -1) == group_of.get(path.parents[1] / "as it is" / f"{path.stem}.wav") for path in paths
        )
        cells.append(f"{right / len(paths):.3f}")
        found, wanted = found + right, wanted + len(paths)
    pairs = [(Path(os.fsdecode(group[0].path)), Path(os.fsdecode(copy.path))) for group in groups for copy in group[1:]]
    wrong = [(one, other) for one, other in pairs if origin(one) != origin(other)]
    for one, other in wrong[:NAMED]:
        print(f"{name}: not known as copies: {one.parent.name}/{one.name}, {other.parent.name}/{other.name}")
    return [*cells, f"{1 - len(wrong) / max(1, len(pairs)):.4f}", f"{found / wanted:.3f}"]


def by_embeddings(store: Store) -> list[list[Copy]]:
    """The longest file that is left, and all that are left and score ALIKE with it: what a likeness alone can tell."""
    files = {entry.number: entry for entry in store.files() if entry.segments}
    order = sorted(files, key=lambda number: -files[number].segments)
    left, groups = set(files), []
    for number, found in zip(order, Finder(store).alike(order, [ALIKE] * len(order)), strict=True):
        if number in left:
            group = [(number, 1.0), *(one for one in found if one[0] in left)]
            left -= {other for other, _ in group}
            groups.append([Copy(files[other].path, Kind.ALIKE, score) for other, score in group])
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=os.fsencode)
    parser.add_argument("--sounds", type=int, default=100)
    parser.add_argument("--others", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = (arguments.keep or Path(name)).resolve()
        if not (folder / "as it is").exists():
            rng = np.random.default_rng(arguments.seed)
            sounds = list(drawn(arguments.folders, arguments.sounds + arguments.others // 2, rng))
            make(folder, sounds, arguments.sounds, arguments.others)
        if not (folder / "lib.idx").exists():
            qbe.build_library(folder / "lib.idx", folder)
        library = qbe.open_library(folder / "lib.idx")
        known = {file.path for file in library.files()}
        copies = {way: [path for path in sorted((folder / way).iterdir()) if str(path) in known] for way in ALTERATIONS}
        began = time.process_time()
        columns = [summary("dups", list(library.copies()), copies)]
        seconds = time.process_time() - began
        columns.append(summary("embeddings", by_embeddings(library.store), copies))
    print(f"{len(known)} files; dups took {seconds:.0f} s of CPU time\n\n| | dups | by embeddings |\n|---|---|---|")
    for way, *cells in zip(
        [*ALTERATIONS, "precision", "recall of all"], *(column[1:] for column in columns), strict=True
    ):
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
