"""The experiment of Jansen et al. (arXiv 1711.02209) on other sounds: what each observation teaches, and what all do.

    python tests/bench/paper.py OUT --sounds LIST --root CORPUS --tasks FOLDER [--steps 600] [--jobs 2]

LIST names the sounds to learn from, one a line; CORPUS is the folder that the paths in the tables of FOLDER are
relative to. The groups of every task are parted in two at random: two systems learn from the labels of one half, and
everything is measured on the other half, which has none of these sounds. "labels" knows nothing else, as the paper's
topline; since here that is a thousand sounds, "topline" learns from labels and from LIST, half a batch each. All
systems are trained for the same number of steps, and what is in OUT already is not trained again, so that the script
can be stopped and started.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from qbe.measure.evaluation import Item, Part, read_task

JOINT = "proximity=0.6,pitch=0.5,stretch=0.5,mix=0.15,noise=0.15"
SYSTEMS = {
    "noise": ["--recipe", "noise=1"],
    "pitch-stretch": ["--recipe", "pitch=0.7,stretch=0.7"],
    "mixing": ["--recipe", "mix=1"],
    "proximity": ["--recipe", "proximity=1"],
    "joint": ["--recipe", JOINT],
    "joint-nt-xent": ["--recipe", JOINT, "--loss", "nt-xent"],
}
BASELINE, LABELS, TOPLINE = "logmel", "labels", "topline"
SUPERVISED = (LABELS, TOPLINE)


def halves(items: list[Item], seed: int) -> tuple[list[Item], list[Item]]:
    """Items of one task by their group: to learn from, and to test on."""
    groups = sorted({item.group for item in items})
    np.random.default_rng(seed).shuffle(groups)
    tested = set(groups[: len(groups) // 2])
    return [i for i in items if i.group not in tested], [i for i in items if i.group in tested]


def overlap(one: Part, other: Part) -> bool:
    """Whether two parts share sound."""

    def end(part: Part) -> float:
        return np.inf if part.duration is None else part.start + part.duration

    return one.path == other.path and one.start < end(other) and other.start < end(one)


def split(folder: Path) -> tuple[dict[str, list[Item]], dict[str, list[Item]]]:
    """By task: what the topline learns from, and what all are tested on; no sound is in both, whatever the task.

    Where tasks share sounds, a later one leaves out what is on the other side already: small tasks come first, which
    have the least to spare.
    """
    learned: dict[str, list[Item]] = {}
    tested: dict[str, list[Item]] = {}
    tasks = sorted((read_task(str(path)) for path in folder.glob("*.tsv")), key=lambda task: len(task.items))
    for task in tasks:
        to_learn, to_test = halves(task.items, 0)
        before = [item.part for items in learned.values() for item in items]
        learned[task.name] = without(to_learn, [item.part for items in tested.values() for item in items])
        tested[task.name] = without(to_test, before)
    return learned, tested


def without(items: list[Item], parts: list[Part]) -> list[Item]:
    """The items that share no sound with parts."""
    return [item for item in items if not any(overlap(item.part, part) for part in parts)]


def write_tasks(tasks: dict[str, list[Item]], folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for task, items in tasks.items():
        rows = [
            (
                os.fsdecode(i.part.path),
                i.label,
                i.group,
                i.part.start,
                "" if i.part.duration is None else i.part.duration,
            )
            for i in items
        ]
        lines = [("path", "label", "group", "start", "duration"), *rows]
        paths.append(folder / f"{task}.tsv")
        paths[-1].write_text("".join("\t".join(map(str, line)) + "\n" for line in lines), errors="surrogateescape")
    return paths


def train(system: str, arguments: argparse.Namespace) -> None:
    """One system, to OUT/SYSTEM.onnx."""
    model = arguments.out / f"{system}.onnx"
    if system in SUPERVISED:
        train_on_labels(split(arguments.tasks)[0], arguments, model, alone=system == LABELS)
        return
    command = ["qbe", "train", "-o", model, "-q", "--log", model.with_suffix(".jsonl")]
    if model.with_name(model.name + ".training").exists():
        command += ["--resume"]
    else:
        command += ["--files-from", arguments.sounds, "--balance", "sqrt", "--steps", str(arguments.steps)]
        command += SYSTEMS[system]
    subprocess.run(command, check=False)  # exit code 2 also says that a sound could not be read
    if not model.exists():
        sys.exit(f"{system}: no model came out")


def train_on_labels(tasks: dict[str, list[Item]], arguments: argparse.Namespace, model: Path, *, alone: bool) -> None:
    """Pairs by label, the positive deformed as in the joint recipe; and, unless alone, as many joint pairs."""
    import torch
    from torch.utils.data import Dataset

    from qbe.audio.reading import read_blocks
    from qbe.audio.recipe import choose, draw, read_recipe
    from qbe.audio.segmentation import SAMPLE_RATE, WINDOW, cut, segments
    from qbe.learn.cache import decode_once, default_cache
    from qbe.learn.corpus import Corpus, open_corpus, write_corpus
    from qbe.learn.export import export
    from qbe.learn.settings import Settings
    from qbe.learn.training import Training
    from qbe.learn.triplets import Batch, Place, Triplets, deformed_window
    from qbe.streams.records import Segment
    from qbe.support.errors import AudioError

    class Labelled(Dataset[Batch]):
        """Every batch is of one task; pairs have a label in common and no group; negatives have another label."""

        def __init__(self, corpus: Corpus, settings: Settings, unlabelled: Triplets | None) -> None:
            self.corpus, self.settings, self.unlabelled = corpus, settings, unlabelled
            keys = [path.decode(errors="surrogateescape").split("\t") for path in corpus.paths]
            self.places: dict[str, dict[str, list[tuple[str, int]]]] = {}
            for run, file in enumerate(corpus.runs["file"]):
                task, label, group = keys[file][:3]
                self.places.setdefault(task, {}).setdefault(label, []).append((group, run))
            for labels in self.places.values():
                for label in [k for k, runs in labels.items() if len({group for group, _ in runs}) < 2]:
                    del labels[label]

        def __getitem__(self, step: int) -> Batch:
            rng = np.random.default_rng([self.settings.seed, step])
            labels = self.places[sorted(self.places)[rng.integers(len(self.places))]]
            names = sorted(labels)
            chosen = rng.integers(len(names), size=self.settings.batch // (2 if self.unlabelled else 1))
            pairs = [self.pair(labels[names[k]], rng) for k in chosen]
            anchors, positives = (np.stack(side) for side in zip(*pairs, strict=True))
            batch = Batch(torch.from_numpy(anchors), torch.from_numpy(positives), torch.from_numpy(chosen))
            return join(batch, self.unlabelled[step]) if self.unlabelled else batch

        def pair(self, runs: list[tuple[str, int]], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            group, run = runs[rng.integers(len(runs))]
            others = [other for name, other in runs if name != group]
            recipe = self.settings.recipe
            drawn = [draw(rng, recipe, change) for change in choose(rng, recipe, ("pitch", "stretch", "noise"))]
            anchor = deformed_window(self.corpus, self.place(run, rng), [])
            return anchor, deformed_window(self.corpus, self.place(others[rng.integers(len(others))], rng), drawn)

        def place(self, run: int, rng: np.random.Generator) -> Place:
            last = max(0, int(self.corpus.runs["length"][run]) - WINDOW // 2)
            return Place(run, int(rng.integers(last + 1)))

    def join(one: Batch, other: Batch) -> Batch:
        sources = torch.cat([one.sources, other.sources + len(one.sources)])  # no file has the number of a label
        return Batch(torch.cat([one.anchors, other.anchors]), torch.cat([one.positives, other.positives]), sources)

    def labelled_segments() -> Iterator[Segment]:
        for task, items in tasks.items():
            for number, item in enumerate(items):
                key = f"{task}\t{item.label}\t{item.group}\t{number}".encode(errors="surrogateescape")
                part, source = item.part, os.path.join(os.fsencode(arguments.root), item.part.path)
                try:
                    blocks = read_blocks(source, SAMPLE_RATE, start=part.start, duration=part.duration)
                    yield from cut(blocks, key, hop=WINDOW)
                except AudioError as error:
                    print(error, file=sys.stderr)

    folder = arguments.out / model.stem
    folder.mkdir(exist_ok=True)
    corpus, unlabelled, recipe = write_corpus(labelled_segments(), folder), None, read_recipe(JOINT)
    if alone:
        # Semi-hard negatives of sounds that only share a label lie right behind the positive: nothing is learned.
        settings = Settings(steps=arguments.steps, recipe=recipe, mining="none")
    else:
        settings = Settings(steps=arguments.steps, recipe=recipe, loss="nt-xent")
        paths = arguments.sounds.read_bytes().splitlines()
        sounds = decode_once(paths, default_cache(), lambda failed: segments(paths, failed, hop=WINDOW), print, print)
        joint = Settings(batch=settings.batch // 2, recipe=recipe, balance="sqrt")
        unlabelled = Triplets(open_corpus(sounds), joint)
    training = Training(Labelled(corpus, settings, unlabelled), None, settings, folder / "checkpoint.pt")
    for progress in training.run():
        if progress.step % 20 == 0:
            print(f"{model.stem}: step {progress.step}, loss {progress.loss:.3f}", file=sys.stderr, flush=True)
    sounds = training.batches[0].anchors.numpy()
    export(training.network, str(model), name=model.stem, licence="", training={}, sounds=sounds, int8=False)


def evaluated(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """System -> task -> mAP on the tested halves, the baseline and "mean" included."""
    tables = write_tasks(split(arguments.tasks)[1], arguments.out / "tasks")
    models = {str(arguments.out / f"{system}.onnx"): system for system in [*SYSTEMS, *SUPERVISED]}
    command = ["qbe", "eval", "--json", "-q", "--root", arguments.root, "--baseline", BASELINE]
    command += [word for table in tables for word in ("--labels", table)]
    command += [word for model in models for word in ("--model", model)]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True).stdout.splitlines()
    figures: dict[str, dict[str, float]] = {}
    for row in map(json.loads, lines):
        figures.setdefault(models.get(row["system"], row["system"]), {})[row["task"]] = row["mAP"]
    return figures


def print_table(figures: dict[str, dict[str, float]]) -> None:
    low, high = figures[BASELINE]["mean"], figures[TOPLINE]["mean"]
    tasks = list(figures[BASELINE])
    print("| system | " + " | ".join(tasks) + " | gap recovered |")
    print("|---|" + "---|" * (len(tasks) + 1))
    for system in [BASELINE, *SYSTEMS, *SUPERVISED]:
        cells = [f"{figures[system][task]:.3f}" for task in tasks]
        print(f"| {system} | " + " | ".join(cells) + f" | {(figures[system]['mean'] - low) / (high - low):.0%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for option in ("--sounds", "--root", "--tasks"):
        parser.add_argument(option, type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, each on one core")
    parser.add_argument("--only", choices=[*SYSTEMS, *SUPERVISED], help="train this one and stop")
    arguments = parser.parse_args()
    arguments.out.mkdir(exist_ok=True)
    if arguments.only:
        train(arguments.only, arguments)
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}

    def trained(system: str) -> int:
        command = [sys.executable, *sys.argv, "--only", system]
        return subprocess.run(command, env=environment, check=False).returncode

    missing = [system for system in [*SUPERVISED, *SYSTEMS] if not (arguments.out / f"{system}.onnx").exists()]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        if any(pool.map(trained, missing)):
            sys.exit("not all systems could be trained")
    print_table(evaluated(arguments))


if __name__ == "__main__":
    main()
