"""What is a word worth, and what its votes? Tried on the examples, as if their words were not known.

The sounds of one folder often have more in common than their words: a microphone, a drummer, a game. Whoever looks for
the word of one among the others of its folder learns how well words spread there, not how well to new folders. So each
word is looked for outside of the largest folder that leaves enough of its bearers, and inside only for those sounds
that have such company.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qbe.streams.records import Numbers
from qbe.tags.calibration import Curve, Values, fit
from qbe.tags.examples import Examples
from qbe.tags.neighbours import Neighbours, nearest
from qbe.tags.spreading import NEAREST, count_votes

TELLING = 0.05  # how much more than by chance a word's bearers must be near each other


@dataclass(frozen=True)
class Trials:
    """Examples, each of which has one of its words looked for among the others.

    sounds, words : [n]
    weights : how many bearers of the word each stands for, 1 on average
    without : the span of examples that are left out, [n, 2]
    abroad : whether that is a folder, and not only the sound itself, [n]
    """

    sounds: Numbers
    words: Numbers
    weights: Values
    without: Numbers
    abroad: NDArray[np.bool_]

    def those(self, chosen: NDArray[np.bool_]) -> Trials:
        """Some of them. chosen : [n]"""
        weights = self.weights[chosen]
        return Trials(self.sounds[chosen], self.words[chosen], weights, self.without[chosen], self.abroad[chosen])

    def apart(self, examples: Examples) -> Neighbours:
        """The neighbours of each outside of its folder."""
        return nearest(examples.vectors[self.sounds], examples.vectors, NEAREST, self.without)

    def beside(self, examples: Examples) -> Neighbours:
        """The neighbours of each, itself left out."""
        itself = np.stack([self.sounds, self.sounds + 1], axis=1)
        return nearest(examples.vectors[self.sounds], examples.vectors, NEAREST, itself)


def plan(examples: Examples, most: int) -> Trials:
    """Every word, at most so many times, with its bearers as evenly as they come."""
    bearers = examples.bearers()
    chosen = [own[np.linspace(0, len(own) - 1, min(most, len(own))).astype(int)] for own in bearers]
    tried = np.array([len(sounds) for sounds in chosen])
    weights = np.repeat(np.array([len(own) for own in bearers]) / np.maximum(1, tried), tried)
    folders = examples.folders
    spans = [
        folders.widest(folders.paths[sound], own)
        for own, sounds in zip(bearers, chosen, strict=True)
        for sound in sounds.tolist()
    ]
    sounds, words = np.concatenate(chosen), np.repeat(np.arange(len(tried)), tried)
    without = [span or (sound, sound + 1) for span, sound in zip(spans, sounds.tolist(), strict=True)]
    abroad = np.array([span is not None for span in spans])
    return Trials(sounds, words, weights / weights.mean(), np.array(without).reshape(-1, 2), abroad)


def telling(trials: Trials, near: Neighbours, examples: Examples) -> NDArray[np.bool_]:
    """Which words of the vocabulary are borne by sounds that are alike: the neighbours of its bearers bear it too, and
    more often than all examples do. The measure is that of Cohen's kappa, (found - chance) / (1 - chance)."""
    votes, size = count_votes(near, examples.borne), len(examples.vocabulary)
    own = votes.words == trials.words[votes.sounds]
    tried = np.maximum(1, np.bincount(trials.words, minlength=size))
    found = np.bincount(votes.words[own], votes.votes[own], size) / tried
    chance = np.bincount(examples.borne.words, minlength=size) / len(examples)
    tells: NDArray[np.bool_] = found - chance > TELLING * (1 - chance)
    return tells


def calibrated(trials: Trials, near: Neighbours, examples: Examples) -> Curve:
    """What the votes of these neighbours are worth.

    Of the words that a sound bears, the one it is tried for counts; the wrong ones count in parts, as many as it has
    words.
    """
    votes = count_votes(near, examples.borne)
    sounds, own = trials.sounds[votes.sounds], votes.words == trials.words[votes.sounds]
    counts = own | ~examples.borne.has(sounds, votes.words)
    parts = np.where(own, 1, np.diff(examples.borne.first)[sounds])
    weights = (trials.weights[votes.sounds] / parts)[counts]
    return fit(votes.votes[counts], own[counts], weights / weights.mean())
