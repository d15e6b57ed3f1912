"""Edges of the Python interface, with a model that takes no time: loudness in bands of frequency."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import noise, tone, write_sound
from numpy.typing import NDArray

import qbe
from qbe.encoder import Encoder
from qbe.search.windows import LOUDNESS
from qbe.streams.records import Audio, Vector

RATE, WINDOW, DIMENSION = 8000, 1024, 16
HOP = WINDOW / 2 / RATE


class Bands:
    """In place of an onnxruntime session. heard : all audio that it was given"""

    def __init__(self) -> None:
        self.heard: list[Audio] = []

    def run(self, _: list[str], inputs: dict[str, Audio]) -> list[Vector]:
        self.heard.extend(inputs["audio"])
        spectrum = np.abs(np.fft.rfft(inputs["audio"].astype(np.float64)))[:, 1:]
        bands = np.sqrt(spectrum.reshape(len(spectrum), DIMENSION, -1).mean(2)) + 1e-3
        return [(bands / np.linalg.norm(bands, axis=1, keepdims=True)).astype(np.float32)]


def model_of(sha256: str) -> Encoder:
    session: Any = Bands()
    return Encoder(session, sha256, "bands", RATE, WINDOW, DIMENSION)


def use(model: Encoder, patch: pytest.MonkeyPatch) -> Encoder:
    """Let it be the model in the package."""
    patch.setattr("qbe.embedding._default_encoder", lambda: model)
    patch.setattr("qbe.search.queries.open_encoder", lambda _: model)
    return model


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Encoder:
    monkeypatch.chdir(tmp_path)
    return use(model_of("cd" * 32), monkeypatch)


TONES = (150, 450, 900, 1400, 2000, 2600, 3200, 3800)


@pytest.fixture
def library() -> qbe.Library:
    """A tone a file, a little of noise in each."""
    Path("tones").mkdir()
    for number, frequency in enumerate(TONES):
        sound = tone(frequency, 0.5, rate=RATE) + noise(0.5, seed=number, rate=RATE, amplitude=0.01)
        write_sound(Path(f"tones/{frequency}.wav"), sound, RATE)
    qbe.build_library("lib.idx", "tones")
    return qbe.open_library("lib.idx")


def paths(results: list[qbe.Result]) -> list[str]:
    return [result.path for result in results]


def same(one: qbe.Embeddings, other: qbe.Embeddings) -> bool:
    columns = ("vectors", "starts", "ends")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in columns)


@pytest.mark.parametrize("part", [{}, {"start": 0.3}, {"start": 0.25, "duration": 0.4}, {"hop": 0.05}])
def test_an_open_file_is_the_sound_of_its_name(part: dict[str, float]) -> None:
    path = write_sound(Path("a.wav"), noise(1, rate=22_050), 22_050)
    by_name = qbe.embed("a.wav", **part)  # type: ignore[arg-type]
    assert len(by_name) > 1
    assert same(qbe.embed(b"a.wav", **part), by_name)  # type: ignore[arg-type]
    assert same(qbe.embed(io.BytesIO(path.read_bytes()), **part), by_name)  # type: ignore[arg-type]
    with open(path, "rb") as file:
        assert same(qbe.embed(file, **part), by_name)  # type: ignore[arg-type]
        assert not file.closed


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_the_least_integer_is_full_scale(model: Encoder, dtype: str) -> None:
    least = np.iinfo(dtype).min
    samples = np.resize(np.array([least, -(least // 2), 0, -(least // 2)], dtype), WINDOW)
    qbe.embed(samples, sample_rate=RATE)
    np.testing.assert_array_equal(model.session.heard, [np.resize([-1, 0.5, 0, 0.5], WINDOW)])
    qbe.embed(np.stack([samples, np.zeros_like(samples)], axis=1), sample_rate=RATE)
    np.testing.assert_array_equal(model.session.heard[1] * 2, model.session.heard[0])


@pytest.mark.parametrize("seconds", [0.01, 0.128, 0.129, 0.5, 1.0])
@pytest.mark.parametrize("hop", [None, 0.03, 0.128])
def test_there_are_as_many_segments_as_the_formula_says(seconds: float, hop: float | None) -> None:
    samples = noise(seconds, rate=RATE)
    found, step = qbe.embed(samples, sample_rate=RATE, hop=hop), round((hop or HOP) * RATE)
    count = 1 + -(-max(0, len(samples) - WINDOW) // step)
    assert found.vectors.shape == (count, DIMENSION)
    assert found.starts.tolist() == [at * step / RATE for at in range(count)]
    assert found.ends.max() == len(samples) / RATE
    assert found.model == "cd" * 32


def test_a_part_ends_where_the_sound_does() -> None:
    samples = noise(0.5, rate=RATE)
    assert same(qbe.embed(samples, sample_rate=RATE, duration=9), qbe.embed(samples, sample_rate=RATE))
    write_sound(Path("a.wav"), samples, RATE)
    assert same(qbe.embed("a.wav", duration=9), qbe.embed("a.wav"))
    for sound, rate in (("a.wav", None), (samples, RATE)):
        for start in (0.5, 3):
            with pytest.raises(qbe.AudioError, match=rf"start {start} s lies beyond the end at 0\.500 s"):
                qbe.embed(sound, sample_rate=rate, start=start)  # type: ignore[arg-type]


@pytest.mark.parametrize("hop", [0, -0.1, 0.00001, 0.1281, 5])
def test_a_hop_leaves_no_gaps_nor_stands_still(hop: float) -> None:
    message = r"must be over 0 and at most the window, 0\.128 s"
    with pytest.raises(qbe.UsageError, match=message):
        qbe.embed(noise(0.5, rate=RATE), sample_rate=RATE, hop=hop)
    write_sound(Path("a.wav"), noise(0.5, rate=RATE), RATE)
    with pytest.raises(qbe.UsageError, match=message):
        qbe.build_library("hop.idx", "a.wav", hop=hop)
    assert not Path("hop.idx").exists()


def test_what_is_read_before_a_fault_stays_and_the_rest_goes_on() -> None:
    for name in ("a", "b", "d"):
        write_sound(Path(f"{name}.wav"), noise(6, rate=RATE), RATE)
    Path("b.wav").write_bytes(Path("b.wav").read_bytes()[:60_000])
    Path("c.wav").write_bytes(b"no sound at all")
    heard: list[tuple[int, int]] = []
    names = ["a.wav", "b.wav", "c.wav", "none.wav", "d.wav"]
    built = qbe.build_library("lib.idx", names, progress=lambda done, files: heard.append((done, files)))
    assert [str(error).partition(":")[0] for error in built.failures] == ["none.wav", "b.wav", "c.wav"]
    assert all(isinstance(error, qbe.AudioError) for error in built.failures)
    assert heard == [(0, 4), (1, 4), (2, 4), (4, 4)]
    library = qbe.open_library("lib.idx")
    held = {file.path: file for file in library.files()}
    assert list(held) == ["a.wav", "b.wav", "d.wav", "c.wav"]
    assert held["c.wav"].segments == 0
    assert built.segments == sum(file.segments for file in held.values())
    assert held["b.wav"].seconds == pytest.approx((60_000 - 44) / 2 / RATE, abs=0.01)
    assert (held["b.wav"].size, held["b.wav"].mtime) == (None, None)
    assert held["a.wav"].size == Path("a.wav").stat().st_size
    names = [b"a.wav", b"b.wav", b"c.wav", b"none.wav"]
    assert library.lacks(names) == [b"none.wav"]
    assert library.lacks(names, retry=True) == [b"b.wav", b"c.wav", b"none.wav"]


@pytest.mark.usefixtures("library")
def test_another_model_is_refused_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before, own = Path("lib.idx").read_bytes(), qbe.embed("tones/150.wav")
    use(model_of("ef" * 32), monkeypatch)
    with pytest.raises(qbe.ModelError, match=r"lib\.idx was built with model bands .*: nothing is appended"):
        qbe.build_library("lib.idx", "tones/150.wav", append=True)
    assert Path("lib.idx").read_bytes() == before
    opened = qbe.open_library("lib.idx")
    for sound in ("tones/150.wav", qbe.embed("tones/150.wav")):
        with pytest.raises(qbe.ModelError, match="was built with model bands"):
            opened.search(sound)
    assert opened.search(own)[0].path == "tones/150.wav"  # needs no model
    assert qbe.build_library("lib.idx", "tones/150.wav").files == 1  # in its place it may be of any


def test_a_file_that_comes_again_is_replaced(library: qbe.Library) -> None:
    write_sound(Path("tones/150.wav"), noise(1, rate=RATE), RATE)
    assert qbe.build_library("lib.idx", [Path("tones/150.wav")], append=True).files == 1
    grown = qbe.open_library("lib.idx")
    assert sorted(file.path for file in grown.files()) == sorted(f"tones/{frequency}.wav" for frequency in TONES)
    assert same(library.vectors("tones/450.wav"), library.vectors(b"tones/450.wav"))
    np.testing.assert_allclose(grown.vectors("tones/150.wav").ends[-1], 1)
    assert library.vectors("tones/150.wav").ends[-1] == 0.5  # it goes on as it was when it was opened


def test_removing_what_is_not_there(library: qbe.Library) -> None:
    before = Path("lib.idx").read_bytes()
    missing = ["none", "tones/15", "one", "tones/150.wav/x", "../tones"]
    assert sorted(qbe.remove_from_library("lib.idx", missing)) == sorted(missing)
    assert Path("lib.idx").read_bytes() == before
    assert qbe.remove_from_library(Path("lib.idx"), bytes(Path("tones/150.wav").absolute())) == []
    assert qbe.remove_from_library("lib.idx", ["tones/150.wav", "tones/450.wav"]) == ["tones/150.wav"]
    assert len(qbe.open_library("lib.idx")) == len(library) - 2
    with pytest.raises(qbe.LibraryError, match=r"none\.idx"):
        qbe.remove_from_library("none.idx", "a")
    assert not Path("none.idx").exists()


@pytest.mark.parametrize("name", ["none.idx", "none/lib.idx", ".", "empty.idx", "text.idx"])
def test_what_is_no_library(name: str) -> None:
    Path("empty.idx").touch()
    Path("text.idx").write_text("no library " * 1000)
    for given in (name, Path(name), name.encode()):
        with pytest.raises(qbe.LibraryError, match=r"no library can be read|not a qbe library"):
            qbe.open_library(given)


@pytest.mark.parametrize(
    "options",
    [
        {"candidates": 5, "recall": 0.9},
        {"exact": True, "recall": 0.9},
        {"exact": True, "candidates": 5},
        {"inside": "tones", "candidates": 5},
        {"inside": ["tones"], "recall": 0.9},
    ],
)
def test_one_way_to_say_how_thorough_a_search_is(library: qbe.Library, options: dict[str, Any]) -> None:
    with pytest.raises(qbe.UsageError, match="give one of them"):
        library.search("tones/150.wav", **options)


@pytest.mark.parametrize("recall", [0, -1, 1.01, float("nan")])
def test_a_recall_is_a_share(library: qbe.Library, recall: float) -> None:
    with pytest.raises(qbe.UsageError, match="must be over 0 and at most 1"):
        library.search("tones/150.wav", recall=recall)
    assert len(library.search("tones/150.wav", recall=1)) == len(TONES) - 1


def test_results_are_those_that_may_answer(library: qbe.Library) -> None:
    found = library.search("tones/900.wav", include_self=True, k=100)
    assert len(found) == len(TONES)
    assert found[0].path == "tones/900.wav"
    assert found[0].score == pytest.approx(1, abs=1e-3)
    assert library.search("tones/900.wav", k=100) == found[1:]
    assert library.search("./tones/900.wav", k=100) == found[1:]
    least = found[3].score
    assert library.search("tones/900.wav", k=100, min_score=least) == found[1:4]
    assert library.search("tones/900.wav", min_score=1.1) == []
    inside = library.search("tones/900.wav", inside="tones/2*")
    assert inside == [result for result in found if result.path.startswith("tones/2")]
    assert library.search("tones/900.wav", inside="tones/900.wav") == []
    with pytest.raises(qbe.UsageError, match="near it: tones"):
        library.search("tones/900.wav", inside="tone")


def centre(sound: qbe.Embeddings) -> NDArray[np.float64]:
    mean = 10 ** (LOUDNESS * sound.levels.astype(np.float64) / 20) @ sound.vectors
    return mean / np.linalg.norm(mean)


def of_vector(vector: NDArray[np.float64]) -> qbe.Embeddings:
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)[None]
    return qbe.Embeddings(unit, np.zeros(1), np.ones(1), np.zeros(1, np.float32), "cd" * 32)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_blend_is_the_mean_of_what_to_be_like_less_that_of_what_not(library: qbe.Library, weight: float) -> None:
    a, b, c, d = (qbe.embed(f"tones/{frequency}.wav") for frequency in TONES[:4])
    vector = (centre(a) + centre(b)) / 2 - weight * (centre(c) + centre(d)) / 2
    expected = library.search(of_vector(vector), k=100)
    for found in (
        library.search(a, like=b, unlike=[c, d], weight=weight, k=100),
        library.search(like=(a, b), unlike=(c, d), weight=weight, k=100),
    ):
        assert paths(found) == paths(expected)
        np.testing.assert_allclose([r.score for r in found], [r.score for r in expected], atol=1e-5)


def test_all_sounds_of_a_blend_are_left_out_of_its_answers(library: qbe.Library) -> None:
    blended = library.search("tones/150.wav", like=["tones/450.wav"], unlike="tones/3800.wav", k=100)
    assert sorted(paths(blended)) == sorted(f"tones/{frequency}.wav" for frequency in TONES[2:-1])


def test_a_blend_of_nothing_is_told(library: qbe.Library) -> None:
    with pytest.raises(qbe.UsageError, match="cancel each other out at --weight 1"):
        library.search("tones/150.wav", unlike="tones/150.wav", weight=1)
    for options in ({}, {"like": []}, {"unlike": ["tones/150.wav"]}):
        with pytest.raises(qbe.UsageError, match="name a sound to search for"):
            library.search(**options)  # type: ignore[arg-type]
    with pytest.raises(qbe.AudioError, match="only silence"):
        library.search(np.zeros(5000), sample_rate=RATE)
    with pytest.raises(qbe.UsageError, match="samples say nothing of their rate"):
        library.search("tones/150.wav", like=noise(0.5, rate=RATE))


HEADER = qbe.Header("embeddings", RATE, "cd" * 32, "bands", DIMENSION)


def records(count: int) -> list[qbe.Embedding]:
    return [qbe.Embedding(b"a", at, WINDOW, RATE, np.eye(1, DIMENSION, at, np.float32)[0]) for at in range(count)]


def write_records(path: Path, count: int) -> None:
    with qbe.write_stream(path, HEADER) as writer:
        for record in records(count):
            writer.write(record)


def test_a_stream_file_that_fails_leaves_the_one_before() -> None:
    write_records(Path("a.emb"), 3)
    before = Path("a.emb").read_bytes()
    with pytest.raises(KeyError), qbe.write_stream("a.emb", HEADER) as writer:
        writer.write(records(1)[0])
        raise KeyError
    assert Path("a.emb").read_bytes() == before
    assert [path.name for path in Path().iterdir()] == ["a.emb"]
    write_records(Path("a.emb"), 5)
    with qbe.read_stream(Path("a.emb")) as stream:
        assert stream.header == HEADER
        assert [record.start for record in stream.embeddings()] == [0, 1, 2, 3, 4]


def test_a_stream_file_that_is_cut_gives_what_it_has_and_says_so() -> None:
    write_records(Path("a.emb"), 4)
    data, found = Path("a.emb").read_bytes(), []
    for length in range(len(data)):
        Path("a.emb").write_bytes(data[:length])
        got = []
        with pytest.raises(qbe.StreamError), qbe.read_stream("a.emb") as stream:
            got.extend(record.start for record in stream.embeddings())
        found.append(got)
    assert found[0] == []
    assert found[-1] == [0, 1, 2, 3]  # only its end is missing
    assert all(got == list(range(len(got))) for got in found)


@pytest.mark.parametrize(
    "part", [{"start": -1.0}, {"duration": -0.5}, {"start": float("nan")}, {"start": float("inf")}], ids=str
)
def test_a_part_that_is_none(part: dict[str, float]) -> None:
    with pytest.raises(qbe.AudioError, match="is not a number of seconds, 0 or more"):
        qbe.embed(noise(1, rate=RATE), sample_rate=RATE, **part)  # type: ignore[arg-type]


@pytest.mark.parametrize("hop", [float("nan"), float("inf")])
def test_a_hop_that_is_no_number(hop: float) -> None:
    with pytest.raises(qbe.UsageError, match="--hop"):
        qbe.embed(noise(1, rate=RATE), sample_rate=RATE, hop=hop)


@pytest.mark.parametrize(
    "options",
    [{"k": -1}, {"k": -1, "places": True}, {"candidates": 0}, {"per_file": 0, "places": True}, {"per_file": 2}],
    ids=str,
)
def test_no_results_are_not_searched_for(library: qbe.Library, options: dict[str, Any]) -> None:
    with pytest.raises(qbe.UsageError, match="must be 1 or more"):
        library.search(noise(1, rate=RATE), sample_rate=RATE, **options)


def test_k_of_nothing_is_everything(library: qbe.Library) -> None:
    assert len(library.search("tones/900.wav", k=0)) == len(TONES) - 1
    everywhere = library.search("tones/900.wav", k=0, places=True)
    assert {result.path for result in everywhere} == {
        f"tones/{frequency}.wav" for frequency in TONES if frequency != 900
    }
    assert library.search("tones/900.wav", k=3, places=True) == everywhere[:3]
