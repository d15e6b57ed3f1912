"""The `qbe` command that the subcommands register with, and the options that several of them share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from qbe.cli.help import Command, Group
from qbe.cli.times import length, seconds

app = typer.Typer(
    name="qbe",
    cls=Group,
    help="Find sounds by example",
    epilog="qbe embed ~/samples | qbe index -o lib.idx    # a library of your sounds\n"
    "qbe search lib.idx query.wav                  # which sound like this one?\n",
    add_completion=False,
    rich_markup_mode=None,  # plain help: rich is not loaded for it
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


@app.callback(invoke_without_command=True)
def _qbe(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from qbe import __version__

        print(f"qbe {__version__}")
        raise typer.Exit


def command(
    name: str, *examples: str, cls: type[Command] = Command
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Register a subcommand. Parsing gives back the work, ready to call; it returns the exit code."""

    def register(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def parsed(**arguments: Any) -> Callable[[], int]:
            return functools.partial(function, **arguments)

        app.command(name, cls=cls, epilog="\n".join(examples))(parsed)
        return function

    return register


def _without_ffmpeg() -> bool:
    os.environ["QBE_FFMPEG"] = ""
    return True


Inputs = Annotated[
    list[str] | None, typer.Argument(metavar="[FILES|FOLDERS]...", help="Sounds; folders are searched recursively.")
]
FilesFrom = Annotated[str | None, typer.Option(metavar="FILE", help="Names of sounds, one a line; '-': stdin.")]
NullNames = Annotated[bool, typer.Option("-0", "--null", help="Names in --files-from end in NUL, not newline.")]
NullLines = Annotated[bool, typer.Option("-0", "--null", help="End output lines with NUL, not newline.")]
Hidden = Annotated[bool, typer.Option("--hidden", help="Search hidden and system folders and files too.")]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="GLOB", help="Pass over such files and folders.  [repeatable]")
]
Follow = Annotated[bool, typer.Option("-L", "--follow", help="Search folders that are links too.")]
NoFfmpeg = Annotated[
    bool, typer.Option("--no-ffmpeg", help="Decode nothing with ffmpeg.", callback=lambda no: no and _without_ffmpeg())
]
Expand = Annotated[
    float,
    typer.Option(metavar="N", min=0.01, max=100, help="Play sounds N times slower; bats: 10.", show_default=False),
]
Hop = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="From one window to the next.  [default: half a window]")
]
Start = Annotated[
    float, typer.Option(metavar="TIME", parser=seconds, help="Where the part to take begins: 90.5, 1:30.5.")
]
Duration = Annotated[
    float | None, typer.Option(metavar="TIME", parser=length, help="How long it is.  [default: to the end]")
]
Silence = Annotated[
    float, typer.Option(metavar="DB", help="Leave out windows under this, and 60 dB under the loudest.", max=0)
]
KeepSilence = Annotated[bool, typer.Option("--keep-silence", help="Leave none out.")]
Model = Annotated[str | None, typer.Option(metavar="FILE", help="ONNX model.  [default: the one in the package]")]
Jobs = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, max=256, help="Threads that read and embed.  [default: one for each core]"),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress on the terminal.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say in the end what was done, and how fast.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
