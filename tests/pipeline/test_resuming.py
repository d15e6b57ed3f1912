"""Streams in files that go on where they were stopped, and cut streams whose whole files are used."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import DATA, tone, write_sound
from shell import at_keyboard, rows, said, sh
from stops import sounds_of, stop_embedding, whole_files

from qbe.streams.framing import StreamReader
from qbe.streams.packing import pack
from qbe.streams.records import Header
from qbe.streams.resuming import resumed_stream
from qbe.support.saving import locked

SOUNDS = sorted(path for path in (DATA / "library" / "game").iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sounds_of(tmp_path, SOUNDS[:6])
    return tmp_path


def test_stopped_again_and_again_the_stream_is_the_same(tmp_path: Path) -> None:
    """tests/bench/stops.py stops many more."""
    sounds_of(tmp_path, SOUNDS)
    outcomes = stop_embedding(tmp_path, 6, seed=1)
    assert sum(count for what, count in outcomes.items() if what.startswith("stopped")) == 6


def begun(folder: Path, name: str = "out.emb") -> int:
    """Stop a run with Ctrl-C when half of the sounds are through; how many files are whole."""
    part = folder / f"{name}.part"
    write_sound(folder / "sounds" / "9.wav", tone(440, 60.0))

    code, shown = at_keyboard(f"qbe embed -q -o {name} sounds", folder, [(lambda: len(whole_files(part)) >= 3, "\x03")])
    assert code == 130
    assert f"qbe: {name}: stopped: what is whole stays in {name}.part; the same command goes on with it" in shown
    return len(whole_files(part))


def test_after_ctrl_c_the_same_command_goes_on(folder: Path) -> None:
    whole = begun(folder)
    assert not (folder / "out.emb").exists()
    done = sh("qbe index -o lib.idx < out.emb.part", folder)  # no reader takes a part for the whole
    assert (done.returncode, "the stream is cut" in said(done)[0]) == (2, True)
    done = sh("qbe embed -o out.emb sounds", folder)
    assert (done.returncode, said(done)) == (
        0,
        [f"qbe: out.emb: {whole} of 7 files are in out.emb.part already: going on"],
    )
    assert sh("qbe embed sounds | cmp - out.emb", folder).returncode == 0
    assert not list(folder.glob("*.part")) + list(folder.glob(".*"))


def test_what_changed_meanwhile_is_embedded_again_and_what_came_takes_its_place(folder: Path) -> None:
    begun(folder)
    write_sound(folder / "sounds" / "0.wav", tone(880, 2.0))
    shutil.copy(SOUNDS[7], folder / "sounds" / "1a.wav")
    (folder / "sounds" / "2.wav").unlink()
    (folder / "sounds" / "3.wav").write_text("no sound any more")
    done = sh("qbe embed -o out.emb sounds", folder)
    assert done.returncode == 2
    assert "3.wav: not audio" in said(done)[-1]
    done = sh("qbe embed sounds > all.emb; cmp all.emb out.emb", folder)
    assert done.returncode == 0, done


@pytest.mark.parametrize("change", ["--hop 0.3", "--keep-silence", "--expand 2"])
def test_a_part_of_another_kind_is_not_gone_on_with(folder: Path, change: str) -> None:
    begun(folder)
    before = (folder / "out.emb.part").read_bytes()
    done = sh(f"qbe embed {change} -o out.emb sounds", folder)
    assert (done.returncode, len(said(done))) == (2, 1)
    assert "out.emb.part: begun with another model, in another folder or with other options" in said(done)[0]
    assert (folder / "out.emb.part").read_bytes() == before


@pytest.mark.parametrize("content", [b"", bytes(5000)])
def test_a_part_that_holds_nothing_is_begun_anew(folder: Path, content: bytes) -> None:
    (folder / "out.emb.part").write_bytes(content)
    assert sh("qbe embed -o out.emb sounds && qbe embed sounds | cmp - out.emb", folder).returncode == 0


def test_a_header_that_is_cut_is_begun_anew(folder: Path) -> None:
    begun(folder)
    header = (folder / "out.emb.part").read_bytes()[:100]
    for part in (header, header + bytes(50)):
        (folder / "out.emb.part").write_bytes(part)
        assert sh("qbe embed -q -o out.emb sounds", folder).returncode == 0


def test_another_program_s_file_is_left_alone(folder: Path) -> None:
    (folder / "out.emb.part").write_text("my notes")
    assert sh("qbe embed -o out.emb sounds", folder).returncode == 2
    assert (folder / "out.emb.part").read_text() == "my notes"


def test_a_stream_on_stdin_goes_to_a_file_whole_or_not_at_all(folder: Path) -> None:
    script = "qbe segment sounds > s.seg; qbe embed -o out.emb < s.seg && qbe embed < s.seg | cmp - out.emb"
    assert sh(script, folder).returncode == 0
    before = (folder / "out.emb").read_bytes()
    assert sh("head -c 100000 s.seg | qbe embed -o out.emb", folder).returncode == 2
    assert (folder / "out.emb").read_bytes() == before


def test_a_full_disk_loses_nothing(folder: Path) -> None:
    done = sh("ulimit -f 2; trap '' XFSZ; qbe embed -o out.emb sounds", folder)
    assert (done.returncode, (folder / "out.emb").exists()) == (2, False)
    assert "File too large" in said(done)[-1]
    assert sh("qbe embed -o out.emb sounds && qbe embed sounds | cmp - out.emb", folder).returncode == 0


def test_two_at_once_do_not_mix(folder: Path) -> None:
    with locked(str(folder / "out.emb")):
        done = sh("qbe embed -o out.emb sounds", folder)
    assert done.returncode == 2
    assert "another process is writing it" in said(done)[-1]
    assert not list(folder.glob("out.emb*"))


def test_npy_goes_to_stdout_only(folder: Path) -> None:
    done = sh("qbe embed --npy -o out.npy sounds", folder)
    assert (done.returncode, said(done)) == (2, ["qbe: --npy writes to stdout: leave out -o"])


def whole_of(data: bytes, folder: Path) -> list[str]:
    """The files that are taken of a cut stream."""
    (folder / "cut.emb").write_bytes(data)
    done = sh("qbe index --whole-files -o whole.idx < cut.emb", folder)
    assert done.returncode == 0, done
    return [row[0] for row in rows(sh("qbe list whole.idx", folder))]


def test_of_a_cut_stream_the_whole_files_are_used(folder: Path) -> None:
    assert sh("qbe embed sounds > all.emb; qbe index -o all.idx < all.emb", folder).returncode == 0
    data = (folder / "all.emb").read_bytes()
    ends = whole_files(folder / "all.emb")
    paths = [os.fsdecode(path) for path in ends]
    whole_ends = list(ends.values())
    for at, end in enumerate(whole_ends[:-1]):
        expected = paths[: at + 1]
        assert whole_of(data[:end], folder) == expected
        assert whole_of(data[: end + 200], folder) == expected
        cut = folder / "cut.emb"
        done = sh("qbe index -o no.idx < cut.emb", folder)
        assert done.returncode == 2
        assert f"{at + 1} files of it are whole: --whole-files takes them" in said(done)[0]
        assert not (folder / "no.idx").exists()
        assert cut.exists()
    known = said(sh("qbe embed --new whole.idx sounds", folder))[0]
    assert known.endswith("1 new, 0 changed, 0 moved, 5 unchanged, 0 gone")


def test_a_cut_before_another_stream_is_told_there(folder: Path) -> None:
    assert sh("qbe embed sounds > all.emb; qbe embed sounds/1.wav > other.emb", folder).returncode == 0
    data, other = (folder / "all.emb").read_bytes(), (folder / "other.emb").read_bytes()
    ends = list(whole_files(folder / "all.emb").values())
    for cut in (ends[1], ends[1] + 1, ends[1] + 123, ends[2] - 3):
        (folder / "both.emb").write_bytes(data[:cut] + other)
        done = sh("qbe index -o no.idx < both.emb", folder)
        assert (done.returncode, len(said(done))) == (2, 1)
        assert "another begins before its end; nothing of it is used. 2 files of it are whole" in said(done)[0]
        at = int(said(done)[0].split("at byte ")[1].split(",")[0])
        assert cut - 700 < at <= cut
        assert len(whole_of(data[:cut] + other, folder)) == 2


def test_a_stream_without_records_of_files_has_whole_ones_too(folder: Path) -> None:
    """As other programs write it: a file is whole when another one begins."""
    from qbe.streams.framing import StreamWriter

    assert sh("qbe embed sounds > all.emb", folder).returncode == 0
    with open(folder / "all.emb", "rb") as file, open(folder / "bare.emb", "wb") as out:
        reader = StreamReader(file)
        writer = StreamWriter(out, reader.header)
        writer.write_all(reader.embeddings())
    found = whole_of((folder / "bare.emb").read_bytes(), folder)
    assert found == [f"sounds/{k}.wav" for k in range(5)]


def test_an_uncut_stream_is_taken_whole(folder: Path) -> None:
    script = "qbe embed sounds > all.emb; qbe index --whole-files -o a.idx < all.emb; qbe index -o b.idx < all.emb"
    done = sh(script, folder)
    assert (done.returncode, said(done)) == (0, [])
    assert (folder / "a.idx").read_bytes() == (folder / "b.idx").read_bytes()
    assert json.loads(sh("qbe info a.idx --json", folder).stdout)["files"] == 6


@pytest.mark.parametrize("filled", [True, False])
def test_a_header_whose_end_the_disk_has_lost_is_begun_anew(tmp_path: Path, filled: bool) -> None:
    """However much is lost, also where what is left with zeros behind it can be read as another header."""
    header = Header("embeddings", 16_000, "ab" * 32, "qbe-4", 128, b"/a/folder", "hop 8192, silence -100.0, expand 1")
    whole, part = pack(header), tmp_path / "out.emb.part"
    for lost in range(1, len(whole) + 1):
        part.write_bytes(whole[:-lost] + bytes(lost) * filled)
        with resumed_stream(str(tmp_path / "out.emb"), header):
            pass
        assert part.read_bytes() == whole
