"""Clips against the sounds they are cut from, sample by sample."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import DATA, noise
from hypothesis import given
from hypothesis import strategies as st

from qbe.audio.clipping import LONGEST_STEM, Clipper, Place, clip_stem
from qbe.support.errors import AudioError, UsageError

RATE, SECONDS = 8000, 4.0
KEPT = [("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("AIFF", "PCM_16"), ("FLAC", "PCM_16"),
        ("FLAC", "PCM_24"), ("CAF", "ALAC_16"), ("W64", "PCM_24")]  # fmt: skip


def write(folder: Path, name: str, form: str, subtype: str, channels: int = 2) -> tuple[Path, np.ndarray]:
    """A sound of all values there are, and its samples as 32-bit integers."""
    samples = np.random.default_rng(0).integers(-(1 << 31), 1 << 31, (round(SECONDS * RATE), channels), dtype=np.int32)
    samples[:2] = [[-(1 << 31)] * channels, [(1 << 31) - 1] * channels]
    soundfile.write(folder / name, samples, RATE, subtype, format=form)
    return folder / name, soundfile.read(folder / name, dtype="int32", always_2d=True)[0]


def place(path: Path, start: float, end: float) -> Place:
    return Place(os.fsencode(path), start, end)


@pytest.mark.parametrize(("form", "subtype"), KEPT)
def test_integers_are_kept_to_the_last_bit(tmp_path: Path, form: str, subtype: str) -> None:
    path, samples = write(tmp_path, "a.sound", form, subtype)
    clip = Clipper(os.fsencode(tmp_path)).write(place(path, 0.0, 2.5))
    info = soundfile.info(clip)
    assert (info.samplerate, info.channels, info.format) == (RATE, 2, "WAV")
    assert info.subtype == subtype.replace("ALAC", "PCM")
    np.testing.assert_array_equal(soundfile.read(clip, dtype="int32")[0], samples[:20_000])


@pytest.mark.parametrize(("subtype", "rounding"), [("FLOAT", 0.0), ("DOUBLE", 2**-23)])
def test_floats_stay_floats_over_full_scale_too(tmp_path: Path, subtype: str, rounding: float) -> None:
    samples = 3 * noise(SECONDS, rate=RATE, amplitude=1.0)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype)
    clip = Clipper(os.fsencode(tmp_path)).write(place(tmp_path / "a.wav", 1.0, 2.0))
    assert soundfile.info(clip).subtype == subtype
    np.testing.assert_allclose(soundfile.read(clip)[0], samples[RATE : 2 * RATE], rtol=rounding, atol=0)


def test_32_bits_keep_the_first_24(tmp_path: Path) -> None:
    path, samples = write(tmp_path, "a.wav", "WAV", "PCM_32")
    clip = Clipper(os.fsencode(tmp_path)).write(place(path, 1.0, 2.0))
    assert soundfile.info(clip).subtype == "PCM_32"
    error = soundfile.read(clip, dtype="int32")[0].astype(np.int64) - samples[RATE : 2 * RATE]
    assert np.abs(error).max() <= 1 << 7


@pytest.mark.parametrize("name", ["drums/kick.mp3", "doors/door_close.ogg"])
def test_what_was_lossy_becomes_the_floats_it_decodes_to(tmp_path: Path, name: str) -> None:
    path = DATA / "library" / name
    samples, rate = soundfile.read(path, dtype="float32")
    clip = Clipper(os.fsencode(tmp_path)).write(place(path, 0.0, 0.25))
    assert soundfile.info(clip).subtype == "FLOAT"
    np.testing.assert_array_equal(soundfile.read(clip, dtype="float32")[0], samples[: round(rate / 4)])


@pytest.mark.parametrize(
    ("start", "end", "pad", "first", "last"),
    [
        (1.0, 2.0, 0.5, 0.5, 2.5),
        (0.25, 1.0, 0.5, 0.0, 1.5),  # cut at the beginning
        (3.0, 3.75, 0.5, 2.5, 4.0),  # and at the end
        (1.0, 2.0, 60.0, 0.0, 4.0),
        (3.5, 4.25, 0.0, 3.5, 4.0),  # a little over the end
        (3.999, 4.0, 0.0, 3.999, 4.0),
    ],
)
def test_padding_goes_as_far_as_the_sound(
    tmp_path: Path, start: float, end: float, pad: float, first: float, last: float
) -> None:
    path, samples = write(tmp_path, "a.wav", "WAV", "PCM_16")
    clip = Clipper(os.fsencode(tmp_path), pad).write(place(path, start, end))
    expected = samples[round(first * RATE) : round(last * RATE)]
    np.testing.assert_array_equal(soundfile.read(clip, dtype="int32")[0], expected)


@pytest.mark.parametrize(("start", "end"), [(4.0, 5.0), (4.2, 4.4), (100.0, 101.0), (3.0, 5.0)])
@pytest.mark.parametrize("pad", [0.0, 1.0, 200.0])
def test_a_place_beyond_the_end_is_refused(tmp_path: Path, start: float, end: float, pad: float) -> None:
    path, _ = write(tmp_path, "a.wav", "WAV", "PCM_16")
    with pytest.raises(AudioError, match=r"a\.wav: .* beyond the end at 4\.000 s"):
        Clipper(os.fsencode(tmp_path), pad).write(place(path, start, end))
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_names_are_one_s_own(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, "a.wav", "WAV", "PCM_16")
    (tmp_path / "out").mkdir()
    clipper = Clipper(os.fsencode(tmp_path / "out"))
    one, other, again = (clipper.write(place(tmp_path / folder / "a.wav", 0.5, 1.0)) for folder in ("x", "y", "x"))
    assert [os.path.basename(name) for name in (one, other)] == [b"a_0.500-1.000.wav", b"a_0.500-1.000-2.wav"]
    assert again == one
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    path, _ = write(tmp_path, "a.wav", "WAV", "PCM_16")
    (tmp_path / "a_0.500-1.000.wav").write_text("mine")
    (tmp_path / "a_1.500-2.000.wav").symlink_to("nowhere")
    for start in (0.5, 1.5):
        with pytest.raises(UsageError, match="is there already"):
            Clipper(os.fsencode(tmp_path)).write(place(path, start, start + 0.5))
    assert (tmp_path / "a_0.500-1.000.wav").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@given(st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_any_source_gives_a_name_that_is_safe(name: bytes) -> None:
    stem = clip_stem(Place(b"folder/" + name, 1.0, 2.5))
    assert stem.endswith("_1.000-2.500")
    assert len(stem.encode()) <= LONGEST_STEM + len("_1.000-2.500")
    assert stem.isprintable()
    assert not set(stem) & set('/\\:*?"<>|\n\r\t\0')
    assert stem[0] not in "-."


@pytest.mark.parametrize(
    ("name", "stem"),
    [(b"day 1/forest.wav", "forest"), (b"a.b.flac", "a.b"), (b"noending", "noending"), (b".hidden.wav", "_hidden"),
     (b"-rf.wav", "_rf"), (b"line\nbreak.wav", "line_break"), (b"caf\xe9.wav", "caf_"),
     ("\u00e9t\u00e9.wav".encode(), "\u00e9t\u00e9")],
)  # fmt: skip
def test_a_clip_is_named_after_its_source(name: bytes, stem: str) -> None:
    assert clip_stem(Place(name, 12.5, 13.52401)) == f"{stem}_12.500-13.524"
