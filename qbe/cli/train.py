"""qbe train: sounds -> a model."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qbe.cli.app import FilesFrom, Inputs, NullNames, Quiet, command
from qbe.cli.inputs import sound_files, stdin
from qbe.cli.outputs import Output, Report, say
from qbe.cli.progress import progress, watched
from qbe.cli.times import clock
from qbe.support.errors import UsageError, display

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from qbe.learn.materials import Materials
    from qbe.learn.progress import Progress
    from qbe.learn.session import Session, Summary
    from qbe.learn.settings import Settings
    from qbe.streams.records import Segment
    from qbe.support.errors import OnError

DEFAULT_MINUTES = 60.0
BLOCKS = 4
Balance = StrEnum("Balance", ["duration", "sqrt", "folder"])
Negatives = StrEnum("Negatives", ["files", "folders"])
Loss = StrEnum("Loss", [("cosine", "cosine"), ("l2", "l2"), ("nt_xent", "nt-xent")])
Mining = StrEnum("Mining", [("none", "none"), ("semi_hard", "semi-hard"), ("hardest", "hardest")])
Device = StrEnum("Device", ["auto", "cpu", "cuda"])


@command(
    "train",
    "qbe train ~/sounds -o mine.onnx --minutes 60",
    "qbe train -o mine.onnx --resume",
    "qbe train ~/sounds --recipe proximity=0.6,pitch=0.5,mix=0.2 --audition pairs/",
)
def train(
    inputs: Inputs = None,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="MODEL", help="The model to write.")] = None,
    files_from: FilesFrom = None,
    null: NullNames = False,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="Train for N batches.")] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", min=0.01, help="Train for M minutes.  [default: 60]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was stopped.")] = False,
    recipe: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="How positives are made: pitch=0.5,noise=0.2 or TOML.")
    ] = None,
    near: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.0, help="Reach of proximity.  [default: 10]")
    ] = None,
    balance: Annotated[Balance | None, typer.Option(help="What files are drawn by.  [default: duration]")] = None,
    kinds: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="Kind and source of every file, to draw by.")
    ] = None,
    rooms: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Impulse responses, for room in recipes.")
    ] = None,
    negatives: Annotated[
        Negatives | None, typer.Option(help="Which sounds count as other ones.  [default: files]")
    ] = None,
    loss: Annotated[Loss | None, typer.Option(help="What is made small.  [default: cosine]")] = None,
    mining: Annotated[Mining | None, typer.Option(help="Of negatives, for triplets.  [default: semi-hard]")] = None,
    margin: Annotated[
        float | None, typer.Option(metavar="M", min=1e-3, max=4, help="Of triplets.  [default: cosine 0.25, l2 0.1]")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="T", min=1e-3, max=10, help="Of nt-xent.  [default: 0.1]")
    ] = None,
    batch: Annotated[int | None, typer.Option(metavar="N", min=2, max=65536, help="Pairs.  [default: 128]")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="R", min=1e-7, max=1, help="Of AdamW, at its highest.  [default: 0.002]")
    ] = None,
    widths: Annotated[
        str | None, typer.Option(metavar="N,N,N,N", help="Of the network's blocks.  [default: 24,48,96,192]")
    ] = None,
    learn_filterbank: Annotated[bool, typer.Option("--learn-filterbank", help="Train the wavelets too.")] = False,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Of everything that is drawn.  [default: 0]")
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to train; auto: a GPU if any.")] = Device.auto,
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For decoded sounds.  [default: $XDG_CACHE_HOME/qbe]")
    ] = None,
    audition: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a few pairs as WAV, to hear; do not train.")
    ] = None,
    log: Annotated[str | None, typer.Option(metavar="FILE", help="Append a JSON line a step.")] = None,
    plot: Annotated[str | None, typer.Option(metavar="FILE", help="Draw loss, recall and mining as SVG.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Quantise the encoder.")] = False,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the model.  [default: MODEL's file name]")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The licence of the model, kept in the file.")
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Train a model on sounds of your own, without labels.

    Takes files, folders, or a stream of segments on stdin. A checkpoint is kept every three minutes and on Ctrl-C: go
    on with --resume.
    """
    choices = {
        "recipe": recipe, "near": near, "balance": balance, "negatives": negatives, "loss": loss,
        "mining": mining, "margin": margin, "temperature": temperature, "batch": batch, "learning_rate": learning_rate,
        "learn_filterbank": learn_filterbank or None, "seed": seed, "name": name, "licence": licence,
        "widths": widths, "kinds": kinds, "rooms": rooms,
    }  # fmt: skip
    given = {option: value for option, value in choices.items() if value is not None}
    if steps and minutes:
        raise UsageError("--steps and --minutes: give one of them")
    if resume and (inputs or files_from or audition or given):
        what = ", ".join("--" + option.replace("_", "-") for option in given) or "any sounds"
        raise UsageError(f"--resume goes on with the sounds and choices it began with: leave out {what}")
    if not output and not audition:
        raise UsageError("name the model to write: -o MODEL")
    if kinds and balance:
        raise UsageError("--kinds and --balance: files are drawn by one of them: leave out the other")
    settings = _settings({"name": Path(output or "unnamed").stem, **given}, steps, minutes)
    _check_packages(plot)
    from qbe.learn.devices import open_device
    from qbe.learn.materials import Materials
    from qbe.learn.session import Session

    report, tell = Report(), (lambda _: None) if quiet else say
    sounds = _Sounds(inputs, files_from, null, cache, quiet, report, tell)
    if audition:
        if settings.recipe.on_device:
            names = ", ".join(settings.recipe.on_device)
            raise UsageError(f"--audition: {names}: made on a GPU, cannot be heard before: leave out of --recipe")
        settings.check(by_batch=False)
        _audition(sounds, settings, Materials.read(kinds, None), audition)
        return report.end()
    assert output
    session = Session(Path(output), open_device(device.value))
    with open(log, "a", buffering=1) if log else nullcontext() as lines:
        if resume:
            session.take_up(steps, minutes)
        else:
            _begin(session, sounds, settings, lambda: Materials.read(kinds, rooms))
        training, minutes = session.training, session.training.settings.minutes
        with progress("train", 1.0, quiet=quiet, takes=minutes and 60 * minutes) as update:
            update(training.settings.done(training.step, training.seconds), "the first step")
            for state in session.train():
                update(state.done, _note(state))
                _heed(state, lines)
        _tell_summary(session.finish(int8=int8, plot=plot), output, tell)
    return report.end()


def _check_packages(plot: str | None) -> None:
    # Threads that spin while they wait would starve the process that makes the batches. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401

        if plot:
            import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(f"training needs {error.name}: pip install '.[train]', in qbe's source") from None


def _settings(given: dict[str, Any], steps: int | None, minutes: float | None) -> Settings:
    from qbe.audio.recipe import read_recipe
    from qbe.learn.settings import Settings

    if steps is None and minutes is None:
        minutes = DEFAULT_MINUTES
    choices = {option: getattr(value, "value", value) for option, value in given.items()}
    if "recipe" in choices:
        choices["recipe"] = read_recipe(choices["recipe"])
    if "widths" in choices:
        choices["widths"] = _widths(choices["widths"])
    for option in {"kinds", "rooms"} & choices.keys():
        choices[option] = display(os.fsencode(choices[option].resolve().name))
    return Settings(steps=steps, minutes=minutes, **choices)


def _widths(text: str) -> tuple[int, ...]:
    widths = tuple(int(word) for word in text.split(",") if word.strip().isdecimal())
    if len(widths) != BLOCKS or len(text.split(",")) != BLOCKS or not all(4 <= width <= 1024 for width in widths):
        raise UsageError(f"--widths {text}: must be four numbers from 4 to 1024, as in 24,48,96,192")
    return widths


@dataclass
class _Sounds:
    """What there is to learn from: named files, or a stream on stdin."""

    inputs: list[str] | None
    files_from: str | None
    null: bool
    cache: Path | None
    quiet: bool
    report: Report
    tell: Callable[[str], None]

    @property
    def are_named(self) -> bool:
        return bool(self.inputs or self.files_from)

    def decoded(self) -> Path:
        """The folder with the decoded files."""
        from qbe.learn.cache import decode_once, default_cache

        paths = sound_files(self.inputs, self.files_from, self.null, self.report)
        if not paths:
            raise UsageError("no sounds to learn from among what was named")
        cache = self.cache or default_cache()
        return decode_once(paths, cache, partial(self._cut, paths), self.report, self.tell)

    def _cut(self, paths: list[bytes], on_error: OnError) -> Iterator[Segment]:
        from qbe.audio.segmentation import SAMPLE_RATE, WINDOW, segments

        with progress("decode", len(paths), quiet=self.quiet) as update:
            yield from watched(segments(paths, on_error, hop=WINDOW), SAMPLE_RATE, update, len(paths))

    def stream(self) -> Iterable[Segment]:
        """Segments from stdin. UsageError where they are of another rate."""
        from qbe.audio.segmentation import SAMPLE_RATE
        from qbe.streams.framing import StreamReader

        reader = StreamReader(stdin(), "segments")
        if reader.header.sample_rate != SAMPLE_RATE:
            raise UsageError(f"the segments are at {reader.header.sample_rate} Hz; training takes {SAMPLE_RATE} Hz")
        return reader.segments()


def _begin(session: Session, sounds: _Sounds, settings: Settings, materials: Callable[[], Materials]) -> None:
    session.check(settings)
    read = materials()  # before all sounds are decoded, which may take long
    if sounds.are_named:
        session.begin(sounds.decoded(), settings, read)
    else:
        session.begin_with(sounds.stream(), settings, read)


def _audition(sounds: _Sounds, settings: Settings, materials: Materials, folder: Path) -> None:
    from qbe.learn.audition import write_pairs
    from qbe.learn.corpus import open_corpus, write_corpus

    with tempfile.TemporaryDirectory() as temporary:
        named = sounds.are_named
        corpus = open_corpus(sounds.decoded()) if named else write_corpus(sounds.stream(), Path(temporary))
        Output().write(
            {
                "anchor": bytes(pair.anchor),
                "positive": bytes(pair.positive),
                "changes": pair.changes,
                "start": pair.start,
                "path": pair.path,
            }
            for pair in write_pairs(corpus, settings, folder, materials)
        )


def _heed(state: Progress, log: Any) -> None:
    """Into the log; warnings to stderr."""
    if state.warning:
        say(state.warning)
    if log:
        rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in vars(state).items() if v is not None}
        log.write(json.dumps(rounded) + "\n")


def _note(state: Progress) -> str:
    recall = "" if state.recall is None else f"recall@1 {state.recall:.2f}, "
    learned = f"step {state.step}, loss {state.loss:.3f}, active {state.active:.0%}"
    return f"{learned}, {recall}{state.views_per_second:.0f} segments/s"


def _tell_summary(summary: Summary, output: str, tell: Callable[[str], None]) -> None:
    tell(
        f"{summary.steps} steps in {clock(summary.seconds)}, {summary.views_per_second:.0f} segments/s, "
        f"{summary.waiting:.1%} of the time waiting for data"
    )
    tell(f"loss {summary.first_loss:.3f} at first, {summary.last_loss:.3f} at last (means of {summary.averaged} steps)")
    if summary.recall is None:
        tell("recall not measured: too few files to hold some out, or too few steps")
    else:
        tell(f"recall@1 of held-out segments, deformed, among their originals: {summary.recall:.3f}")
    tell(f"wrote {output}, {summary.size / 1e6:.1f} MB, {summary.quality}")
