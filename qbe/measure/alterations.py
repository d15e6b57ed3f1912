"""What happens to a sound between a library and the one who asks for it: other rates, codecs, rooms, loudspeakers.

Each alteration takes a mono sound, float32 [n] at a sample rate, and gives it altered, float32 [m]; what is drawn comes
from the generator.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import soundfile

from qbe.audio.deformation import add_noise, gain, tilt
from qbe.audio.resampling import resampled
from qbe.audio.segmentation import SAMPLE_RATE
from qbe.audio.sound import from_samples
from qbe.streams.records import Audio

Alteration = Callable[[Audio, int, np.random.Generator], Audio]

MP3_KBIT = 32
MP3_MOST, MP3_LEAST = 160, 8  # kbit/s at SAMPLE_RATE, which libsndfile makes levels of compression 0 to 1 of
DECAY = 0.5  # s, until the room is 60 dB quieter
PHONE = 500.0  # Hz, under which the loudspeaker of a telephone fades
STEEPNESS = 4  # order of that high-pass
TILT = 2.0  # dB per octave: 6 dB at 8 kHz
LATE = (0.1, 0.5)  # s


def at_rate(rate: int) -> Alteration:
    """Kept at a lower sample rate: without what lies over half of it."""

    def altered(audio: Audio, sample_rate: int, _rng: np.random.Generator) -> Audio:
        return _resampled(_resampled(audio, sample_rate, rate), rate, sample_rate)

    return altered


def as_mp3(audio: Audio, sample_rate: int, _rng: np.random.Generator) -> Audio:
    """Through an MP3 of MP3_KBIT kbit/s at 16 kHz, with the delay that comes of it."""
    file = io.BytesIO()
    level = (MP3_MOST - MP3_KBIT) / (MP3_MOST - MP3_LEAST)
    loudest = max(1.0, float(np.abs(audio).max(initial=0)))  # beyond full scale it would be clipped
    with soundfile.SoundFile(
        file, "w", SAMPLE_RATE, 1, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT",
        compression_level=level,
    ) as out:  # fmt: skip
        out.write(_resampled(audio, sample_rate, SAMPLE_RATE) / loudest)
    file.seek(0)
    decoded: Audio = soundfile.read(file, dtype="float32")[0]
    return _resampled(decoded * np.float32(loudest), SAMPLE_RATE, sample_rate)


def in_room(audio: Audio, sample_rate: int, rng: np.random.Generator) -> Audio:
    """In a room of noise that decays in DECAY, as loud as the direct sound; it ends where the sound does."""
    t = np.arange(1, round(DECAY * sample_rate)) / sample_rate
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / DECAY)
    response = np.concatenate([[1.0], tail / np.linalg.norm(tail)])
    size = _fast_size(len(audio) + len(response))
    spectrum = np.fft.rfft(audio, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(audio)].astype(np.float32)


def by_phone(audio: Audio, sample_rate: int, _rng: np.random.Generator) -> Audio:
    """Out of a small loudspeaker: high-passed as by Butterworth, without delay."""
    size = _fast_size(2 * len(audio))  # zeros keep its end from its beginning
    frequency = np.maximum(np.fft.rfftfreq(size, 1 / sample_rate), 1e-3)
    response = 1 / np.sqrt(1 + (PHONE / frequency) ** (2 * STEEPNESS))
    return np.fft.irfft(np.fft.rfft(audio, size) * response, size)[: len(audio)].astype(np.float32)


def tilted(db_per_octave: float) -> Alteration:
    """Brighter, or darker."""
    return lambda audio, rate, _rng: tilt(from_samples(audio[:, None], rate), db_per_octave).samples()[:, 0]


def under_noise(snr_db: float) -> Alteration:
    """With white noise."""

    def altered(audio: Audio, sample_rate: int, rng: np.random.Generator) -> Audio:
        return add_noise(from_samples(audio[:, None], sample_rate), snr_db, int(rng.integers(2**31))).samples()[:, 0]

    return altered


def late(audio: Audio, sample_rate: int, rng: np.random.Generator) -> Audio:
    """After a silence that is drawn: windows fall elsewhere."""
    return np.pad(audio, (round(rng.uniform(*LATE) * sample_rate), 0))


def louder(db: float) -> Alteration:
    """At another level."""
    return lambda audio, rate, _rng: gain(from_samples(audio[:, None], rate), db).samples()[:, 0]


ALTERATIONS: dict[str, Alteration] = {
    "8 kHz": at_rate(8000),
    "11 kHz": at_rate(11_025),
    "MP3": as_mp3,
    "room": in_room,
    "phone": by_phone,
    "brighter": tilted(TILT),
    "darker": tilted(-TILT),
    "noise": under_noise(10.0),
    "late": late,
    "quiet": louder(-30.0),
}


def _fast_size(least: int) -> int:
    """Of a transform: a power of two."""
    return 1 << (least - 1).bit_length()


def _resampled(audio: Audio, rate: int, wanted: int) -> Audio:
    return np.concatenate(list(resampled(iter([audio]), rate, wanted)))
