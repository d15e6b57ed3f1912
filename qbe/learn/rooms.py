"""Impulse responses of rooms, out of sound files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from qbe.audio.finding import find_audio
from qbe.audio.reading import read_blocks
from qbe.audio.segmentation import SAMPLE_RATE
from qbe.streams.records import Audio
from qbe.support.errors import TrainingError, display, raise_error

LONGEST = 10.0  # s of a response that are read; what is used of it, from its peak on, is a second
SILENT = 1e-6


def read_rooms(folder: Path) -> list[Audio]:
    """All sounds of a folder, by name: float32 [n] at SAMPLE_RATE each.

    AudioError where one cannot be read; TrainingError where there is none, or one is silent.
    """
    name = bytes(folder)
    if not os.path.isdir(name):
        raise TrainingError(f"{display(name)}: no such folder: --rooms takes one with impulse responses")
    paths = sorted(find_audio([name], raise_error))
    if not paths:
        raise TrainingError(f"{display(name)}: no sounds in it: --rooms takes a folder with impulse responses")
    return [_response(path) for path in paths]


def _response(path: bytes) -> Audio:
    samples = np.concatenate(list(read_blocks(path, SAMPLE_RATE, duration=LONGEST)))
    if not np.abs(samples).max(initial=0) > SILENT:
        raise TrainingError(f"{display(path)}: silent: no impulse response")
    return samples
