"""The tags of a library: what its user and its names say, and what that makes likely of sounds that are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qbe.search.store import Store
from qbe.streams.records import Numbers
from qbe.tags.aliases import Aliases
from qbe.tags.bearing import FOLDER, Said, said_of
from qbe.tags.calibration import Curve, Values
from qbe.tags.examples import Examples, choose_examples
from qbe.tags.neighbours import nearest, sound_vectors
from qbe.tags.spreading import NEAREST, Votes, count_votes
from qbe.tags.tables import NAME, NEAR, NOT, USER, Tag
from qbe.tags.trials import calibrated, plan, telling

LEAST_BEARERS = 3  # of a word that spreads
LEAST_EXAMPLES = 30  # from which chances are learned
JUDGED = 8  # bearers of a word on which it is tried whether it tells anything
TRIALS = 16_384  # in all, about, from which chances are learned
LEAST_TRIALS = 4  # of a word


@dataclass(frozen=True)
class Sources:
    """Where words come from.

    labels : what the user says; the later one counts more than the earlier
    places : of names, FOLDER and FILE
    """

    labels: Sequence[Tag]
    places: frozenset[str]
    aliases: Aliases


class Tagger:
    """Knows who bears what in a library, and what that is worth for the others.

    paths : of all its sounds, in their order as bytes
    said : what is said of each, without `dropped`: words of names that tell nothing, and how many names said each
    companions : the words that are borne together with each that may spread
    chances : what votes are worth for sounds in folders without examples, and in those with; None where examples
        are too few to learn that from
    """

    def __init__(self, store: Store, sources: Sources, on_step: Callable[[str], None] = lambda _: None) -> None:
        """on_step : hears what is done next"""
        on_step("reading names")
        entries = sorted((entry for entry in store.files() if not entry.failed), key=lambda entry: entry.path)
        self.paths = [entry.path for entry in entries]
        self.said = said_of(self.paths, sources.labels, sources.places, sources.aliases)
        on_step("reading vectors")
        self.vectors = sound_vectors(store, np.array([entry.number for entry in entries], np.int64))
        on_step("weighing words")
        self.dropped = self._drop()
        self.examples = self._examples()
        self.companions = self._companions()
        self.chances = self._learned() if len(self.examples) >= LEAST_EXAMPLES else None

    def _examples(self) -> Examples:
        counts = Counter(word for said in self.said for word in said if not word.startswith(NOT))
        vocabulary = sorted(word for word, count in counts.items() if count >= LEAST_BEARERS)
        return choose_examples(self.paths, self.vectors, self.said, vocabulary)

    def _companions(self) -> dict[str, set[str]]:
        companions: dict[str, set[str]] = {word: set() for word in self.examples.vocabulary}
        for said in self.said:
            own = companions.keys() & said.keys()
            for word in own:
                companions[word] |= own
        return companions

    def _drop(self) -> dict[str, int]:
        examples = self._examples()
        if len(examples) < LEAST_EXAMPLES:
            return {}
        trials = plan(examples, JUDGED)
        tells = telling(trials, trials.apart(examples), examples)
        users = {word for said in self.said for word, source in said.items() if source == USER}
        told = {word for word, tell in zip(examples.vocabulary, tells, strict=True) if not tell} - users
        dropped = Counter(word for said in self.said for word in told.intersection(said))
        for said in self.said:
            for word in told.intersection(said):
                del said[word]
        return dict(sorted(dropped.items(), key=lambda item: (-item[1], item[0])))

    def _learned(self) -> tuple[Curve, Curve]:
        trials = plan(self.examples, max(LEAST_TRIALS, TRIALS // len(self.examples.vocabulary)))
        beside = calibrated(trials, trials.beside(self.examples), self.examples)
        abroad = trials.those(trials.abroad)
        if len(abroad.sounds) < LEAST_EXAMPLES:
            return beside, beside
        return calibrated(abroad, abroad.apart(self.examples), self.examples), beside

    def tags(self, min_score: float, without: frozenset[bytes] = frozenset()) -> Iterator[Tag]:
        """The tags of all sounds, in the order of paths: what the user says, what names say, and what is likely, best
        first.

        min_score : of what is only likely
        without : sounds that get none
        """
        wanted = np.array([at for at, path in enumerate(self.paths) if path not in without], np.int64)
        near = self._near(wanted, min_score)
        for at in wanted.tolist():
            path, said = self.paths[at], self.said[at]
            sure = sorted((USER if source == USER else NAME, word) for word, source in said.items())
            yield from (Tag(path, word, 1.0, source) for source, word in reversed(sure))
            yield from (Tag(path, word, score, NEAR) for score, word in near.get(at, []))

    def _near(self, wanted: Numbers, min_score: float) -> dict[int, list[tuple[float, str]]]:
        """What is likely of each of some sounds, and has not been said."""
        votes = self._votes(wanted)
        scores = self._scores(wanted, votes)
        good = scores >= min_score
        found: dict[int, list[tuple[float, str]]] = {}
        columns = wanted[votes.sounds[good]], votes.words[good], scores[good]
        for at, word, score in zip(*(column.tolist() for column in columns), strict=True):
            name = self.examples.vocabulary[word]
            if self._may_be_added(name, self.said[at]):
                found.setdefault(at, []).append((score, name))
        return {at: sorted(tags, key=lambda tag: (-tag[0], tag[1])) for at, tags in found.items()}

    def _may_be_added(self, word: str, said: Said) -> bool:
        """Whether a word is likely at all beside those that are said of a sound.

        Not where its user or its own name has said what it is: how often such a word lacks could not be measured. To
        what its folders say come only words that are borne together with one of these.
        """
        own = {other: source for other, source in said.items() if other in self.companions}
        if word in own or NOT + word in said or set(own.values()) - {FOLDER}:
            return False
        return not own or any(word in self.companions[other] for other in own)

    def _votes(self, wanted: Numbers) -> Votes:
        """Of sounds whose own words do not count."""
        examples = self.examples
        first, last = (np.searchsorted(examples.numbers, wanted, side) for side in ("left", "right"))
        near = nearest(self.vectors[wanted], examples.vectors, NEAREST, np.stack([first, last], axis=1))
        return count_votes(near, examples.borne)

    def _scores(self, wanted: Numbers, votes: Votes) -> Values:
        if self.chances is None:
            return votes.votes
        apart, beside = (curve(votes.votes) for curve in self.chances)
        return np.where(self._have_company(wanted)[votes.sounds], beside, apart)

    def _have_company(self, wanted: Numbers) -> NDArray[np.bool_]:
        """Whether others of the same folder are examples: the largest folder that does not hold all of them."""
        spans: dict[bytes, tuple[int, int]] = {}
        everyone, company = np.arange(len(self.examples)), []
        for path in (self.paths[at] for at in wanted.tolist()):
            folder = path.rpartition(b"/")[0]
            if folder not in spans:
                spans[folder] = self.examples.folders.widest(path, everyone) or (0, 0)
            company.append(spans[folder][1] - spans[folder][0])
        return np.array(company) > np.isin(wanted, self.examples.numbers)
