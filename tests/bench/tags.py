"""How right are tags that spread from some sounds to others? On labelled sounds, half of whose labels are hidden.

    python tests/bench/tags.py CORPUS TASK.tsv... [--baseline logmel] [--splits 10]

The tables are those of `qbe eval`. Every sound lies in the folder of its group, as in a library of kits, games or
recordings. Half of the labels are hidden at random: those of whole groups, and then those of single sounds wherever
they are; the others are given as the user's. "names" hides no labels but words: sounds keep the words of their own
names, but for those of the hidden groups, and what counts is whether these get the words of their labels.

    P@1        how often the likeliest word is right
    error      of the likeliest word's votes as they are, and of its score: expected calibration error, 10 bins
    sure       share of sounds with a score of .8 or more, and how many of these tags are right
    MAP        of searching hidden sounds by text: mean average precision over words; and that of random order
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qbe.measure.evaluation import Item, average_precision, chance_precision, read_task
from qbe.measure.systems import baseline_system, embed_parts, model_system
from qbe.search.store import Store
from qbe.stores import open_store, open_writer
from qbe.streams.records import Embedding, Header, Vector
from qbe.support.errors import QbeError
from qbe.tags.aliases import read_aliases
from qbe.tags.bearing import FILE, labelled
from qbe.tags.tables import NEAR, USER, Tag
from qbe.tags.tagging import Sources, Tagger
from qbe.tags.words import words

SURE, BINS = 0.8, 10
HEADINGS = ("task", "system", "hidden", "P@1", "error, votes", "error, scores", "sure", "right", "MAP", "chance")


@dataclass(frozen=True)
class Sound:
    """A labelled sound. path : in the library; vectors : of its segments"""

    path: bytes
    item: Item
    vectors: Vector


def sounds_of(items: Sequence[Item], vectors: Sequence[Vector]) -> list[Sound]:
    """In the folders of their groups, under their own names."""
    found = []
    for number, (item, own) in enumerate(zip(items, vectors, strict=True)):
        folder = item.group.replace("/", " ").encode(errors="surrogateescape")
        found.append(Sound(b"%s/%04d %s" % (folder, number, os.path.basename(item.part.path)), item, own))
    return found


def unnamed(sound: Sound) -> Sound:
    """The same under a name that says nothing."""
    folder, name = sound.path.rsplit(b"/", 1)
    return replace(sound, path=folder + b"/" + name[:4] + b".wav")


def library_of(sounds: Sequence[Sound], folder: str) -> Store:
    name = os.path.join(folder, "a.idx")
    header = Header("embeddings", 16_000, "", "", sounds[0].vectors.shape[1])
    records = (
        Embedding(sound.path, 8192 * at, 16_384, 16_000, vector)
        for sound in sounds
        for at, vector in enumerate(sound.vectors)
    )
    with open_writer(name) as writer:
        writer.replace(header, records, [])
    return open_store(name)


@dataclass(frozen=True)
class Guesses:
    """Of hidden sounds and the words of labels, scores and whether they are right, [n, words]; votes : as scores"""

    scores: NDArray[np.float64]
    votes: NDArray[np.float64]
    right: NDArray[np.bool_]


def guesses(sounds: Sequence[Sound], hidden: NDArray[np.bool_], by_name: bool, folder: str) -> Guesses | None:
    """What is likely of the hidden ones, of the words that the others bear; None where hardly any bear words."""
    aliases = read_aliases()
    named = [unnamed(sound) if hide else sound for sound, hide in zip(sounds, hidden, strict=True)]
    labels = [Tag(s.path, s.item.label, 1.0, USER) for s, hide in zip(named, hidden, strict=True) if not hide]
    sources = Sources([] if by_name else labels, frozenset([FILE] if by_name else []), aliases)
    tagger = Tagger(library_of(named, folder), sources)
    if tagger.chances is None:
        return None
    truth = [set((words if by_name else labelled)(sound.item.label, aliases)) for sound in sounds]
    vocabulary = sorted(set.union(*(own for own, hide in zip(truth, hidden, strict=True) if not hide)))
    asked = [(s.path, own) for s, own, hide in zip(named, truth, hidden, strict=True) if hide]
    right = np.array([[word in own for word in vocabulary] for _, own in asked])
    scores = table_of(tagger, [path for path, _ in asked], vocabulary)
    tagger.chances = None
    votes = table_of(tagger, [path for path, _ in asked], vocabulary)
    known = right.any(1)  # a sound whose words nobody else bears can get none of them
    return Guesses(scores[known], votes[known], right[known])


def table_of(tagger: Tagger, paths: Sequence[bytes], vocabulary: Sequence[str]) -> NDArray[np.float64]:
    """The scores of words that are likely of sounds, [sounds, words]."""
    row, column = ({name: at for at, name in enumerate(names)} for names in (paths, vocabulary))
    table = np.zeros((len(paths), len(vocabulary)))
    for tag in tagger.tags(0.0):
        if tag.source == NEAR and tag.path in row and tag.word in column:
            table[row[tag.path], column[tag.word]] = tag.score
    return table


def calibration_error(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The mean distance between scores and how many of them are right, over bins of scores."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    count, claimed, true = (np.bincount(bins, weights, BINS) for weights in (None, scores, right))
    return float(np.abs(claimed - true).sum() / count.sum())


def row(parts: Sequence[Guesses]) -> list[float]:
    """The figures of all splits together."""
    top = [(part.scores.argmax(1), np.arange(len(part.scores)), part) for part in parts]
    likeliest = [(p.scores[at, best], p.votes[at, best], p.right[at, best]) for best, at, p in top]
    scores, votes, right = (np.concatenate(column) for column in zip(*likeliest, strict=True))
    sure = np.concatenate([part.scores.ravel() >= SURE for part in parts])
    all_right = np.concatenate([part.right.ravel() for part in parts])
    ranked = [
        (average_precision(own[np.argsort(-found, kind="stable")]), chance_precision(int(own.sum()), len(own)))
        for part in parts
        for found, own in zip(part.scores.T, part.right.T, strict=True)
        if own.any()
    ]
    some_sure = np.concatenate([(part.scores >= SURE).any(1) for part in parts])
    return [
        float(right.mean()),
        calibration_error(votes, right),
        calibration_error(scores, right),
        float(some_sure.mean()),
        float(all_right[sure].mean()) if sure.any() else float("nan"),
        *(float(mean) for mean in np.mean(ranked, axis=0)),
    ]


def hidden_in(sounds: Sequence[Sound], split: int, whole_groups: bool) -> NDArray[np.bool_]:
    """Half of the groups, or half of the sounds."""
    rng = np.random.default_rng(split)
    if not whole_groups:
        return rng.random(len(sounds)) < 0.5
    groups = sorted({sound.item.group for sound in sounds})
    chosen = {groups[at] for at in rng.permutation(len(groups))[: len(groups) // 2]}
    return np.array([sound.item.group in chosen for sound in sounds])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("tasks", nargs="+")
    parser.add_argument("--baseline", choices=["logmel", "mfcc"])
    parser.add_argument("--splits", type=int, default=10)
    arguments = parser.parse_args()
    systems = [model_system(None), *([baseline_system(arguments.baseline)] if arguments.baseline else [])]
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS), flush=True)
    together: list[list[Sound]] = [[] for _ in systems]
    for task in map(read_task, arguments.tasks):
        parts = [item.part for item in task.items]
        embedded = list(embed_parts(parts, systems, os.fsencode(arguments.root), complain))
        heard = [(item, own) for item, own in zip(task.items, embedded, strict=True) if own]
        for at, system in enumerate(systems):
            vectors = [own[at].vectors for _, own in heard]
            sounds = sounds_of([item for item, _ in heard], standardised(vectors) if at else vectors)
            report(task.name, system.name, sounds, arguments.splits)
            together[at] += sounds
    if len(arguments.tasks) > 1:
        for system, sounds in zip(systems, together, strict=True):
            report("all as one library", system.name, sounds, arguments.splits)


def complain(error: QbeError) -> None:
    print(error, file=sys.stderr)


def standardised(sounds: Sequence[Vector]) -> list[Vector]:
    """Features of a baseline, each over its deviation, at unit length: as its best variants are."""
    windows = np.concatenate(list(sounds))
    scaled = [(sound - windows.mean(0)) / (windows.std(0) + 1e-6) for sound in sounds]
    return [(sound / np.linalg.norm(sound, axis=1, keepdims=True)).astype(np.float32) for sound in scaled]


CONDITIONS = {"groups": (True, False), "sounds": (False, False), "names of groups": (True, True)}


def report(task: str, system: str, sounds: Sequence[Sound], splits: int) -> None:
    for condition, (whole_groups, by_name) in CONDITIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            tried = [guesses(sounds, hidden_in(sounds, n, whole_groups), by_name, folder) for n in range(splits)]
        if parts := [part for part in tried if part is not None and len(part.right)]:
            print(
                f"| {task} | {system} | {condition} | " + " | ".join(f"{value:.3f}" for value in row(parts)) + " |",
                flush=True,
            )


if __name__ == "__main__":
    main()
