"""From sounds to vectors, as evaluation needs them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, noise, tone, write_sound

from qbe.audio.segmentation import segments
from qbe.encoder import Encoder
from qbe.measure.evaluation import Part, retrieval
from qbe.measure.systems import System, baseline_system, embed_parts, model_system
from qbe.streams.records import Audio, Vector
from qbe.support.errors import QbeError, raise_error

STREAM = DATA / "library" / "water" / "stream 1.ogg"


class Recorder:
    """Gives windows back as they are, and counts them."""

    def __init__(self, sample_rate: int, samples: int) -> None:
        self.batches: list[int] = []
        self.system = System("recorder", sample_rate, samples, self.embed, retrieval, lambda _: [])

    def embed(self, audio: Audio) -> Vector:
        self.batches.append(len(audio))
        return audio


def embedded(path: Path, *systems: System, start: float = 0.0, duration: float | None = None) -> list[Vector]:
    (found,) = embed_parts([Part(os.fsencode(path), start, duration)], systems, b"", raise_error)
    return [windows.vectors for windows in found]


@pytest.mark.parametrize(("sample_rate", "samples"), [(16_000, 16_384), (8000, 4001), (44_100, 30_000)])
def test_every_system_gets_the_windows_it_takes(sample_rate: int, samples: int) -> None:
    cuts = segments([os.fsencode(STREAM)], raise_error, sample_rate=sample_rate, window=samples, hop=samples // 2)
    recorder = Recorder(sample_rate, samples)
    other, vectors = embedded(STREAM, baseline_system("logmel"), recorder.system)
    np.testing.assert_array_equal(vectors, np.stack([segment.audio for segment in cuts]))
    np.testing.assert_array_equal(other, *embedded(STREAM, baseline_system("logmel")))


def test_the_default_model_embeds_as_it_does_elsewhere(encoder: Encoder) -> None:
    expected = [e.vector for e in encoder.embeddings(segments([os.fsencode(STREAM)], raise_error))]
    np.testing.assert_allclose(embedded(STREAM, model_system(None))[0], np.stack(expected), atol=1e-6)


def test_a_long_sound_comes_in_small_batches(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "long.wav", noise(40.0))
    recorder = Recorder(16_000, 16_384)
    (vectors,) = embedded(path, recorder.system)
    assert len(vectors) == sum(recorder.batches) == 1 + -(-(640_000 - 16_384) // 8192)
    assert max(recorder.batches) <= 16


def test_a_part_is_what_a_file_of_it_would_be(tmp_path: Path) -> None:
    audio = noise(5.0)
    whole = write_sound(tmp_path / "whole.wav", audio, subtype="FLOAT")
    part = write_sound(tmp_path / "part.wav", audio[16_000:48_000], subtype="FLOAT")
    mfcc = baseline_system("mfcc")
    np.testing.assert_array_equal(*embedded(whole, mfcc, start=1.0, duration=2.0), *embedded(part, mfcc))


def test_silent_windows_are_left_out_but_a_silent_sound_is_one_window(tmp_path: Path) -> None:
    recorder = Recorder(16_000, 16_384)
    half = write_sound(tmp_path / "half.wav", np.concatenate([tone(440, 1.024), np.zeros(5 * 16_384, np.float32)]))
    assert len(embedded(half, recorder.system)[0]) == 2  # the one from 0 s on, and the one from its middle on
    silent = write_sound(tmp_path / "silent.wav", np.zeros(5 * 16_384, np.float32))
    np.testing.assert_array_equal(embedded(silent, recorder.system)[0], np.zeros((1, 16_384)))


def test_faults_are_told_once_and_what_came_before_them_counts(tmp_path: Path) -> None:
    good = write_sound(tmp_path / "good.wav", noise(4.0))
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[: 44 + 2 * 48_000])
    (tmp_path / "text.wav").write_text("no sound")
    parts = [Part(name) for name in (b"none.wav", b"cut.wav", b"text.wav", b"good.wav")]
    parts += [Part(b"good.wav", 9.0), Part(b"good.wav", 1.0, 0.0)]
    systems = [baseline_system("logmel"), Recorder(8000, 4000).system]
    faults: list[QbeError] = []
    found = list(embed_parts(parts, systems, os.fsencode(tmp_path), faults.append))
    assert [len(vectors) for vectors in found] == [0, 2, 0, 2, 0, 0]
    assert [len(windows.vectors) for windows in found[1]] == [5, 11]  # 3 s in windows of 1.024 s and of 0.5 s
    messages = [str(fault) for fault in faults]
    assert messages == [
        f"{tmp_path}/none.wav: No such file or directory",
        f"{tmp_path}/cut.wav: ends at 3.000 s of 4.000 s; truncated?",
        messages[2],
        f"{tmp_path}/good.wav: start 9 s lies beyond the end at 4.000 s",
        f"{tmp_path}/good.wav: the part at 1 s holds no samples",
    ]
    assert "text.wav: not audio" in messages[2]
