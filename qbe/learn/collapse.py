"""Notice when all sounds get the same embedding."""

from __future__ import annotations

from qbe.learn.settings import Settings

WINDOW = 100  # steps that are averaged; embeddings of an untrained network are alike too
SAME = 0.95  # mean cosine between sounds of different files
STUCK = 0.02  # the loss lies so near the margin, as a share of it


class CollapseWatch:
    """Call `sees` after every step; it speaks once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.steps = 0
        self.cosine = self.loss = 0.0
        self.spoken = False

    def sees(self, loss: float, mean_cosine: float) -> str | None:
        """What is wrong, and what to try; None while nothing is."""
        self.steps += 1
        rate = 1 / min(self.steps, WINDOW)
        self.cosine += rate * (mean_cosine - self.cosine)
        self.loss += rate * (loss - self.loss)
        if self.spoken or self.steps < WINDOW:
            return None
        found = self._symptom()
        self.spoken = found is not None
        return f"{found}: the embeddings have collapsed. Try {self._remedy()}" if found else None

    def _symptom(self) -> str | None:
        margin = self.settings.hinge
        if self.cosine > SAME:
            return f"sounds of different files have a mean cosine of {self.cosine:.3f}"
        if margin and abs(self.loss - margin) < STUCK * margin:
            return f"the loss stays at the margin, {margin:g}"
        return None

    def _remedy(self) -> str:
        lower = f"a lower --learning-rate (it is {self.settings.learning_rate:g})"
        if self.settings.mining == "hardest" and self.settings.loss != "nt-xent":
            return f"--mining semi-hard, or {lower}"
        return f"{lower}, or milder changes in --recipe"
