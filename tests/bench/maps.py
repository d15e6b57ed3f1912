"""A map beside those of other libraries: time, and how much of the neighbourhoods is kept.

    pip install umap-learn openTSNE pacmap trimap scikit-learn
    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python tests/bench/maps.py LIBRARY [--points N] [--leave-out NAME]

All lay out the same segments, drawn by chance, in a process each, with what they do unless told otherwise. Of 2000 of
these, drawn by chance: trustworthiness (Venna and Kaski, 2001) of 15 neighbours; the share of the ten nearest in 128
dimensions that are among the ten nearest in the plane; and how often most of the five nearest there are of the same
folder, which of the five nearest in 128 dimensions stands in the first line. CPU seconds, with compilation and whatever
a library does to find neighbours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbe.maps.points import segments_of
from qbe.maps.projection import Coordinates
from qbe.maps.tsne import tsne
from qbe.stores import open_store
from qbe.streams.records import Vector

ASKED, NEIGHBOURS, KEPT, VOTES = 2000, 15, 10, 5


def own(vectors: Vector) -> Coordinates:
    return tsne(vectors, 2, np.random.default_rng(0))


def sklearn(vectors: Vector) -> Any:
    from sklearn.manifold import TSNE

    return TSNE(n_jobs=1, random_state=0).fit_transform(vectors)


def opentsne(vectors: Vector) -> Any:
    from openTSNE import TSNE

    return np.asarray(TSNE(n_jobs=1, random_state=0).fit(vectors))


def umap(vectors: Vector) -> Any:
    from umap import UMAP

    return UMAP(n_jobs=1, random_state=0).fit_transform(vectors)


def pacmap(vectors: Vector) -> Any:
    from pacmap import PaCMAP

    return PaCMAP(random_state=0).fit_transform(vectors)


def localmap(vectors: Vector) -> Any:
    from pacmap import LocalMAP

    return LocalMAP(random_state=0).fit_transform(vectors)


def trimap(vectors: Vector) -> Any:
    from trimap import TRIMAP

    return TRIMAP(verbose=False).fit_transform(vectors)


METHODS: dict[str, Callable[[Vector], Any]] = {
    "qbe": own, "scikit-learn": sklearn, "openTSNE": opentsne, "umap-learn": umap, "PaCMAP": pacmap,
    "LocalMAP": localmap, "TriMap": trimap,
}  # fmt: skip


def drawn(library: str, count: int | None) -> tuple[Vector, NDArray[np.intp]]:
    """Vectors of segments, and the numbers of the folders that they are from."""
    points = segments_of(open_store(library))
    numbers = np.sort(np.random.default_rng(0).permutation(len(points))[:count])
    folders = [os.path.dirname(points.paths[number]) for number in numbers.tolist()]
    return points.vectors(numbers), np.unique(np.array(folders), return_inverse=True)[1]


def nearest(distances: NDArray[Any], own: int, count: int) -> NDArray[np.intp]:
    """The nearest others, nearest first."""
    near = np.argpartition(distances, count + 1)[: count + 2]
    near = near[np.argsort(distances[near], kind="stable")]
    return near[near != own][:count]


def quality(vectors: Vector, where: Coordinates, folders: NDArray[np.intp]) -> list[float]:
    """Trustworthiness, share of neighbours kept, share of right votes in the plane, and in all dimensions."""
    total, sums = len(vectors), np.zeros(4)
    asked = np.random.default_rng(1).permutation(total)[:ASKED]
    for one in asked.tolist():
        apart, flat = -(vectors @ vectors[one]), np.square(where - where[one]).sum(1)
        apart[one] = -2  # itself, the first of all
        true, shown = nearest(apart, one, NEIGHBOURS), nearest(flat, one, NEIGHBOURS)
        ranks = np.array([np.count_nonzero(apart < apart[other]) for other in shown])
        sums[0] += np.maximum(ranks - NEIGHBOURS, 0).sum()
        sums[1] += len(np.intersect1d(true[:KEPT], shown[:KEPT])) / KEPT
        for at, near in ((2, shown), (3, true)):
            sums[at] += np.bincount(folders[near[:VOTES]]).argmax() == folders[one]
    means = sums / len(asked)
    means[0] = 1 - means[0] * 2 / (NEIGHBOURS * (2 * total - 3 * NEIGHBOURS - 1))
    return means.tolist()


def measured(library: str, count: int | None, name: str) -> dict[str, Any]:
    """What one method takes and gives, in this process."""
    warnings.simplefilter("ignore")
    vectors, folders = drawn(library, count)
    began = time.process_time()
    where = np.asarray(METHODS[name](vectors), np.float64)
    seconds = time.process_time() - began
    return {"points": len(vectors), "seconds": seconds, "quality": quality(vectors, where, folders)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("--points", type=int, help="default: all segments")
    parser.add_argument("--leave-out", action="append", default=[], choices=METHODS)
    parser.add_argument("--only", choices=METHODS, help="measure this one here, and print JSON")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measured(arguments.library, arguments.points, arguments.only)))
        return
    for name in [name for name in METHODS if name not in arguments.leave_out]:
        done = subprocess.run([sys.executable, *sys.argv, "--only", name], stdout=subprocess.PIPE, check=True)
        result = json.loads(done.stdout.splitlines()[-1])
        trust, kept, votes, best = result["quality"]
        if name == "qbe":
            print(f"{result['points']} segments; votes in all dimensions {best:.3f}\n")
            print("| map | CPU s | trustworthiness | 10 nearest kept | 5 nearest vote right |\n|---|---|---|---|---|")
        print(f"| {name} | {result['seconds']:.1f} | {trust:.4f} | {kept:.3f} | {votes:.3f} |", flush=True)


if __name__ == "__main__":
    main()
