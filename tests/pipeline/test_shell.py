"""The pipelines as people and scripts run them: in bash, with files of all kinds."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import DATA, noise, tone, write_sound
from shell import ENVIRONMENT, in_terminal, peak_memory, rows, said, sh, wait_for

from qbe.index.file.library import open_library

LIBRARY, QUERIES = DATA / "library", DATA / "queries"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's sounds in `sounds` and their library in `lib.idx`."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(LIBRARY, folder / "sounds")
    done = sh("qbe embed sounds | qbe index -o lib.idx", folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    return folder


def test_a_query_that_is_not_in_the_library(folder: Path) -> None:
    done = sh(f"qbe search lib.idx '{QUERIES}/stream.ogg' -k 3", folder)
    assert (done.returncode, said(done)) == (0, [])
    found = rows(done)
    assert {Path(row[1]).name for row in found} == {"stream 1.ogg", "stream 2.ogg", "stream 3.ogg"}
    scores = [float(row[0]) for row in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= float(row[2]) < float(row[3]) <= 6.001 for row in found)
    assert {row[4] for row in found} == {f"{QUERIES}/stream.ogg"}


def test_every_library_sound_finds_itself_when_asked_to(folder: Path) -> None:
    done = sh("find sounds -type f | sort | tr '\\n' '\\0' | xargs -0 qbe search lib.idx -k 1 --include-self", folder)
    assert done.returncode == 0
    found = rows(done)
    assert len(found) == sum(path.is_file() for path in LIBRARY.rglob("*"))
    assert all(row[1] == row[4] and float(row[0]) > 0.999 for row in found)


def test_the_query_is_not_its_own_answer_under_any_name(folder: Path) -> None:
    (folder / "link.ogg").symlink_to("sounds/water/stream 1.ogg")
    for query in ("'sounds/water/stream 1.ogg'", "./sounds/water/../water/'stream 1.ogg'", "link.ogg"):
        done = sh(f"qbe search lib.idx {query} -k 100", folder)
        assert "sounds/water/stream 1.ogg" not in [row[1] for row in rows(done)]


def test_json_places_and_nul(folder: Path) -> None:
    query = f"'{QUERIES}/cello.mp3'"
    plain = rows(sh(f"qbe search lib.idx {query} -k 4", folder))
    objects = [json.loads(line) for line in sh(f"qbe search lib.idx {query} -k 4 --json", folder).stdout.splitlines()]
    assert [o["path"] for o in objects] == [row[1] for row in plain]
    assert [o["rank"] for o in objects] == [1, 2, 3, 4]
    assert [f"{o['score']:.4f}" for o in objects] == [row[0] for row in plain]
    assert sh(f"qbe search lib.idx {query} -k 4 -0", folder).stdout.count(b"\0") == 4
    places = rows(sh(f"qbe search lib.idx {query} -k 6 --places", folder))
    assert len(places) == 6
    assert len({(row[1], row[2]) for row in places}) == 6


def test_queries_from_stdin_agree(folder: Path) -> None:
    query = f"'{QUERIES}/snare.mp3'"
    of_sound = [row[:4] for row in rows(sh(f"qbe search lib.idx {query}", folder))]
    of_embeddings = [row[:4] for row in rows(sh(f"qbe embed {query} | qbe search lib.idx -", folder))]
    for script, expected in (
        (f"qbe search lib.idx - < {query}", of_sound),
        (f"cat {query} | qbe search lib.idx -", of_sound),
        (f"qbe segment {query} | qbe search lib.idx -", of_embeddings),
    ):
        done = sh(script, folder)
        assert [row[:4] for row in rows(done)] == expected, script
    assert of_embeddings[0] == of_sound[0]  # embeddings cannot be cut again, a little earlier


def test_a_part_of_a_query(folder: Path) -> None:
    both = np.concatenate([tone(3000, 3.0), noise(3.0)])
    write_sound(folder / "both.wav", both, subtype="FLOAT")
    write_sound(folder / "second.wav", both[48_000 : 48_000 + 32_000], subtype="FLOAT")
    part = sh("qbe search lib.idx both.wav --start 3 --duration 2", folder)
    assert sh("qbe search lib.idx both.wav --start 0:03.0 --duration 0:00:02", folder).stdout == part.stdout
    alone = sh("qbe search lib.idx second.wav", folder)
    assert [row[:4] for row in rows(part)] == [row[:4] for row in rows(alone)]
    assert said(sh("qbe search lib.idx both.wav --start 9", folder)) == [
        "qbe: both.wav: start 9 s lies beyond the end at 6.000 s"
    ]


def test_several_queries_in_blocks_and_one_that_is_bad(folder: Path) -> None:
    done = sh(f"qbe search lib.idx '{QUERIES}/stream.ogg' none.wav '{QUERIES}/laser.wav' -k 2", folder)
    assert done.returncode == 2
    assert [Path(row[4]).name for row in rows(done)] == ["stream.ogg"] * 2 + ["laser.wav"] * 2
    assert said(done) == ["qbe: none.wav: no such file or folder"]


def test_a_folder_is_as_many_queries_as_it_has_sounds(folder: Path) -> None:
    done = sh("qbe search lib.idx sounds/doors -k 2", folder)
    each = sh("for sound in sounds/doors/*; do qbe search lib.idx $sound -k 2; done", folder)
    assert done.returncode == each.returncode == 0
    assert len(rows(done)) == 2 * len(list((folder / "sounds" / "doors").iterdir()))
    assert done.stdout == each.stdout


def test_nothing_found_is_exit_1(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", tone(440, 1.0))
    done = sh("qbe embed a.wav | qbe index -o a.idx && qbe search a.idx a.wav", tmp_path)
    assert (done.returncode, done.stdout, said(done)) == (1, b"", [])


def test_segment_and_embed_together_are_embed_alone(folder: Path) -> None:
    one = sh("qbe embed sounds/doors", folder)
    two = sh("qbe segment sounds/doors | qbe embed", folder)
    assert one.returncode == two.returncode == 0
    assert one.stdout == two.stdout


def test_concatenated_streams_index_as_one(folder: Path) -> None:
    script = "qbe embed sounds/water > a.emb; qbe embed sounds/doors > b.emb; cat a.emb b.emb | qbe index -o cat.idx"
    assert sh(script, folder).returncode == 0
    sh("qbe embed sounds/water sounds/doors | qbe index -o once.idx", folder)
    assert (folder / "cat.idx").read_bytes() == (folder / "once.idx").read_bytes()
    done = sh("cat a.emb a.emb | qbe index -o twice.idx", folder)
    assert "segments came more than once" in said(done)[0]
    assert open_library(str(folder / "twice.idx")).files == 3


def test_jobs_do_not_change_the_output(folder: Path) -> None:
    assert sh("qbe embed --jobs 1 sounds/notes", folder).stdout == sh("qbe embed --jobs 4 sounds/notes", folder).stdout


def test_names_from_a_list(folder: Path) -> None:
    expected = sh("qbe embed sounds/water sounds/game/coin1.wav", folder).stdout
    listed = "ls sounds/water/*; echo sounds/game/coin1.wav"
    assert sh(f"({listed}) | qbe embed --files-from -", folder).stdout == expected
    assert sh(f"({listed}) | tr '\\n' '\\0' > names; qbe embed --files-from names -0", folder).stdout == expected


def test_npy_blocks(folder: Path) -> None:
    done = sh("qbe embed --npy sounds/water sounds/game/coin1.wav", folder)
    assert (done.returncode, said(done)) == (0, [])
    stream = io.BytesIO(done.stdout)
    shapes = [np.load(stream, allow_pickle=False).shape for _ in range(4)]
    assert shapes == [(11, 128)] * 3 + [(1, 128)]


def test_odd_names_come_out_as_they_went_in(tmp_path: Path) -> None:
    names = [b"caf\xe9.wav", b"-k.wav", b"new\nline.wav", b"tab\tand space.wav", b"x" * 250 + b".wav"]
    for k, name in enumerate(names):
        write_sound(tmp_path / "a.wav", tone(200 + 90 * k, 0.7))
        os.rename(tmp_path / "a.wav", os.path.join(os.fsencode(tmp_path), name))
    write_sound(tmp_path / "query.aiff", tone(300, 0.7))
    done = sh("qbe embed . | qbe index -o a.idx; qbe search a.idx query.aiff -0", tmp_path)
    assert {line.split(b"\t", 1)[1].rsplit(b"\t", 4)[0] for line in done.stdout.split(b"\0")[:-1]} >= {
        b"./" + name for name in names
    }
    done = sh("qbe search a.idx query.aiff --json -k 9", tmp_path)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert "Li9jYWbpLndhdg==" in [found.get("path_base64") for found in results]
    assert "./new\nline.wav" in [found.get("path") for found in results]
    assert sh("qbe embed -- -k.wav | qbe index -o b.idx", tmp_path).returncode == 0


def test_a_bad_input_is_named_and_skipped_and_the_rest_is_done(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", tone(440, 1.0))
    (tmp_path / "b.wav").write_text("no sound")
    nan = noise(1.0)
    nan[500] = np.nan
    write_sound(tmp_path / "c.wav", nan, subtype="FLOAT")
    write_sound(tmp_path / "d.wav", tone(880, 0.2))
    done = sh("qbe embed . nothere.wav | qbe index -o a.idx; echo ${PIPESTATUS[*]}", tmp_path)
    assert done.stdout == b"2 0\n"
    lines = said(done)
    assert len(lines) == 4
    assert "nothere.wav: no such file" in lines[0]
    assert "b.wav: not audio" in lines[1]
    assert "c.wav: samples near 0.000 s are not numbers" in lines[2]
    assert lines[3] == "qbe: a.idx: written without the 3 inputs that could not be read"
    kept = {os.path.basename(entry.path): entry.failed for entry in open_library(str(tmp_path / "a.idx")).entries()}
    assert kept == {b"a.wav": False, b"b.wav": True, b"c.wav": True, b"d.wav": False}


def test_a_killed_embed_leaves_the_old_library_whole(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "lib.idx", tmp_path / "lib.idx")
    before = (tmp_path / "lib.idx").read_bytes()
    write_sound(tmp_path / "long.wav", noise(600.0))
    script = (
        "qbe embed long.wav long.wav long.wav > >(qbe index -o lib.idx; echo index $? >&2) & echo $!; wait $!; sleep 2"
    )
    process = subprocess.Popen(
        ["bash", "-c", script], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    embed = int(process.stdout.readline())
    wait_for((tmp_path / ".lib.idx.lock").exists)
    os.kill(embed, signal.SIGKILL)
    _, stderr = process.communicate()
    assert b"the stream is cut" in stderr
    assert b"index 2" in stderr
    assert (tmp_path / "lib.idx").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_stopped_index_leaves_no_temporary_file(
    folder: Path, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    shutil.copy(folder / "lib.idx", tmp_path / "lib.idx")
    before = (tmp_path / "lib.idx").read_bytes()
    stream = sh("qbe embed sounds/water", folder).stdout
    process = subprocess.Popen(
        ["qbe", "index", "-o", "lib.idx"], cwd=tmp_path, env=ENVIRONMENT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    process.stdin.write(stream[:9000])
    process.stdin.flush()
    wait_for((tmp_path / ".lib.idx.lock").exists)
    process.send_signal(sent)
    assert (process.wait(), process.stderr.read() if process.stderr else None) == (code, b"")
    assert (tmp_path / "lib.idx").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["lib.idx"]


def test_a_closed_pipe_ends_quietly(folder: Path) -> None:
    done = sh("qbe embed sounds sounds sounds | head -c 100 > /dev/null; echo ${PIPESTATUS[*]}", folder)
    assert (done.stdout, said(done)) == (b"141 0\n", [])


def test_a_full_disk_is_said(folder: Path) -> None:
    done = sh("qbe embed sounds/water > /dev/full", folder)
    assert (done.returncode, said(done)) == (2, ["qbe: output: No space left on device"])
    done = sh("qbe search lib.idx sounds/water/*.ogg > /dev/full", folder)
    assert (done.returncode, said(done)) == (2, ["qbe: output: No space left on device"])


def test_streams_of_two_models_do_not_mix(folder: Path, tmp_path: Path) -> None:
    other = sh("qbe embed sounds/water", folder).stdout
    sha256 = open_library(str(folder / "lib.idx")).footer.model.encode()
    (tmp_path / "other.emb").write_bytes(other.replace(sha256, b"f" * 64))
    (tmp_path / "this.emb").write_bytes(other)
    done = sh("cat this.emb other.emb | qbe index -o a.idx", tmp_path)
    assert done.returncode == 2
    assert "does not belong together" in said(done)[0]
    assert not (tmp_path / "a.idx").exists()
    done = sh(f"qbe index -o other.idx < other.emb; qbe search other.idx '{QUERIES}/laser.wav'", tmp_path)
    assert done.returncode == 2
    (line,) = said(done)
    assert sha256.decode()[:12] in line
    assert "ffffffffffff" in line


def test_info_and_check(folder: Path, tmp_path: Path) -> None:
    facts = dict(line.split("\t") for line in sh("qbe info lib.idx", folder).stdout.decode().splitlines())
    assert int(facts["files"]) == sum(path.is_file() for path in LIBRARY.rglob("*"))
    assert int(facts["bytes"]) == (folder / "lib.idx").stat().st_size
    assert json.loads(sh("qbe info --json lib.idx", folder).stdout)["segments"] == int(facts["segments"])
    assert sh("qbe index --check lib.idx", folder).returncode == 0
    data = bytearray((folder / "lib.idx").read_bytes())
    data[8000] ^= 1
    (tmp_path / "bad.idx").write_bytes(data)
    done = sh("qbe index --check bad.idx", tmp_path)
    assert (done.returncode, said(done)) == (2, ["qbe: bad.idx: damaged: wrong checksum in rotation; build it again"])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("qbe segment", "standard input: not audio: empty"),
        ("qbe embed < /dev/null", "the stream is empty"),
        ("qbe index < /dev/null", "name the library to write"),
        ("qbe index -o x.idx --model m.onnx < /dev/null", "--model goes with --paths"),
        ("qbe embed --npy sounds/game | qbe index -o x.idx", "say which rows they are with --paths"),
        ("echo hello | qbe index -o x.idx", "is it a qbe stream"),
        ("qbe segment sounds/game/coin1.wav | qbe index -o x.idx", "holds segments; embeddings are needed"),
        ("qbe embed sounds/game/coin1.wav | qbe embed", "holds embeddings; segments are needed"),
        ("qbe embed --hop 0 sounds > /dev/null", "--hop 0: must be over 0"),
        ("qbe embed --hop 2 sounds > /dev/null", "at most the window, 1.024 s"),
        ("qbe embed --model sounds/game/coin1.wav sounds > /dev/null", "not an ONNX model"),
        ("qbe embed --jobs 0 sounds > /dev/null", "--jobs"),
        ("qbe embed -0 sounds > /dev/null", "-0 goes with --files-from"),
        ("qbe search", "Missing argument"),
        ("qbe search lib.idx", "either as queries, each by itself, or with --like, as one"),
        ("qbe search lib.idx a.wav --like b.wav", "either as queries, each by itself, or with --like, as one"),
        ("qbe search lib.idx a.wav --unlike b.wav", "--unlike goes with --like"),
        ("qbe search lib.idx --like a.wav --start 1", "--start and --duration go with queries"),
        ("qbe search lib.idx --like none.wav", "none.wav: No such file"),
        ("qbe search lib.idx --like silence.wav", "only silence"),
        ("qbe search lib.idx --in x --recall 0.9 sounds/game/coin1.wav", "give one of them"),
        ("qbe dups lib.idx --min-score 0.9", "--min-score goes with --alike"),
        ("qbe dups lib.idx --alike --min-score 0.5", "--min-score 0.5: must be over 0.5 and at most 1"),
        ("qbe dups none.idx", "none.idx: no library can be read"),
        ("qbe search none.idx sounds/game/coin1.wav", "none.idx: no library can be read (No such file"),
        ("qbe search sounds/game/coin1.wav sounds/game/coin1.wav", "not a qbe library"),
        ("qbe search lib.idx -k -1 sounds/game/coin1.wav", "-k"),
        ("qbe search lib.idx - < /dev/null", "standard input: empty"),
        ("qbe search lib.idx --duration 0 sounds/game/coin1.wav", "'--duration': 0: must be over 0 seconds"),
        ("qbe search lib.idx --start 1:75 sounds/game/coin1.wav", "'--start': 1:75: not a time"),
        ("qbe deform --duration 1s sounds/game/coin1.wav -o x.wav", "'--duration': 1s: not a time"),
        ("qbe deform --start 1:00 sounds/game/coin1.wav -o x.wav", "start 60 s lies beyond the end"),
        ("qbe segment sounds/game/coin1.wav | qbe deform --start 1", "standard input holds a stream"),
        ("qbe search lib.idx silence.wav", "only silence"),
        ("qbe embed sounds/game | qbe search lib.idx - --start 1", "standard input holds a stream"),
        ("qbe search lib.idx --recall 1.2 sounds/game/coin1.wav", "--recall 1.2: must be over 0 and at most 1"),
        ("qbe search lib.idx --recall 0 sounds/game/coin1.wav", "--recall 0: must be over 0 and at most 1"),
        ("qbe search lib.idx --candidates 0 sounds/game/coin1.wav", "--candidates"),
        ("qbe search lib.idx --exact --candidates 9 sounds/game/coin1.wav", "give one of them"),
        ("qbe embed sounds/game | qbe index --trees 0 -o x.idx", "--trees"),
        ("qbe embed sounds/game | qbe index -o nowhere/x.idx", "nowhere/x.idx: No such file"),
        ("qbe frobnicate", "No such command"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(folder: Path, script: str, message: str) -> None:
    write_sound(folder / "silence.wav", np.zeros(30_000, np.float32))
    done = sh(script, folder)
    assert done.returncode == 2
    lines = said(done)
    assert message in lines[-1], lines
    assert not (folder / "x.idx").exists()


def test_a_stream_is_not_written_to_a_terminal(folder: Path) -> None:
    for command in ("qbe embed sounds/water", "qbe segment sounds/water"):
        code, shown = in_terminal(command, folder)
        assert code == 2
        assert "pipe it into the next command" in shown


def test_a_stage_that_would_wait_for_a_terminal_says_so(folder: Path) -> None:
    for command in ("qbe index -o y.idx", "qbe embed > y.emb", "qbe search lib.idx -"):
        code, shown = in_terminal(command, folder)
        assert (code, "nothing to read" in shown) == (2, True), command


def test_people_get_a_table(folder: Path) -> None:
    code, shown = in_terminal(f"qbe search lib.idx '{QUERIES}/stream.ogg' -k 2", folder)
    assert code == 0
    assert "score" in shown
    assert "stream 1.ogg" in shown or "stream 2.ogg" in shown
    assert "\t" not in shown


def test_people_see_progress_and_programs_do_not(folder: Path) -> None:
    _, shown = in_terminal("qbe embed sounds > p.emb", folder)
    assert "real time" in shown
    assert "real time" not in in_terminal("qbe embed -q sounds > p.emb", folder)[1]
    assert sh("qbe embed sounds > p.emb", folder).stderr == b""


def test_a_long_sound_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 8000, 2, "PCM_16") as file:
        minute = np.stack([noise(60.0, rate=8000), noise(60.0, seed=1, rate=8000)], axis=1)
        for _ in range(90):
            file.write(minute)
    write_sound(tmp_path / "short.wav", noise(10.0, rate=8000), 8000)
    short, long = (peak_memory(f"qbe segment {name}.wav > /dev/null", tmp_path) for name in ("short", "long"))
    assert long < 300
    assert long < short + 30
