// The sound that is chosen: its ring on the map, what is known of it, its true neighbours.

import { isMarked } from "./likes.js";
import { fill } from "./list.js";
import { map } from "./map.js";
import { asked, clock, find, made, page, post } from "./page.js";
import { player } from "./player.js";
import { searchWords } from "./searching.js";
import { showWave } from "./wave.js";

// answer: of a search, with the place in the sound that answers, which is played and shown
export async function choose(point, { sound = true, neighbours = true, answer = null } = {}) {
  map.chosen = point;
  map.neighbours = [];
  map.reveal(point);
  map.draw(true);
  const from = answer?.at === undefined ? 0 : Math.max(0, answer.at - answer.start);
  if (sound) play(point, from);
  const facts = await asked(`point/${point}`);
  if (!facts || map.chosen !== point) return;
  page.chosen = { ...facts, from, until: (answer?.until ?? NaN) - facts.start };
  show(page.chosen);
  showWave();
  const near = await asked(`near/${point}`);
  if (!near || map.chosen !== point) return;
  map.neighbours = near.map((one) => one.point);
  map.draw();
  if (neighbours) fill(near, `Like ${facts.name}`);
}

function show(facts) {
  find("chosen").hidden = false;
  find("name").textContent = facts.name;
  const level = facts.level === null ? "" : `, ${facts.level} dB`;
  find("path").textContent = facts.path;
  find("place").textContent = `${clock(facts.start)} – ${clock(facts.start + facts.length)}${level}`;
  find("tags").replaceChildren(...facts.tags.map(({ word, score, source }) => made("li", {}, made("button", {
    type: "button",
    title: `${{ user: "your tag", name: "from its name", near: "from sounds like it" }[source]}: show all`,
    onclick: () => { find("words").value = word.includes(" ") ? `"${word}"` : word; searchWords(find("words").value); },
  }, score < 1 ? `${word} ${score.toFixed(2)}` : word))));
  showMarked();
}

export function showMarked() {
  find("like").setAttribute("aria-pressed", isMarked("likes"));
  find("unlike").setAttribute("aria-pressed", isMarked("unlikes"));
}

// Of the chosen sound nothing is shown any more on the map.
export function unchoose() {
  map.chosen = -1;
  map.neighbours = [];
  map.draw();
}

export function play(point, from = 0, to = Infinity) {
  page.sounding = point;
  player.play(`sound/${point}`, from, to);
}

export function toggle() {
  if (player.isPlaying) player.silence();
  else if (page.chosen) play(page.chosen.point, page.chosen.from);
  else if (map.hovered >= 0) play(map.hovered);
}

export function openFolder() { post("folder", { points: [page.chosen.point] }); }
