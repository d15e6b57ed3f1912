"""Colours, pictures and old tables of maps."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from dict_store import DictStore  # a store of any kind will do

from qbe.maps.choices import ColourBy
from qbe.maps.colours import APART, OTHERS, STEPS, Colours, colours
from qbe.maps.pictures import CAPTION, MARGIN, SIDE, png, svg
from qbe.maps.points import Points
from qbe.maps.table import known_points, read_table, written
from qbe.maps.words import placed_words
from qbe.support.errors import UsageError


class Levels(DictStore):
    """A store of which only levels are asked."""

    def __init__(self, levels: list[float]) -> None:
        self._levels = np.array(levels, np.float32)

    def levels(self, rows):  # type: ignore[no-untyped-def]
        return self._levels[rows]


def points(names: list[bytes], lengths: list[float] | None = None, levels: list[float] | None = None) -> Points:
    """Files of one segment each."""
    rows = np.arange(len(names))
    given = np.array(lengths or [1.0] * len(names))
    store = Levels(levels or [-20.0] * len(names))
    return Points(store, rows, np.arange(len(names) + 1), names, rows, np.zeros(len(names)), given)


def test_folders_have_colours_from_where_they_part() -> None:
    names = [b"/a/sounds/kicks/1.wav", b"/a/sounds/kicks/deep/2.wav", b"/a/sounds/birds/3.wav", b"/a/sounds/4.wav"]
    found = colours(points(names), ColourBy.FOLDER)
    assert [found.labels[of] for of in found.of] == ["kicks", "kicks", "birds", "."]
    assert len({found.palette[of] for of in found.of}) == 3


def test_a_file_has_the_colour_of_the_word_that_most_others_bear_but_not_most_of_all() -> None:
    names = [b"%d.wav" % number for number in range(9)]
    words = {name: ["drum", "kick" if number < 4 else "snare"] for number, name in enumerate(names[:8])}
    words[names[0]].append("rare")
    found = colours(points(names), ColourBy.TAG, words)
    assert [found.labels[of] for of in found.of] == ["kick"] * 4 + ["snare"] * 4 + ["others"]
    assert found.palette[found.of[8]] == OTHERS


def test_a_word_that_all_bear_colours_them_where_there_is_no_other() -> None:
    found = colours(points([b"a.wav", b"b.wav"]), ColourBy.TAG, {b"a.wav": ["drum"], b"b.wav": ["drum"]})
    assert [found.labels[of] for of in found.of] == ["drum", "drum"]


def test_a_word_stands_in_the_midst_of_what_bears_it() -> None:
    rng = np.random.default_rng(0)
    middles = {"kick": (0.0, 0.0), "snare": (10.0, 0.0), "hihat": (0.0, 10.0), "": (10.0, 10.0)}
    where = np.concatenate([rng.normal(middle, 0.5, (50, 2)) for middle in middles.values()])
    words = [["drum", word] if word else ["drum"] for word in middles for _ in range(50)]
    placed = placed_words(where, words)
    assert {one.text for one in placed} == {"kick", "snare", "hihat"}  # what all bear tells nothing of any place
    for one in placed:
        assert np.hypot(one.x - middles[one.text][0], one.y - middles[one.text][1]) < 2
    assert [one.side for one in placed] == sorted(one.side for one in placed)
    assert {one.text for one in placed if one.side == 2} == {"kick", "snare", "hihat"}


def test_a_word_that_few_bear_in_a_place_does_not_stand_there() -> None:
    where = np.zeros((30, 2))
    where[15:] = 1
    words = [["rare"] if number < 4 else [] for number in range(30)]
    assert placed_words(where, words) == []
    assert placed_words(where, [["all"]] * 30) == []
    assert placed_words(where, [[]] * 30) == []


def test_names_without_folders_have_one_colour() -> None:
    assert colours(points([b"a.wav", b"b.wav"]), ColourBy.FOLDER).of.tolist() == [0, 0]


def test_the_folders_with_most_points_have_colours_of_their_own() -> None:
    names = [b"%d/%d.wav" % (folder, k) for folder in range(12) for k in range(folder + 1)]
    found = colours(points(names), ColourBy.FOLDER)
    own = {found.labels[of] for of in found.of if found.palette[of] != OTHERS}
    assert own == {str(folder) for folder in range(12 - len(APART), 12)}
    assert {found.labels[of] for of in found.of if found.palette[of] == OTHERS} == {"others"}


@pytest.mark.parametrize("by", [ColourBy.LEVEL, ColourBy.LENGTH])
def test_more_has_a_higher_step(by: ColourBy) -> None:
    values = np.geomspace(1, 50, 40)
    given = points([b"%d.wav" % k for k in range(40)], values.tolist(), (-60 + values).tolist())
    found = colours(given, by)
    assert (np.diff(found.of.astype(int)) >= 0).all()
    assert {found.palette[of] for of in found.of[[0, -1]]} == {STEPS[0], STEPS[-1]}


def test_a_level_that_is_not_known_is_grey() -> None:
    found = colours(points([b"a", b"b", b"c"], levels=[-10.0, float("nan"), -30.0]), ColourBy.LEVEL)
    assert [found.labels[of] for of in found.of] == ["-10 dB", "not known", "-30 dB"]
    assert set(colours(points([b"a"], levels=[float("nan")]), ColourBy.LEVEL).of.tolist()) == {len(STEPS)}


THREE = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
TWO_COLOURS = Colours(np.array([0, 0, 1], np.uint8), ["#112233", "#aabbcc"], ["a & b", "c"])


def test_an_svg_is_a_path_a_colour_with_a_dot_a_point() -> None:
    root = ElementTree.fromstring(svg(THREE, TWO_COLOURS))
    paths = {path.get("stroke"): path.get("d") or "" for path in root.iter("{http://www.w3.org/2000/svg}path")}
    assert {colour: d.count("h0") for colour, d in paths.items()} == {"#112233": 2, "#aabbcc": 1}
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a & b", "c", CAPTION]
    assert places(paths["#aabbcc"]) == [(SIDE - MARGIN, MARGIN)]  # the point up and to the right
    assert sorted(places(paths["#112233"])) == [(MARGIN, SIDE - MARGIN), (SIDE - MARGIN, SIDE - MARGIN)]


def places(d: str) -> list[tuple[float, float]]:
    """Where the dots of a path lie, each told from the one before."""
    steps = [(float(x), float(y)) for x, y in re.findall(r"m(\S+) (\S+)h0", d)]
    return [(x, y) for x, y in np.cumsum(steps, 0).round(1).tolist()]


def decoded(data: bytes) -> tuple[list[tuple[int, ...]], np.ndarray]:  # type: ignore[type-arg]
    """The palette of a PNG file and its numbers, checked as a reader does."""
    file, chunks = io.BytesIO(data), {}
    assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    while head := file.read(8):
        size, name = struct.unpack(">I4s", head)
        body = file.read(size)
        assert zlib.crc32(name + body) == struct.unpack(">I", file.read(4))[0]
        chunks[name] = body
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kind == [8, 3, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    palette = chunks[b"PLTE"]
    return [tuple(palette[at : at + 3]) for at in range(0, len(palette), 3)], lines[:, 1:]


def test_a_png_has_the_colour_of_each_point_at_its_place() -> None:
    palette, numbers = decoded(png(THREE, TWO_COLOURS))
    assert numbers.shape == (SIDE, SIDE)
    assert palette[numbers[SIDE - MARGIN, MARGIN]] == (0x11, 0x22, 0x33)
    assert palette[numbers[MARGIN, SIDE - MARGIN]] == (0xAA, 0xBB, 0xCC)
    assert palette[numbers[SIDE // 2, SIDE // 2]] == (255, 255, 255)


def test_a_png_of_100000_points_is_small() -> None:
    rng = np.random.default_rng(0)
    where = np.concatenate([rng.normal(middle, 1, (1000, 2)) for middle in rng.normal(0, 20, (100, 2))])
    given = Colours(np.repeat(np.arange(100) % 6, 1000).astype(np.uint8), [*APART], [""] * 6)
    assert len(png(where, given)) < 200_000


@pytest.mark.parametrize("draw", [svg, png])
def test_one_point_is_drawn_in_the_middle(draw) -> None:  # type: ignore[no-untyped-def]
    assert draw(np.zeros((1, 2)), Colours(np.zeros(1, np.uint8), ["#112233"], ["a"]))


def test_a_table_gives_the_places_of_those_that_are_there(tmp_path: Path) -> None:
    table = tmp_path / "old.tsv"
    table.write_bytes(b"gone.wav\t0.0000\t1.0000\t5.0\t6.0\tnan\nodd\tname\xff.wav\t0.0000\t1.0000\t-1.5\t2.0\t-20.0\n")
    known, where = known_points(points([b"new.wav", b"odd\tname\xff.wav", b"gone.wa"]), read_table(str(table)))
    assert (known.tolist(), where.tolist()) == ([1], [[-1.5, 2]])
    known, _ = known_points(points([b"new.wav"]), read_table(str(table)))
    assert not len(known)


def test_lines_that_end_in_nul_may_hold_newlines(tmp_path: Path) -> None:
    table = tmp_path / "old.map"
    table.write_bytes(b"a\nb.wav\t0.0000\t1.0000\t5.0\t6.0\t7.0\tnan\0")
    known, where = known_points(points([b"a\nb.wav"]), read_table(str(table)))
    assert (known.tolist(), where.tolist()) == ([0], [[5, 6, 7]])


def test_a_table_is_read_in_pieces_as_if_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [b"%d.wav" % number for number in range(300)]
    own, where = points(paths), np.random.default_rng(0).normal(size=(300, 2)).round(3)
    table = tmp_path / "old.tsv"
    table.write_bytes(b"".join(written(own, where, b"\n")))
    monkeypatch.setattr("qbe.maps.table.CHUNK", 7)
    known, found = known_points(own, read_table(str(table)))
    assert known.tolist() == list(range(300))
    np.testing.assert_array_equal(found, where)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a map"),
        (b"\n\n", "not a map"),
        (b"hello\n", "line 1"),
        (b"a\t0\t1\t2\t3\t4\n\nb\t0\t1\t2\n", "line 3"),
        (b"a\t0\t1\tx\t3\t4\n", "line 1"),
        (b"a\t0\t1\t2\tnan\t4\n", "line 1"),
        (b"a\t0\t1\t2\t3\t4\t5\nb\t0\t1\t2\t3\t4\n", "line 2: .* or of another one"),
        (b"a" * 2_000_000, "a line of more than"),
        (bytes(range(256)), "line 2"),
    ],
)
def test_a_table_that_is_no_map_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    table = tmp_path / "old.tsv"
    table.write_bytes(content)
    with pytest.raises(UsageError, match=why):
        read_table(str(table))
