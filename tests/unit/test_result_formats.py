"""What goes to other programs, read by strict readers of their formats: any name, any number."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_formats import comma_separated, label_track, playlist, selection_table

from qbe.cli.formats import Audacity, Csv, Format, Lines, M3u, Raven, Row, fields
from qbe.cli.outputs import Output
from qbe.support.errors import QbeError, UsageError, display

names = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name and not name.endswith(b"/"))
cases = [b"a.wav", b"# not a comment.wav", b" space.wav", b'quote",comma.wav', b"tab\t.wav", b"line\n.wav", b"\r.wav",
         b"caf\xe9.wav", "caf\u00e9/\u00fc.wav".encode(), b"=1+1.wav", b"x/y z.wav"]  # fmt: skip


@st.composite
def results(draw: st.DrawFn) -> list[Row]:
    """Rows as `qbe search` has them."""
    out: list[Row] = []
    for rank in range(1, draw(st.integers(0, 5)) + 1):
        start = draw(st.floats(0, 1e6))
        place = {"start": start, "end": start + draw(st.floats(0, 100)), "query": draw(names), "rank": rank}
        path = draw(names | st.sampled_from(cases))
        out.append({"score": draw(st.floats(-1, 1)), "path": path, **place})
    return out


def written(form: Format, rows: list[Row]) -> bytes:
    """One after the other, as queries are answered."""
    return b"".join(b"".join(form.written([row])) for row in rows)


@given(results())
def test_csv_holds_every_cell_of_every_row(rows: list[Row]) -> None:
    read = comma_separated(written(Csv(), rows))
    lines = [
        {name: cell if isinstance(cell, bytes) else fields({name: cell}) for name, cell in row.items()} for row in rows
    ]
    assert read == lines


@given(results())
def test_a_label_track_has_a_label_a_place(rows: list[Row]) -> None:
    warned: list[str] = []
    labels = label_track(written(Audacity(warned.append), rows))
    assert [label.start for label in labels] == pytest.approx([row["start"] for row in rows], abs=1e-6)
    assert [label.end for label in labels] == pytest.approx([row["end"] for row in rows], abs=1e-6)
    for label, row in zip(labels, rows, strict=True):
        assert label.text.endswith(f" {display(row['path'])}")  # type: ignore[arg-type]
        assert label.text.startswith(display(os.path.basename(row["query"])))  # type: ignore[type-var, arg-type]
    assert len(warned) == (len({row["path"] for row in rows}) > 1)


@given(results())
def test_a_selection_table_has_a_selection_a_place(rows: list[Row]) -> None:
    skipped: list[QbeError] = []
    table = selection_table(b"".join(Raven(skipped.append).written(rows)))
    kept = [row for row in rows if not set(row["path"]) & set(b"\t\r\n")]  # type: ignore[arg-type]
    assert [row["Begin Path"] for row in table] == [row["path"] for row in kept]
    for column, name in (("Begin Time (s)", "start"), ("File Offset (s)", "start"), ("End Time (s)", "end")):
        assert [float(row[column]) for row in table] == pytest.approx([row[name] for row in kept], abs=1e-6)
    assert [float(row["Score"]) for row in table] == pytest.approx([row["score"] for row in kept], abs=1e-4)
    assert len(skipped) == len(rows) - len(kept)


@given(results(), st.booleans())
def test_a_playlist_plays_every_file_or_place(rows: list[Row], of_places: bool) -> None:
    skipped: list[QbeError] = []
    items = playlist(b"".join(M3u(skipped.append, of_places=of_places).written(rows)))
    kept = [row for row in rows if not set(row["path"]) & set(b"\r\n")]  # type: ignore[arg-type]
    assert len(skipped) == len(rows) - len(kept)
    for item, row in zip(items, kept, strict=True):
        assert os.path.normpath(item.path) == os.path.normpath(row["path"])  # type: ignore[arg-type, type-var]
        if of_places:
            times = {"start-time": row["start"], "stop-time": row["end"]}
            assert item.options == pytest.approx(times, abs=1e-3)
            assert item.seconds >= 1
        else:
            assert (item.options, item.seconds) == ({}, -1)


def test_a_playlist_of_groups_names_them() -> None:
    rows: list[Row] = [{"group": 3, "score": 1.0, "path": b"x/a, b.wav"}]
    (item,) = playlist(b"".join(M3u(pytest.fail, of_places=False).written(rows)))
    assert (item.path, item.title) == (b"x/a, b.wav", "3. a, b.wav 1.000")


def test_what_a_format_cannot_hold_is_said_with_what_can() -> None:
    skipped: list[QbeError] = []
    row: Row = {"score": 1.0, "path": b"a\nb.wav", "start": 0.0, "end": 1.0, "query": b"q", "rank": 1}
    for form in (M3u(skipped.append, of_places=True), Raven(skipped.append)):
        assert written(form, [row]).count(b"\n") == 1  # the header
    assert [str(error) for error in skipped] == [
        r"a\nb.wav: a playlist cannot hold this name; --json and --as csv can",
        r"a\nb.wav: a selection table cannot hold this name; --json and --as csv can",
    ]


def test_headers_come_once_and_where_nothing_is_found_too() -> None:
    for form, header in ((M3u(pytest.fail, of_places=False), b"#EXTM3U\n"), (Raven(pytest.fail), b"Selection\t")):
        first = b"".join(form.written([]))
        assert first.startswith(header)
        assert first.count(b"\n") == 1
        assert b"".join(form.written([])) == b""


@given(names)
def test_a_name_goes_out_in_a_line_as_its_bytes(name: bytes) -> None:
    assert written(Lines(fields, b"\0"), [{"path": name, "n": 1, "x": 0.5}]) == name + b"\t1\t0.5000\0"


@pytest.mark.parametrize("options", [{"as_json": True}, {"null": True}, {"as_json": True, "null": True}])
def test_there_is_one_way_to_write(options: dict[str, bool]) -> None:
    with pytest.raises(UsageError, match="--as m3u has lines of its own: leave out --json and -0"):
        Output(named="m3u", **options)
