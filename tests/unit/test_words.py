"""Which words the names of sounds say, and which they do not."""

from __future__ import annotations

import pytest

from qbe.tags.aliases import read_aliases
from qbe.tags.bearing import FILE, FOLDER, labelled, named, said_of
from qbe.tags.spelling import letters_of, singular
from qbe.tags.tables import USER, Tag
from qbe.tags.words import tokens, words

COMMON = read_aliases()


@pytest.mark.parametrize(
    ("name", "parted"),
    [
        ("fooBar", ["foo", "Bar"]),
        ("HTMLFile", ["HTML", "File"]),
        ("snare02b", ["snare", "02", "b"]),
        ("low_tom-1 (wet)", ["low", "tom", "1", "wet"]),
        ("4fd1443e_nohash_0", ["nohash", "0"]),
        ("décade99", ["décade", "99"]),
        ("дождь-1", ["дождь", "1"]),
        ("", []),
    ],
)
def test_names_are_parted_at_case_digits_and_punctuation(name: str, parted: list[str]) -> None:
    assert tokens(name) == parted


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hatClosed", ["hihat", "closed"]),
        ("BD01", ["kick"]),
        ("808_Snare_2", ["snare"]),
        ("Bass Drum", ["kick"]),
        ("OH 2", ["open", "hihat"]),
        ("Electric Guitars", ["electric", "guitar"]),
        ("wolves", ["wolf"]),
        ("footSteps", ["footstep"]),
        ("雨", ["雨"]),
    ],
)
def test_names_say_words_in_the_singular_by_their_common_names(name: str, said: list[str]) -> None:
    assert words(name, COMMON) == said


@pytest.mark.parametrize(
    "name",
    [
        "01", "C#3", "Gs4", "ds3", "Bb", "Am", "take 3", "rr2", "v12", "mf", "fortissimo", "24bit 96kHz", "stereo",
        "2019-03-12", "12 March 2019", "20190312 May", "4fd1443e", "aiff", "untitled", "new (copy)", "xy", "",
    ],
)  # fmt: skip
def test_what_counts_dates_measures_or_encodes_is_no_word(name: str) -> None:
    assert words(name, COMMON) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Ab_piano", []),
        ("violin_A3_15_piano_arco", ["violin", "arco"]),
        ("mezzo-piano", []),
        ("piano_Ab", ["piano"]),
        ("Grand Piano C3", ["piano"]),
    ],
)
def test_piano_after_a_note_is_how_loud_it_is_played(name: str, said: list[str]) -> None:
    assert words(name, COMMON) == said


def test_a_month_is_a_date_only_beside_a_year_or_between_numbers() -> None:
    assert words("wedding march 2", COMMON) == ["wedding", "march"]
    assert words("march 2019", COMMON) == []


LANGUAGES = {
    "kick": "Große Trommel, grosse caisse, bombo", "guitar": "Gitarre, guitare, guitarra",
    "flute": "Flöte, flûte, flauta", "violin": "Geige, violon, violine",
    "trumpet": "Trompete, trompette, trompeta", "bird": "Vögel, oiseaux, pájaros",
    "rain": "Regen, pluie, lluvia", "thunder": "Donner, tonnerre, trueno", "water": "Wasser, eau, agua",
    "door": "Tür, porte, puerta", "dog": "Hund, chien, perro", "laugh": "Lachen, rire, risa",
    "footstep": "Schritte, pas, pasos", "fire": "Feuer, feu, fuego", "voice": "Stimmen, voix, voz",
}  # fmt: skip


@pytest.mark.parametrize("word", LANGUAGES)
def test_german_french_and_spanish_names_are_known(word: str) -> None:
    for name in LANGUAGES[word].split(", "):
        assert words(name, COMMON) == [word], name


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("kicks", "kick"), ("glasses", "glass"), ("boxes", "box"), ("churches", "church"), ("bodies", "body"),
        ("glass", "glass"), ("bus", "bus"), ("bass", "bass"), ("children", "child"), ("hiss", "hiss"), ("yes", "yes"),
        ("waves", "wave"), ("crashes", "crash"), ("noise", "noise"), ("gas", "gas"),
    ],
)  # fmt: skip
def test_plurals_have_a_singular_and_others_stay(plural: str, one: str) -> None:
    assert singular(plural) == one
    assert singular(one) == one


def test_spellings_of_one_word_have_the_same_letters() -> None:
    assert letters_of("Hi-Hat") == letters_of("hi hat") == letters_of("HIHAT")
    assert letters_of("Flöte") == letters_of("Flöte") == "flote"
    assert letters_of("groß") == "gross"


def test_words_come_from_folders_and_from_the_file_as_is_asked() -> None:
    path = b"Samples/Drums/Kicks/Deep_01.old.wav"
    assert named(path, [FOLDER, FILE], COMMON) == {"drum": FOLDER, "kick": FOLDER, "deep": FILE}
    assert named(path, [FILE], COMMON) == {"deep": FILE}
    assert named(path, [FOLDER], COMMON) == {"drum": FOLDER, "kick": FOLDER}
    assert named(path, [], COMMON) == {}
    assert named(b"kick/\xff\xfe_snare.wav", [FOLDER, FILE], COMMON) == {"kick": FOLDER, "snare": FILE}


def test_labels_are_called_as_names_are_and_may_be_phrases() -> None:
    assert labelled("Bass Drums", COMMON) == ["kick"]
    assert labelled("OHH", COMMON) == ["open", "hihat"]
    assert labelled("-bd", COMMON) == ["-kick"]
    assert labelled(" Tape  Stop ", COMMON) == ["tape stop"]


def label(path: bytes, word: str) -> Tag:
    return Tag(path, word, 1.0, USER)


def test_the_user_is_right_and_the_later_word_counts() -> None:
    paths = [b"kick.wav", b"snare.wav"]
    labels = [
        label(b"kick.wav", "-bd"),
        label(b"snare.wav", "-snare"),
        label(b"snare.wav", "SD"),
        label(b"gone.wav", "x"),
    ]
    assert said_of(paths, labels, [FILE], COMMON) == [{"-kick": USER}, {"snare": USER}]
