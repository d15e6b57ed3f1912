"""What spreads in a library of made-up kinds of sounds, and how far its scores can be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from dict_store import KEPT, DictStore, DictWriter

from qbe.streams.records import Embedding, Header, Vector
from qbe.tags.aliases import read_aliases
from qbe.tags.bearing import FILE, FOLDER
from qbe.tags.finding import find, library_tags
from qbe.tags.neighbours import unit
from qbe.tags.tables import NAME, NEAR, USER, Tag
from qbe.tags.tagging import LEAST_EXAMPLES, Sources, Tagger

DIMENSION = 16
KINDS = unit(np.random.default_rng(9).normal(size=(40, DIMENSION)))
BOTH = frozenset([FOLDER, FILE])
NOWHERE: frozenset[str] = frozenset()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    KEPT.clear()


def library(sounds: Mapping[str, int | Vector], spread: float = 0.1, seed: int = 0) -> DictStore:
    """A library of files by name, each of a kind, or of a vector."""
    rng = np.random.default_rng(seed)
    header = Header("embeddings", 16_000, "m", "m", DIMENSION)
    records = []
    for name, kind in sounds.items():
        vector = (KINDS[kind] if isinstance(kind, int) else kind) + rng.normal(size=DIMENSION) * spread
        records.append(Embedding(name.encode(), 0, 16_384, 16_000, unit(vector[None])[0].astype(np.float32)))
    DictWriter("made").replace(header, records, [])
    return DictStore("made")


def tagger(store: DictStore, labels: dict[str, str] | None = None, places: frozenset[str] = BOTH) -> Tagger:
    said = [Tag(path.encode(), word, 1.0, USER) for path, word in (labels or {}).items()]
    return Tagger(store, Sources(said, places, read_aliases()))


def likely(tags: Tagger, least: float = 0.5) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tag in tags.tags(least):
        if tag.source == NEAR:
            found.setdefault(tag.path.decode(), []).append(tag.word)
    return found


WORDS = ["kick", "snare", "cowbell"]
KITS = {f"kit{kit}/{word} {take}.wav": kind for kit in range(4) for kind, word in enumerate(WORDS) for take in range(4)}
UNNAMED = {f"new/{number}.wav": number % 3 for number in range(9)}


def test_words_spread_to_sounds_that_have_none() -> None:
    tags = tagger(library(KITS | UNNAMED))
    expected = {name: [WORDS[kind]] for name, kind in UNNAMED.items()}
    assert likely(tags) == expected
    named = {(tag.path.decode(), tag.word) for tag in tags.tags(0.0) if tag.source == NAME}
    assert named == {(name, name.split("/")[1].split()[0]) for name in KITS}


def test_a_sound_of_no_known_kind_gets_no_word() -> None:
    strange = {f"new/strange {number}.wav": 20 + number for number in range(10)}
    assert not {name for name in likely(tagger(library(KITS | UNNAMED | strange))) if "strange" in name}


def test_user_and_name_come_first_and_nothing_is_guessed_beside_them() -> None:
    labels = {"kit0/kick 0.wav": "deep", "new/0.wav": "-kick", "new/1.wav": "bd"}
    tags = list(tagger(library(KITS | UNNAMED), labels).tags(0.0))
    assert [tag[1:] for tag in tags if tag.path == b"kit0/kick 0.wav"] == [("deep", 1.0, USER), ("kick", 1.0, NAME)]
    assert "kick" not in [tag.word for tag in tags if tag.path == b"new/0.wav"]
    assert [tag[1:] for tag in tags if tag.path == b"new/1.wav"] == [("kick", 1.0, USER)]


def test_to_words_of_folders_come_only_words_that_go_with_them() -> None:
    """What lies among drums may be a kick, if kicks lie there too; and what lies among strings is none."""
    named = {f"drums/{name}": kind for name, kind in KITS.items()}
    strings = {f"strings/{number}.wav": 5 for number in range(20)}
    nameless = {"drums/kit1/a.wav": 0, "strings/b.wav": 0}
    assert likely(tagger(library(named | strings | nameless))) == {"drums/kit1/a.wav": ["kick"]}


def test_words_that_tell_nothing_are_dropped_but_the_users() -> None:
    """One on all files, and one strewn over all kinds, are none of a sound."""
    rng = np.random.default_rng(0)
    strewn = {name.replace("/", "/drumkit_"): kind for name, kind in KITS.items()}
    strewn = {name.replace(".wav", " zap.wav") if rng.random() < 0.4 else name: kind for name, kind in strewn.items()}
    tags = tagger(library(strewn))
    zaps = sum("zap" in name for name in strewn)
    assert tags.dropped == {"drumkit": len(strewn), "kit": len(strewn), "zap": zaps} or tags.dropped == {
        "drumkit": len(strewn),
        "zap": zaps,
        "kit": len(strewn),
    }
    assert "zap" not in {tag.word for tag in tags.tags(0.0)}
    labels = {name: "zap" for name in strewn if "zap" in name}
    assert "zap" not in tagger(library(strewn), labels).dropped


def test_a_word_of_two_sounds_does_not_spread() -> None:
    rare = {"new/gong 1.wav": 7, "new/gong 2.wav": 7, "new/x.wav": 7}
    tags = tagger(library(KITS | rare))
    assert "new/x.wav" not in likely(tags)
    assert {tag.path for tag in tags.tags(0.0) if tag.word == "gong"} == {b"new/gong 1.wav", b"new/gong 2.wav"}


def overlapping(seed: int) -> tuple[dict[str, int], dict[str, str]]:
    """Kits whose kinds blur into each other, and what they are."""
    rng = np.random.default_rng(seed)
    names = {f"kit{kit:02}/{number}.wav": int(rng.integers(6)) for kit in range(30) for number in range(20)}
    return names, {name: f"word{chr(97 + kind)}" for name, kind in names.items()}


@pytest.mark.parametrize("whole_kits", [True, False])
def test_scores_are_chances(whole_kits: bool) -> None:
    """Of tags with a score around s, a share of about s is right, be whole folders unknown or single sounds."""
    names, truth = overlapping(1)
    rng = np.random.default_rng(2)
    hidden = {name for name in names if (int(name[3:5]) % 2 if whole_kits else rng.random() < 0.5)}
    labels = {name: word for name, word in truth.items() if name not in hidden}
    tags = [tag for tag in tagger(library(names, 0.45), labels, NOWHERE).tags(0.0) if tag.source == NEAR]
    right = np.array([truth[tag.path.decode()] == tag.word for tag in tags])
    scores = np.array([tag.score for tag in tags])
    for low in np.arange(0, 1, 0.2):
        within = (scores >= low) & (scores < low + 0.2)
        if within.sum() > 40:
            error = 3 * np.sqrt(0.25 / within.sum()) + 0.05
            assert right[within].mean() == pytest.approx(scores[within].mean(), abs=error)
    assert (scores > 0.8).sum() > 40


def test_likeness_within_a_folder_is_no_evidence_for_other_folders() -> None:
    """Sounds of a folder are alike, so that within it a word is sure; in other folders a kind has either word."""
    rng = np.random.default_rng(0)
    places, sounds, words = unit(rng.normal(size=(40, DIMENSION))), {}, {}
    for folder in range(40):
        for word, kind in zip(("alpha", "beta"), rng.permutation(10)[:2], strict=True):
            for take in range(6):
                sounds[f"{folder:02}/{word}{take}.wav"] = KINDS[kind] + places[folder]
                words[f"{folder:02}/{word}{take}.wav"] = word
    labels = {name: word for name, word in words.items() if not name.endswith("0.wav") and int(name[:2]) < 30}
    near = [tag for tag in tagger(library(sounds, 0.05), labels, NOWHERE).tags(0.0) if tag.source == NEAR]
    best = {tag.path.decode(): tag for tag in sorted(near, key=lambda tag: tag.score)}
    beside = [tag for name, tag in best.items() if int(name[:2]) < 30]
    apart = [tag for name, tag in best.items() if int(name[:2]) >= 30]
    assert len(beside) == 60
    assert all(tag.word == words[tag.path.decode()] and tag.score > 0.9 for tag in beside)
    assert len(apart) == 120
    assert max(tag.score for tag in apart) < 0.8


def test_of_few_examples_no_chances_are_learned() -> None:
    names = dict(list(KITS.items())[: LEAST_EXAMPLES - 1])
    few, enough = (
        tagger(library(dict(list(KITS.items())[:n]) | UNNAMED)) for n in (LEAST_EXAMPLES - 1, LEAST_EXAMPLES)
    )
    assert len(names) == len(few.examples)
    assert few.chances is None
    assert enough.chances is not None
    assert 0 < max(tag.score for tag in few.tags(0.0) if tag.source == NEAR) <= 1


def test_a_library_without_words_gets_none() -> None:
    tags = tagger(library({f"{number}.wav": number for number in range(5)}))
    assert list(tags.tags(0.0)) == []
    assert tags.dropped == {}


def test_the_same_library_gives_the_same_tags_however_it_was_put_together() -> None:
    sounds = list((KITS | UNNAMED).items())
    one = list(tagger(library(dict(sounds))).tags(0.0))
    again = list(tagger(DictStore("made")).tags(0.0))
    assert one == again
    assert [tag.path for tag in one] == sorted(tag.path for tag in one)


def test_sounds_that_have_tags_can_be_left_alone() -> None:
    tags = tagger(library(KITS | UNNAMED))
    left = frozenset(name.encode() for name in list(KITS) + list(UNNAMED)[:4])
    assert list(tags.tags(0.5, left)) == [tag for tag in tags.tags(0.5) if tag.path not in left]


def test_text_finds_the_surest_first_and_then_the_likest() -> None:
    odd = {"kit9/kick odd.wav": 30}
    store = library(KITS | UNNAMED | odd)
    answer = find(store, "kick", library_tags(store, None, 0.5), 0.5)
    paths = [found.file.path.decode() for found in answer.found]
    named = [path for path in paths if "kick" in path]
    assert set(paths) == {name for name, kind in (KITS | UNNAMED).items() if kind == 0} | set(odd)
    assert paths[: len(named)] == named
    assert named[-1] == "kit9/kick odd.wav"  # called one, and unlike all others
    assert [found.score for found in answer.found] == sorted((f.score for f in answer.found), reverse=True)
    assert answer.notes == ["kick: 20 files: 17 by name, 3 as they are near to such"]


def test_text_says_what_is_known_where_nothing_is_found() -> None:
    store = library(KITS)
    answer = find(store, "cowbel", library_tags(store, None, 0.5), 0.5)
    assert answer.found == []
    assert answer.notes == ["no sound bears cowbel; known words near it: cowbell"]
