"""Parts of the sounds embedded by several processes: the recipes of docs/many-machines.md, run on this machine."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from conftest import DATA, ROOT, noise, write_sound
from shell import ENVIRONMENT, said, sh

from qbe.cli.inputs import shard_of

RECIPES = (ROOT / "docs" / "many-machines.md").read_text()
LINES = [line[4:] for line in RECIPES.splitlines() if line.startswith("    ")]
needs_parallel = pytest.mark.skipif(not shutil.which("parallel"), reason="GNU parallel is not here")

# Before the real one: gives the beginning of the third part, once, and is killed.
KILLED = """#!/bin/bash
if [[ "$*" == *"--shard 3/"* && ! -e killed ]]; then touch killed; REAL "$@" | head -c 2000; kill -9 $$; fi
exec REAL "$@"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sounds, and whole.idx, of one process."""
    shutil.copytree(DATA / "library" / "drums", tmp_path / "samples")
    shutil.copytree(DATA / "library" / "water", tmp_path / "samples" / "water")
    script = "qbe embed --files-from names.txt > whole.emb && qbe index -o whole.idx < whole.emb"
    assert sh(f"{in_home(line('find'))}; {script}", tmp_path).returncode == 0
    return tmp_path


def line(beginning: str, containing: str = "") -> str:
    """The one line of the recipes."""
    (found,) = (one for one in LINES if one.startswith(beginning) and containing in one)
    return found


def in_home(script: str) -> str:
    return f'export HOME="$PWD"; {script}'


def is_the_same(folder: Path) -> bool:
    return (folder / "lib.idx").read_bytes() == (folder / "whole.idx").read_bytes()


@needs_parallel
def test_parts_by_parallel_are_the_library_of_one_process(folder: Path) -> None:
    done = sh(line("parallel -k"), folder)
    assert (done.returncode, said(done)) == (0, [])
    assert is_the_same(folder)
    stream = line("parallel -k").partition(" | ")[0]
    once, again = sh(stream, folder), sh(stream.replace("-j 4", "-j 1"), folder)
    assert once.stdout == again.stdout


@needs_parallel
def test_a_worker_that_was_killed_is_named_and_done_again(folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "qbe").write_text(KILLED.replace("REAL", shutil.which("qbe", path=ENVIRONMENT["PATH"]) or ""))
    (folder / "bin" / "qbe").chmod(0o755)
    first = sh(f'export PATH="$PWD/bin:$PATH"; {line("parallel -j 4 --joblog")}', folder)
    assert first.returncode == 1  # of how many failed
    status = {row[-1]: row[6] for row in (text.split("\t") for text in logged(folder))}
    assert {int(re.search(r"shard (\d)/8", job)[1]): code for job, code in status.items() if code != "0"} == {3: "137"}  # type: ignore[index]
    whole = sorted(path.name for path in folder.glob("*.emb"))
    assert whole == sorted(["whole.emb", *(f"{part}.emb" for part in range(1, 9) if part != 3)])
    cut = sh("cat {1,2}.emb 3.tmp {4..8}.emb | qbe index -o lib.idx", folder)
    assert cut.returncode == 2
    assert "the stream is" in said(cut)[0]
    assert not (folder / "lib.idx").exists()
    again = sh(line("parallel --resume-failed"), folder)
    assert (again.returncode, said(again)) == (0, [])
    assert len(logged(folder)) == 9  # no other part was done again
    assert sh(line("cat {1..8}"), folder).returncode == 0
    assert is_the_same(folder)


def logged(folder: Path) -> list[str]:
    return (folder / "jobs.log").read_text().splitlines()[1:]


def test_the_array_of_slurm_gives_the_same(folder: Path) -> None:
    script = "\n".join(LINES[LINES.index("#!/bin/bash") :][:5])
    assert "#SBATCH --array=1-8" in script
    (folder / "embed.sbatch").write_text(script)
    (folder / "sbatch").write_text(  # what it does of the two lines that call it
        '#!/bin/bash\nif [ "$1" = --parsable ]; then echo 17\n'
        'for k in {1..8}; do SLURM_ARRAY_TASK_ID=$k bash "$2" || exit 1; done\n'
        'else [ "$1 $2" = "--dependency=afterok:17 --wrap" ] && bash -c "$3"; fi\n'
    )
    (folder / "sbatch").chmod(0o755)
    done = sh(f'export PATH="$PWD:$PATH"; {line("job=")}; {line("sbatch --dep")}', folder)
    assert (done.returncode, said(done)) == (0, [])
    assert is_the_same(folder)


def test_the_loop_of_a_shell_gives_the_same(folder: Path) -> None:
    done = sh(f"{line('for part')}; {line('cat {1..4}')}", folder)
    assert (done.returncode, said(done)) == (0, [])
    assert is_the_same(folder)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 40])
def test_every_sound_is_in_one_part(parts: int) -> None:
    names = [os.fsencode(f"{number}.wav") for number in range(17)]
    dealt = [shard_of(names, f"{part}/{parts}") for part in range(1, parts + 1)]
    assert [name for part in dealt for name in part] == names
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "a/2", "1/2/3", "-1/2", "1.0/2", ""])
def test_what_is_no_part_is_refused(tmp_path: Path, shard: str) -> None:
    write_sound(tmp_path / "a.wav", noise(1.0))
    done = sh(f"qbe embed --shard '{shard}' a.wav", tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    (message,) = said(done)
    assert message == f"qbe: --shard {shard}: must be I/N, a part from 1 to N and how many there are, as in 3/8"


def test_a_part_without_sounds_is_a_whole_stream(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", noise(1.0))
    script = "for part in 1 2 3; do qbe embed --shard $part/3 a.wav; done | qbe index -o lib.idx && qbe info lib.idx"
    done = sh(script, tmp_path)
    assert done.returncode == 0
    assert b"files\t1\n" in done.stdout
