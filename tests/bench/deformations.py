"""What pitch shifters and time stretchers do to sounds, and how fast: qbe's two engines, librosa and pedalboard.

    pip install librosa pedalboard
    python tests/bench/deformations.py [FOLDER]

Cents: the worst error of a shift by -10 to +10 semitones, on tones and harmonic sounds of 110 to 1500 Hz. Duration: the
worst error of a stretch, in samples. Onset: the worst displacement of clicks by a stretch, in ms. Level: the worst
change by a stretch by 0.7, over the sounds of FOLDER (tests/data/library when none is named) of 0.3 to 20 s.
Segments/s: of 1.024 s at 16 kHz, shifted by -8 to +8 semitones, in one thread.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import pedalboard

from qbe.audio import studio, wsola
from qbe.audio.finding import find_audio
from qbe.audio.reading import read_blocks
from qbe.audio.sound import from_samples
from qbe.streams.records import Audio
from qbe.support.errors import raise_error

RATE = 16_000
SEMITONES = (-10.0, -3.5, 0.5, 4.0, 10.0)
FACTORS = (0.5, 0.8, 1.3, 2.0)


@dataclass(frozen=True)
class Engine:
    """shift(audio, semitones) and stretch(audio, factor) of mono float32 [n] at RATE."""

    name: str
    shift: Callable[[Audio, float], Audio]
    stretch: Callable[[Audio, float], Audio]


def engines() -> Iterator[Engine]:
    yield Engine("qbe, fast (WSOLA)", wsola.shift_pitch, wsola.stretch)
    yield Engine(
        "qbe, studio (Signalsmith)",
        lambda audio, semitones: studio.shift_pitch(from_samples(audio[:, None], RATE), semitones).samples()[:, 0],
        lambda audio, factor: studio.stretch(from_samples(audio[:, None], RATE), factor).samples()[:, 0],
    )
    yield Engine(
        "librosa (phase vocoder)",
        lambda audio, semitones: librosa.effects.pitch_shift(audio, sr=RATE, n_steps=semitones),
        lambda audio, factor: librosa.effects.time_stretch(audio, rate=1 / factor),
    )
    yield Engine(
        "pedalboard (Rubber Band)",
        lambda audio, semitones: pedalboard.time_stretch(audio, RATE, 1.0, semitones)[0],
        lambda audio, factor: pedalboard.time_stretch(audio, RATE, 1 / factor)[0],
    )


def frequency(audio: Audio, near: float) -> float:
    """Of the strongest partial within a semitone of `near`, Hz."""
    middle = audio[len(audio) // 4 : -len(audio) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 20))
    low, high = (round(near * 2 ** (s / 12) * (1 << 20) / RATE) for s in (-1, 1))
    return (low + float(spectrum[low:high].argmax())) * RATE / (1 << 20)


def pitched() -> Iterator[tuple[float, Audio]]:
    t = np.arange(3 * RATE) / RATE
    for pitch in (110.0, 440.0, 1500.0):
        yield pitch, (0.5 * np.sin(2 * np.pi * pitch * t)).astype(np.float32)
        partials = [0.3 / k * np.sin(2 * np.pi * pitch * k * t) for k in range(1, 9) if pitch * k < 4000]
        yield pitch, np.sum(partials, axis=0).astype(np.float32)


def worst_cents(engine: Engine) -> float:
    errors = []
    for pitch, audio in pitched():
        for semitones in SEMITONES:
            wanted = pitch * 2 ** (semitones / 12)
            errors.append(abs(1200 * np.log2(frequency(engine.shift(audio, semitones), wanted) / wanted)))
    return max(errors)


def worst_duration(engine: Engine, audio: Audio) -> int:
    return max(abs(len(engine.stretch(audio, factor)) - round(len(audio) * factor)) for factor in FACTORS)


def worst_onset(engine: Engine) -> float:
    clicks = np.zeros(10 * RATE, np.float32)
    places = np.arange(RATE // 2, len(clicks), RATE)
    clicks[places] = 0.9
    errors = [0.0]
    for factor in FACTORS:
        out = np.abs(engine.stretch(clicks, factor))
        for at in np.round(places * factor).astype(int):
            near = out[max(0, at - 1500) : at + 1500]
            errors.append(abs(int(near.argmax()) - min(at, 1500)) / RATE * 1000)
    return max(errors)


def worst_level(engine: Engine, sounds: list[Audio]) -> float:
    return max(abs(20 * np.log10(engine.stretch(sound, 0.7).std() / sound.std())) for sound in sounds)


def speed(engine: Engine, sounds: list[Audio]) -> float:
    segments = [np.resize(sound, 16_384) for sound in sounds[:20]]
    engine.shift(segments[0], 1.0)
    count, began = 0, time.process_time()
    while time.process_time() - began < 2:
        for segment, semitones in zip(segments, np.linspace(-8, 8, len(segments)), strict=True):
            engine.shift(segment, float(semitones))
        count += len(segments)
    return count / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1] / "data" / "library")
    folder = os.fsencode(parser.parse_args().folder)
    decoded = [np.concatenate(list(read_blocks(path, RATE))) for path in find_audio([folder], raise_error)]
    sounds = [audio for audio in decoded if 0.3 * RATE < len(audio) < 20 * RATE]
    print(f"{len(sounds)} sounds\n\n| engine | cents | duration, samples | onset, ms | level, dB | segments/s |")
    print("|---|---|---|---|---|---|")
    for engine in engines():
        print(
            f"| {engine.name} | {worst_cents(engine):.1f} | {worst_duration(engine, sounds[0])} | "
            f"{worst_onset(engine):.1f} | {worst_level(engine, sounds):.1f} | {speed(engine, sounds):.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
