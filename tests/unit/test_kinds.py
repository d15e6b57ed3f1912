"""How often kinds and sources are drawn, and what a table says of a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbe.learn.corpus import Corpus, write_corpus
from qbe.learn.kinds import KINDS, UNKNOWN, Grouping, Kinds, read_kinds, ungrouped
from qbe.streams.records import Segment
from qbe.support.errors import TrainingError

HEADER = b"path\tkind\tsource\n"
FILES = 24


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Files of one or two runs, of many lengths."""
    rng = np.random.default_rng(3)
    segments = []
    for k in range(FILES):
        for run in range(1 + k % 2):
            sound = rng.uniform(-0.5, 0.5, int(rng.integers(100, 3000))).astype(np.float32)
            segments.append(Segment(b"d%d/%d.wav" % (k % 4, k), 10_000 * run, len(sound), sound))
    return write_corpus(segments, tmp_path_factory.mktemp("corpus"))


def summed(weights: np.ndarray, corpus: Corpus, names: list[str]) -> dict[str, float]:
    """Of the runs of all files with a name."""
    total = dict.fromkeys(names, 0.0)
    for weight, file in zip(weights, corpus.runs["file"], strict=True):
        total[names[file]] += float(weight)
    return total


@given(st.lists(st.sampled_from([*KINDS, "whistles"]), min_size=FILES, max_size=FILES))
@settings(deadline=None, max_examples=30)
def test_kinds_are_drawn_by_their_shares_whatever_their_files(corpus: Corpus, kinds: list[str]) -> None:
    """Shares of those kinds that have a file to learn from."""
    weights = Grouping.of(kinds, [f"s{k % 5}" for k in range(FILES)]).weights(corpus)
    held = corpus.held_out()
    learned = {kind for kind, out in zip(kinds, held, strict=True) if not out}
    shares = {kind: KINDS.get(kind, UNKNOWN).share for kind in learned}
    assert weights.sum() == pytest.approx(1)
    assert not weights[held[corpus.runs["file"]]].any()
    expected = {kind: shares.get(kind, 0) / sum(shares.values()) for kind in kinds}
    assert summed(weights, corpus, kinds) == pytest.approx(expected)


def test_sources_of_a_kind_are_drawn_by_the_root_of_their_duration(corpus: Corpus) -> None:
    kinds = ["speech" if k < 12 else "drums" for k in range(FILES)]
    sources = [f"{kinds[k]} {k % 12 // 4}" for k in range(FILES)]
    drawn = summed(Grouping.of(kinds, sources).weights(corpus), corpus, sources)
    seconds = summed(corpus.runs["length"], corpus, sources)
    for kind in ("speech", "drums"):
        roots = {source: seconds[source] ** 0.5 for source in seconds if source.startswith(kind)}
        part = KINDS[kind].share / (KINDS["speech"].share + KINDS["drums"].share)
        for source, root in roots.items():
            assert drawn[source] == pytest.approx(part * root / sum(roots.values()))


def test_files_of_a_source_are_drawn_by_the_root_and_their_runs_by_duration(corpus: Corpus) -> None:
    weights = Grouping.of(["speech"] * FILES, ["one"] * FILES).weights(corpus)
    files, lengths = corpus.runs["file"], corpus.runs["length"]
    learned = [file for file in range(FILES) if not corpus.held_out()[file]]
    roots = {file: float(lengths[files == file].sum()) ** 0.5 for file in learned}
    for file, root in roots.items():
        own = lengths[files == file]
        expected = root / sum(roots.values()) * own / own.sum()
        np.testing.assert_allclose(weights[files == file], expected)


def test_pairs_count_by_the_kind_of_their_anchor() -> None:
    grouping = Grouping.of(["speech", "effects", "notes", "whistles"], ["a", "b", "c", "d"])
    counts = grouping.beside(np.array([2, 0, 1, 3, 2]))
    expected = [KINDS["notes"].beside, KINDS["speech"].beside, 0, UNKNOWN.beside, KINDS["notes"].beside]
    np.testing.assert_array_equal(counts, np.float32(expected))
    assert counts.dtype == np.float32


def test_where_no_pair_would_count_all_count_alike(corpus: Corpus) -> None:
    """Else nothing could be found: sounds of which nothing is known, or only effects."""
    np.testing.assert_array_equal(Grouping.of(["effects", "whistles"], ["a", "b"]).beside(np.array([0, 1, 1])), 1)
    np.testing.assert_array_equal(ungrouped(corpus).beside(np.arange(FILES)), 1)


def test_a_kind_without_a_name_is_drawn_as_unknown() -> None:
    grouping = Grouping.of(["whistles", "speech"], ["a", "b"])
    assert dict(zip(grouping.kinds, grouping.doses(), strict=True)) == {"whistles": UNKNOWN, "speech": KINDS["speech"]}


def grouped(corpus: Corpus, rows: list[bytes], newline: bytes = b"\n") -> list[str]:
    """The kind of every file."""
    grouping = Kinds("t.tsv", (HEADER + b"\n".join(rows)).replace(b"\n", newline)).grouping(corpus)
    return [grouping.kinds[k] for k in grouping.kind]


@pytest.fixture
def named(tmp_path: Path) -> Corpus:
    sound = np.full(10, 0.5, np.float32)
    names = [b"/x/a/b/c.wav", b"a/b/c.wav", b"b/c.wav", b"/y/c.wav", b"z/bc.wav", b"q/\xff\"'.wav"]
    return write_corpus([Segment(name, 0, 10, sound) for name in names], tmp_path)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_the_longest_end_of_a_path_counts_in_whole_names(named: Corpus, newline: bytes) -> None:
    rows = [b"%s\t%s\ts" % pair for pair in [
        (b"c.wav", b"animals"), (b"a/b/c.wav", b"drums"), (b"b/c.wav", b"synth"), (b"bc.wav", b"foley"),
        (b"\xff\"'.wav", b"notes"), (b"/x/a/b/c.wav", b"music"),
    ]]  # fmt: skip
    assert grouped(named, rows, newline) == ["music", "drums", "synth", "animals", "foley", "notes"]
    assert grouped(named, rows[::-1], newline) == grouped(named, rows, newline), "the order of lines does not count"


@pytest.mark.parametrize("lacking", [b"b/c.wav", b"z/bc.wav"])
def test_neither_a_longer_path_nor_a_part_of_a_name_is_an_end(named: Corpus, lacking: bytes) -> None:
    """b/c.wav is not x/a/b/c.wav, and bc.wav does not end in c.wav."""
    rows = [b"%s\tdrums\ts" % path for path in named.paths if path != lacking]
    if lacking == b"z/bc.wav":
        rows.append(b"c.wav\tdrums\ts")
    with pytest.raises(TrainingError, match=rf"^t.tsv: says nothing of {lacking.decode()}: add a line$"):
        grouped(named, rows)


def test_columns_may_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b"source\tnote\tkind\tpath\nbox\t\tdrums\ta.wav\n")
    assert read_kinds(tmp_path / "t.tsv").known == {b"a.wav": ("drums", "box")}


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (b"a\tb\tc\n\t\t\n", 3),
        (b"a\tb\tc\na\tb\tc\n\nd\n", 5),
        (b"a\tb\tc\r\nd\te\r\n", 3),
        (b"a\tb\tc\nd\te\t" + b"f" * 200_000, 3),
    ],
)
def test_the_line_that_is_wrong_is_named_and_counted_with_the_header(tmp_path: Path, rows: bytes, line: int) -> None:
    (tmp_path / "t.tsv").write_bytes(HEADER + rows)
    with pytest.raises(TrainingError, match=rf"t\.tsv: line {line}: [a-z ,()0-9]+$"):
        read_kinds(tmp_path / "t.tsv")
