// The list: what is near a sound, or answers a search; the way back through earlier ones.

import { choose } from "./chosen.js";
import { marks } from "./likes.js";
import { map } from "./map.js";
import { clock, find, made, page } from "./page.js";

let rows = [], current = -1;
const before = [];

export function fill(found, title) {
  if (rows.length && current >= 0) before.push({ rows, title: find("title").textContent, current });
  rows = found;
  current = -1;
  find("title").textContent = rows.length ? title : `${title}: nothing found`;
  find("list").replaceChildren(...rows.map(item));
  find("list").removeAttribute("aria-activedescendant");
  paintList();
}

function item(row, k) {
  const place = clock(row.at ?? (page.about.segments ? row.start : row.length));
  const parts = [made("span", { className: "what" }, row.name), made("small", {}, place)];
  if (row.score !== undefined) parts.unshift(made("span", { className: "score" }, row.score.toFixed(3)));
  return made("li", { role: "option", id: `row${k}`, title: row.path, onclick: () => go(k) }, ...parts);
}

export function paintList() {
  rows.forEach(({ point }, k) => {
    const { classList } = find(`row${k}`);
    find(`row${k}`).setAttribute("aria-selected", k === current);
    classList.toggle("picked", map.selected.has(point));
    classList.toggle("liked", marks.likes.has(point));
    classList.toggle("unliked", marks.unlikes.has(point));
  });
}

// To a row of the list; what is near it is drawn on the map, and the list stays. Without a list, to some sound.
function go(row) {
  if (!rows.length) return choose(Math.max(0, map.chosen));
  current = Math.max(0, Math.min(rows.length - 1, row));
  paintList();
  find(`row${current}`).scrollIntoView({ block: "nearest" });
  find("list").setAttribute("aria-activedescendant", `row${current}`);
  choose(rows[current].point, { neighbours: false, answer: rows[current] });
}

export const step = (by) => go(current + by);

// To what is near the chosen one, and back.
export function deeper() { if (page.chosen) choose(page.chosen.point); }

export function back() {
  const last = before.pop();
  if (!last) return;
  rows = [];
  fill(last.rows, last.title);
  go(last.current);
}
