"""`qbe browse`: what the page's server answers, and to whom."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import soundfile
from conftest import DATA, noise, write_sound
from serving import Served, serving
from shell import ENVIRONMENT, rows, said, sh

import qbe.browse

ASSETS = Path(qbe.browse.__file__).parent / "assets"


def points_with(served: Served, words: str) -> list[int]:
    """Of the files that have these words in their names."""
    return [one["point"] for one in served.json(f"/1/found?words={quote(words)}")["rows"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browse")
    shutil.copytree(DATA / "library" / "drums", folder / "sounds" / "drums")
    shutil.copytree(DATA / "library" / "water", folder / "sounds" / "water")
    write_sound(folder / "secret.wav", noise(1.0))
    assert sh("qbe embed sounds | qbe index -o lib.idx", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with serving(folder, "lib.idx") as served:
        yield served


def test_the_page_comes_with_all_that_it_names(served: Served) -> None:
    status, headers, page = served.ask("GET", "/")
    assert status == 200
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    names, seen = re.findall(r'(?:href|src)="([^"]+)"', page.decode()), set[str]()
    while names:
        seen.add(name := names.pop())
        status, headers, content = served.ask("GET", f"/{name}")
        assert (status, bool(content)) == (200, True)
        if name.endswith(".js"):
            assert headers["Content-Type"].startswith("text/javascript")
            names += set(re.findall(r'(?:from|import) "\./([^"]+)"', content.decode())) - seen
    assert seen == {path.name for path in ASSETS.iterdir()} - {"index.html"}
    assert b"style=" not in page
    assert b"http" not in page.replace(b"http-equiv", b"")


@pytest.mark.parametrize("moves", [False, True])
def test_sounds_are_heard_from_any_folder(folder: Path, tmp_path: Path, moves: bool) -> None:
    """Also where the library has moved with them, as on a disk that is mounted elsewhere."""
    library = folder / "lib.idx"
    if moves:
        (tmp_path / "disk").mkdir()
        shutil.copytree(folder / "sounds" / "drums", tmp_path / "disk" / "sounds")
        assert sh("qbe embed disk/sounds | qbe index --relative-to disk -o disk/lib.idx", tmp_path).returncode == 0
        library = (tmp_path / "disk").rename(tmp_path / "usb") / "lib.idx"
    (tmp_path / "else").mkdir()
    with serving(tmp_path / "else", str(library)) as served:
        shown = served.json("/1/point/0")
        assert Path(shown["path"]).is_file()
        _, headers, content = served.ask("GET", "/1/sound/0")
        assert headers["Content-Type"] == "audio/wav"
        assert soundfile.info(io.BytesIO(content)).frames > 0


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) < 100_000


def test_points_are_all_files_where_the_map_has_them(served: Served, folder: Path) -> None:
    about = served.json("/about")
    count = about["points"]
    listed = sh("find sounds -type f | sort", folder).stdout.decode().splitlines()
    assert (about["name"], count) == ("lib.idx", len(listed))
    _, _, content = served.ask("GET", "/1/points")
    where = np.frombuffer(content, "<f4").reshape(count, 2)
    on_map = {row[0]: [float(row[3]), float(row[4])] for row in rows(sh("qbe map lib.idx", folder))}
    shown = [served.json(f"/1/point/{point}") for point in range(count)]
    assert sorted(one["path"] for one in shown) == [str(folder / path) for path in listed]
    for point, one in enumerate(shown):
        path = str(Path(one["path"]).relative_to(folder))
        np.testing.assert_allclose(where[point], on_map[path], atol=1e-3)


def test_neighbours_are_what_a_search_finds(served: Served, folder: Path) -> None:
    for point in (0, 5):
        path = served.json(f"/1/point/{point}")["path"]
        found = served.json(f"/1/near/{point}")
        name = Path(path).relative_to(folder)
        wanted = rows(sh(f"qbe search lib.idx '{name}' -k 5", folder))
        scores = {one["path"]: one["score"] for one in found}
        assert found[0]["path"] == str(folder / wanted[0][1])
        for row in wanted:  # which leaves out and weighs what it hears anew
            assert scores[str(folder / row[1])] == pytest.approx(float(row[0]), abs=0.1)


def test_a_sound_comes_as_wav_of_any_format(served: Served) -> None:
    for point in range(served.json("/about")["points"]):
        one = served.json(f"/1/point/{point}")
        _, headers, content = served.ask("GET", f"/1/sound/{point}")
        samples, rate = soundfile.read(io.BytesIO(content))
        assert headers["Content-Type"] == "audio/wav"
        assert len(samples) / rate == pytest.approx(one["length"], abs=0.06)
        assert len(served.json(f"/1/peaks/{point}")) > 100
        status, headers, part = served.ask("GET", f"/1/sound/{point}", Range="bytes=100-199")
        assert (status, part) == (206, content[100:200])


def test_names_are_found_by_their_words_in_any_order(served: Served) -> None:
    found = served.json("/1/found?words=STREA%20water")
    assert [one["name"] for one in found["rows"]] == ["stream 1.ogg", "stream 2.ogg", "stream 3.ogg"]
    assert found["count"] == 3
    _, _, bearing = served.ask("GET", "/1/bearing?words=STREA%20water")
    assert sorted(np.flatnonzero(np.frombuffer(bearing, np.uint8))) == sorted(one["point"] for one in found["rows"])
    assert served.json("/1/found?words=nothing%20such")["rows"] == []
    assert [one["name"] for one in served.json("/1/found?words=stream%20-3%20-2")["rows"]] == ["stream 1.ogg"]
    for wrong in ("%22a", "-a", ""):
        status, _, content = served.ask("GET", f"/1/found?words={wrong}")
        assert (status, "--text" in content.decode()) == (422, False)


def test_a_sound_that_is_posted_is_searched_for(served: Served) -> None:
    found = served.post("/1/answers", (DATA / "queries" / "stream.ogg").read_bytes())
    assert found[0]["folder"].endswith("water")
    assert found[0]["score"] > 0.5
    status, _, content = served.ask("POST", "/1/answers", b"this is no sound")
    assert status == 422
    assert "not audio" in json.loads(content)["error"]


def test_likes_and_unlikes_are_searched_for_at_once(served: Served) -> None:
    streams = points_with(served, "stream")
    found = served.post("/1/blend", {"likes": streams[:2], "unlikes": []})
    assert found[0]["point"] == streams[2]
    assert not {one["point"] for one in found} & set(streams[:2])
    status, _, content = served.ask("POST", "/1/blend", b'{"likes": [0], "unlikes": [99999]}')
    assert (status, "no such point" in content.decode()) == (422, True)


def test_a_selection_leaves_as_playlist_table_and_clips(served: Served, folder: Path) -> None:
    chosen = points_with(served, "stream")
    body = json.dumps({"points": chosen}).encode()
    paths = [served.json(f"/1/point/{point}")["path"] for point in chosen]
    _, _, playlist = served.ask("POST", "/1/export/m3u", body)
    assert playlist.decode().splitlines() == ["#EXTM3U", *paths]
    _, headers, table = served.ask("POST", "/1/export/tsv", body)
    assert [str(folder / line.split("\t")[0]) for line in table.decode().splitlines()] == paths
    assert headers["Content-Disposition"] == 'attachment; filename="selection.tsv"'
    _, _, packed = served.ask("POST", "/1/export/zip", body)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert len(archive.namelist()) == len(chosen)
        assert all(soundfile.info(io.BytesIO(archive.read(name))).frames > 1000 for name in archive.namelist())


def test_a_missing_file_is_told_and_the_rest_goes_on(folder: Path) -> None:
    with serving(folder, "lib.idx") as served:
        (point,) = points_with(served, "kick.mp3")
        (folder / "sounds" / "drums" / "kick.mp3").rename(folder / "kick.mp3")
        try:
            for what in ("sound", "peaks"):
                status, _, content = served.ask("GET", f"/1/{what}/{point}")
                assert (status, "kick.mp3: No such file" in json.loads(content)["error"]) == (422, True)
            assert served.json(f"/1/near/{point}")
            _, _, packed = served.ask("POST", "/1/export/zip", json.dumps({"points": [point]}).encode())
            assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["not-read.txt"]
        finally:
            (folder / "kick.mp3").rename(folder / "sounds" / "drums" / "kick.mp3")


def test_a_library_that_is_replaced_is_opened_anew_and_what_was_on_the_map_stays(folder: Path) -> None:
    shutil.copy(folder / "lib.idx", folder / "grown.idx")
    with serving(folder, "grown.idx") as served:
        before = {one["path"]: one for one in (served.json(f"/1/point/{point}") for point in range(12))}
        old = served.ask("GET", "/1/points")[2]
        assert sh("qbe embed secret.wav | qbe index --append -o grown.idx", folder).returncode == 0
        status, _, content = served.ask("GET", "/1/point/0")
        assert (status, json.loads(content)["error"]) == (409, "the library has been replaced")
        about = served.json("/about")
        assert (about["generation"], about["points"]) == (2, len(before) + 1)
        new = served.ask("GET", "/2/points")[2]
        places = {
            served.json(f"/2/point/{point}")["path"]: np.frombuffer(new, "<f4", 2, 8 * point) for point in range(13)
        }
        for path, one in before.items():
            np.testing.assert_allclose(places[path], np.frombuffer(old, "<f4", 2, 8 * one["point"]), atol=1e-3)


def test_segments_are_points_too(folder: Path) -> None:
    with serving(folder, "lib.idx --segments") as served:
        held = json.loads(sh("qbe info lib.idx --json", folder).stdout)["segments"]
        assert served.json("/about")["points"] == held
        near = served.json("/1/near/0")
        assert near
        assert 0 not in [one["point"] for one in near]
        assert {one["point"] for one in near} < set(range(held))


@pytest.mark.parametrize("by", ["folder", "level", "length", "tag"])
def test_every_point_has_a_colour_that_the_legend_tells(served: Served, by: str) -> None:
    _, _, content = served.ask("GET", f"/1/colours/{by}")
    legend, _, numbers = content.partition(b"\n")
    told = json.loads(legend)
    assert len(numbers) == served.json("/about")["points"]
    assert max(numbers) < len(told["colours"]) == len(told["labels"])
    if by == "folder":
        names = [told["labels"][number] for number in numbers]
        assert names == [Path(served.json(f"/1/point/{point}")["folder"]).name for point in range(len(numbers))]


def test_words_stand_where_what_bears_them_lies(served: Served) -> None:
    where = np.frombuffer(served.ask("GET", "/1/points")[2], "<f4").reshape(-1, 2)
    words = served.json("/1/words")
    assert {word["text"] for word in words} == {"drums", "water"}
    for word in words:
        own = where[points_with(served, word["text"])]
        assert (own.min(0) - 1e-3 <= [word["x"], word["y"]]).all()
        assert (own.max(0) + 1e-3 >= [word["x"], word["y"]]).all()


def test_a_part_is_searched_for_as_the_command_does(served: Served, folder: Path) -> None:
    (point,) = points_with(served, "stream 1.ogg")
    found = served.json(f"/1/part/{point}?from=1&to=2.5")
    wanted = rows(sh("qbe search lib.idx 'sounds/water/stream 1.ogg' --start 1 --duration 1.5 -k 24", folder))
    assert [(one["path"], one["score"]) for one in found] == [
        (str(folder / row[1]), pytest.approx(float(row[0]), abs=1e-3)) for row in wanted
    ]
    assert [one["at"] for one in found] == pytest.approx([float(row[2]) for row in wanted], abs=1e-3)


def test_tags_are_added_and_removed_in_a_table_beside_the_library(folder: Path) -> None:
    shutil.copy(folder / "lib.idx", folder / "tagged.idx")
    with serving(folder, "tagged.idx") as served:
        assert not served.json("/about")["tagged"]
        points = points_with(served, "stream")
        assert served.post("/1/tag", {"points": points, "word": " Bach "}) == {"words": ["bach"], "left_out": 0}
        assert served.json("/about")["tagged"]
        assert points_with(served, "bach") == points
        assert served.json(f"/1/point/{points[0]}")["tags"] == [{"word": "bach", "score": 1.0, "source": "user"}]
        table = [line.split("\t") for line in (folder / "tagged.idx.tags.tsv").read_text().splitlines()[1:]]
        assert table == [[f"sounds/water/stream {k}.ogg", "bach", "1.0000", "user"] for k in (1, 2, 3)]
        served.post("/1/untag", {"points": points[:1], "word": "bach"})
        assert points_with(served, "bach") == points[1:]
        assert {word["text"] for word in served.json("/1/words")} <= {"bach"}
        assert sh("qbe tag tagged.idx --write; qbe info tagged.idx --json", folder).returncode == 0
        assert "drum" in [tag["word"] for tag in served.json(f"/1/point/{points_with(served, 'kick.mp3')[0]}")["tags"]]
        assert points_with(served, "bach") == points[1:]  # what the user has said stays
        found = rows(sh("qbe search tagged.idx --text bach", folder))
        assert sorted(row[1] for row in found) == [f"sounds/water/stream {k}.ogg" for k in (2, 3)]
        (folder / "tagged.idx.tags.tsv").write_text("junk\n")
        status, _, content = served.ask("GET", f"/1/point/{points[0]}")
        assert (status, "line 1" in content.decode()) == (422, True)


@pytest.mark.parametrize("word", ["", " ", "-kick", "a\tb", "a\nb", "\x00", "x" * 101, ["a"], 7, None, ".."])
def test_what_is_no_tag_is_refused(served: Served, folder: Path, word: object) -> None:
    for what in ("tag", "untag"):
        status, _, content = served.ask("POST", f"/1/{what}", json.dumps({"points": [0], "word": word}).encode())
        assert status in (400, 422), content
    assert not (folder / "lib.idx.tags.tsv").exists()


@contextmanager
def opener(folder: Path) -> Iterator[Path]:
    """A program that opens folders, first of those on the PATH; it writes which one."""
    program, opened = folder / "bin" / "xdg-open", folder / "opened"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    program.chmod(0o755)
    yield opened
    opened.unlink(missing_ok=True)


@pytest.mark.skipif(sys.platform != "linux", reason="another program opens folders here")
def test_the_folder_of_a_sound_is_opened_here_and_for_nobody_else(folder: Path) -> None:
    with opener(folder) as opened:
        with serving(folder, "lib.idx", PATH=f"{folder / 'bin'}:{ENVIRONMENT['PATH']}") as served:
            (point,) = points_with(served, "kick.mp3")
            assert served.post("/1/folder", {"points": [point]}) == {}
            end = time.monotonic() + 60
            while not opened.exists():
                assert time.monotonic() < end
                time.sleep(0.05)
            assert opened.read_text() == str(folder / "sounds" / "drums")
        with serving(folder, "lib.idx", PATH=str(Path(sys.executable).parent)) as served:
            status, _, content = served.ask("POST", "/1/folder", json.dumps({"points": [point]}).encode())
            assert (status, "no xdg-open" in content.decode()) == (422, True)


ATTACKS = {
    "no cookie": ("GET", "/about", {"Cookie": ""}, 403),
    "another cookie": ("GET", "/about", {"Cookie": "qbe-{port}=wrong"}, 403),
    "a cookie of another port": ("GET", "/about", {"Cookie": "qbe-1={token}"}, 403),
    "a cookie of junk": ("GET", "/about", {"Cookie": '\x01"{};,='}, 403),
    "a wrong token": ("GET", "/?token=wrong", {"Cookie": ""}, 403),
    "a token of no letters": ("GET", "/?token=%ff%fe", {"Cookie": ""}, 403),
    "a token at another path": ("GET", "/about?token={token}", {"Cookie": ""}, 403),
    "another host": ("GET", "/about", {"Host": "evil.example"}, 403),
    "another port": ("GET", "/about", {"Host": "127.0.0.1:1"}, 403),
    "a host that begins alike": ("GET", "/about", {"Host": "127.0.0.1.evil.example:{port}"}, 403),
    "no host": ("GET", "/about", {"Host": ""}, 403),
    "a page of another site": ("GET", "/about", {"Origin": "http://evil.example"}, 403),
    "a page without origin": ("GET", "/about", {"Origin": "null"}, 403),
    "a post of another site": ("POST", "/1/blend", {"Origin": "http://evil.example"}, 403),
    "a post of no page": ("POST", "/1/blend", {"Origin": ""}, 403),
    "a post of another scheme": ("POST", "/1/blend", {"Origin": "https://127.0.0.1:{port}"}, 403),
    "up the folders": ("GET", "/../../../etc/passwd", {}, 404),
    "up the folders, coded": ("GET", "/%2e%2e/%2e%2e/etc/passwd", {}, 404),
    "up from the assets": ("GET", "/style.css/../../server.py", {}, 404),
    "a module": ("GET", "/server.py", {}, 404),
    "a path": ("GET", "//etc/passwd", {}, 404),
    "a whole address": ("GET", "http://evil.example/about", {}, 404),
    "a file by name": ("GET", "/1/sound/secret.wav", {}, 400),
    "a file by path": ("GET", "/1/sound//etc/passwd", {}, 404),
    "a point under zero": ("GET", "/1/sound/-1", {}, 400),
    "a point that is not there": ("GET", "/1/sound/99999", {}, 422),
    "a point of many digits": ("GET", "/1/point/" + "9" * 5000, {}, 400),
    "a point of other digits": ("GET", "/1/point/\u0663".encode().decode("latin-1"), {}, 400),
    "a point of no digits": ("GET", "/1/point/", {}, 400),
    "a generation that is none": ("GET", "/x/points", {}, 404),
    "a generation to come": ("GET", "/99/points", {}, 409),
    "an unknown thing": ("GET", "/1/passwords", {}, 404),
    "a method that is none": ("BREW", "/", {}, 501),
    "a put": ("PUT", "/1/answers", {}, 501),
    "a long address": ("GET", "/" + "a" * 70_000, {}, 414),
    "a long header": ("GET", "/about", {"X": "a" * 70_000}, 431),
    "many headers": ("GET", "/about", {f"X-{k}": "a" for k in range(200)}, 431),
    "seconds that are none": ("GET", "/1/peaks/0?from=nan", {}, 400),
    "a part under zero": ("GET", "/1/part/0?from=-1&to=2", {}, 400),
    "colours by what is none": ("GET", "/1/colours/__class__", {}, 404),
    "a folder by path": ("GET", "/1/folder?path=/etc", {}, 404),
    "a body of no length": ("POST", "/1/answers", {"Content-Length": "x"}, 411),
    "a body of a length under zero": ("POST", "/1/answers", {"Content-Length": "-1"}, 411),
    "a body that is too long": ("POST", "/1/answers", {"Content-Length": "99999999999"}, 413),
    "a body in pieces": ("POST", "/1/answers", {"Transfer-Encoding": "chunked"}, 411),
    "a body that is cut": ("POST", "/1/answers", {"Content-Length": "1000"}, 400),
    "an empty body": ("POST", "/1/answers", {"Content-Length": "0"}, 422),
}


def request(served: Served, method: str, path: str, headers: dict[str, str]) -> bytes:
    known = {"port": str(served.port), "token": served.address.partition("=")[2]}
    fields = {"Host": served.host, "Cookie": served.cookie, "Connection": "close"}
    if method == "POST":
        fields["Origin"] = f"http://{served.host}"
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in {**fields, **headers}.items() if value),
    ]
    text = "\r\n".join([*lines, "", ""])
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return text.encode("latin-1")


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_in_an_answer(served: Served, attack: str) -> None:
    method, path, headers, status = ATTACKS[attack]
    answer = served.raw(request(served, method, path, headers))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    assert b"Traceback" not in answer
    assert b"root:" not in answer
    assert served.json("/about")["points"] == 12


@pytest.mark.parametrize(
    "junk", [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", bytes(range(1, 256)) * 4 + b"\r\n\r\n",
             b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n"],
)  # fmt: skip
def test_junk_is_refused_in_an_answer(served: Served, junk: bytes) -> None:
    answer = served.raw(junk)
    assert b" 400 " in answer or b" 403 " in answer or b" 505 " in answer or b"400" in answer, answer[:200]
    assert b"Traceback" not in answer


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"7", b"\xff\xfe", b'{"likes": 3}', b'{"likes": ["a"], "unlikes": []}', b"[" * 100_000,
             b'{"likes": [1.5], "unlikes": []}', b'{"likes": [true], "unlikes": []}'],
)  # fmt: skip
def test_a_list_that_is_none_is_refused(served: Served, body: bytes) -> None:
    status, _, content = served.ask("POST", "/1/blend", body)
    assert (status, "must be a list of points" in content.decode()) == (400, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("nowhere.idx", "nowhere.idx"),
        ("lib.idx --map nowhere.tsv", "nowhere.tsv: No such file"),
        ("lib.idx --map lib.idx", "lib.idx: line"),
        ("lib.idx --map other.tsv", "holds nothing of this library"),
        ("lib.idx --port 70000", "--port"),
        ("lib.idx --host 203.0.113.7", "203.0.113.7"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_line(folder: Path, arguments: str, says: str) -> None:
    (folder / "other.tsv").write_bytes(b"other.wav\t0.0\t1.0\t2.0\t3.0\t-20\n")
    done = sh(f"XDG_CACHE_HOME=cache qbe browse --no-open {arguments}", folder)
    assert done.returncode == 2
    (line,) = said(done)
    assert says in line


def test_a_port_that_is_taken_is_told(served: Served, folder: Path) -> None:
    done = sh(f"XDG_CACHE_HOME=cache qbe browse lib.idx --no-open --port {served.port}", folder)
    assert done.returncode == 2
    assert "choose another --port" in said(done)[0]
