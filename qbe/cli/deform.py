"""qbe deform: sounds or segments -> the same, deformed."""

from __future__ import annotations

import io
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import Duration, FilesFrom, Inputs, NoFfmpeg, NullNames, Quiet, Start, command
from qbe.cli.help import Command
from qbe.cli.inputs import sound_files, stdin, whole_stdin
from qbe.cli.outputs import Report, is_terminal, say, stdout_stream
from qbe.cli.playing import keys
from qbe.cli.progress import heard, progress
from qbe.support.errors import UsageError

if TYPE_CHECKING:
    from qbe.audio.chain import Step, Tell
    from qbe.streams.records import Deformation


Bits = StrEnum("Bits", ["16", "24", "32"])


class InOrder(Command):
    """Keeps the words of the command line: Typer forgets the order of different options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta["words"] = list(args)
        return super().parse_args(ctx, args)


@command(
    "deform",
    "qbe deform --pitch +2 in.wav",
    "qbe deform --stretch 1.5 --noise 20 *.wav -o deformed/",
    "qbe deform --pitch 3 kick.wav | qbe search lib.idx -",
    cls=InOrder,
)
def deform(
    context: typer.Context,
    inputs: Inputs = None,
    pitch: Annotated[list[float] | None, typer.Option(metavar="SEMITONES", help="Shift the pitch.")] = None,
    stretch: Annotated[
        list[float] | None, typer.Option(metavar="FACTOR", help="Change the tempo; 2: twice as long.")
    ] = None,
    noise: Annotated[
        list[float] | None, typer.Option(metavar="DB", help="Add noise at this signal-to-noise ratio.")
    ] = None,
    mix: Annotated[
        list[str] | None, typer.Option(metavar="FILE[:DB]", help="Lay another sound under it.  [-6 dB]")
    ] = None,
    gain: Annotated[list[float] | None, typer.Option(metavar="DB", help="Make it louder.")] = None,
    eq: Annotated[list[float] | None, typer.Option(metavar="TILT", help="Tilt the spectrum, dB per octave.")] = None,
    near: Annotated[
        list[float] | None, typer.Option(metavar="SECONDS", help="Take a segment within this distance instead.")
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="Then draw what training draws.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of everything that is drawn.")] = 0,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE|FOLDER", help="Write there, not to stdout.")
    ] = None,
    start: Start = 0.0,
    duration: Duration = None,
    bits: Annotated[Bits | None, typer.Option(help="Of samples; 32: floats.  [default: as the sound has them]")] = None,
    limit: Annotated[bool, typer.Option("--limit", help="Cut peaks over full scale.")] = False,
    files_from: FilesFrom = None,
    null: NullNames = False,
    no_ffmpeg: NoFfmpeg = False,  # noqa: ARG001  # heeded when it is parsed
    quiet: Quiet = False,
) -> int:
    """Change the pitch, the tempo and more of sounds.

    In the order of the options, each as often as you like. Without -o: played on a terminal, else WAV on stdout. A
    stream of segments on stdin comes out as one.
    """
    from qbe.audio.auditioning import Audition
    from qbe.streams.packing import is_stream

    values = {"pitch": pitch, "stretch": stretch, "noise": noise, "mix": mix, "gain": gain, "eq": eq, "near": near}
    steps = _in_order(context.meta["words"], values, random)
    report, tell = Report(), _tell if random and not quiet else None
    paths: list[Any] = list(sound_files(inputs, files_from, null, report))
    if not (inputs or files_from):
        source: Any = stdin()
        if is_stream(source.peek(1)):
            if start or duration is not None:
                raise UsageError("--start and --duration pick a part of a sound; standard input holds a stream")
            return _stream(source, steps, seed, tell)
        paths = [io.BytesIO(whole_stdin())]
    wanted = None if bits is None else int(bits.value)
    audition = Audition(steps, seed, start, duration, limit=limit, bits=wanted, report=report, warn=say, tell=tell)
    if output is not None:
        began = time.monotonic()
        with progress("deform", len(paths), quiet=quiet) as update:
            audition.write(
                paths, output, lambda through, seconds: update(through, heard(through, len(paths), seconds, began))
            )
    elif is_terminal():
        with keys() as key:
            audition.play(paths, key)
    else:
        audition.pipe(paths, stdout_stream())
    return report.end()


def _in_order(words: list[str], values: dict[str, Any], random: bool) -> list[Step]:
    from qbe.audio.chain import Step

    left = {f"--{name}": iter(given or []) for name, given in values.items()}
    names = (word.partition("=")[0] for word in words[: words.index("--") if "--" in words else None])
    steps = [Step(name[2:], next(left[name])) for name in names if name in left]
    return steps + [Step("random", 0)] * random


def _stream(source: Any, steps: list[Step], seed: int, tell: Tell | None) -> int:
    from qbe.audio.chain import deform_segments
    from qbe.streams.framing import StreamReader, StreamWriter, with_files

    out = stdout_stream()
    reader = StreamReader(source, "segments")
    with StreamWriter(out, reader.header) as writer:
        deformed = deform_segments(reader.segments(), steps, seed, reader.header.sample_rate, tell)
        writer.write_all(with_files(deformed, reader.files))
        writer.failed = reader.failed
    return 0


def _tell(path: bytes, deformations: list[Deformation]) -> None:
    from qbe.audio.chain import describe
    from qbe.support.errors import display

    say(f"{display(path)}: {describe(deformations)}")
