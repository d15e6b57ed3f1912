"""Sounds and small libraries that the tests share."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from qbe.encoder import Encoder, open_encoder
from qbe.index.file.library import Library
from qbe.streams.records import Audio

# Who is started in the background ignores Ctrl-C, and under nohup the end of the session, and so do all programs that
# the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parents[1]
RATE = 16_000


def tone(frequency: float, seconds: float, *, rate: int = RATE, amplitude: float = 0.5) -> Audio:
    """A sine wave, float32 [seconds * rate]."""
    t = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


def noise(seconds: float, *, seed: int = 0, rate: int = RATE, amplitude: float = 0.1) -> Audio:
    """White noise, float32 [seconds * rate]."""
    return np.random.default_rng(seed).normal(0, amplitude, round(seconds * rate)).astype(np.float32)


def frequency(audio: Audio, rate: int = RATE) -> float:
    """Of the strongest partial in the middle of a sound, Hz, to a fraction of a cent by zero padding."""
    middle = audio[len(audio) // 4 : -len(audio) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 20))
    return float(spectrum.argmax()) * rate / (1 << 20)


def cents(measured: float, wanted: float) -> float:
    """The distance of two frequencies."""
    return float(1200 * np.log2(measured / wanted))


def write_sound(path: Path, audio: Audio, rate: int = RATE, **options: str) -> Path:
    """A sound file, 16-bit WAV unless said otherwise."""
    soundfile.write(path, audio, rate, **options)
    return path


def loaded(path: str) -> ModuleType:
    """A script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(path.replace("/", "_").removesuffix(".py"), ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The default model."""
    return open_encoder(None)


@pytest.fixture(scope="session")
def library_sounds() -> list[Path]:
    """The sounds of the demo, of all formats."""
    return sorted(path for path in (DATA / "library").rglob("*") if path.is_file())


def seen(library: Library, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Vectors [n, D] from the library's middle, at unit length."""
    from_middle = vectors.astype(np.float64) - library.frame.middle
    return from_middle / np.linalg.norm(from_middle, axis=1, keepdims=True)


def cosines(library: Library, one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of vectors [n, D] with others [m, D], seen from the library's middle: [n, m]."""
    return seen(library, one) @ seen(library, other).T
