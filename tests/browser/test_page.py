"""The page of `qbe browse` in Chromium, without a screen."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chromium import CHROMIUM, DRIVER, SECONDS, Page, browsing
from conftest import DATA, noise, write_sound
from serving import Served, serving
from shell import sh

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium, or no chromedriver, here")

SOUNDS = ("drums", "water")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    for name in SOUNDS:
        shutil.copytree(DATA / "library" / name, folder / "sounds" / name)
    write_sound(folder / "new.wav", noise(1.0))
    assert sh("qbe embed sounds | qbe index -o lib.idx", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browsing(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@contextmanager
def shown(browser: Any, folder: Path, library: str = "lib.idx") -> Iterator[tuple[Page, Served]]:
    """A page of its own. What went wrong in its scripts fails the test."""
    with serving(folder, library) as served:
        browser.get_log("browser")
        yield Page(browser, served.address), served
        wrong = [line for line in browser.get_log("browser") if "Failed to load resource" not in line["message"]]
        assert not [line for line in wrong if line["level"] == "SEVERE"], wrong
        browser.get("about:blank")  # or it asked on


@pytest.fixture(scope="module")
def page(browser: Any, folder: Path) -> Iterator[Page]:
    with shown(browser, folder) as (page, _):
        yield page


def test_the_map_is_drawn_with_a_word_for_every_folder(page: Page) -> None:
    assert page.text("library") == "lib.idx"
    drawn = page.wait("qbe.map.frames")
    assert drawn
    colours = """
    const pixels = document.getElementById("map").getContext("2d").getImageData(0, 0, 900, 700).data;
    return new Set(new Uint32Array(pixels.buffer)).size
    """
    assert page.run(colours) >= 1 + len(SOUNDS)
    page.wait("qbe.map.words.length && qbe.map.written.length")
    assert set(page.run("return qbe.map.words.map((word) => word.text)")) == set(SOUNDS)
    assert "?" not in page.run("return location.href")  # the token is not left in the address


def test_the_sound_next_to_the_pointer_plays_alone(page: Page) -> None:
    for name in ("snare.mp3", "kick.mp3"):
        point = page.point(name)
        page.pointer("pointermove", point, right=3)
        page.wait(f"qbe.map.hovered === {point} && qbe.player.seconds > 0")
        page.wait(f"document.getElementById('tip').textContent.startsWith('{name}')")
    page.keys("\ue00c")
    page.wait("!qbe.player.isPlaying")


def test_a_click_fixes_a_sound_and_lists_its_true_neighbours(page: Page, folder: Path) -> None:
    page.choose("snare.mp3")
    assert page.text("name") == "snare.mp3"
    assert str(folder / "sounds" / "drums" / "snare.mp3") == page.text("path")
    found = sh("qbe search lib.idx sounds/drums/snare.mp3 -k 3", folder).stdout.decode().splitlines()
    assert page.rows()[:3] == [os.path.basename(line.split("\t")[1]) for line in found]
    page.wait("qbe.map.neighbours.length > 3")
    page.wait("document.getElementById('wave').getContext('2d').getImageData(0, 0, 600, 80).data.some((part) => part)")


def test_the_keys_walk_the_list_and_the_neighbours_and_back(page: Page) -> None:
    page.choose("snare.mp3")
    listed = page.rows()
    page.keys("\ue015", "\ue015")
    page.wait(f"document.getElementById('name').textContent === '{listed[1]}'")
    assert page.rows() == listed
    page.wait("qbe.map.neighbours.length > 3")
    page.keys("\ue014")
    page.wait(f"document.getElementById('title').textContent === 'Like {listed[1]}'")
    page.keys("\ue013")
    page.keys("\ue012")
    page.wait("document.getElementById('title').textContent === 'Like snare.mp3'")
    assert page.rows() == listed


def test_space_plays_and_silences(page: Page) -> None:
    page.choose("stream 1.ogg")
    page.wait("qbe.player.isPlaying")
    page.keys(" ")
    page.wait("!qbe.player.isPlaying")
    page.keys(" ")
    page.wait("qbe.player.isPlaying")


def test_a_slash_searches_in_names_and_enter_needs_no_mouse(page: Page) -> None:
    page.keys("/")
    page.keys("stream")
    page.wait("document.getElementById('title').textContent === '3 with stream'")
    assert sorted(page.rows()) == ["stream 1.ogg", "stream 2.ogg", "stream 3.ogg"]
    assert page.run("return qbe.map.borne().length") == 3  # the others are faded, and the pointer passes over them
    other = page.point("snare.mp3")
    page.pointer("pointermove", other)
    assert page.run("return qbe.map.hovered") != other
    page.keys("\ue015")
    page.wait("document.getElementById('name').textContent.startsWith('stream')")
    page.keys("/")
    page.keys("nothing such")
    page.wait("document.getElementById('title').textContent.endsWith('nothing found')")
    page.keys("\ue00c")
    page.wait("document.activeElement === document.body")
    assert page.run("return qbe.map.borne().length === qbe.map.count")


def test_likes_and_unlikes_make_one_query(page: Page) -> None:
    page.choose("stream 1.ogg")
    page.keys("l")
    page.wait("document.getElementById('title').textContent === 'Like 1, unlike 0'")
    assert {"stream 2.ogg", "stream 3.ogg"} <= set(page.rows()[:3])
    page.choose("stream 2.ogg")
    page.keys("u")
    page.wait("document.getElementById('title').textContent === 'Like 1, unlike 1'")
    assert "stream 1.ogg" not in page.rows()
    assert page.run("return [...document.querySelectorAll('#liked button')].map((one) => one.textContent)") == [
        "♥ stream 1.ogg", "✗ stream 2.ogg", "Clear"
    ]  # fmt: skip
    page.choose("stream 3.ogg")
    page.keys("l")
    page.wait("document.getElementById('title').textContent === 'Like 2, unlike 1'")
    page.click("unmark")
    page.wait("!document.querySelector('#liked button')")


def test_a_part_of_a_waveform_is_played_and_searched_for(page: Page, folder: Path) -> None:
    page.choose("stream 1.ogg")
    page.wait("document.getElementById('wave').getContext('2d').getImageData(0, 0, 600, 80).data.some((part) => part)")
    script = """
    const wave = document.getElementById("wave"), place = wave.getBoundingClientRect();
    wave.setPointerCapture = () => {};
    for (const [name, share] of [["down", 0.25], ["move", 0.4], ["move", 0.5], ["up", 0.5]]) {
      wave.dispatchEvent(new PointerEvent(`pointer${name}`, { bubbles: true, pointerId: 1,
        clientX: place.left + share * place.width, clientY: place.top + 9 }));
    }
    """
    page.run(script)
    page.wait("qbe.player.seconds > 1.4")
    page.wait("/Like stream 1.ogg 0:01.5 – 0:03.0/.test(document.getElementById('title').textContent)")
    path = "sounds/water/stream 1.ogg"
    found = sh(f"qbe search lib.idx '{path}' --start 1.5 --duration 1.5 -k 3", folder).stdout.decode().splitlines()
    assert page.rows()[0] == os.path.basename(found[0].split("\t")[1])
    page.wait("!qbe.player.isPlaying")  # at the end of the part
    assert page.run("return qbe.player.seconds") == pytest.approx(3, abs=0.01)
    told = page.run("return document.getElementById('wave').getAttribute('aria-valuetext')")
    assert told.startswith("part from 0:01.5")


def test_a_part_can_be_chosen_without_a_mouse(page: Page) -> None:
    page.choose("stream 2.ogg")
    page.run("document.getElementById('wave').focus()")
    page.keys("\ue014", "\ue014")  # right
    script = """
    for (let k = 0; k < 10; k++) document.getElementById("wave").dispatchEvent(
      new KeyboardEvent("keydown", { key: "ArrowRight", shiftKey: true, bubbles: true }));
    """
    page.run(script)
    page.keys("\ue007")
    page.wait("/Like stream 2.ogg 0:00.2 – 0:01.4/.test(document.getElementById('title').textContent)")
    page.run("document.activeElement.blur()")


def test_an_answer_is_played_from_its_place(page: Page) -> None:
    page.choose("stream 3.ogg")
    page.run("qbe.player.silence()")
    page.run("document.querySelectorAll('#list li')[0].click()")
    page.wait("qbe.player.isPlaying && qbe.player.seconds > 0")
    place = page.run("return [...document.querySelectorAll('#list li small')][0].textContent")
    begin = float(place.partition(":")[2])
    assert begin <= page.run("return qbe.player.seconds") + 0.06


def test_a_sound_that_is_dropped_is_searched_for(page: Page) -> None:
    content = list((DATA / "queries" / "stream.ogg").read_bytes())
    script = """
    const file = new File([new Uint8Array(arguments[0])], "dropped.ogg"), carried = new DataTransfer();
    carried.items.add(file);
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
    """
    page.run(script, content)
    page.wait("document.getElementById('title').textContent === 'Like dropped.ogg'")
    assert page.rows()[0].startswith("stream")
    page.run(script, list(b"no sound at all"))
    page.wait("document.getElementById('message').textContent.includes('dropped.ogg: not audio')")


def test_a_recording_is_searched_for(page: Page) -> None:
    """Chromium's microphone that is none beeps once a second."""
    page.click("record")
    page.wait("document.getElementById('record').textContent === 'Stop'")
    time.sleep(2.5)
    page.click("record")
    page.wait("document.getElementById('title').textContent === 'Like the recording'")
    assert len(page.rows()) > 5


def test_a_line_around_sounds_selects_them_and_they_leave_as_files(page: Page, browser: Any) -> None:
    page.keys("0")
    page.pointer("pointerdown", 0, -20, -20, shiftKey=True)
    for right, down in ((20, -20), (20, 20), (-20, 20)):
        page.pointer("pointermove", 0, right, down, shiftKey=True)
    page.pointer("pointerup", 0, -20, 20, shiftKey=True)
    selected = page.wait("qbe.map.selected.size")
    assert page.text("count") == f"{selected} selected"
    assert page.run("return qbe.map.selected.has(0)")
    for form in ("m3u", "tsv", "zip"):
        page.run(f"document.querySelector('[data-as={form}]').click()")
        end = time.monotonic() + SECONDS
        while not (browser.saved / f"selection.{form}").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
    lines = (browser.saved / "selection.m3u").read_text().splitlines()
    assert lines[0] == "#EXTM3U"
    assert len(lines) == 1 + selected
    assert all(Path(line).exists() for line in lines[1:])
    page.keys("\ue00c")
    page.wait("qbe.map.selected.size === 0")


def test_what_is_found_can_be_selected_at_once(page: Page) -> None:
    page.keys("/")
    page.keys("stream")
    page.wait("document.getElementById('title').textContent === '3 with stream'")
    page.click("select")
    assert page.text("count") == "3 selected"
    page.click("all")
    assert page.run("return qbe.map.borne().length === qbe.map.count")
    page.keys("\ue00c")
    page.wait("document.getElementById('selection').hidden")


def test_x_selects_the_chosen_sound(page: Page) -> None:
    page.choose("kick.mp3")
    page.keys("x")
    assert page.text("count") == "1 selected"
    page.keys("x")
    page.wait("document.getElementById('selection').hidden")


@pytest.mark.parametrize("by", ["level", "length", "folder"])
def test_colours_change_live(page: Page, by: str) -> None:
    page.run(f"const c = document.getElementById('colour'); c.value = '{by}'; c.dispatchEvent(new Event('change'))")
    told = {"level": " dB", "length": " s", "folder": "drums"}[by]
    page.wait(f"document.getElementById('legend').textContent.includes('{told}')")


def test_nothing_is_wider_than_a_phone(page: Page, browser: Any) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    page.wait("innerWidth === 390")
    assert page.run("return document.documentElement.scrollWidth") <= 390
    assert page.run("return document.getElementById('map').clientHeight") > 200
    assert page.run("return document.getElementById('list').clientHeight") >= 60
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_all_that_can_be_pressed_has_a_name(page: Page) -> None:
    script = """
    return [...document.querySelectorAll("button, input, select, canvas, [tabindex]")].filter((one) =>
      !one.closest("[aria-hidden=true]") && !(one.ariaLabel || one.textContent.trim() || one.labels?.length
      || one.getAttribute("aria-labelledby"))).map((one) => one.outerHTML)
    """
    assert page.run(script) == []


def test_keys_alone_lead_to_a_first_sound(browser: Any, folder: Path) -> None:
    with shown(browser, folder) as (page, _):
        page.keys("\ue015")
        page.wait("!document.getElementById('chosen').hidden && document.querySelector('#list li')")
        page.keys("\ue015")
        page.wait("document.querySelector('#list [aria-selected=true]')")


def test_a_tag_is_added_found_coloured_and_removed_without_a_mouse(browser: Any, folder: Path) -> None:
    shutil.copy(folder / "lib.idx", folder / "tagged.idx")
    with shown(browser, folder, "tagged.idx") as (page, _):
        for name in ("stream 1.ogg", "stream 2.ogg"):
            page.choose(name)
            page.keys("x")
        page.keys("t")
        page.wait("document.activeElement.id === 'tag'")
        page.keys("babble", "\ue007")
        page.wait("document.getElementById('message').textContent === 'babble: added to 2.'")
        page.wait("document.getElementById('tags').textContent === 'babble'")
        page.run("document.activeElement.blur()")
        page.keys("/")
        page.keys("babble")
        page.wait("document.getElementById('title').textContent === '2 with babble'")
        assert page.run("return qbe.map.borne().length") == 2
        page.run("const c = document.getElementById('colour'); c.value = 'tag'; c.dispatchEvent(new Event('change'))")
        page.wait("document.getElementById('legend').textContent.includes('babble')")
        page.run("document.querySelector('#tags button').click()")  # all that bear the tag of the chosen one
        page.wait("document.getElementById('words').value === 'babble'")
        page.run("document.getElementById('tag').value = 'babble'")
        page.click("untag")
        page.wait("document.getElementById('message').textContent === 'babble: removed from 2.'")
        page.wait("document.getElementById('tags').textContent === ''")
        assert "-babble" in (folder / "tagged.idx.tags.tsv").read_text()


def test_a_file_that_is_gone_is_told(browser: Any, folder: Path) -> None:
    with shown(browser, folder) as (page, _):
        gone = folder / "sounds" / "drums" / "snare.mp3"
        gone.rename(folder / "away.mp3")
        try:
            page.choose("snare.mp3")
            page.wait("document.getElementById('message').textContent.includes('snare.mp3: No such file')")
            assert page.rows()
        finally:
            (folder / "away.mp3").rename(gone)


def test_a_library_that_is_replaced_is_loaded_anew(browser: Any, folder: Path) -> None:
    shutil.copy(folder / "lib.idx", folder / "grown.idx")
    with shown(browser, folder, "grown.idx") as (page, _):
        count = page.run("return qbe.map.count")
        assert sh("qbe embed new.wav | qbe index --append -o grown.idx", folder).returncode == 0
        page.pointer("pointermove", 0)
        page.wait(f"document.body && window.qbe && qbe.map.count === {count + 1}")
