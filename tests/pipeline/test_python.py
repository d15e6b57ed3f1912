"""The Python interface: its examples as they stand in docs/python.md, and that it answers as the commands do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import DATA, ROOT, noise, tone, write_sound
from shell import sh

import qbe
from qbe.streams.framing import StreamReader


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    for name in ("drums", "game", "water"):
        shutil.copytree(DATA / "library" / name, folder / "samples" / name)
    write_sound(folder / "kick.wav", tone(90, 0.3))
    shutil.copy(DATA / "queries" / "voice.wav", folder / "query.wav")
    assert sh("qbe embed samples -q > a.emb && qbe index -o cli.idx < a.emb", folder).returncode == 0
    return folder


@pytest.fixture(autouse=True)
def _inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def loaded(code: str) -> set[str]:
    """The modules in memory after some code."""
    code += "\nimport sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_loads_nothing_heavy() -> None:
    assert not loaded("import qbe") & {"numpy", "onnxruntime", "soundfile", "msgpack", "rich", "typer", "torch"}
    assert not loaded("import qbe; qbe.QbeError, qbe.LibraryError") & {"numpy", "onnxruntime"}


def test_every_name_is_there_documented_and_told_by_dir() -> None:
    for name in qbe.__all__:
        assert getattr(qbe, name).__doc__
        assert name in dir(qbe)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = qbe.nothing


def test_the_examples_of_the_page_run_one_after_the_other(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "examples"
    shutil.copytree(folder / "samples", place / "samples")
    for name in ("kick.wav", "query.wav"):
        shutil.copy(folder / name, place)
    text = (ROOT / "docs" / "python.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert "nothere.idx: no library can be read" in done.stdout
    assert (place / "condition.npz").exists()
    assert "torch" not in loaded(
        f"import os; os.chdir({str(place)!r}); import qbe; qbe.open_library('lib.idx').search('query.wav')"
    )


def test_embeddings_are_those_of_the_command(folder: Path) -> None:
    with open(folder / "a.emb", "rb") as file:
        records = [record for record in StreamReader(file).embeddings() if record.path == b"samples/game/coin1.wav"]
    found = qbe.embed(Path("samples/game/coin1.wav"))
    assert len(found) == len(records) > 0
    np.testing.assert_allclose(found.vectors, [record.vector for record in records], atol=1e-5)
    assert found.starts.tolist() == [record.start / 16_000 for record in records]
    assert found.ends.tolist() == [(record.start + record.length) / 16_000 for record in records]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32"])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_the_sound_that_a_file_of_them_is(dtype: str, channels: int) -> None:
    samples = (tone(440, 1.5, rate=44_100) + noise(1.5, rate=44_100))[:, None].repeat(channels, 1)
    soundfile.write("same.wav", samples, 44_100, subtype="FLOAT")
    given = samples if dtype.startswith("f") else samples * np.iinfo(dtype).max
    given = given.astype(dtype)[:, 0] if channels == 1 else given.astype(dtype)
    of_samples, of_file = qbe.embed(given, sample_rate=44_100), qbe.embed("same.wav")
    assert (np.sum(of_samples.vectors * of_file.vectors, axis=1) > 0.999).all()
    assert of_samples.starts.tolist() == of_file.starts.tolist()
    assert of_samples.ends.tolist() == of_file.ends.tolist()


def test_a_part_and_another_hop() -> None:
    sound = np.concatenate([tone(440, 2), noise(2)])
    part = qbe.embed(sound, sample_rate=16_000, start=2, duration=1.5, hop=0.25)
    whole = qbe.embed(sound[32_000:56_000], sample_rate=16_000, hop=0.25)
    np.testing.assert_allclose(part.vectors, whole.vectors, atol=1e-6)
    assert np.diff(part.starts).tolist() == [0.25] * (len(part) - 1)
    assert len(qbe.embed(np.zeros(20_000), sample_rate=16_000)) == 0
    assert len(qbe.embed(np.zeros(20_000), sample_rate=16_000, silence=None)) == 2


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (np.zeros(100), None, "samples say nothing of their rate"),
        (np.zeros(100), 10, "sample rate 10 Hz is not between"),
        (np.zeros((2, 3, 4)), 16_000, r"an array of shape \(2, 3, 4\)"),
        (np.zeros(0), 16_000, r"an array of shape \(0,\)"),
        (np.zeros(9, bool), 16_000, "type bool"),
        (np.full(100, np.nan), 16_000, "not numbers"),
        ("nothere.wav", None, "nothere.wav: No such file"),
    ],
)
def test_what_is_no_sound(sound: object, rate: float | None, message: str) -> None:
    with pytest.raises(qbe.QbeError, match=message):
        qbe.embed(sound, sample_rate=rate)  # type: ignore[arg-type]


def test_a_library_is_the_one_that_the_command_builds(folder: Path) -> None:
    heard: list[tuple[int, int]] = []
    built = qbe.build_library("lib.idx", ["samples"], progress=lambda done, files: heard.append((done, files)))
    assert built.failures == ()
    assert (folder / "lib.idx").read_bytes() == (folder / "cli.idx").read_bytes()
    assert heard[-1] == (built.files, built.files)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_library_grows_and_shrinks_and_tells_what_failed(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"bad")
    name = tmp_path / "lib.idx"
    built = qbe.build_library(name, [tmp_path / "bad.wav", "samples/drums", "nothere"])
    assert [str(error).split(": ")[1][:9] for error in built.failures] == ["no such f", "not audio"]
    more = qbe.build_library(name, "kick.wav", append=True)
    assert (more.files, more.failures) == (1, ())
    assert len(qbe.open_library(name)) == built.files + 1
    assert qbe.remove_from_library(name, ["samples/drums", "none"]) == ["none"]
    left = [(Path(file.path).name, file.size is None) for file in qbe.open_library(name).files()]
    assert sorted(left) == [("bad.wav", True), ("kick.wav", False)]  # what failed is remembered
    with pytest.raises(qbe.LibraryError, match="holds no embeddings"):
        qbe.build_library(tmp_path / "new.idx", [])


OPTIONS = {
    "-k 3": {"k": 3},
    "--places -k 7": {"places": True, "k": 7},
    "--in samples/game --in '*/drums/k*'": {"inside": ["samples/game", "*/drums/k*"]},
    "--start 0.5 --duration 1": {"start": 0.5, "duration": 1.0},
    "--exact --unique": {"exact": True, "unique": True},
    "--recall 0.9": {"recall": 0.9},
    "--candidates 20 --min-score 0": {"candidates": 20, "min_score": 0.0},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_results_are_those_of_the_command(folder: Path, options: str) -> None:
    done = sh(f"qbe search cli.idx query.wav --json {options}", folder)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    results = qbe.open_library("cli.idx").search("query.wav", **OPTIONS[options])  # type: ignore[arg-type]
    assert results
    assert [result.path for result in results] == [row["path"] for row in rows]
    for column in ("score", "start", "end"):
        assert [getattr(result, column) for result in results] == pytest.approx([row[column] for row in rows], abs=1e-4)


def test_clips_are_those_of_the_command(folder: Path, tmp_path: Path) -> None:
    search = "qbe search cli.idx query.wav --places -k 5"
    assert sh(f"{search} | qbe clip -o {tmp_path}/cli --pad 0.25", folder).returncode == 0
    results = qbe.open_library("cli.idx").search("query.wav", places=True, k=5)
    clips = qbe.write_clips([*results, results[0]], tmp_path / "own", pad=0.25)
    assert clips[-1] == clips[0]
    assert len(set(clips)) == 5
    for clip in clips:
        own, other = soundfile.read(clip), soundfile.read(tmp_path / "cli" / Path(clip).name)
        assert own[1] == other[1]
        np.testing.assert_array_equal(own[0], other[0])
    with pytest.raises(qbe.UsageError, match="is there already"):
        qbe.write_clips(results, tmp_path / "own")
    with pytest.raises(qbe.UsageError, match="must be 0 seconds or more"):
        qbe.write_clips(results, tmp_path / "own", pad=-1)
    gone = results[0]._replace(path="none.wav")
    with pytest.raises(qbe.AudioError, match=r"none\.wav"):
        qbe.write_clips([gone], tmp_path / "own")


def test_sounds_to_be_like_and_unlike(folder: Path) -> None:
    done = sh("qbe search cli.idx --json --like query.wav --like kick.wav --unlike samples/game/coin1.wav", folder)
    rows = [json.loads(line)["path"] for line in done.stdout.splitlines()]
    library = qbe.open_library("cli.idx")
    results = library.search("query.wav", like="kick.wav", unlike="samples/game/coin1.wav")
    assert [result.path for result in results] == rows
    assert [r.path for r in library.search(like=["query.wav", "kick.wav"], unlike=["samples/game/coin1.wav"])] == rows
    with pytest.raises(qbe.UsageError, match="name a sound"):
        library.search(unlike="kick.wav")


def test_embeddings_and_open_files_are_queries_too() -> None:
    library = qbe.open_library("cli.idx")
    expected = library.search("query.wav")
    itself = library.search(qbe.embed("samples/game/coin1.wav"))[0]  # embeddings are of no file
    assert (itself.path, round(itself.score, 3)) == ("samples/game/coin1.wav", 1.0)
    with open("query.wav", "rb") as file:
        assert library.search(file) == expected
    other = qbe.Embeddings(
        np.eye(1, 128, dtype=np.float32), np.zeros(1), np.ones(1), np.zeros(1, np.float32), "ab" * 32
    )
    with pytest.raises(qbe.ModelError, match="was built with model qbe-4"):
        library.search(other)


def test_the_query_s_own_file_answers_only_when_it_may() -> None:
    library, path = qbe.open_library("cli.idx"), "samples/game/coin1.wav"
    assert path not in [result.path for result in library.search(path)]
    assert library.search(path, include_self=True)[0].path == path


def test_what_a_library_holds() -> None:
    library = qbe.open_library("cli.idx")
    files = library.files()
    assert len(library) == len(files) == library.facts()["files"]
    assert library.model == library.about.name == "qbe-4"
    for file in files:
        assert file.size == Path(file.path).stat().st_size
        assert file.mtime == pytest.approx(Path(file.path).stat().st_mtime)
    found, embedded = library.vectors("samples/game/coin2.wav"), qbe.embed("samples/game/coin2.wav")
    np.testing.assert_allclose(found.vectors, embedded.vectors, atol=2e-3)
    assert found.starts.tolist() == embedded.starts.tolist()
    assert found.ends.tolist() == embedded.ends.tolist()
    assert found.model == embedded.model
    with pytest.raises(qbe.LibraryError, match=r"coin9\.wav: not in cli\.idx"):
        library.vectors("coin9.wav")


def test_a_stream_file_is_written_whole_or_not_at_all() -> None:
    with qbe.read_stream("a.emb") as stream:
        header, records = stream.header, list(stream.embeddings())
    with qbe.write_stream("b.emb", header) as writer:
        for record in records:
            writer.write(record)
    with qbe.read_stream("b.emb") as stream:
        assert [record.path for record in stream.embeddings()] == [record.path for record in records]
    with pytest.raises(RuntimeError), qbe.write_stream("c.emb", header) as writer:
        writer.write(records[0])
        raise RuntimeError
    assert not Path("c.emb").exists()
    with pytest.raises(FileNotFoundError), qbe.read_stream("c.emb"):
        pass
