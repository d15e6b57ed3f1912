"""`qbe browse`: what the page's server answers, and to whom."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import DATA, noise, write_sound
from serving import Served, serving
from shell import rows, said, sh


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
    for name in ("style.css", "app.js", "map.js", "sounds.js", "icon.svg"):
        status, _, content = served.ask("GET", f"/{name}")
        assert status == 200
        assert content
    assert b"style=" not in page
    assert b"http" not in page.replace(b"http-equiv", b"")


def test_the_page_is_small() -> None:
    import qbe.browse

    assets = Path(qbe.browse.__file__).parent / "assets"
    assert sum(path.stat().st_size for path in assets.iterdir()) < 100_000


def test_points_are_all_files_where_the_map_has_them(served: Served, folder: Path) -> None:
    about = served.json("/about")
    count = about["points"]
    listed = sh("find sounds -type f | sort", folder).stdout.decode().splitlines()
    assert (about["name"], count) == ("lib.idx", len(listed))
    _, _, content = served.ask("GET", "/1/points")
    assert len(content) == count * (8 + len(about["palettes"]))
    where = np.frombuffer(content[: 8 * count], "<f4").reshape(-1, 2)
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
    found = served.json("/1/names?words=STREAM%20water")
    assert sorted(one["name"] for one in found) == ["stream 1.ogg", "stream 2.ogg", "stream 3.ogg"]
    assert served.json("/1/names?words=nothing%20such") == []


def test_a_sound_that_is_posted_is_searched_for(served: Served) -> None:
    found = served.post("/1/answers", (DATA / "queries" / "stream.ogg").read_bytes())
    assert found[0]["folder"].endswith("water")
    assert found[0]["score"] > 0.5
    status, _, content = served.ask("POST", "/1/answers", b"this is no sound")
    assert status == 422
    assert "not audio" in json.loads(content)["error"]


def test_likes_and_unlikes_are_searched_for_at_once(served: Served) -> None:
    streams = [one["point"] for one in served.json("/1/names?words=stream")]
    found = served.post("/1/blend", {"likes": streams[:2], "unlikes": []})
    assert found[0]["point"] == streams[2]
    assert not {one["point"] for one in found} & set(streams[:2])
    status, _, content = served.ask("POST", "/1/blend", b'{"likes": [0], "unlikes": [99999]}')
    assert (status, "no such point" in content.decode()) == (422, True)


def test_a_selection_leaves_as_playlist_table_and_clips(served: Served, folder: Path) -> None:
    chosen = [one["point"] for one in served.json("/1/names?words=stream")]
    body = json.dumps({"points": chosen}).encode()
    paths = [served.json(f"/1/point/{point}")["path"] for point in chosen]
    _, _, playlist = served.ask("POST", "/1/export/m3u", body)
    assert playlist.decode().splitlines() == ["#EXTM3U", *paths]
    _, headers, table = served.ask("POST", "/1/export/tsv", body)
    assert [line.split("\t")[0] for line in table.decode().splitlines()] == [
        str(Path(path).relative_to(folder)) for path in paths
    ]
    assert headers["Content-Disposition"] == 'attachment; filename="selection.tsv"'
    _, _, packed = served.ask("POST", "/1/export/zip", body)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert len(archive.namelist()) == len(chosen)
        assert all(soundfile.info(io.BytesIO(archive.read(name))).frames > 1000 for name in archive.namelist())


def test_a_missing_file_is_told_and_the_rest_goes_on(folder: Path) -> None:
    with serving(folder, "lib.idx") as served:
        point = served.json("/1/names?words=kick.mp3")[0]["point"]
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
