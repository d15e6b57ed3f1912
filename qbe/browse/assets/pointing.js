// The pointer on the map: it moves it, hears, chooses, and draws lines around sounds.

import { choose, play } from "./chosen.js";
import { map } from "./map.js";
import { asked, find } from "./page.js";
import { select } from "./selection.js";

const CLICK = 5; // pixels that a pointer may move while it chooses
const WHEEL = 400; // of its steps make the map e times as large

const canvas = find("map"), tip = find("tip"), pointers = new Map();
let moved = 0, spread = 0;
const placeOf = (event) => [event.offsetX, event.offsetY];

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, placeOf(event));
  moved = spread = 0;
  if (event.shiftKey) map.lasso = [placeOf(event)];
});

canvas.addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId), now = placeOf(event);
  if (!last) return hover(now);
  pointers.set(event.pointerId, now);
  moved += Math.hypot(now[0] - last[0], now[1] - last[1]);
  if (map.lasso.length) { map.lasso.push(now); map.mark(); }
  else if (pointers.size === 2) pinch();
  else if (moved >= CLICK) map.pan(now[0] - last[0], now[1] - last[1]);
});

function pinch() {
  const [one, other] = [...pointers.values()], apart = Math.hypot(one[0] - other[0], one[1] - other[1]);
  if (spread) map.zoom(apart / spread, [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2]);
  spread = apart;
}

canvas.addEventListener("pointerup", (event) => {
  pointers.delete(event.pointerId);
  if (map.lasso.length > 2) select(map.inside(map.lasso));
  else if (moved < CLICK) {
    const point = map.at(placeOf(event));
    if (point >= 0) choose(point);
  }
  map.lasso = [];
  map.mark();
});
canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
canvas.addEventListener("pointerleave", () => { map.hovered = -1; tip.textContent = ""; map.mark(); });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  map.zoom(Math.exp(-event.deltaY / WHEEL), placeOf(event));
}, { passive: false });

async function hover(place) {
  const point = map.at(place);
  if (point === map.hovered) return;
  map.hovered = point;
  tip.textContent = "";
  if (point < 0) return map.mark();
  if (find("hover").checked) play(point);
  map.mark();
  const facts = await asked(`point/${point}`);
  if (!facts || map.hovered !== point) return;
  tip.textContent = facts.folder ? `${facts.name} — ${facts.folder}` : facts.name;
  const [x, y] = map.toScreen(point);
  tip.style.left = `${Math.max(4, Math.min(x + 12, canvas.clientWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(4, y - 30)}px`;
}
