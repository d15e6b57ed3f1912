"""The fast engine: tempo and pitch of mono segments in the time domain, for training.

Everything works on mono float32 [n] at any length.
"""

from __future__ import annotations

import math

import numpy as np

from qbe.streams.records import Audio

# WSOLA at 16 kHz: 40 ms frames half overlapped; a search of +-10 ms spans one period of a 50 Hz tone.
HOP = 320
TOLERANCE = 160
COARSE = 4  # divides HOP and TOLERANCE
FINE = 6


def stretch(audio: Audio, factor: float) -> Audio:
    """Change the tempo and keep the pitch, by WSOLA.

    factor : 2 makes the sound twice as long
    Returns float32 [round(n * factor)].

    Each output frame is taken from near its nominal place in the input, there where it best continues the frame
    before it (Verhelst and Roelands, "An overlap-add technique based on waveform similarity", ICASSP 1993).
    """
    length = round(len(audio) * factor)
    if factor == 1 or length == 0:
        return audio[:length].copy()
    frames = length // HOP + 2
    margin = math.ceil(HOP / factor) + TOLERANCE
    padded = np.zeros(len(audio) + 4 * (margin + HOP), np.float32)
    padded[margin : margin + len(audio)] = audio
    # Output frame k begins at (k - 1) HOP, so that the very first sample already lies under two frames.
    nominal = np.round((np.arange(frames) - 1) * HOP / factor).astype(int) + margin
    coarse = padded[: len(padded) // COARSE * COARSE].reshape(-1, COARSE).mean(1)
    pieces = np.empty((frames, 2 * HOP), np.float32)
    position = nominal[0]
    for k in range(frames):
        if k:
            position = _continuation(padded, coarse, position + HOP, nominal[k] - TOLERANCE)
        pieces[k] = padded[position : position + 2 * HOP]
    return _overlap_add(pieces)[HOP : HOP + length]


def _continuation(samples: Audio, coarse: Audio, natural: int, lowest: int) -> int:
    """Where, from `lowest` to twice TOLERANCE further, HOP samples look most like those at `natural`.

    Searched in means of COARSE samples first, then sample by sample around the best: a seventh of the work.
    """
    wanted = coarse[natural // COARSE :][: HOP // COARSE]
    searched = coarse[lowest // COARSE :][: (HOP + 2 * TOLERANCE) // COARSE]
    guess = (lowest // COARSE + int(np.correlate(searched, wanted, "valid").argmax())) * COARSE + natural % COARSE
    first = min(max(guess - FINE, lowest), lowest + 2 * (TOLERANCE - FINE))
    searched = samples[first : first + HOP + 2 * FINE]
    return first + int(np.correlate(searched, samples[natural : natural + HOP], "valid").argmax())


# A Hann window whose half overlapped copies add up to one.
_WINDOW = np.sin(np.pi * (np.arange(2 * HOP) + 0.5) / (2 * HOP)).astype(np.float32) ** 2


def _overlap_add(pieces: Audio) -> Audio:
    """Frames [k, 2 HOP], windowed and added at every HOP: [(k + 1) HOP]."""
    pieces *= _WINDOW
    out = np.zeros((len(pieces) + 1, HOP), np.float32)
    out[:-1] += pieces[:, :HOP]
    out[1:] += pieces[:, HOP:]
    return out.ravel()


def resample(audio: Audio, ratio: float, length: int) -> Audio:
    """Read `audio` at `ratio` samples a sample, by cubic Hermite interpolation (Catmull-Rom): float32 [length]."""
    at = np.arange(length) * ratio
    index = at.astype(np.intp)
    x = (at - index).astype(np.float32)
    padded = np.zeros(max(len(audio), math.ceil(length * ratio) + 1) + 3, np.float32)
    padded[1 : len(audio) + 1] = audio
    a, b, c, d = (padded[k : len(padded) - 3 + k] for k in range(4))
    # The cubic between b and c by its coefficients, worked out once for every interval and then looked up.
    linear, square, cube = 0.5 * (c - a), a - 2.5 * b + 2 * c - 0.5 * d, 0.5 * (d - a) + 1.5 * (b - c)
    read: Audio = ((cube.take(index) * x + square.take(index)) * x + linear.take(index)) * x + b.take(index)
    return read


def shift_pitch(audio: Audio, semitones: float) -> Audio:
    """Change the pitch and keep the length: stretched by 2^(semitones/12), then read that much faster."""
    if semitones == 0:
        return audio.copy()
    ratio = 2.0 ** (semitones / 12)
    return resample(stretch(audio, ratio), ratio, len(audio))
