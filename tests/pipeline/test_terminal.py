"""What people see while they wait: progress on terminals of all kinds, and nothing where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import DATA, noise, write_sound
from shell import in_terminal, said, sh


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    shutil.copytree(DATA / "library" / "water", folder / "sounds")
    write_sound(folder / "sounds" / "long.wav", noise(20.0))
    (folder / "task.tsv").write_text(
        "path\tlabel\tgroup\n" + "".join(f"sounds/stream {k}.ogg\tx\t{k}\n" for k in (1, 2, 3))
    )
    script = "qbe segment sounds > a.seg; qbe embed < a.seg > a.emb; qbe index -o lib.idx < a.emb"
    assert sh(script, folder).returncode == 0
    return folder


STAGES = {
    "qbe segment {} sounds > x.seg": "4 of 4 files, 0.01 h",
    "qbe embed {} sounds > x.emb": "4 of 4 files, 0.01 h",
    "qbe embed {} < a.seg > x.emb": "4 files, 0.01 h",
    "qbe index {} -o x.idx < a.emb": "4 files, 0.01 h",
    "qbe index {} --check lib.idx": "0.1 of 0.1 MB",
    "qbe dups {} lib.idx > x.tsv": "4 of 4 files",
    "qbe eval {} --labels task.tsv --baseline mfcc > x.tsv": "3 of 3 sounds",
    "qbe search {} lib.idx sounds/*.ogg > x.tsv": "3 queries in 4 files",
}


@pytest.mark.parametrize("stage", STAGES)
def test_verbose_says_in_the_end_what_was_done(folder: Path, stage: str) -> None:
    (line,) = said(sh(stage.format("-v"), folder))
    assert f"{stage.split()[1]}: {STAGES[stage]}" in line


@pytest.mark.parametrize("stage", STAGES)
def test_a_terminal_shows_progress_and_is_left_as_it_was(folder: Path, stage: str) -> None:
    code, shown = in_terminal(stage.format(""), folder)
    assert code == 0
    assert STAGES[stage].partition(",")[0] in shown
    assert shown.rstrip().endswith("\x1b[2K")  # the line is gone, and
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")  # the cursor is back


def test_deforming_a_folder_shows_progress(folder: Path) -> None:
    code, shown = in_terminal("qbe deform --gain -6 sounds -o quieter/", folder)
    assert code == 0
    assert "4 of 4 files, 0.01 h" in shown


@pytest.mark.parametrize("stage", [stage for stage in STAGES if "index" in stage or "segment" in stage])
def test_quiet_and_dumb_terminals_show_none(folder: Path, stage: str) -> None:
    assert in_terminal(stage.format("-q"), folder) == (0, "")
    assert in_terminal(stage.format(""), folder, TERM="dumb") == (0, "")


def test_colours_can_be_turned_off(folder: Path) -> None:
    command = "qbe embed sounds > x.emb"
    assert "\x1b[9" in in_terminal(command, folder)[1]
    assert "\x1b[9" not in in_terminal(command, folder, NO_COLOR="1")[1]


def test_forty_columns_are_enough(folder: Path) -> None:
    _, shown = in_terminal("qbe embed sounds > x.emb", folder, COLUMNS="40", NO_COLOR="1")
    assert "4 of 4 files" in shown
    lines = shown.replace("\x1b[?25l", "").replace("\x1b[?25h", "").replace("\x1b[1A", "").split("\x1b[2K")
    assert all(len(line.strip()) <= 40 for line in lines)


def test_only_the_first_stage_of_a_pipeline_shows_how_far_it_is(folder: Path) -> None:
    _, shown = in_terminal("qbe segment sounds | qbe embed > x.emb", folder)
    reached = [line for line in shown.split("\r") if "files" in line]
    assert any("segment" in line for line in reached)
    assert all("4 files" in line for line in reached if "embed" in line)


def test_a_home_that_cannot_be_written_does_no_harm(folder: Path, tmp_path: Path) -> None:
    command = "qbe embed sounds | qbe index -o x.idx && qbe search x.idx sounds/*1.ogg > x.tsv"
    done = sh(f"export HOME=/dev/null XDG_CACHE_HOME=/dev/null/cache; {command}", folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sh(f"export HOME={tmp_path} XDG_CACHE_HOME={tmp_path}; {command}", folder).returncode == 0
    assert not list(tmp_path.iterdir())
