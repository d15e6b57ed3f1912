"""qbe eval: labelled tasks -> how well models and baselines retrieve."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from qbe.cli.app import Json, NullLines, Quiet, Verbose, command
from qbe.cli.outputs import Output, Report, say
from qbe.cli.progress import Update, progress
from qbe.support.errors import QbeError, UsageError

if TYPE_CHECKING:
    from qbe.cli.formats import Cell
    from qbe.measure.evaluation import Part, Retrieval, Task
    from qbe.measure.systems import System
    from qbe.search.windows import Windows

In = TypeVar("In")
Out = TypeVar("Out")


class Baseline(StrEnum):
    """The names in `qbe.measure.baselines.FEATURES`, without loading numpy."""

    logmel = "logmel"
    mfcc = "mfcc"


@command(
    "eval",
    "qbe eval --labels drums.tsv --model mine.onnx --baseline logmel",
    "qbe eval --labels drums.tsv --altered",
)
def evaluate(
    labels: Annotated[
        list[str],
        typer.Option(metavar="TASK.tsv", help="Columns path, label, group, perhaps start and duration.  [repeatable]"),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="ONNX model.  [repeatable; default: the built-in one]"),
    ] = None,
    baseline: Annotated[
        list[Baseline] | None, typer.Option(help="Features to compare models with.  [repeatable]")
    ] = None,
    root: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Where relative paths begin.  [default: here]")
    ] = None,
    altered: Annotated[
        bool, typer.Option("--altered", help="Ask whether altered sounds find their originals.")
    ] = False,
    as_json: Json = False,
    null: NullLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Measure how well labelled sounds find others of their label.

    Each is searched for among those of other groups. After several tasks comes their mean.
    """
    from qbe.measure.evaluation import read_task
    from qbe.measure.systems import baseline_system, model_system

    if root is not None and not os.path.isdir(root):
        raise UsageError(f"--root {root}: no such folder")
    report = Report()
    tasks = _each(read_task, labels, report)
    systems = _each(model_system, model or [None], report)
    systems += [baseline_system(name.value) for name in baseline or []]
    if tasks and systems:
        watch = partial(progress, "eval", quiet=quiet, verbose=verbose)
        sounds = _embedded(tasks, systems, os.fsencode(root or ""), report, watch)
        if altered:
            rows = _altered(tasks, systems, sounds, os.fsencode(root or ""), watch)
        else:
            rows = _rows(_each(lambda task: (task.name, _measured(task, systems, sounds)), tasks, report), systems)
        Output(as_json, null).write(rows, "originals found" if altered else "query by example")
    return report.end()


def _each(function: Callable[[In], Out], inputs: Iterable[In], report: Report) -> list[Out]:
    """What comes of every input that can be used; the others are reported."""
    results = []
    for one in inputs:
        try:
            results.append(function(one))
        except QbeError as error:
            report(error)
    return results


def _embedded(
    tasks: list[Task],
    systems: list[System],
    root: bytes,
    report: Report,
    watch: Callable[[int], AbstractContextManager[Update]],
) -> dict[Part, list[Windows]]:
    """The windows of all parts of sounds, each embedded once however many tasks it stands in."""
    from qbe.measure.systems import embed_parts

    parts = list(dict.fromkeys(item.part for task in tasks for item in task.items))
    sounds: dict[Part, list[Windows]] = {}
    with watch(len(parts)) as update:
        for part, found in zip(parts, embed_parts(parts, systems, root, report), strict=True):
            sounds[part] = found
            update(len(sounds), f"{len(sounds)} of {len(parts)} sounds")
    return sounds


def _measured(task: Task, systems: list[System], sounds: dict[Part, list[Windows]]) -> list[Retrieval]:
    """Every system's figures over the items that could be read. TaskError where these leave no match."""
    from qbe.measure.evaluation import Task

    items = [item for item in task.items if sounds[item.part]]
    if len(items) < len(task.items):
        say(f"{task.file}: without {len(task.items) - len(items)} of {len(task.items)} items, which cannot be read")
    Task(task.file, items).require_match()
    labels, groups = [item.label for item in items], [item.group for item in items]
    return [
        system.measure([sounds[item.part][place] for item in items], labels, groups)
        for place, system in enumerate(systems)
    ]


def _altered(
    tasks: list[Task],
    systems: list[System],
    sounds: dict[Part, list[Windows]],
    root: bytes,
    watch: Callable[[int], AbstractContextManager[Update]],
) -> list[dict[str, Cell]]:
    """One line of the output for every alteration and system; none where no sound could be read."""
    from qbe.measure.altered import Originals, find_originals, summary

    if not any(sounds.values()):
        return []
    originals = Originals(tasks, sounds, systems)
    found = []
    with watch(len(originals.parts)) as update:
        for of_part in find_originals(originals, root):
            found.append(of_part)
            update(len(found), f"{len(found)} of {len(originals.parts)} sounds, altered")
    return [
        {
            "alteration": row.alteration,
            "system": row.system,
            "first": row.first,
            "low": row.interval[0],
            "high": row.interval[1],
            "queries": row.queries,
        }
        for row in summary(systems, found)
    ]


def _rows(outcomes: list[tuple[str, list[Retrieval]]], systems: list[System]) -> list[dict[str, Cell]]:
    rows = [
        _row(task, system.name, [outcome])
        for task, of_task in outcomes
        for system, outcome in zip(systems, of_task, strict=True)
    ]
    if len(outcomes) > 1:
        of_systems = zip(*(of_task for _, of_task in outcomes), strict=True)
        rows += [_row("mean", system.name, of_one) for system, of_one in zip(systems, of_systems, strict=True)]
    return rows


def _row(task: str, system: str, outcomes: Sequence[Retrieval]) -> dict[str, Cell]:
    """One line of the output: of one task, or the mean of several, each counting alike."""
    from qbe.measure.evaluation import interval

    low, high = interval(outcomes)
    return {
        "task": task,
        "system": system,
        "mAP": sum(outcome.mean_average_precision for outcome in outcomes) / len(outcomes),
        "low": low,
        "high": high,
        "P@1": sum(outcome.precision_at_1 for outcome in outcomes) / len(outcomes),
        "chance": sum(outcome.chance for outcome in outcomes) / len(outcomes),
        "queries": sum(len(outcome.average_precisions) for outcome in outcomes),
        "items": sum(outcome.items for outcome in outcomes),
    }
