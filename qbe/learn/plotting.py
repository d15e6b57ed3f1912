"""Pictures of a training, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from qbe.learn.losses import Views, compare, mine
from qbe.learn.settings import Mining, Settings
from qbe.support.plotting import new_figure, write_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qbe.learn.progress import History
    from qbe.learn.training import Learner
    from qbe.learn.triplets import Batch

SMOOTHED = 50  # steps at most


@dataclass(frozen=True)
class Distances:
    """Cosine distances of views [n] to their positive, to a random view of another one, and to the mined negative."""

    positive: NDArray[np.float32]
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    mining: str

    @classmethod
    def of(cls, training: Learner, batches: list[Batch]) -> Self:
        """As the network of `training` and its way of mining have them."""
        views = []
        for batch in batches:
            anchors, positives = (training.embed_all(list(audio.numpy())) for audio in (batch.anchors, batch.positives))
            views.append(compare(anchors, positives, batch.sources))
        return cls.between(views, training.settings)

    @classmethod
    def between(cls, views_of_batches: list[Views], settings: Settings) -> Self:
        """Of views on the CPU."""
        mining: Mining = "semi-hard" if settings.mining == "none" else settings.mining
        positive: list[NDArray[np.float32]] = []
        negatives: dict[Mining, list[NDArray[np.float32]]] = {"none": [], mining: []}
        for views in views_of_batches:
            positive.append(1 - views.positive.numpy())
            for how, part in negatives.items():
                negative, found = mine(views, how)
                part.append(1 - views.similarity.gather(1, negative[:, None])[:, 0][found].numpy())
        before, after = (np.concatenate(part) for part in negatives.values())
        return cls(np.concatenate(positive), before, after, mining)


def plot_training(path: str, history: History, distances: Distances) -> None:
    """The loss and the recall over steps, and distances before and after mining, into an SVG file."""
    figure = new_figure(12, 7)
    axes = figure.subplots(2, 2)
    _curve(axes[0, 0], np.arange(1, len(history.loss) + 1), np.array(history.loss), "loss")
    steps, recall = np.array(history.recall).reshape(-1, 2).T
    axes[0, 1].plot(steps, recall, marker=".")
    axes[0, 1].set(title="held-out segments: recall@1 of the deformed", xlabel="step", ylim=(0, 1))
    _histogram(axes[1, 0], distances.positive, distances.before, "before mining: a random negative")
    _histogram(axes[1, 1], distances.positive, distances.after, f"after mining: {distances.mining}")
    write_svg(path, figure)


def _curve(axes: Axes, steps: NDArray[np.int64], values: NDArray[np.float64], title: str) -> None:
    """A value of every step, and its running mean."""
    axes.plot(steps, values, color="0.8", linewidth=0.8)
    width = max(1, min(SMOOTHED, len(values) // 10))
    axes.plot(steps[width - 1 :], np.convolve(values, np.full(width, 1 / width), "valid"))
    axes.set(title=title, xlabel="step")


def _histogram(axes: Axes, positive: NDArray[np.float32], negative: NDArray[np.float32], title: str) -> None:
    edges = np.linspace(0, 1.6, 81).tolist()
    axes.hist(positive, edges, alpha=0.6, label="anchor to positive", density=True)
    axes.hist(negative, edges, alpha=0.6, label="anchor to negative", density=True)
    axes.set(title=title, xlabel="cosine distance")
    axes.legend()
