"""Hostile inputs to every subcommand: one line each, exit code 2, the other inputs done, memory bounded."""

from __future__ import annotations

import io
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import loaded, noise, tone, write_sound
from hostile import (
    EMBEDDING_STREAMS,
    LIBRARIES,
    MODELS,
    ODD_SOUNDS,
    SEGMENT_STREAMS,
    SOUNDS,
    WHOLE_STREAMS,
    write_sounds,
)
from shell import said, sh

import qbe.support.bounded
from qbe.audio.reading import read_blocks
from qbe.cli import run
from qbe.streams.framing import StreamReader
from qbe.support.errors import AudioError, StreamError

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in with good sounds, their library and a folder of bad ones."""
    home = tmp_path_factory.mktemp("hostile")
    before = Path.cwd()
    os.chdir(home)
    for k in range(3):
        write_sound(home / f"good {k}.wav", tone(300.0 * (k + 1), 0.5))
    write_sounds(Path())
    (home / "weights.bin").write_bytes(bytes(4 * 16_384 * 8))
    assert sh("qbe embed good* | qbe index -o lib.idx", home).returncode == 0
    (home / "m.emb").write_bytes(WHOLE_STREAMS[0])
    assert sh("qbe index -o m.idx < m.emb", home).returncode == 0
    yield home
    os.chdir(before)


@pytest.fixture(autouse=True)
def _no_stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield


def outcome(capture: Capture, *arguments: str) -> tuple[int, bytes, list[str]]:
    """Exit code, stdout, and the lines on stderr, of which each must be a message."""
    code = run(list(arguments))
    out, err = capture.readouterr()
    lines = err.decode().splitlines()
    assert all(line.startswith("qbe: ") for line in lines), lines
    return code, out, lines


def embedded(out: bytes) -> list[bytes]:
    return sorted({record.path for record in StreamReader(io.BytesIO(out))})


GOOD = "good 0.wav"


@pytest.mark.parametrize("name", SOUNDS, ids=lambda name: ascii(name[:20]))
@pytest.mark.parametrize("command", ["segment", "embed", "search", "deform", "eval"])
def test_a_bad_sound_is_named_and_the_good_one_is_done(
    home: Path, capsysbinary: Capture, command: str, name: str
) -> None:
    bad, message = f"bad/{name}", SOUNDS[name][1]
    if command == "eval" and "\n" in name:
        pytest.skip("a task cannot name it")
    if command in ("segment", "embed"):
        code, out, lines = outcome(capsysbinary, command, bad, GOOD)
        assert GOOD.encode() in embedded(out)
    elif command == "search":
        code, out, lines = outcome(capsysbinary, "search", "lib.idx", bad, GOOD)
        assert f"\t{GOOD}\t1\n".encode() in out
    elif command == "deform":
        code, out, lines = outcome(capsysbinary, "deform", "--gain", "-1", bad, GOOD, "-o", "out/")
        (written,) = (path for path in (home / "out").iterdir() if path.name.startswith("good"))
        written.unlink()
    else:
        rows = "".join(f"{path}\tx\t{group}\n" for group, path in enumerate([bad, GOOD, "good 1.wav"]))
        (home / "task.tsv").write_bytes(os.fsencode("path\tlabel\tgroup\n" + rows))
        code, out, lines = outcome(capsysbinary, "eval", "--labels", "task.tsv", "--baseline", "mfcc")
        assert b"task\tmfcc\t1.0000" in out
    if message == "":
        return
    assert code == 2
    assert message in lines[0]
    assert len(lines) == 1 or (command == "eval" and "without 1 of 3 items" in lines[1])


@pytest.mark.parametrize("name", ODD_SOUNDS, ids=lambda name: ascii(name[:20]))
def test_an_odd_sound_is_taken(home: Path, capsysbinary: Capture, name: str) -> None:
    code, out, lines = outcome(capsysbinary, "embed", f"odd/{name}")
    assert (code, embedded(out), lines) == (0, [os.fsencode(f"odd/{name}")], [])
    (home / "x.emb").write_bytes(out)
    with open("x.emb") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", stream)
        assert outcome(capsysbinary, "index", "-o", "x.idx") == (0, b"", [])
    code, out, lines = outcome(capsysbinary, "search", "x.idx", GOOD, "-0")
    assert (code, out.split(b"\t")[1], lines) == (0, os.fsencode(f"odd/{name}"), [])


def test_a_folder_of_bad_sounds_with_a_pipe_in_it(home: Path, capsysbinary: Capture) -> None:
    os.mkfifo(home / "bad" / "pipe.wav")  # that no one writes to
    (home / "bad" / "up").symlink_to("..")
    code, out, lines = outcome(capsysbinary, "segment", "bad", GOOD)
    assert code == 2
    assert GOOD.encode() in embedded(out)
    assert any("bad/pipe.wav: not a file" in line for line in lines)
    assert len(lines) > sum(bool(message) and os.path.lexists(f"bad/{name}") for name, (_, message) in SOUNDS.items())
    (home / "bad" / "pipe.wav").unlink()
    assert sh(f"mkfifo p.wav; cat '{GOOD}' > p.wav & qbe segment p.wav | wc -c; rm p.wav", home).stdout != b"0\n"


def test_training_names_all_bad_sounds_and_learns_from_the_good(home: Path) -> None:
    done = sh("qbe train --cache cache -o m.onnx --steps 1 --batch 2 -q bad/*.wav good*.wav", home)
    lines = said(done)
    assert done.returncode == 2
    assert (home / "m.onnx").exists()
    for name, (_, message) in SOUNDS.items():
        if message and name.endswith(".wav") and os.path.lexists(os.path.join(home, "bad", name)):
            assert any(message in line for line in lines), name


def test_a_sound_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(60.0))
    blocks = read_blocks(os.fsencode(path), 16_000)
    next(blocks)
    os.truncate(path, 200_000)
    with pytest.raises(AudioError, match="truncated"):
        list(blocks)


def read_by(
    capture: Capture, monkeypatch: pytest.MonkeyPatch, content: bytes, *arguments: str
) -> tuple[int, list[str]]:
    Path("stream").write_bytes(content)
    with open("stream") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        code, out, lines = outcome(capture, *arguments)
    assert b"\xa3end" not in out  # no stream is completed
    return code, lines


@pytest.mark.parametrize("name", EMBEDDING_STREAMS)
@pytest.mark.parametrize("command", ["index -o lib.idx", "search m.idx -"])
def test_a_bad_stream_of_embeddings(
    home: Path, capsysbinary: Capture, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    before = (home / "lib.idx").read_bytes()
    code, lines = read_by(capsysbinary, monkeypatch, EMBEDDING_STREAMS[name], *command.split())
    assert (code, len(lines)) == (2, 1), lines
    assert (home / "lib.idx").read_bytes() == before
    assert not list(home.glob(".*"))


@pytest.mark.parametrize("name", SEGMENT_STREAMS)
@pytest.mark.parametrize("command", ["embed", "search lib.idx -", "deform --gain 1", "train -o x.onnx"])
def test_a_bad_stream_of_segments(
    home: Path, capsysbinary: Capture, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    if name == "short audio" and command[:6] in ("deform", "train "):
        pytest.skip("segments of any length will do")
    if (command, name) == ("embed", "text"):
        pytest.skip("what is no stream is read as a sound, which is broken: tests/pipeline/test_stdin.py")
    code, lines = read_by(capsysbinary, monkeypatch, SEGMENT_STREAMS[name], *command.split())
    assert (code, len(lines)) == (2, 1), lines
    assert not list(home.glob("x.onnx*"))


@pytest.mark.parametrize(
    "name", ["full of empty maps", "array full of lists", "length that claims 4 GB", "deeply nested"]
)
def test_a_bomb_takes_no_memory(name: str) -> None:
    tracemalloc.start()
    with pytest.raises(StreamError):
        list(StreamReader(io.BytesIO(EMBEDDING_STREAMS[name] * 3)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_changed_streams_are_read_or_refused() -> None:
    """The small form of tests/bench/fuzz_streams.py."""
    counts, peak = loaded("tests/bench/fuzz_streams.py").fuzz(2000, None, seed=0)
    assert counts["refused"] > 1000
    assert counts.total() == 2000
    assert peak < 5_000_000


@pytest.mark.parametrize("name", MODELS)
def test_a_bad_model(home: Path, capsysbinary: Capture, name: str) -> None:
    content, message = MODELS[name]
    (home / "bad.onnx").write_bytes(content)
    code, out, lines = outcome(capsysbinary, "embed", "--model", "bad.onnx", GOOD)
    assert (code, len(lines)) == (2, 1), lines
    assert message in lines[0]
    assert b"\xa3end" not in out
    (home / "task.tsv").write_text("path\tlabel\tgroup\ngood 0.wav\tx\t0\ngood 1.wav\tx\t1\n")
    code, out, lines = outcome(capsysbinary, "eval", "--labels", "task.tsv", "--model", "bad.onnx")
    assert (code, out, len(lines)) == (2, b"", 1)
    code, out, lines = outcome(capsysbinary, "search", "lib.idx", "--model", "bad.onnx", GOOD)
    assert (code, out, len(lines)) == (2, b"", 1)


@pytest.mark.parametrize("name", ["missing", *LIBRARIES, "folder"])
@pytest.mark.parametrize("command", [("search", GOOD), ("info",), ("dups",), ("index", "--check")], ids=lambda c: c[0])
def test_a_bad_library(home: Path, capsysbinary: Capture, command: tuple[str, ...], name: str) -> None:
    path = "folder" if name == "folder" else f"{name}.idx"
    if name == "folder":
        Path(path).mkdir(exist_ok=True)
    elif name in LIBRARIES:
        Path(path).write_bytes(LIBRARIES[name]((home / "lib.idx").read_bytes()))
    arguments = [command[0], path, *command[1:]] if command[0] != "index" else [*command, path]
    code, out, lines = outcome(capsysbinary, *arguments)
    assert (code, out, len(lines)) == (2, b"", 1), lines
    assert path in lines[0]


@pytest.mark.usefixtures("home")
def test_what_never_ends_is_refused(capsysbinary: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qbe.support.bounded, "MOST", 1 << 23)
    endless = {
        "a list of names": ("embed", "--files-from", "/dev/zero"),
        "a model": ("embed", "--model", "/dev/zero", GOOD),
        "a task": ("eval", "--labels", "/dev/zero"),
    }
    for arguments in endless.values():
        code, _, lines = outcome(capsysbinary, *arguments)
        assert (code, len(lines), "/dev/zero: over 8 MB" in lines[0]) == (2, 1, True), (arguments, lines)
    for arguments in (("search", "lib.idx", "-"), ("deform", "--gain", "1"), ("embed",), ("index", "-o", "x.idx")):
        with open("/dev/zero") as zeros:
            monkeypatch.setattr("sys.stdin", zeros)
            code, _, lines = outcome(capsysbinary, *arguments)
        assert (code, len(lines)) == (2, 1), arguments


def test_names_that_can_name_nothing(home: Path, capsysbinary: Capture) -> None:
    (home / "names").write_bytes(b"a\0b.wav\n" + GOOD.encode() + b"\n\xff\xfe\n")
    code, out, lines = outcome(capsysbinary, "segment", "--files-from", "names")
    assert (code, embedded(out), len(lines)) == (2, [GOOD.encode()], 2)


def test_nothing_is_ever_unpickled() -> None:
    package = Path(qbe.__file__).parent
    sources = {path: path.read_text() for path in package.rglob("*.py")}
    assert not [path for path, text in sources.items() if "import pickle" in text or "allow_pickle=True" in text]
    loads = [line for text in sources.values() for line in text.splitlines() if "torch.load(" in line]
    assert loads
    assert all("weights_only=True" in line for line in loads)
