"""Every format that people have, through every command, with ffmpeg and without."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import noise, write_sound
from formats import FORMS, HAS_PROGRAMS, RATE, Form, write_forms
from shell import children, rows, said, sh

import qbe
from qbe.audio import ffmpeg
from qbe.audio.kinds import kind_of
from qbe.audio.reading import decode, read_blocks
from qbe.streams.framing import StreamReader
from qbe.streams.records import Audio, Embedding, Segment

pytestmark = [
    pytest.mark.skipif(not HAS_PROGRAMS, reason="ffmpeg, lame and opusenc are not all here"),
    pytest.mark.filterwarnings("ignore::qbe.support.errors.AudioWarning"),
]
SECONDS = 6.0
NAMES = sorted(form.name for form in FORMS)
BY_FFMPEG = sorted(form.name for form in FORMS if form.needs_ffmpeg)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `sounds` with all formats, and `plain.wav` beside it."""
    home = tmp_path_factory.mktemp("formats")
    (home / "sounds").mkdir()
    write_forms(home / "sounds", SECONDS).rename(home / "plain.wav")
    (home / "sounds" / "scratch").rename(home / "scratch")
    return home


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_as_long_as_the_plain_sound_and_alike_everywhere(home: Path, form: Form) -> None:
    path = home / "sounds" / form.name
    sound = decode(os.fsencode(path))
    frames = sum(len(block) for block in sound.blocks)
    assert frames / sound.sample_rate == pytest.approx(SECONDS, abs=0.11 + form.loss)
    assert sound.by_ffmpeg == form.needs_ffmpeg
    read, original = (np.concatenate(list(read_blocks(bytes(file), 16_000))) for file in (path, home / "plain.wav"))
    late = lag(read, original)
    assert abs(late) < 0.13 * 16_000
    vectors = qbe.embed(read[max(0, late) :], sample_rate=16_000, silence=None).vectors
    expected = qbe.embed(original[max(0, -late) :], sample_rate=16_000, silence=None).vectors
    cosines = np.sort(np.sum(vectors[: len(expected) - 1] * expected[: len(vectors)][:-1], axis=1))
    assert np.median(cosines) > (0.999 if is_exact(form) else form.alike)
    assert cosines[round(form.loss * 10)] > form.alike - 0.1


def lag(read: Audio, original: Audio) -> int:
    """By how many samples a sound is late."""
    size = 1 << (len(read) + len(original)).bit_length()
    products = np.fft.irfft(np.fft.rfft(read, size) * np.fft.rfft(original, size).conj())
    at = int(products.argmax())
    return at if at < size // 2 else at - size


def is_exact(form: Form) -> bool:
    return Path(form.name).suffix in (".wav", ".aiff", ".caf", ".au", ".w64", ".rf64", ".flac", ".oga", ".wv", ".mka")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_part_is_the_part_of_the_whole(home: Path, form: Form) -> None:
    path = os.fsencode(home / "sounds" / form.name)
    whole = np.concatenate(list(read_blocks(path, 16_000)))
    for start in (0.5, 4.5):
        part = np.concatenate(list(read_blocks(path, 16_000, start=start, duration=1.0)))
        assert len(part) == pytest.approx(16_000, abs=2)
        expected = whole[round(start * 16_000) :][: len(part)]
        inner = slice(800, -800)  # where the resampler and the filter know what is around
        assert np.abs(part - expected)[inner].max() < 0.02, start


@pytest.mark.parametrize(
    "name", ["plain.wav", "sound.aiff", "sound.flac", "sound.mp3", "sound.ogg", "sound.opus", "sound.au"]
)
def test_both_decoders_give_the_same_sound(home: Path, name: str) -> None:
    path = home / "sounds" / name
    first = qbe.embed(path)
    with open(path, "rb", buffering=0) as file:
        kind = kind_of(file)
        assert kind
        sound = ffmpeg.decode(file, name, kind)
        samples = np.concatenate(list(sound.blocks))
    second = qbe.embed(samples, sample_rate=sound.sample_rate)
    count = min(len(first), len(second))
    cosines = np.sum(first.vectors[: count - 1] * second.vectors[: count - 1], axis=1)
    assert np.median(cosines) > 0.999
    assert cosines.min() > 0.995


def streamed(stdout: bytes) -> set[str]:
    records = StreamReader(io.BytesIO(stdout))
    return {os.path.basename(os.fsdecode(r.path)) for r in records if isinstance(r, Segment | Embedding)}


@pytest.mark.parametrize("command", ["segment", "embed"])
def test_a_folder_of_all_formats_is_read_whole(home: Path, command: str) -> None:
    done = sh(f"qbe {command} -v sounds", home)
    lines = said(done)
    assert done.returncode == 0
    assert streamed(done.stdout) == set(NAMES)
    for form in FORMS:
        assert any(form.told in line for line in lines if f"sounds/{form.name}: " in line) == bool(form.told)
    assert f"qbe: {command}: {len(BY_FFMPEG)} decoded by ffmpeg" in lines


@pytest.mark.parametrize("option", ["QBE_FFMPEG= {}", "QBE_FFMPEG=/nowhere/ffmpeg {}", "{} --no-ffmpeg"])
@pytest.mark.parametrize("command", ["segment", "embed"])
def test_without_ffmpeg_one_line_says_how_many_need_it(home: Path, command: str, option: str) -> None:
    done = sh(option.format(f"qbe {command} sounds"), home)
    line = said(done)[-1]
    assert done.returncode == 2
    assert streamed(done.stdout) == set(NAMES) - set(BY_FFMPEG)
    assert line.startswith(f"qbe: {len(BY_FFMPEG)} sounds are in formats that need ffmpeg (m4a 2, ")
    assert "wma 1" in line
    assert sum("ffmpeg" in line for line in said(done)) == 1


def test_one_file_that_needs_ffmpeg_is_named(home: Path) -> None:
    done = sh("QBE_FFMPEG= qbe embed 'sounds/aac named.mp3' plain.wav", home)
    assert said(done) == ["qbe: sounds/aac named.mp3: AAC: needs ffmpeg, which is not there: install it"]
    assert (done.returncode, streamed(done.stdout)) == (2, {"plain.wav"})


def test_all_formats_find_each_other_and_info_counts_them(home: Path) -> None:
    assert sh("qbe embed -q sounds 2>/dev/null | qbe index -o lib.idx", home).returncode == 0
    found = rows(sh("qbe search lib.idx plain.wav -k 100", home))
    assert sorted(os.path.basename(row[1]) for row in found) == NAMES
    assert min(float(row[0]) for row in found) > 0.5
    asked = sh("qbe search lib.idx sounds -k 1 --include-self", home)
    assert asked.returncode == 0
    assert len(rows(asked)) == len(NAMES)
    facts = dict(rows(sh("qbe info lib.idx", home)))
    assert (facts["by_ffmpeg"], facts["unread"]) == (str(len(BY_FFMPEG)), "0")
    missing = sh("qbe search lib.idx sounds --no-ffmpeg -k 1", home)
    assert (missing.returncode, len(rows(missing))) == (2, len(NAMES) - len(BY_FFMPEG))


def test_all_formats_are_deformed_at_their_length(home: Path) -> None:
    done = sh("qbe deform -q --gain -1 sounds/* -o out/", home)
    assert done.returncode == 0, done.stderr
    written = sorted((home / "out").iterdir())
    assert len(written) == len(NAMES)
    for path in written:
        sound = decode(os.fsencode(path))
        assert sum(map(len, sound.blocks)) / sound.sample_rate == pytest.approx(SECONDS, abs=0.3)
    assert sh("qbe deform -q --gain -1 sounds/* -o less/ --no-ffmpeg", home).returncode == 2
    assert len(list((home / "less").iterdir())) == len(NAMES) - len(BY_FFMPEG)


@pytest.mark.parametrize(("variable", "code", "errors"), [("", 0, 0), ("QBE_FFMPEG=", 2, 1)])
def test_training_learns_from_all_formats(home: Path, variable: str, code: int, errors: int) -> None:
    done = sh(f"{variable} qbe train --cache cache{code} -o m{code}.onnx --steps 1 --batch 2 -q sounds", home)
    assert done.returncode == code, done.stderr
    assert sum("need ffmpeg" in line for line in said(done)) == errors
    assert (home / f"m{code}.onnx").exists()


def test_what_could_not_be_read_is_left_alone_until_it_changes(home: Path) -> None:
    folder = home / "nightly"
    folder.mkdir()
    write_sound(folder / "good.wav", noise(2.0))
    (folder / "bad.wav").write_bytes(b"no sound at all")
    (folder / "cut.wav").write_bytes((folder / "good.wav").read_bytes()[:40_000])
    (folder / "aac.m4a").write_bytes((home / "sounds" / "sound.m4a").read_bytes())
    nightly = "qbe embed -q --no-ffmpeg --new n.idx {} nightly | qbe index -q --append -o n.idx"
    first = sh(f"{nightly.format('')}", home)
    assert (first.returncode, len(said(first))) == (2, 5)  # and that the library is new, and lacks three
    for _ in range(2):
        again = sh(nightly.format(""), home)
        assert (again.returncode, said(again)) == (0, [])
    facts = dict(rows(sh("qbe info n.idx", home)))
    assert (facts["files"], facts["unread"]) == ("4", "3")
    write_sound(folder / "bad.wav", noise(1.0))  # it is mended
    assert sh(nightly.format(""), home).returncode == 0
    assert dict(rows(sh("qbe info n.idx", home)))["unread"] == "2"
    assert sh(nightly.format("--retry"), home).returncode == 2  # the others are tried again
    assert sh("qbe embed -q --new n.idx --retry nightly | qbe index -q --append -o n.idx", home).returncode == 2
    assert dict(rows(sh("qbe info n.idx", home)))["unread"] == "1"  # with ffmpeg, only what is cut


def test_a_bat_is_told_and_heard_slowed_down(home: Path) -> None:
    rate, folder = 192_000, home / "bats"
    folder.mkdir()
    for k, first in enumerate((30_000, 45_000)):
        t = np.arange(rate // 2) / rate
        envelope = np.where(t % 0.1 < 0.03, np.sin(np.pi * (t % 0.1) / 0.03) ** 2, 0)
        pulses = envelope * np.sin(2 * np.pi * (first * t + 20_000 * t * t))
        write_sound(folder / f"bat {k}.wav", np.concatenate([np.zeros(rate), pulses, np.zeros(rate // 2)]), rate)
    silent = sh("qbe embed bats", home)
    assert silent.returncode == 0
    assert streamed(silent.stdout) == set()
    told = sorted(said(silent))  # files are read at the same time
    assert [line.partition(": taken as")[0] for line in told] == [
        f"qbe: bats/bat {k}.wav: nothing within 50 Hz to 7.6 kHz" for k in (0, 1)
    ]
    assert sh("qbe embed --expand 10 bats | qbe index -o bats.idx", home).returncode == 0
    part = "'bats/bat 1.wav' --start 1 --duration 0.5"
    found = rows(sh(f"qbe search bats.idx --expand 10 {part} --include-self --places -k 1", home))
    assert found[0][1] == "bats/bat 1.wav"
    assert 0.9 < float(found[0][2]) < float(found[0][3]) < 1.65  # seconds of the file


def test_ffmpeg_is_killed_with_the_reader(home: Path) -> None:
    before = children()
    blocks = read_blocks(os.fsencode(home / "sounds" / "lossless.m4a"), RATE)
    next(blocks)
    assert len(children() - before) == 1
    blocks.close()  # type: ignore[attr-defined]
    assert children() <= before
