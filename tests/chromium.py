"""Chromium without a screen, and what a person does on the page that it shows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")  # of Debian
FLAGS = """
--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required --window-size=1280,800
--use-fake-device-for-media-stream --use-fake-ui-for-media-stream
"""
SECONDS = 60  # that anything may take


@contextmanager
def browsing(folder: Path) -> Iterator[Any]:
    """A browser that keeps what it needs, and what is saved, in a folder: `saved` in it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in [*FLAGS.split(), f"--user-data-dir={folder / 'chromium'}"]:
        options.add_argument(flag)
    several = "profile.default_content_setting_values.automatic_downloads"
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "saved"), several: 1})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    browser.set_script_timeout(SECONDS)
    browser.saved = folder / "saved"
    try:
        yield browser
    finally:
        browser.quit()


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
        script = """
        return fetch(`1/found?words=${encodeURIComponent(arguments[0])}`)
          .then((answer) => answer.json()).then((found) => found.rows[0].point)
        """
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
