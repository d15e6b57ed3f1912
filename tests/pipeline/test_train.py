"""qbe train in a real shell: a model from sounds, through stops and trouble."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, cents, frequency, noise, tone, write_sound
from shell import ENVIRONMENT, in_terminal, rows, said, sh, wait_for

from qbe.encoder import open_encoder

LIBRARY, QUERIES = DATA / "library", DATA / "queries"
TRAIN = "qbe train --cache cache --batch 8"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's sounds in `sounds`, decoded in `cache`."""
    folder = tmp_path_factory.mktemp("train")
    shutil.copytree(LIBRARY, folder / "sounds")
    write_sound(folder / "one.wav", noise(3.0))
    write_sound(folder / "silence.wav", np.zeros(30_000, np.float32))
    assert sh(f"{TRAIN} sounds --audition pairs", folder).returncode == 0
    return folder


def test_a_model_trained_here_works_everywhere(folder: Path) -> None:
    done = sh(f"qbe segment sounds | {TRAIN} -o mine.onnx --steps 2 --name mine --licence CC0-1.0", folder)
    assert done.returncode == 0
    megabytes = (folder / "mine.onnx").stat().st_size / 1e6
    assert said(done)[-1].startswith(f"qbe: wrote mine.onnx, {megabytes:.1f} MB, at most ")
    assert not (folder / "mine.onnx.training").exists()
    script = "qbe embed --model mine.onnx sounds/game | qbe index -o mine.idx; qbe search mine.idx {} -k 1"
    done = sh(script.format(f"--model mine.onnx '{QUERIES}/laser.wav'"), folder)
    assert (done.returncode, len(rows(done))) == (0, 1)
    done = sh(script.format(f"'{QUERIES}/laser.wav'"), folder)
    assert done.returncode == 2
    assert "mine (" in said(done)[0]


def test_report_log_and_picture(folder: Path) -> None:
    done = sh(f"{TRAIN} sounds -o r.onnx --steps 3 --log r.jsonl --plot r.svg --balance folder", folder)
    assert done.returncode == 0
    report = "\n".join(said(done))
    for word in ("decoded already", "3 steps in", "segments/s", "waiting for data", "loss", "recall@1", "wrote r.onnx"):
        assert word in report
    lines = [json.loads(line) for line in (folder / "r.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["loss"] >= 0 and 0 <= line["waiting"] <= 1 for line in lines)
    assert 0 <= lines[-1]["recall"] <= 1
    assert (folder / "r.svg").read_text().startswith("<?xml")
    assert said(sh(f"{TRAIN} -q sounds -o q.onnx --steps 1", folder)) == []


def test_people_see_progress(folder: Path) -> None:
    _, shown = in_terminal(f"{TRAIN} sounds -o p.onnx --steps 3", folder)
    assert re.search(r"step [1-3]\b", shown)
    for word in ("loss", "active", "segments/s"):
        assert word in shown


def test_a_training_of_minutes_shows_the_time_left_from_the_beginning(folder: Path) -> None:
    code, shown = in_terminal(f"{TRAIN} sounds -o left.onnx --minutes 0.05", folder, NO_COLOR="1")
    assert code == 0
    after = shown.partition("the first step")[2]
    assert after.partition("\r")[0].split()[-1].startswith("0:03.0")
    assert "-:--" not in after


def test_the_recipe_and_all_choices_are_kept_in_the_model(folder: Path) -> None:
    (folder / "mild.toml").write_text("pitch = 0.5\nproximity = 1\nmax_semitones = 2\n")
    done = sh(
        f"{TRAIN} sounds -o c.onnx --steps 1 --recipe mild.toml --loss nt-xent --temperature 0.2 --near 3 --int8 "
        "--learn-filterbank --learning-rate 0.001 --seed 5",
        folder,
    )
    assert (done.returncode, "int8" in said(done)[-1]) in ((0, True), (2, True))
    done = sh(f"{TRAIN} sounds -o d.onnx --steps 1 --recipe mild.toml --loss l2 --mining hardest --margin 0.3", folder)
    assert done.returncode == 0
    metadata = open_encoder(str(folder / "d.onnx")).session.get_modelmeta().custom_metadata_map
    training = json.loads(metadata["training"])
    assert (training["loss"], training["mining"], training["margin"]) == ("l2", "hardest", 0.3)
    recipe = training["recipe"]
    assert (recipe["pitch"], recipe["noise"], recipe["max_semitones"]) == (0.5, 0, 2)
    assert metadata["name"] == "d"


def test_widths_and_kinds_are_kept_in_the_model(folder: Path) -> None:
    paths = [path.relative_to(folder) for path in sorted((folder / "sounds").rglob("*")) if path.is_file()]
    lines = ["path\tkind\tsource", *(f"{path}\tdrums\t{path.parent}" for path in paths)]
    (folder / "kinds.tsv").write_text("\n".join(lines))
    done = sh(f"{TRAIN} sounds -o w.onnx --steps 1 --widths 8,16,16,32 --kinds kinds.tsv", folder)
    assert done.returncode == 0
    metadata = open_encoder(str(folder / "w.onnx")).session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["filterbank"])["encoder_widths"] == [8, 16, 16, 32]
    training = json.loads(metadata["training"])
    assert (training["widths"], training["kinds"], training["averaged"]) == ([8, 16, 16, 32], "kinds.tsv", False)


# The command line, with batches made as on a GPU, and a report every second step.
AS_ON_A_GPU = """
import sys
from qbe.cli import run
from qbe.learn import device_training, session
device_training.REPORTED = 2
session.Session.__init__.__defaults__ = (True,)
sys.exit(run(sys.argv[1:]))
"""


def test_batches_of_a_gpu_through_a_stop(folder: Path) -> None:
    (folder / "gpu.py").write_text(AS_ON_A_GPU)
    (folder / "halls").mkdir()
    write_sound(folder / "halls" / "hall.wav", noise(0.3))
    begin = (
        "OMP_NUM_THREADS=1 exec python gpu.py train --cache cache --batch 8 sounds/game sounds/drums -o {0}.onnx "
        "--steps 12 --loss nt-xent --negatives folders --widths 8,16,16,32 --log {0}.jsonl --rooms halls --recipe "
        "proximity=0.8,neighbour=0.2,pitch=0.3,stretch=0.3,noise=0.1,room=0.3,background=0.2,short=0.1,anchors=1"
    )
    done = sh(begin.format("gw") + " --plot gw.svg", folder)
    assert done.returncode == 0, said(done)
    assert [json.loads(line)["step"] for line in (folder / "gw.jsonl").read_text().splitlines()] == [2, 4, 6, 8, 10, 12]
    assert "recall@1 of held-out segments" in "\n".join(said(done))
    assert (folder / "gw.svg").exists()
    process = subprocess.Popen(["bash", "-c", begin.format("gp") + " -q"], cwd=folder, env=ENVIRONMENT)
    log = folder / "gp.jsonl"
    wait_for(lambda: log.exists() and log.read_text(), 60)
    process.terminate()
    assert process.wait() == -signal.SIGTERM
    assert sh("OMP_NUM_THREADS=1 qbe train -q -o gp.onnx --resume --device cpu", folder).returncode == 0
    sounds = np.stack([noise(1.024, seed=seed) for seed in range(4)])
    whole, parts = (open_encoder(str(folder / f"{name}.onnx")).embed(sounds) for name in ("gw", "gp"))
    np.testing.assert_array_equal(whole, parts)


def test_the_default_cache_follows_xdg_and_its_size_is_said(folder: Path) -> None:
    script = "XDG_CACHE_HOME=$PWD/xdg qbe train sounds --audition pairs"
    first, second = sh(script, folder), sh(script, folder)
    assert "decoding 58 sounds once takes about 5" in said(first)[0]
    assert f"MB in {folder}/xdg/qbe/" in said(first)[0]
    assert "decoded already" in said(second)[0]


def test_pairs_to_hear(tmp_path: Path) -> None:
    for k, pitch in enumerate((300, 500, 800)):
        write_sound(tmp_path / f"{k}.wav", tone(pitch, 5.0))
    done = sh("qbe train *.wav --cache c --recipe pitch=1 --audition pairs", tmp_path)
    assert done.returncode == 0
    for anchor, positive, changes, start, path in rows(done):
        heard = [frequency(_read(tmp_path / name)) for name in (anchor, positive)]
        assert cents(heard[1], heard[0] * 2 ** (float(changes.removeprefix("pitch")) / 12)) == pytest.approx(0, abs=3)
        assert (tmp_path / path).exists()
        assert 0 <= float(start) < 5
    assert not list(tmp_path.glob("*.training"))


def _read(path: Path) -> np.ndarray:
    import soundfile

    audio, _ = soundfile.read(path, dtype="float32")
    return audio


def test_interrupted_and_killed_it_goes_on_to_the_same_weights(folder: Path) -> None:
    begin = "OMP_NUM_THREADS=1 exec qbe train --cache cache --batch 8 -q sounds -o {} --steps 40 --log {}.jsonl"
    assert sh(begin.format("whole.onnx", "whole"), folder).returncode == 0
    process = subprocess.Popen(
        ["bash", "-c", begin.format("parts.onnx", "parts")],
        cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    log = folder / "parts.jsonl"
    wait_for(lambda: log.exists() and log.read_text().count("\n") >= 5, 60)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, stderr = process.communicate()
    assert (process.returncode, stderr) == (130, b"")
    done = sh(f"{TRAIN} sounds -o parts.onnx --steps 1", folder)
    assert "an unfinished training: go on with --resume" in said(done)[0]

    resume = "OMP_NUM_THREADS=1 exec qbe train -q -o parts.onnx --resume --log again.jsonl"
    process = subprocess.Popen(["bash", "-c", resume], cwd=folder, env=ENVIRONMENT, start_new_session=True)
    log = folder / "again.jsonl"
    wait_for(lambda: log.exists() and log.read_text().count("\n") >= 3, 60)
    first = json.loads(log.read_text().splitlines()[0])["step"]
    assert 5 < first <= 40, "taken up after the interrupted step"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    assert sh("OMP_NUM_THREADS=1 qbe train -q -o parts.onnx --resume", folder).returncode == 0
    sounds = np.stack([noise(1.024, seed=seed) for seed in range(4)])
    whole, parts = (open_encoder(str(folder / f"{name}.onnx")).embed(sounds) for name in ("whole", "parts"))
    np.testing.assert_array_equal(whole, parts)


def test_in_the_background_ctrl_c_is_for_others(folder: Path) -> None:
    """A shell script has its background jobs ignore Ctrl-C."""
    script = "qbe train --cache cache --batch 8 -q sounds -o back.onnx --steps 6 --log back.jsonl & "
    done = sh(script + "until [ -s back.jsonl ]; do sleep 0.1; done; kill -INT $!; wait $!", folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [json.loads(line)["step"] for line in (folder / "back.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5, 6]


def test_files_that_vanish_while_sounds_are_decoded_are_named_and_the_rest_is_learned(tmp_path: Path) -> None:
    for k in range(4):
        write_sound(tmp_path / f"{k}.wav", noise(2.0, seed=k))
    (tmp_path / "list").write_text("0.wav\n1.wav\n2.wav\n3.wav\n")
    (tmp_path / "gone.wav").symlink_to("nowhere.wav")
    done = sh("qbe train --cache c *.wav -o m.onnx --steps 1 --batch 4", tmp_path)
    assert done.returncode == 2
    assert any("gone.wav: No such file" in line for line in said(done))
    assert (tmp_path / "m.onnx").exists()
    # What was decoded is all that training needs.
    command = "exec qbe train -q --cache c [0-3].wav -o n.onnx --steps 12 --batch 4 --log n.jsonl"
    process = subprocess.Popen(["bash", "-c", command], cwd=tmp_path, env=ENVIRONMENT)
    wait_for(lambda: (tmp_path / "n.jsonl").exists() and (tmp_path / "n.jsonl").read_text(), 60)
    for k in range(4):
        (tmp_path / f"{k}.wav").unlink()
    assert process.wait() == 0


def test_a_full_disk_keeps_the_checkpoint(folder: Path) -> None:
    process = subprocess.Popen(
        ["bash", "-c", f"exec {TRAIN} -q sounds -o full.onnx --steps 30"], cwd=folder, env=ENVIRONMENT
    )
    checkpoint = folder / "full.onnx.training" / "checkpoint.pt"
    wait_for(checkpoint.exists, 60)
    time.sleep(1)
    process.kill()
    process.wait()
    before = checkpoint.read_bytes()
    # A file may not grow over 1 MB: the next checkpoint does not fit.
    done = sh("ulimit -f 1000; qbe train -q -o full.onnx --resume --steps 1", folder)
    assert done.returncode == 2
    assert "checkpoint.pt: File too large" in said(done)[-1]
    assert checkpoint.read_bytes() == before
    assert sh("qbe train -q -o full.onnx --resume --steps 2", folder).returncode == 0


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("qbe train --cache c one.wav -o m.onnx --steps 1", "at least two files, and there is some in 1"),
        ("qbe train --cache c silence.wav -o m.onnx --steps 1", "at least two files, and there is some in 0"),
        ("qbe train --cache c none.wav -o m.onnx --steps 1", "no sounds to learn from"),
        ("mkdir -p empty; qbe train --cache c empty -o m.onnx --steps 1", "no sounds to learn from"),
        ("qbe train sounds --steps 1", "-o MODEL"),
        ("qbe train -o m2.onnx --resume", "no such checkpoint"),
        ("qbe train -o m.onnx sounds --steps 1 --minutes 1", "give one of them"),
        ("qbe train -o m.onnx --resume --recipe pitch=1 --seed 3", "leave out --recipe, --seed"),
        ("qbe train -o m.onnx --resume sounds", "leave out any sounds"),
        ("qbe train -o m.onnx sounds --recipe pitch=2", "pitch 2: must be from 0 to 1"),
        ("qbe train -o m.onnx sounds --recipe none.toml", "none.toml: No such file"),
        ("qbe train -o m.onnx sounds --device cuda", "--device cuda: not there"),
        ("qbe train -o m.onnx sounds --loss huge", "--loss"),
        ("qbe train -o m.onnx sounds --recipe pitch=1,room=0.2 --device cpu", "recipe: room: only with --device cuda"),
        ("qbe train -o m.onnx sounds --rooms sounds", "--rooms: not used: give room a weight"),
        ("qbe train sounds --audition p --recipe room=1", "--audition: room: made on a GPU"),
        ("qbe train -o m.onnx sounds --widths 8,16,16", "--widths 8,16,16: must be four numbers from 4 to 1024"),
        ("qbe train -o m.onnx sounds --widths 8,16,x,32", "--widths 8,16,x,32: must be four"),
        ("qbe train -o m.onnx sounds --kinds none.tsv", "none.tsv: No such file or directory: --kinds takes a table"),
        ("qbe train -o m.onnx sounds --kinds one.wav --cache cache", "one.wav: l"),
        (
            "printf 'path\tkind\tsource\na.wav\ta\ta' >k; qbe train -o m.onnx sounds --kinds k --cache cache",
            "k: says not",
        ),
        (
            "qbe train -o m.onnx sounds --kinds k --balance sqrt",
            "--kinds and --balance: files are drawn by one of them",
        ),
        ("qbe train -o m.onnx sounds --cache one.wav", "name another folder with --cache"),
        ("qbe train -o nowhere/m.onnx sounds --cache cache --steps 1", "nowhere/m.onnx.training: No such file"),
        ("qbe train -o m.onnx sounds --cache cache --steps 1 --log nowhere/log", "nowhere/log: No such file"),
        ("qbe embed sounds/game | qbe train -o m.onnx --steps 1", "segments"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(folder: Path, script: str, message: str) -> None:
    if "cuda" in script and _has_cuda():
        pytest.skip("there is a GPU")
    done = sh(script, folder)
    assert done.returncode == 2
    lines = said(done)
    assert message in lines[-1], lines
    assert not (folder / "m.onnx").exists()
    assert not (folder / "m.onnx.training").exists()


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()
