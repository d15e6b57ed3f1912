"""qbe train: sounds -> a model."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qbe.cli.app import FilesFrom, Inputs, NullNames, Quiet, command
from qbe.cli.inputs import sound_files, stdin
from qbe.cli.outputs import Report, clock, progress
from qbe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbe.learn.training import Progress
    from qbe.streams.records import Segment


class Balance(StrEnum):
    """How the chance of a file to give the next anchor depends on its duration."""

    duration = "duration"
    sqrt = "sqrt"


@command("train")
def train(
    output: Annotated[str, typer.Option("-o", "--output", metavar="MODEL", help="The ONNX model to write.")],
    inputs: Inputs = None,
    files_from: FilesFrom = None,
    null: NullNames = False,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="Train for N batches.")] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", min=0.01, help="Train for M minutes.  [default: 60]")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of everything that is drawn.")] = 0,
    balance: Annotated[
        Balance, typer.Option(help="Draw files by their duration, or by its square root.")
    ] = Balance.duration,
    name: Annotated[str | None, typer.Option(help="What the model calls itself.  [default: MODEL's file name]")] = None,
    licence: Annotated[str, typer.Option(help="The licence of the model, kept in the file.")] = "unstated",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was stopped.")] = False,
    quiet: Quiet = False,
) -> int:
    """Train a model on sounds without labels (files, folders, or a stream of segments on stdin).

    The sounds are decoded once into the folder MODEL.training, where a checkpoint is kept every three minutes; a
    training that was stopped goes on with --resume. The folder goes when the model is written.

    Examples: qbe train ~/sounds -o mine.onnx --minutes 60

    qbe train -o mine.onnx --resume
    """
    if steps and minutes:
        raise UsageError("--steps and --minutes: give one of them")
    # Threads that spin while they wait would starve the process that makes the batches. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise UsageError(f"training needs {error.name}: pip install 'qbe[train]'") from None
    from qbe.learn.session import Session
    from qbe.learn.training import Settings
    from qbe.learn.triplets import Recipe

    report, session = Report(), Session(Path(output))
    if resume:
        if inputs or files_from:
            raise UsageError("--resume goes on with the sounds it began with: name none")
        session.take_up(steps, minutes)
    else:
        length = {"steps": steps} if steps else {"minutes": minutes or 60.0}
        settings = Settings(**length, seed=seed, recipe=Recipe(balance=balance.value))
        session.begin(_segments(inputs, files_from, null, quiet, report), settings)
    with progress("train", 1.0, quiet) as update:
        for state in session.train():
            update(state.done, _note(state))
    session.finish(name or Path(output).stem, licence)
    return report.exit_code


def _segments(
    inputs: list[str] | None, files_from: str | None, null: bool, quiet: bool, report: Report
) -> Iterator[Segment]:
    """What there is to learn from, whole windows one after the other."""
    from qbe.audio.segmentation import SAMPLE_RATE, WINDOW, segments
    from qbe.streams.framing import StreamReader

    if not inputs and not files_from:
        reader = StreamReader(stdin(), "segments")
        if reader.header.sample_rate != SAMPLE_RATE:
            raise UsageError(f"the segments are at {reader.header.sample_rate} Hz; training takes {SAMPLE_RATE} Hz")
        yield from reader.segments()
        return
    paths = sound_files(inputs, files_from, null, report)
    with progress("decode", len(paths), quiet) as update:

        def counted() -> Iterator[bytes]:
            for done, path in enumerate(paths):
                update(done, f"{done} of {len(paths)} files")
                yield path

        yield from segments(counted(), report, hop=WINDOW)


def _note(state: Progress) -> str:
    left = state.seconds * (1 / state.done - 1) if state.done else 0.0
    return (
        f"step {state.step}, loss {state.loss:.3f}, margin violations {state.violations:.0%}, "
        f"{state.views_per_second:.0f} segments/s, {clock(left)} left"
    )
