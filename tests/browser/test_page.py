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
from conftest import DATA, noise, write_sound
from serving import Served, serving
from shell import sh

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium, or no chromedriver, here")

FLAGS = """
--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required --window-size=1280,800
--use-fake-device-for-media-stream --use-fake-ui-for-media-stream
"""
SECONDS = 60  # that anything may take
SOUNDS = ("drums", "water")


class Page:
    """The page, and what a person does there."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser = browser
        browser.get(address)
        self.wait("document.body && document.body.dataset.ready")

    def run(self, script: str, *arguments: object) -> Any:
        return self.browser.execute_script(script, *arguments)

    def wait(self, condition: str) -> Any:
        """The value of a JavaScript expression as soon as it is true."""
        end = time.monotonic() + SECONDS
        while not (value := self.run(f"return {condition}")):
            assert time.monotonic() < end, f"never: {condition}; the page says: {self.text('message')}"
            time.sleep(0.05)
        return value

    def text(self, name: str) -> str:
        return str(self.run("return document.getElementById(arguments[0])?.textContent || ''", name))

    def rows(self) -> list[str]:
        return list(self.run("return [...document.querySelectorAll('#list .what')].map((what) => what.textContent)"))

    def keys(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def point(self, name: str) -> int:
        """The number of the sound of that name."""
        script = "return fetch('1/names?words=' + arguments[0]).then((a) => a.json()).then((a) => a[0].point)"
        return int(self.run(script, name))

    def pointer(self, event: str, point: int, right: int = 0, down: int = 0, **options: object) -> None:
        """An event of the pointer at a point of the map, or beside it."""
        script = """
        const map = document.getElementById("map"), place = map.getBoundingClientRect();
        const at = qbe.map.toScreen(arguments[1]);
        map.setPointerCapture = () => {};  // there is no pointer to capture
        map.dispatchEvent(new PointerEvent(arguments[0], { bubbles: true, pointerId: 1, ...arguments[4],
          clientX: place.left + at[0] + arguments[2], clientY: place.top + at[1] + arguments[3] }));
        """
        self.run(script, event, point, right, down, options)

    def click(self, name: str) -> None:
        self.run("document.getElementById(arguments[0]).click()", name)

    def choose(self, name: str) -> None:
        point = self.point(name)
        self.pointer("pointerdown", point)
        self.pointer("pointerup", point)
        self.wait(f"document.getElementById('title').textContent.startsWith('Like {name}')")


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
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    saved = str(tmp_path_factory.mktemp("saved"))
    several = "profile.default_content_setting_values.automatic_downloads"
    options.add_experimental_option("prefs", {"download.default_directory": saved, several: 1})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    browser.saved = Path(saved)
    yield browser
    browser.quit()


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
    assert sorted(page.run("return qbe.map.words.map((word) => word.text)")) == sorted(SOUNDS)
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
    assert str(folder / "sounds" / "drums" / "snare.mp3") in page.text("place")
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
    page.wait("document.getElementById('title').textContent === 'Names with stream'")
    assert sorted(page.rows()) == ["stream 1.ogg", "stream 2.ogg", "stream 3.ogg"]
    page.keys("\ue015")
    page.wait("document.getElementById('name').textContent.startsWith('stream')")
    page.keys("/")
    page.keys("nothing such")
    page.wait("document.getElementById('title').textContent.endsWith('nothing found')")
    page.keys("\ue00c")
    page.wait("document.activeElement === document.body")


def test_likes_and_unlikes_make_one_query(page: Page) -> None:
    page.choose("stream 1.ogg")
    page.keys("l")
    page.wait("document.getElementById('title').textContent === 'Like 1, unlike 0'")
    assert {"stream 2.ogg", "stream 3.ogg"} <= set(page.rows()[:3])
    page.choose("stream 2.ogg")
    page.keys("u")
    page.wait("document.getElementById('title').textContent === 'Like 1, unlike 1'")
    assert "stream 1.ogg" not in page.rows()
    page.keys("u")


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


def test_x_selects_the_chosen_sound(page: Page) -> None:
    page.choose("kick.mp3")
    page.keys("x")
    assert page.text("count") == "1 selected"
    page.keys("x")
    page.wait("document.getElementById('selection').hidden")


@pytest.mark.parametrize("by", ["level", "length", "folder"])
def test_colours_change_live(page: Page, by: str) -> None:
    page.run(f"const c = document.getElementById('colour'); c.value = '{by}'; c.dispatchEvent(new Event('change'))")
    legend = page.text("legend")
    assert {"level": " dB", "length": " s", "folder": "drums"}[by] in legend


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
