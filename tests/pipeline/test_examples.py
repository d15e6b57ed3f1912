"""Every example of the manual and the README, run in a shell."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import DATA, noise, tone, write_sound
from shell import sh

ROOT = Path(__file__).parents[2]
PROGRAMS = ("qbe", "cat", "find", "sox")
STAND_INS = {
    # trim START DURATION of IN as WAV to stdout
    "sox": "import sys, soundfile\n"
    "audio, rate = soundfile.read(sys.argv[1])\n"
    "start, seconds = map(float, sys.argv[-2:])\n"
    "soundfile.write(sys.stdout.buffer, audio[int(start * rate):int((start + seconds) * rate)], rate, format='WAV')\n",
    # jq -r .KEY
    "jq": "import sys, json\nfor line in sys.stdin: print(json.loads(line)[sys.argv[2][1:]])\n",
}


def of_page(page: Path) -> Iterator[str]:
    for block in re.findall(r"^\.SH EXAMPLES\n\.nf\n(.*?)^\.fi", page.read_text(), flags=re.S | re.M):
        yield from block.replace("\\e", "\\").splitlines()


def of_readme() -> Iterator[str]:
    for line in (ROOT / "README.md").read_text().splitlines():
        if line.startswith("    ") and line.split()[0] in PROGRAMS:
            yield line.strip()


def examples() -> list[str]:
    pages = sorted((ROOT / "man").glob("*.1"))
    lines = [line for page in pages for line in of_page(page)] + list(of_readme())
    found = dict.fromkeys(line.partition("   #")[0].rstrip() for line in lines)
    return [line for line in found if "CORPUS" not in line]  # measured over hours of audio that are not here


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with what the examples speak of; examples are run in it."""
    home = tmp_path_factory.mktemp("home")
    for name in ("samples", "field", "sounds", "drums"):
        (home / name).mkdir()
        for k, path in enumerate(sorted((DATA / "library" / "drums").iterdir())[:6]):
            shutil.copy(path, home / name / f"{name}-{k}{path.suffix}")
    for name in ("old", "drafts"):
        shutil.copytree(home / "drums", home / "samples" / name)
    for name in ("in", "query", "kick", "a", "b"):
        write_sound(home / f"{name}.wav", tone(440, 4.0) + noise(4.0, amplitude=0.01))
    write_sound(home / "c.wav", noise(1.0))
    shutil.copytree(home / "drums", home / "samples" / "drums")
    shutil.copy(home / "kick.wav", home / "samples" / "drums")
    (home / "mine.tsv").write_text("samples/drums/kick.wav\tloud\n".replace("samples", f"{home}/samples"))
    np.save(home / "vectors.npy", np.eye(3, 8))
    np.save(home / "query.npy", np.ones((1, 8)))
    (home / "names.txt").write_text("a.wav\na.wav\nb.wav\n")
    write_sound(home / "query.wav", *soundfile.read(sorted((home / "drums").iterdir())[0]))
    write_sound(home / "forest.wav", noise(20.0))
    (home / "bin").mkdir()
    for name, program in STAND_INS.items():
        if not shutil.which(name):
            (home / "bin" / name).write_text(f"#!/usr/bin/env python3\n{program}")
            (home / "bin" / name).chmod(0o755)
    labels = "".join(f"drums/drums-{k}{p.suffix}\tx{k % 2}\t{k}\n" for k, p in enumerate(drums(home)))
    (home / "drums.tsv").write_text("path\tlabel\tgroup\n" + labels)
    (home / "task.tsv").write_text((home / "drums.tsv").read_text())
    shutil.copy(ROOT / "models" / "default.onnx", home / "mine.onnx")
    done = run(
        "qbe embed ~/samples > samples.emb && cp samples.emb a.emb && qbe embed ~/field > field.emb && "
        "cp field.emb b.emb && head -c 20000 samples.emb > cut.emb && qbe index -o lib.idx < samples.emb && "
        "qbe map lib.idx -o old.tsv",
        home,
    )
    assert done == 0
    return home


def drums(home: Path) -> list[Path]:
    return sorted((home / "drums").iterdir())


def run(script: str, home: Path) -> int:
    return sh(f'export HOME="$PWD" PATH="$PWD/bin:$PATH"; {script}', home).returncode


@pytest.mark.parametrize("line", examples())
def test_an_example_does_what_it_shows(home: Path, line: str) -> None:
    script = for_a_test(line, home) if " train " in line else served(line) if " browse " in line else line
    shutil.rmtree(home / "calls", ignore_errors=True)  # nothing is overwritten there
    assert run(script, home) == 0


def served(script: str) -> str:
    """Until the address is printed."""
    waiting = "until [ -s address ]; do sleep 0.1; done; kill -TERM $!; wait $!; test $? = 143"
    return f"rm -f address; {script} --no-open > address & {waiting}"


def for_a_test(script: str, home: Path) -> str:
    """The same training, in one step; one that is to be taken up is stopped first."""
    shutil.rmtree(home / "mine.onnx.training", ignore_errors=True)
    if "--resume" in script:
        begun = "qbe train ~/sounds -o mine.onnx --steps 400 --batch 4 -q & "
        waiting = "until [ -e mine.onnx.training/checkpoint.pt ]; do sleep 0.1; done; kill -TERM $!; wait $! || true; "
        return f"{begun}{waiting}{script} --steps 1"
    if "-o " not in script:
        return script
    return re.sub(r" --minutes \S+", "", script) + " --steps 1 --batch 4"
