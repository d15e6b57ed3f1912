"""The forms in which results go out: tables for people, tab-separated lines, JSON, NUL."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import tone, write_sound
from result_formats import comma_separated, label_track, playlist, selection_table
from shell import in_terminal, sh

COMMANDS = {
    "search": "qbe search lib.idx query.wav other.wav -k 2",
    "tag": "2> /dev/null qbe tag lib.idx",
    "dups": "qbe dups lib.idx --alike --min-score 0.51",
    "info": "qbe info lib.idx",
    "eval": "qbe eval --labels task.tsv --baseline logmel",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("output")
    (folder / "sounds").mkdir()
    for k in range(4):
        write_sound(folder / "sounds" / f"tone {k}.wav", tone(300.0 * (k + 1), 1.5))
    write_sound(folder / "query.wav", tone(310, 1.2))
    write_sound(folder / "other.wav", tone(900, 0.5))
    labels = "".join(f"sounds/tone {k}.wav\t{k % 2}\t{k}\n" for k in range(4))
    (folder / "task.tsv").write_text("path\tlabel\tgroup\n" + labels)
    assert sh("qbe embed sounds | qbe index -o lib.idx", folder).returncode == 0
    return folder


def as_field(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("command", COMMANDS)
def test_all_forms_say_the_same(folder: Path, command: str) -> None:
    lines, null, objects = (sh(f"{COMMANDS[command]} {form}", folder) for form in ("", "-0", "--json"))
    assert {lines.returncode, null.returncode, objects.returncode} == {0}
    assert null.stdout == lines.stdout.replace(b"\n", b"\0")
    parsed = [json.loads(line) for line in objects.stdout.splitlines()]
    if command == "info":
        expected = [[name, as_field(value)] for name, value in parsed[0].items()]
    else:
        # Whether it is still there is a mark in tables and a key in JSON.
        expected = [[as_field(value) for key, value in row.items() if key != "missing"] for row in parsed]
    assert [line.split("\t") for line in lines.stdout.decode().splitlines()] == expected
    assert expected


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_names_the_columns_in_their_order(folder: Path, command: str) -> None:
    page = (Path(__file__).parents[2] / "man" / f"qbe-{command}.1").read_text()
    _, _, page = page.partition(".SH OUTPUT" if command != "eval" else "It gives a row")
    names = json.loads(sh(f"{COMMANDS[command]} --json", folder).stdout.split(b"\n")[0])
    assert re.search(r"\b.*\b".join(re.escape(name) for name in names if name != "missing"), page, flags=re.S)


def test_nul_parts_objects_too(folder: Path) -> None:
    done = sh("qbe search lib.idx query.wav --json -0", folder)
    assert [json.loads(line)["rank"] for line in done.stdout.split(b"\0")[:-1]] == [1, 2, 3, 4]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("columns", [40, 100])
def test_people_get_a_table_that_fits(folder: Path, command: str, columns: int) -> None:
    code, shown = in_terminal(COMMANDS[command], folder, COLUMNS=str(columns), NO_COLOR="1", TERM="dumb")
    assert code == 0
    assert "\t" not in shown
    assert "\x1b" not in shown
    assert all(len(line) <= columns for line in shown.splitlines())


def test_a_folder_that_all_are_in_is_shown_once_where_lines_are_short(folder: Path) -> None:
    deep = "a folder/with a long name/and another one in it"
    (folder / deep).mkdir(parents=True)
    for k in range(3):
        write_sound(folder / deep / f"tone {k}.wav", tone(300.0 * (k + 1), 1.5))
    assert sh("qbe embed 'a folder' | qbe index -o deep.idx", folder).returncode == 0

    def shown(command: str, columns: int) -> list[str]:
        return in_terminal(command, folder, COLUMNS=str(columns), NO_COLOR="1", TERM="dumb")[1].splitlines()

    title, inside, headings, *lines = shown("qbe search deep.idx query.wav", 80)
    assert (title, inside) == ("query.wav", f"in {deep}/")
    assert headings.split()[:2] == ["score", "file"]
    assert sorted(re.findall(r"  (tone \d\.wav)  ", "\n".join(lines))) == [f"tone {k}.wav" for k in range(3)]
    title, headings, *lines = shown("qbe search deep.idx query.wav", 120)
    assert [line.count(f"{deep}/tone") for line in lines] == [1, 1, 1]
    assert not any(line.startswith("in ") for line in shown("qbe search deep.idx query.wav -k 1", 80))
    (folder / "elsewhere.wav").write_bytes((folder / deep / "tone 1.wav").read_bytes())
    assert sh("qbe embed 'a folder' elsewhere.wav | qbe index -o both.idx", folder).returncode == 0
    assert not any(line.startswith("in ") for line in shown("qbe search both.idx query.wav", 80))


def test_results_on_a_terminal_have_a_bar_and_minutes(folder: Path) -> None:
    _, shown = in_terminal("qbe search lib.idx query.wav -k 1", folder)
    score, bar = re.findall(r"([\d.]+)  (█+)  ", shown)[0]
    assert abs(len(bar) - 10 * float(score)) <= 0.51
    start, end = map(float, re.findall(r"0:([\d.]+) - 0:([\d.]+)", shown)[0])
    assert end - start == pytest.approx(1.2, abs=0.1)  # as long as the query
    _, plain = in_terminal("qbe search lib.idx query.wav -k 1", folder, PYTHONIOENCODING="ascii")
    assert f"  {'#' * len(bar)}  " in plain


@pytest.mark.parametrize("columns", [20, 40, 100])
def test_where_nothing_is_found_the_query_s_name_stays_whole(folder: Path, columns: int) -> None:
    name = "a long name of a query, with words and more words that would not go into one line of a terminal.wav"
    write_sound(folder / name, tone(310, 1.2))
    command = f"qbe search lib.idx '{name}' --min-score 1"
    code, shown = in_terminal(command, folder, COLUMNS=str(columns), NO_COLOR="1", TERM="dumb")
    assert (code, shown.splitlines()) == (1, [name, "nothing found"])
    code, shown = in_terminal("qbe dups lib.idx", folder, COLUMNS=str(columns), NO_COLOR="1", TERM="dumb")
    assert (code, shown.splitlines()) == (0, ["lib.idx", "nothing found"])


def test_words_of_in_are_names_before_they_are_globs(folder: Path) -> None:
    (folder / "odd").mkdir()
    for name in ("a[1].wav", "a1.wav", "cafe\u0301.wav"):
        write_sound(folder / "odd" / name, tone(400, 1.1))
    assert sh("qbe embed odd | qbe index -o odd.idx", folder).returncode == 0

    def found(word: str) -> list[str]:
        done = sh(f"qbe search odd.idx query.wav --in '{word}' | cut -f 2", folder)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode().splitlines()

    assert found("odd/a[1].wav") == ["odd/a[1].wav"]
    assert found("odd/a[12].wav") == ["odd/a1.wav"]
    assert found("odd/caf\u00e9.wav") == ["odd/cafe\u0301.wav"]


def test_a_word_of_in_that_matches_nothing_says_which_names_are_near(folder: Path) -> None:
    done = sh("qbe search lib.idx query.wav --in 'sounds/tonne 3.wav'", folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"qbe: --in sounds/tonne 3.wav: no file of lib.idx ")
    assert b"near it: sounds/tone 3.wav" in done.stderr


def test_other_programs_get_the_same_places(folder: Path) -> None:
    search = "qbe search lib.idx query.wav other.wav -k 3 --places"
    rows = [json.loads(line) for line in sh(f"{search} --json", folder).stdout.splitlines()]
    places = [(row["start"], row["end"]) for row in rows]
    found = {name: sh(f"{search} --as {name}", folder) for name in ("csv", "audacity", "raven", "m3u")}
    assert {done.returncode for done in found.values()} == {0}
    assert len(places) == 6

    table = comma_separated(found["csv"].stdout)
    assert [(float(row["start"]), float(row["end"])) for row in table] == places
    assert [row["path"].decode() for row in table] == [row["path"] for row in rows]
    labels = label_track(found["audacity"].stdout)
    assert [(label.start, label.end) for label in labels] == places
    assert found["audacity"].stderr.count(b"\n") == 1
    assert b"labels name theirs" in found["audacity"].stderr
    selections = selection_table(found["raven"].stdout)
    assert [(float(row["File Offset (s)"]), float(row["End Time (s)"])) for row in selections] == places
    items = playlist(found["m3u"].stdout)
    assert [(item.options["start-time"], item.options["stop-time"]) for item in items] == places
    assert [item.path.decode() for item in items] == [row["path"] for row in rows]


def test_a_label_track_of_one_sound_needs_no_word(folder: Path) -> None:
    done = sh("qbe search lib.idx query.wav --places --in 'sounds/tone 1.wav' --as audacity", folder)
    assert (done.returncode, done.stderr, len(label_track(done.stdout))) == (0, b"", 1)


def test_files_are_played_whole_and_groups_of_them(folder: Path) -> None:
    items = playlist(sh("qbe search lib.idx query.wav --as m3u", folder).stdout)
    assert [item.options for item in items] == [{}] * 4
    items = playlist(sh("qbe dups lib.idx --alike --min-score 0.51 --as m3u", folder).stdout)
    assert {item.title.partition(" ")[0] for item in items} == {"1."}
    table = comma_separated(sh("qbe dups lib.idx --alike --min-score 0.51 --as csv", folder).stdout)
    assert list(table[0]) == ["group", "kind", "score", "path"]
    assert [row["path"] for row in table] == [item.path for item in items]


def test_a_name_that_a_format_cannot_hold_is_said(folder: Path) -> None:
    (folder / "lines").mkdir()
    for name in ("a\nb.wav", "c.wav"):
        write_sound(folder / "lines" / name, tone(400, 1.1))
    assert sh("qbe embed lines | qbe index -o lines.idx", folder).returncode == 0
    done = sh("qbe search lines.idx query.wav --as m3u", folder)
    assert (done.returncode, [item.path for item in playlist(done.stdout)]) == (2, [b"lines/c.wav"])
    assert done.stderr == b"qbe: lines/a\\nb.wav: a playlist cannot hold this name; --json and --as csv can\n"
    assert sh("qbe search lines.idx query.wav --as csv", folder).returncode == 0


def test_another_program_s_format_is_no_table_on_a_terminal(folder: Path) -> None:
    code, shown = in_terminal("qbe search lib.idx query.wav -k 1 --as m3u", folder)
    assert code == 0
    assert playlist(shown.replace("\r\n", "\n").encode())
