"""qbe eval as people and scripts run it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, noise, write_sound
from shell import in_terminal, rows, said, sh

from qbe.encoder import default_model
from qbe.measure.alterations import ALTERATIONS

LIBRARY = DATA / "library"
KEYS = ["task", "system", "mAP", "low", "high", "P@1", "chance", "queries", "items"]


def write_task(path: Path, items: list[tuple[object, ...]]) -> None:
    """A task file of rows of fields."""
    header = ("path", "label", "group", "start", "duration")
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in (header, *items)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's sounds in `sounds`; tasks with folders as labels: kinds.tsv, some.tsv."""
    folder = tmp_path_factory.mktemp("eval")
    shutil.copytree(LIBRARY, folder / "sounds")
    paths = sorted(path.relative_to(folder) for path in (folder / "sounds").rglob("*") if path.is_file())
    write_task(folder / "kinds.tsv", [(path, path.parent.name, path) for path in paths])
    some = [path for path in paths if path.parent.name in ("water", "fire", "game")]
    write_task(folder / "some.tsv", [(path, path.parent.name, path) for path in some])
    return folder


def test_figures_are_those_of_search(folder: Path) -> None:
    """mAP, P@1 and chance by their definitions, from what `qbe search` answers to the embeddings of each sound."""
    sh("qbe embed sounds | qbe index -o lib.idx", folder)
    answers: dict[str, list[str]] = {}
    for row in rows(sh("qbe embed sounds | qbe search lib.idx - -k 1000", folder)):
        answers.setdefault(row[4], []).append(row[1])
    precisions, firsts = [], []
    for query, found in answers.items():
        right = [Path(path).parent == Path(query).parent for path in found]
        precisions.append(np.mean([sum(right[: k + 1]) / (k + 1) for k in range(len(right)) if right[k]]))
        firsts.append(right[0])
    done = sh("qbe eval --labels kinds.tsv", folder)
    assert (done.returncode, said(done)) == (0, [])
    ((task, system, mean, low, high, first, chance, queries, items),) = rows(done)
    assert (task, system, queries, items) == ("kinds", "default", str(len(answers)), str(len(answers)))
    assert float(mean) == pytest.approx(np.mean(precisions), abs=1e-4)
    assert float(first) == pytest.approx(np.mean(firsts), abs=1e-4)
    assert 0 < float(chance) < float(low) < float(mean) < float(high) < 1


def test_items_of_one_group_are_no_answers(tmp_path: Path) -> None:
    """Two copies of each of two noises: a group for each kind of copy leaves the right answer, one for each noise the
    wrong one."""
    for k in range(2):
        for copy in "ab":
            write_sound(tmp_path / f"{k}{copy}.wav", noise(1.0, seed=k))
    names = ["0a", "0b", "1a", "1b"]
    write_task(tmp_path / "copies.tsv", [(f"{name}.wav", name[0], name[1]) for name in names])
    write_task(tmp_path / "noises.tsv", [(f"{name}.wav", name[1], name[0]) for name in names])
    done = sh("qbe eval --labels copies.tsv --labels noises.tsv --baseline logmel", tmp_path)
    assert [row[1] for row in rows(done)] == ["default", "logmel"] * 3  # a baseline is beside the model
    copies, noises, _ = rows(done)[1::2]
    assert (copies[2], copies[5]) == ("1.0000", "1.0000")
    assert copies[6] == noises[6] == "0.7500"  # a match at rank 1 or 2 of two
    assert noises[2] == "0.7500"  # both are equally near: the first comes first


def test_several_tasks_and_systems_in_one_table(folder: Path) -> None:
    shutil.copy(default_model(), folder / "copy.onnx")
    systems = f"--model copy.onnx --model {default_model()} --baseline mfcc --baseline logmel"
    command = f"qbe eval --labels some.tsv --labels kinds.tsv {systems}"
    done = sh(command, folder)
    assert (done.returncode, said(done)) == (0, [])
    lines = rows(done)
    names = ["copy.onnx", str(default_model()), "mfcc", "logmel"]
    assert [row[:2] for row in lines] == [[task, name] for task in ("some", "kinds", "mean") for name in names]
    for first in (0, 4, 8):
        assert lines[first][2:] == lines[first + 1][2:]  # one model under two names
        assert len({row[6] for row in lines[first : first + 4]}) == 1
    for some, kinds, mean in zip(lines[:4], lines[4:8], lines[8:], strict=True):
        for column in (2, 5, 6):
            assert float(mean[column]) == pytest.approx((float(some[column]) + float(kinds[column])) / 2, abs=1e-4)
        assert int(mean[8]) == int(some[8]) + int(kinds[8])
    objects = [json.loads(line) for line in sh(command + " --json", folder).stdout.splitlines()]
    assert [list(one) for one in objects] == [KEYS] * 12
    assert [[f"{v:.4f}" if isinstance(v, float) else str(v) for v in one.values()] for one in objects] == lines
    default = rows(sh("qbe eval --labels some.tsv --labels kinds.tsv --baseline logmel", folder))
    assert default[1::2] == lines[3::4]
    assert [row[2:] for row in default[::2]] == [row[2:] for row in lines[1::4]]
    assert {row[1] for row in default[::2]} == {"default"}


def test_paths_are_relative_to_the_root(folder: Path, tmp_path: Path) -> None:
    expected = sh("qbe eval --labels some.tsv --baseline mfcc", folder)
    done = sh(f"qbe eval --root '{folder}' --labels '{folder}/some.tsv' --baseline mfcc", tmp_path)
    assert (done.returncode, said(done), done.stdout) == (0, [], expected.stdout)
    done = sh("qbe eval --root none --labels some.tsv", folder)
    assert (done.returncode, said(done)) == (2, ["qbe: --root none: no such folder"])


def test_parts_of_sounds(tmp_path: Path) -> None:
    """A task of parts gives the figures of a task of files that hold the same."""
    pieces = [noise(1.5, seed=k) * np.linspace(1, k % 3, 24_000, dtype=np.float32) for k in range(9)]
    write_sound(tmp_path / "all.wav", np.concatenate(pieces), subtype="FLOAT")
    for k, piece in enumerate(pieces):
        write_sound(tmp_path / f"{k}.wav", piece, subtype="FLOAT")
    write_task(tmp_path / "files.tsv", [(f"{k}.wav", k % 3, k) for k in range(9)])
    write_task(tmp_path / "parts.tsv", [("all.wav", k % 3, k, 1.5 * k, 1.5) for k in range(9)])
    files, parts, _ = rows(sh("qbe eval --labels files.tsv --labels parts.tsv", tmp_path))
    assert files[1:] == parts[1:]


def test_sounds_that_cannot_be_read_are_named_and_left_out_and_the_rest_is_done(tmp_path: Path) -> None:
    for k in range(6):
        write_sound(tmp_path / f"{k}.wav", noise(1.0 + k, seed=k))
    write_sound(tmp_path / "silence.wav", np.zeros(40_000, np.float32))
    os.rename(tmp_path / "5.wav", os.fsencode(tmp_path) + b"/caf\xe9.wav")
    good = [(f"{k}.wav", k % 2, k) for k in range(5)] + [("silence.wav", 0, "s"), ("CAFE", 1, 5)]
    (tmp_path / "broken.wav").write_text("no sound")
    (tmp_path / "cut.wav").write_bytes((tmp_path / "4.wav").read_bytes()[:60_000])
    bad = [("none.wav", 0, "n"), ("broken.wav", 1, "b"), ("cut.wav", 1, "c")]
    write_task(tmp_path / "good.tsv", [*good, ("cut.wav", 1, "c")])
    write_task(tmp_path / "bad.tsv", [*good, *bad])
    for name in ("good.tsv", "bad.tsv"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes().replace(b"CAFE", b"caf\xe9.wav"))
    systems = f"--baseline logmel --model {default_model()}"
    done = sh(f"qbe eval --labels bad.tsv {systems}", tmp_path)
    assert done.returncode == 2
    lines = said(done)
    assert len(lines) == 4
    assert lines[0] == "qbe: none.wav: No such file or directory"
    assert "broken.wav: not audio" in lines[1]
    assert "cut.wav: ends at 1.8" in lines[2]
    assert lines[3] == "qbe: bad.tsv: without 2 of 10 items, which cannot be read"
    expected = sh(f"qbe eval --labels good.tsv {systems}", tmp_path)
    assert [row[1:] for row in rows(done)] == [row[1:] for row in rows(expected)]
    assert len(said(expected)) == 1  # the cut one is told, and counts


def test_altered_sounds_find_their_originals(folder: Path) -> None:
    command = f"qbe eval --labels some.tsv --altered --baseline mfcc --model {default_model()}"
    done = sh(command, folder)
    assert (done.returncode, said(done)) == (0, [])
    lines = rows(done)
    assert [row[:2] for row in lines] == [[name, one] for name in ALTERATIONS for one in (str(default_model()), "mfcc")]
    assert {row[5] for row in lines} == {"17"}
    for row in lines:
        assert 0 <= float(row[3]) <= float(row[2]) <= float(row[4]) <= 1
        assert float(row[2]) * 17 == pytest.approx(round(float(row[2]) * 17), abs=1e-2)
    first = {(row[0], row[1]): float(row[2]) for row in lines}
    assert first["quiet", str(default_model())] == 1  # no gain changes what a model hears
    objects = [json.loads(line) for line in sh(command + " --json", folder).stdout.splitlines()]
    assert [list(one) for one in objects] == [["alteration", "system", "first", "low", "high", "queries"]] * len(lines)


def test_what_cannot_be_read_is_neither_altered_nor_found(tmp_path: Path) -> None:
    for k in range(2):
        write_sound(tmp_path / f"{k}.wav", noise(1.0, seed=k))
    write_task(tmp_path / "some.tsv", [("0.wav", "x", 0), ("1.wav", "x", 1), ("none.wav", "x", 2)])
    done = sh("qbe eval --labels some.tsv --altered --baseline logmel", tmp_path)
    assert (done.returncode, said(done)) == (2, ["qbe: none.wav: No such file or directory"])
    assert {row[5] for row in rows(done)} == {"2"}
    write_task(tmp_path / "gone.tsv", [("none.wav", "x", 2), ("gone.wav", "x", 3)])
    done = sh("qbe eval --labels gone.tsv --altered --baseline logmel", tmp_path)
    assert (done.returncode, done.stdout, len(said(done))) == (2, b"", 2)


def test_a_task_or_a_model_that_fails_does_not_stop_the_others(folder: Path) -> None:
    (folder / "text.onnx").write_text("no model")
    write_task(folder / "gone.tsv", [("a.wav", "x", 1), ("b.wav", "x", 2)])
    tasks = "--labels none.tsv --labels some.tsv --labels gone.tsv --labels kinds.tsv"
    done = sh(f"qbe eval {tasks} --model text.onnx --baseline mfcc", folder)
    assert done.returncode == 2
    assert [row[:2] for row in rows(done)] == [["some", "mfcc"], ["kinds", "mfcc"], ["mean", "mfcc"]]
    lines = said(done)
    assert lines[0] == "qbe: none.tsv: no task can be read (No such file or directory)"
    assert "text.onnx: not an ONNX model" in lines[1]
    assert lines[4] == "qbe: gone.tsv: without 2 of 2 items, which cannot be read"
    assert lines[5:] == ["qbe: gone.tsv: no query has a match: one label must stand in two groups or more"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "Missing option '--labels'"),
        ("--labels sounds", "sounds: no task can be read (Is a directory)"),
        ("--labels /dev/null", "/dev/null: empty; a task has the columns path, label, group"),
        ("--labels sounds/game/coin1.wav", "coin1.wav: "),
        ("--labels <(printf 'path\\tlabel\\na\\tb\\n')", "lacks the column group"),
        ("--labels <(printf 'path\\tlabel\\tgroup\\tstart\\na\\tb\\tc\\tsoon\\n')", "line 2: start 'soon' is not"),
        ("--labels <(printf 'path\\tlabel\\tgroup\\na\\tb\\tc\\n')", "no query has a match"),
        ("--labels some.tsv --baseline chroma", "--baseline"),
        ("--labels some.tsv --model none.onnx", "none.onnx: no model can be read (No such file"),
        ("--labels some.tsv --model sounds", "sounds: no model can be read (Is a directory)"),
        ("--labels some.tsv --model sounds/game/coin1.wav", "coin1.wav: not an ONNX model"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(folder: Path, options: str, message: str) -> None:
    done = sh(f"qbe eval {options}", folder)
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = said(done)
    assert message in line


def test_people_get_a_table_and_progress(folder: Path) -> None:
    code, shown = in_terminal("qbe eval --labels some.tsv --labels some.tsv --baseline logmel", folder)
    assert code == 0
    assert "of 17 sounds" in shown  # in two tasks, and done once
    assert "\t" not in shown
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).splitlines()
    assert [line.split() for line in lines if "mAP" in line] == [KEYS]
    assert "of 17 sounds" not in in_terminal("qbe eval --labels some.tsv --baseline logmel -q", folder)[1]
