"""What the page of `qbe browse` takes, in Chromium without a screen or a GPU: seconds, memory, frames.

    pip install selenium
    python tests/bench/browse.py LIBRARY [--segments] [--map TABLE] [--hovered N]

The map is laid out first where none is given, which is not counted. Starting: from the command to the address; first
paint: from opening the address to points on the canvas, and to all of them; memory: of the process that shows the page;
frames: while the map is moved for four seconds; hover to sound: from the pointer's coming to a sound until this is
heard, a sound that has not been asked for before, the best and the middle of N.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from chromium import Page, browsing
from serving import serving

FRAMES = """
const done = arguments[0], began = performance.now();
let frames = 0;
function step() {
  qbe.map.pan(frames++ % 2 ? 3 : -3, 0);
  const taken = (performance.now() - began) / 1000;
  taken < 4 ? requestAnimationFrame(step) : done(frames / taken);
}
step();
"""
HOVER = """
const [point, done] = arguments, map = document.getElementById("map"), place = map.getBoundingClientRect();
const at = qbe.map.toScreen(point);
qbe.player.silence();
const began = performance.now();
map.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, pointerId: 1,
  clientX: place.left + at[0], clientY: place.top + at[1] }));
function look() {
  const taken = performance.now() - began;
  (qbe.player.isPlaying && qbe.player.seconds > 0) || taken > 5000 ? done(taken) : setTimeout(look, 1);
}
look();
"""


def memory(browser: Any) -> float:
    """Of the largest process that shows pages, MB, with its part of what several share."""
    sizes, own = [0.0], browser.capabilities["chrome"]["userDataDir"]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_text()
            if "--type=renderer" in words and own in words:
                lines = (process / "smaps_rollup").read_text().splitlines()
                sizes += [int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")]
    return max(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--segments", action="store_true", help="a point for every segment")
    parser.add_argument("--map", metavar="TABLE", type=Path, help="as `qbe browse --map`")
    parser.add_argument("--hovered", metavar="N", type=int, default=20, help="0: its sounds are not there")
    arguments = parser.parse_args()
    command = str(arguments.library.absolute()) + " --segments" * arguments.segments
    command += f" --map {arguments.map.absolute()}" if arguments.map else ""
    with tempfile.TemporaryDirectory() as folder, browsing(Path(folder)) as browser:
        with serving(Path(folder), command):
            pass  # the map is kept now
        began = time.monotonic()
        with serving(Path(folder), command) as served:
            started = time.monotonic() - began
            began = time.monotonic()
            page = Page(browser, served.address)
            page.wait("qbe.map.frames > 0")
            painted = time.monotonic() - began
            page.wait("qbe.map.painted === qbe.map.count")
            whole = time.monotonic() - began
            rows = {
                "points": page.run("return qbe.map.count"),
                "starting, s": f"{started:.2f}",
                "first paint, s": f"{painted:.2f}, all points {whole:.2f}",
                "memory, MB": f"{memory(browser):.0f}",
                "frames/s": f"{browser.execute_async_script(FRAMES):.0f}",
            }
            taken = [browser.execute_async_script(HOVER, 7 * k) for k in range(1, 1 + arguments.hovered)]
            if taken:
                rows["hover to sound, ms"] = f"{min(taken):.0f} best, {statistics.median(taken):.0f} in the middle"
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
