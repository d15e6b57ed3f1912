"""qbe browse: a library -> a page in the browser, to see and hear it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from qbe.cli.app import Model, Quiet, command
from qbe.cli.outputs import say
from qbe.cli.progress import progress

LOCAL = "127.0.0.1"


@command("browse", "qbe browse lib.idx", "qbe browse lib.idx --segments --no-open --port 8000")
def browse(
    library: Annotated[str, typer.Argument(metavar="LIBRARY")],
    segments: Annotated[bool, typer.Option("--segments", help="A point for every segment, not every file.")] = False,
    table: Annotated[
        str | None, typer.Option("--map", metavar="FILE", help="The map, as `qbe map -o FILE.tsv` wrote it.")
    ] = None,
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0: one that is free.")] = 0,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = LOCAL,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the address, and open no browser.")] = False,
    model: Model = None,
    quiet: Quiet = False,
) -> int:
    """See and hear a library in the browser.

    A map to move over, lists of what is alike, search by names and sounds. Ctrl-C ends it.
    """
    import webbrowser

    from qbe.browse.opened import Opened
    from qbe.browse.server import PageServer

    opened = Opened(library, model, segments, table)
    with progress("map", 1, quiet=quiet) as update:
        opened.now(lambda share: update(share, "laying out"))
    with PageServer(opened, host, port) as server:
        if host != LOCAL:
            say(f"{host}: whoever can reach it and has the address sees and hears the library; nothing is encrypted")
        print(server.address)
        sys.stdout.flush()
        if not no_open and not webbrowser.open(server.address):
            say("no browser was found: open the address")
        server.serve_forever()
    return 0
