"""How commands end: exit codes, closed and full outputs, signals; in bash and on a terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import noise, tone, write_sound
from shell import interrupted, said, sh

from qbe.streams.framing import StreamWriter
from qbe.streams.records import Embedding, Header


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few short sounds, a long one, their streams and library, and a library that takes long to go through."""
    folder = tmp_path_factory.mktemp("ends")
    (folder / "sounds").mkdir()
    for k in range(3):
        write_sound(folder / "sounds" / f"{k}.wav", tone(300.0 * (k + 1), 1.5))
    write_sound(folder / "long.wav", noise(1200.0))
    (folder / "task.tsv").write_text("path\tlabel\tgroup\n" + "".join(f"sounds/{k}.wav\tx\t{k}\n" for k in range(3)))
    (folder / "long.tsv").write_text("path\tlabel\tgroup\nsounds/0.wav\tx\t1\nlong.wav\tx\t2\n")
    with (
        open(folder / "many.emb", "wb") as file,
        StreamWriter(file, Header("embeddings", 16_000, "ab", "m", 32)) as out,
    ):
        for k, vector in enumerate(np.random.default_rng(0).normal(size=(4000, 32)).astype(np.float32)):
            out.write(Embedding(b"%d.wav" % k, 0, 16_384, 16_000, vector / np.linalg.norm(vector)))
    (folder / "places.tsv").write_text("".join(f"long.wav\t{k / 10}\t{k / 10 + 1}\n" for k in range(9000)))
    script = (
        "qbe segment sounds > a.seg; qbe embed < a.seg > a.emb; qbe index -o lib.idx < a.emb;"
        "qbe index -o many.idx < many.emb"
    )
    assert sh(script, folder).returncode == 0
    return folder


WRITERS = [
    "qbe --help",
    "qbe --version",
    "qbe search --help",
    "qbe segment sounds",
    "qbe deform --pitch 1 sounds/0.wav",
    "qbe deform --pitch 1 < a.seg",
    "qbe embed sounds",
    "qbe embed < a.seg",
    "qbe search lib.idx sounds/0.wav",
    "qbe search lib.idx sounds/0.wav --as m3u",
    "qbe dups lib.idx --alike --min-score 0.51",
    "qbe info lib.idx",
    "qbe eval --labels task.tsv --baseline mfcc",
]


@pytest.mark.parametrize("command", WRITERS)
def test_outputs_that_cannot_be_written(folder: Path, command: str) -> None:
    done = sh(f"{command} > /dev/full; echo $? >> full; {command} >&-; echo $? >> closed", folder)
    assert said(done) == ["qbe: output: No space left on device", "qbe: output: Bad file descriptor"]
    done = sh(f"{command} | true; echo ${{PIPESTATUS[*]}}", folder)
    assert (done.stdout, done.stderr) == (b"141 0\n", b"")
    assert {(folder / name).read_text() for name in ("full", "closed")} == {"2\n"}
    for name in ("full", "closed"):
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("script", "statuses"),
    [
        ("qbe segment sounds | qbe embed | qbe index -o x.idx", "0 0 0"),
        ("qbe segment sounds nothere | qbe embed | qbe index -o x.idx", "2 0 0"),
        ("qbe segment nothere | qbe embed | qbe index -o x.idx", "2 0 2"),
        ("qbe embed long.wav | qbe embed | qbe index -o x.idx", "141 2 2"),
        ("qbe embed --model nothere sounds | qbe index -o x.idx", "2 2"),
        ("qbe search lib.idx sounds/0.wav | head -n 1 > first", "0 0"),
        ("qbe search lib.idx sounds/0.wav --min-score 1 | cat", "1 0"),
        ("qbe search lib.idx sounds/0.wav nothere | cat > x", "2 0"),
        ("qbe info nothere | cat", "2 0"),
        ("qbe dups lib.idx | cat", "0 0"),
        ("qbe embed long.wav | head -c 1000 > x", "141 0"),
        ("qbe segment long.wav | head -c 1000 > x", "141 0"),
        ("qbe deform --pitch 1 sounds/0.wav | qbe search lib.idx - > x", "0 0"),
        ("qbe search lib.idx sounds/0.wav | qbe clip -o clips/", "0 0"),
        ("qbe search lib.idx nothere | qbe clip -o clips/", "2 0"),
        ("qbe search lib.idx sounds/0.wav --as csv | qbe clip -o clips/", "0 2"),
    ],
)
def test_the_exit_codes_of_pipelines(folder: Path, script: str, statuses: str) -> None:
    done = sh(f"{script}; echo ${{PIPESTATUS[*]}}", folder)
    assert done.stdout.decode() == f"{statuses}\n"
    said(done)


def test_closed_inputs_and_errors(folder: Path) -> None:
    for command in ("qbe embed > x", "qbe index -o x.idx", "qbe search lib.idx -", "qbe deform --pitch 1"):
        done = sh(f"{command} <&-", folder)
        assert (done.returncode, [line[:20] for line in said(done)]) == (2, ["qbe: nothing to read"])
    for closed in ("<&-", "2>&-", "<&- 2>&-"):
        assert sh(f"qbe search lib.idx sounds/0.wav {closed}", folder).returncode == 0
        assert sh(f"qbe index -o closed.idx < a.emb {closed.replace('<&-', '>&-')}", folder).returncode == 0
        assert (folder / "closed.idx").read_bytes() == (folder / "lib.idx").read_bytes()
    for unwritable in ("2>&-", "2> /dev/full"):
        done = sh(
            f"qbe embed nothere sounds {unwritable} | qbe index -o x.idx 2> /dev/null; echo ${{PIPESTATUS[*]}}", folder
        )
        assert done.stdout == b"2 0\n"


def test_no_arguments_ask_for_help(folder: Path) -> None:
    done = sh("qbe", folder)
    assert done.returncode == 2
    assert b"Examples:" in done.stdout + done.stderr


STAGES = {  # and what is shown when they are in the middle of it
    "qbe segment long.wav > x": "0 of 1 files",
    "qbe embed long.wav > x": "0 of 1 files",
    "qbe index -o x.idx < many.emb": "index",
    "qbe search lib.idx sounds/0.wav long.wav > x": "1 queries",
    "qbe dups many.idx > x": "of 4000 files",
    "qbe eval --labels long.tsv --baseline mfcc > x": "1 of 2 sounds",
    "qbe deform --stretch 1.1 long.wav sounds/0.wav -o out/": "0 of 2 files",
    "qbe clip -o out/ < places.tsv": "clips",
    "qbe train long.wav -o x.onnx --steps 1 --cache cache": "decode",
}


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_leaves_terminal_and_folder_as_they_were(folder: Path, stage: str) -> None:
    before = {path.name for path in folder.iterdir()}
    code, shown = interrupted(stage, folder, STAGES[stage])
    assert code == 130
    assert "Traceback" not in shown
    assert shown.rfind("\x1b[?25h") >= shown.rfind("\x1b[?25l")  # the cursor is back
    assert {path.name for path in folder.iterdir()} - before <= {"x", "cache", "out"}
    assert not list(folder.rglob(".*.tmp"))


def test_signals_that_were_ignored_stay_so(folder: Path) -> None:
    ignoring = "(trap '' INT HUP TERM; exec qbe index -o x.idx < <(cat a.emb; sleep 1))"
    assert sh(f"{ignoring} & sleep 0.7; kill -INT $!; kill -HUP $!; kill $!; wait $!", folder).returncode == 0
