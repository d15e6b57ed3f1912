// The waveform of the chosen sound: it can be played from anywhere, and a part of it searched for.

import { play } from "./chosen.js";
import { asked, clock, find, page } from "./page.js";
import { player } from "./player.js";
import { searchPart } from "./searching.js";

const MOST = 120; // seconds that are shown
const STEPS = 50; // of the arrow keys, through all of it
const DRAGGED = 4; // pixels
const LEAST = 0.01; // what is lower than this is not drawn as high as what is loud

const canvas = find("wave");
let peaks = [], first = 0, shown = 0; // where in the sound it begins, and how much there is, seconds
let cursor = 0, part = null, pressed = null;

export async function showWave() {
  const { point, length, from } = page.chosen;
  [peaks, part, pressed] = [[], null, null];
  first = length > MOST ? Math.min(Math.max(0, from - MOST / 2), length - MOST) : 0;
  shown = Math.min(length, MOST);
  cursor = from;
  draw();
  const found = await asked(`peaks/${point}?from=${first}`);
  if (!found || page.chosen.point !== point) return;
  const highest = Math.max(LEAST, ...found);
  peaks = found.map((peak) => peak / highest);
  draw();
}

const isHeard = () => page.chosen && page.sounding === page.chosen.point;

function draw() {
  const context = canvas.getContext("2d"), { width, height } = canvas, style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name), right = (seconds) => ((seconds - first) / shown) * width;
  context.clearRect(0, 0, width, height);
  if (!peaks.length) return;
  const heard = isHeard() && player.isPlaying ? player.seconds : 0;
  if (part) stripe(context, colour("--mark"), right(part[0]), 0, right(part[1]), height);
  peaks.forEach((peak, k) => {
    const tall = Math.max(1, peak * (height - 8)), at = (k * width) / peaks.length;
    context.fillStyle = colour(at < right(heard) ? "--accent" : "--dim");
    context.fillRect(at, (height - tall) / 2, Math.max(1, width / peaks.length - 0.5), tall);
  });
  const { from, until } = page.chosen;
  if (until) stripe(context, colour("--accent"), right(from), height - 3, right(until), 3);
  if (document.activeElement === canvas) stripe(context, colour("--front"), right(cursor) - 1, 0, right(cursor) + 1, height);
  tell();
}

function stripe(context, colour, left, top, right, tall) {
  context.fillStyle = colour;
  context.fillRect(left, top, right - left, tall);
}

function tell() {
  const text = part ? `part from ${clock(part[0])} to ${clock(part[1])}` : `${clock(cursor)} of ${clock(page.chosen.length)}`;
  canvas.setAttribute("aria-valuenow", Math.round((100 * (cursor - first)) / shown));
  canvas.setAttribute("aria-valuetext", text);
}

function follow() {
  draw();
  if (isHeard() && player.isPlaying) requestAnimationFrame(follow);
}

player.listen(() => {
  find("play").textContent = player.isPlaying && isHeard() ? "Silence" : "Play";
  requestAnimationFrame(follow);
});

const secondsAt = (event) => first + shown * Math.max(0, Math.min(1, event.offsetX / canvas.clientWidth));

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pressed = { seconds: secondsAt(event), at: event.offsetX };
  part = null;
});
canvas.addEventListener("pointermove", (event) => {
  if (!pressed || (!part && Math.abs(event.offsetX - pressed.at) < DRAGGED)) return;
  part = [pressed.seconds, secondsAt(event)].sort((one, other) => one - other);
  draw();
});
canvas.addEventListener("pointerup", (event) => {
  if (!pressed) return;
  pressed = null;
  cursor = part ? part[0] : secondsAt(event);
  use();
});
canvas.addEventListener("pointercancel", () => { pressed = null; });

// Play from the cursor; or play the part, and search for it.
function use() {
  play(page.chosen.point, ...(part ?? [cursor]));
  if (part) searchPart(...part);
  draw();
}

canvas.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by && event.key !== "Enter") return;
  event.preventDefault();
  event.stopPropagation();
  if (!by) return use();
  const before = cursor;
  cursor = Math.max(first, Math.min(first + shown, cursor + (by * shown) / STEPS));
  const other = part && (part[0] === before ? part[1] : part[0]);
  part = event.shiftKey ? [other ?? before, cursor].sort((one, other) => one - other) : null;
  draw();
});
for (const name of ["focus", "blur"]) canvas.addEventListener(name, draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
