"""qbe clip: places in sounds -> each as a sound of its own."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from qbe.cli.app import Quiet, Verbose, command
from qbe.cli.inputs import lines, stdin
from qbe.cli.outputs import Report
from qbe.cli.places import places
from qbe.cli.progress import is_fed, progress
from qbe.cli.times import seconds
from qbe.support.errors import AudioError, UsageError


@command(
    "clip",
    "qbe search lib.idx query.wav --places | qbe clip -o calls/",
    "qbe search lib.idx query.wav -0 | qbe clip -0 -o calls/ --pad 0.5",
)
def clip(
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FOLDER", help="Where clips go.")] = None,
    pad: Annotated[float, typer.Option(metavar="TIME", parser=seconds, help="So much more on both sides.")] = 0.0,
    null: Annotated[bool, typer.Option("-0", "--null", help="Lines on stdin end in NUL, not newline.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Cut out what was found: places on stdin, each to a WAV file.

    Lines of qbe search, plain or --json, or of a path, a start and an end, parted by tabs. No file is overwritten.
    """
    from qbe.audio.clipping import Clipper

    if output is None:
        raise UsageError("name the folder that the clips go into: -o FOLDER")
    source, report = stdin(), Report()
    os.makedirs(output, exist_ok=True)
    clipper = Clipper(os.fsencode(output), pad)
    with progress("clip", None, quiet=quiet, verbose=verbose) as update:
        for place in places(lines(source, b"\0" if null else b"\n"), report):
            try:
                clipper.write(place)
            except (AudioError, UsageError) as error:
                report(error)
            if not is_fed():  # else the command before shows how far it is
                update(len(clipper.written), f"{len(clipper.written)} clips")
        update(len(clipper.written), f"{len(clipper.written)} clips")
    return report.end()
