"""qbe map: a library -> where its sounds lie when those near each other are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import Json, NullLines, Quiet, Verbose, command
from qbe.cli.outputs import Output
from qbe.cli.progress import progress
from qbe.cli.times import clock
from qbe.maps.choices import ColourBy
from qbe.support.errors import UsageError, display

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from qbe.cli.formats import Row
    from qbe.cli.tables import Shown
    from qbe.maps.colours import Words
    from qbe.maps.points import Points
    from qbe.maps.projection import Coordinates, OnShare
    from qbe.maps.table import Table

PICTURES, TABLE = (".svg", ".png"), ".tsv"
AXES = "xyz"


@command(
    "map",
    "qbe map lib.idx -o map.svg",
    "qbe map lib.idx --segments --json",
    "qbe map lib.idx --keep old.tsv -o new.tsv",
)
def map(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="A picture (.svg, .png), or the table (.tsv).")
    ] = None,
    segments: Annotated[bool, typer.Option("--segments", help="A point for every segment, not every file.")] = False,
    dimensions: Annotated[
        int | None, typer.Option(metavar="2|3", min=2, max=3, help="A plane, or a space.  [default: 2]")
    ] = None,
    colour: Annotated[ColourBy, typer.Option(help="What the colours of a picture tell.")] = ColourBy.FOLDER,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all that is drawn by chance.")] = 0,
    keep: Annotated[str | None, typer.Option(metavar="FILE", help="An old table: what is in it does not move.")] = None,
    as_json: Json = False,
    null: NullLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Lay out the sounds of a library, like ones near each other.

    A table of path, start, length, x, y and level, or a picture of it. The axes mean nothing.
    """
    from qbe.maps.points import files_of, segments_of
    from qbe.maps.table import written
    from qbe.stores import open_store

    is_picture = _is_picture(output, dimensions, as_json, null)
    store = open_store(library)
    words = _words(library, travels=store.about.travels) if is_picture and colour is ColourBy.TAG else {}
    points = segments_of(store) if segments else files_of(store)
    table = _old_table(keep, dimensions, is_picture) if keep else None
    with progress("map", 1, quiet=quiet, verbose=verbose) as update:
        note = f"{len(points)} {'segments' if segments else 'files'}"
        where = _laid_out(points, dimensions or 2, seed, table, library, lambda share: update(share, note))
    if output and is_picture:
        _save(output, [_picture(output, points, where, colour, words)])
    elif output:
        _save(output, written(points, where, b"\0" if null else b"\n"))
    else:
        Output(as_json, null).write(_rows(points, where), store.name, _shown)
    return 0


def _is_picture(output: str | None, dimensions: int | None, as_json: bool, null: bool) -> bool:
    """UsageError where the options do not go together."""
    if output and not output.lower().endswith((*PICTURES, TABLE)):
        raise UsageError(f"-o {output}: what is written is told by its ending: .svg or .png, or .tsv")
    is_picture = bool(output) and not str(output).lower().endswith(TABLE)
    if output and as_json:
        raise UsageError("--json goes to standard output: leave out -o")
    if is_picture and null:
        raise UsageError("-0 goes with tables, and a picture has no lines")
    if is_picture and dimensions == 3:
        raise UsageError("--dimensions 3: a picture is flat: leave it out, or write a table")
    return is_picture


def _old_table(keep: str, dimensions: int | None, is_picture: bool) -> Table:
    from qbe.maps.table import read_table

    table = read_table(keep)
    own = table.where.shape[1]
    if own != (dimensions or own):
        raise UsageError(f"--dimensions {dimensions}: {keep} has {own}")
    if is_picture and own == 3:
        raise UsageError(f"{keep} has 3 dimensions, and a picture is flat: write a table")
    return table


def _laid_out(
    points: Points, dimensions: int, seed: int, table: Table | None, library: str, on_share: OnShare
) -> Coordinates:
    from qbe.maps.projection import extend, project
    from qbe.maps.table import known_points

    if table is None:
        return project(points, dimensions, seed, on_share)
    known, places = known_points(points, table)
    if not len(known):
        raise UsageError(f"--keep: nothing of that table is in {library}: leave it out")
    return extend(points, known, places, seed, on_share)


def _words(library: str, *, travels: bool) -> Words:
    from qbe.tags.kept import borne_words, kept_tags

    words = borne_words(kept_tags(library, travels=travels))
    if not words:
        raise UsageError(f"--colour tag: no tags are kept with {library}: `qbe tag --write` finds some")
    return words


def _picture(output: str, points: Points, where: Coordinates, colour: ColourBy, words: Words) -> bytes:
    from qbe.maps.colours import colours
    from qbe.maps.pictures import png, svg

    draw = svg if output.lower().endswith(".svg") else png
    return draw(where, colours(points, colour, words))


def _save(output: str, pieces: Iterable[bytes]) -> None:
    from qbe.support.saving import save_file

    with save_file(output) as file:
        file.writelines(pieces)


def _rows(points: Points, where: Coordinates) -> Iterator[Row]:
    columns = (column.tolist() for column in (points.starts, points.lengths, where, points.levels))
    for path, start, length, coordinates, level in zip(points.paths, *columns, strict=True):
        axes = dict(zip(AXES[: len(coordinates)], coordinates, strict=True))
        yield {"path": path, "start": start, "length": length, **axes, "level": level}


def _shown(row: Mapping[str, Any]) -> Shown:
    axes = {f" {axis}": f"{row[axis]:.1f}" for axis in AXES if axis in row}
    place = f"{clock(row['start'])} - {clock(row['start'] + row['length'])}"
    return {"file": display(row["path"]), " from - to": place, **axes, " level": f"{row['level']:.0f} dB"}
