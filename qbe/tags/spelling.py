"""When are two spellings one word? Case, accents, punctuation, and singular or plural make no difference."""

from __future__ import annotations

import unicodedata

IRREGULAR = {
    "children": "child", "feet": "foot", "geese": "goose", "men": "man", "mice": "mouse", "teeth": "tooth",
    "women": "woman", "knives": "knife", "leaves": "leaf", "wolves": "wolf", "hooves": "hoof",
}  # fmt: skip
ALREADY_SINGULAR = {"always", "atlas", "canvas", "christmas", "gas", "lens", "news", "series", "species"}
LEAST = 4  # letters of a word that has a plural


def letters_of(word: str) -> str:
    """A word without case, accents and all that is no letter or digit: "Hi-Hat" and "hihat" have the same."""
    plain = unicodedata.normalize("NFKD", word.replace("ß", "ss")).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def singular(word: str) -> str:
    """Of an English word in lower case; of one that is no plural, itself."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) < LEAST or word in ALREADY_SINGULAR or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > LEAST:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word.removesuffix("s")
