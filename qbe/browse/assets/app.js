// What is done on the page: the map, the list and the keys work on the same sounds.

import { MapView } from "./map.js";
import { player, record, wav } from "./sounds.js";

const find = (id) => document.getElementById(id);
const map = new MapView(find("map"), find("marks"));
const marks = { likes: new Set(), unlikes: new Set() };
let about, columns, list = [], current = -1, before = [], chosen = null, wave = [], sounding = -1, stopRecording = null;

window.qbe = { map, player }; // for tests and curious people

// An answer of the server; what it says instead of one becomes a message. Nothing where it fails.
async function ask(what, options = {}) {
  try {
    const answer = await fetch(about && what !== "about" ? `${about.generation}/${what}` : what, options);
    if (answer.ok) return answer;
    if (answer.status === 409) return location.reload();
    say((await answer.json()).error);
  } catch {
    say("The server does not answer: is qbe browse still running?");
  }
}

const asked = async (what, options) => (await ask(what, options))?.json();

function say(text) { find("message").textContent = text; }

const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

async function begin() {
  about = await asked("about");
  if (!about) return;
  document.title = find("library").textContent = about.name;
  const content = await (await ask("points")).arrayBuffer();
  const count = about.points;
  columns = Object.fromEntries(Object.keys(about.palettes).map((by, k) => [by, new Uint8Array(content, 8 * count + k * count, count)]));
  recolour();
  map.show(new Float32Array(content, 0, 2 * count));
  recolour();
  document.body.dataset.ready = "yes";
}

function recolour() {
  const by = find("colour").value, { colours, labels } = about.palettes[by];
  map.colour(columns[by], colours);
  const used = new Set(columns[by]);
  find("legend").replaceChildren(...labels.flatMap((label, k) => {
    if (!used.has(k)) return [];
    const item = document.createElement("li"), dot = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    for (const [name, value] of [["cx", 5], ["cy", 5], ["r", 5], ["fill", colours[k]]]) circle.setAttribute(name, value);
    dot.append(circle);
    item.append(dot, label);
    return [item];
  }));
  if (map.count) by === "folder" ? map.wordsOf(labels) : ((map.words = []), map.draw());
}

// Sound.

function play(point, seconds = 0) {
  sounding = point;
  player.play(`${about.generation}/sound/${point}`, seconds);
}

player.listen((event) => {
  find("play").textContent = player.isPlaying && sounding === chosen?.point ? "Silence" : "Play";
  if (event === "error" && sounding >= 0) ask(`peaks/${sounding}`); // says why
  drawWave();
});

function toggle() {
  if (player.isPlaying) player.silence();
  else if (map.hovered >= 0 && !chosen) play(map.hovered);
  else if (chosen) play(chosen.point);
}

// The chosen sound.

async function choose(point, { sound = true, neighbours = true } = {}) {
  map.chosen = point;
  map.neighbours = [];
  map.draw();
  if (sound) play(point);
  const facts = await asked(`point/${point}`);
  if (!facts || map.chosen !== point) return;
  chosen = facts;
  find("chosen").hidden = false;
  find("name").textContent = facts.name;
  const level = facts.level === null ? "" : `, ${facts.level} dB`;
  find("place").textContent = `${facts.path}  ${clock(facts.start)} – ${clock(facts.start + facts.length)}${level}`;
  tick();
  wave = [];
  drawWave();
  asked(`peaks/${point}`).then((peaks) => { if (peaks && map.chosen === point) { wave = peaks; drawWave(); } });
  const near = await asked(`near/${point}`);
  if (!near || map.chosen !== point) return;
  map.neighbours = near.map((one) => one.point);
  map.draw();
  if (neighbours) fill(near, `Like ${facts.name}`);
}

function tick() {
  find("like").setAttribute("aria-pressed", marks.likes.has(chosen?.point));
  find("unlike").setAttribute("aria-pressed", marks.unlikes.has(chosen?.point));
}

function drawWave() {
  const canvas = find("wave"), context = canvas.getContext("2d"), { width, height } = canvas;
  const style = getComputedStyle(document.documentElement);
  context.clearRect(0, 0, width, height);
  if (!wave.length) return;
  const share = chosen && sounding === chosen.point ? player.seconds / Math.min(chosen.length, 120) : 0;
  wave.forEach((peak, k) => {
    const tall = Math.max(1, peak * height), at = (k * width) / wave.length;
    context.fillStyle = style.getPropertyValue(k / wave.length < share ? "--accent" : "--dim");
    context.fillRect(at, (height - tall) / 2, Math.max(1, width / wave.length - 0.5), tall);
  });
}

// The list.

function fill(rows, title) {
  if (list.length && current >= 0) before.push({ rows: list, title: find("title").textContent, current });
  list = rows;
  current = -1;
  find("title").textContent = rows.length ? title : `${title}: nothing found`;
  find("list").replaceChildren(...rows.map((row, k) => {
    const item = document.createElement("li"), what = document.createElement("span"), place = document.createElement("small");
    item.role = "option";
    item.id = `row${k}`;
    item.title = row.path;
    what.className = "what";
    what.textContent = row.name;
    place.textContent = row.score === undefined ? clock(row.length) : clock(row.start);
    item.append(what, place);
    if (row.score !== undefined) {
      const score = document.createElement("span");
      score.className = "score";
      score.textContent = row.score.toFixed(3);
      item.prepend(score);
    }
    item.addEventListener("click", () => go(k));
    return item;
  }));
  paintList();
}

function paintList() {
  list.forEach(({ point }, k) => {
    const item = find(`row${k}`);
    item.setAttribute("aria-selected", k === current);
    item.classList.toggle("picked", map.selected.has(point));
    item.classList.toggle("liked", marks.likes.has(point));
    item.classList.toggle("unliked", marks.unlikes.has(point));
  });
  if (current >= 0) find("list").setAttribute("aria-activedescendant", `row${current}`);
}

// To a row of the list; what is near it is drawn on the map, and the list stays.
function go(row) {
  if (!list.length) return;
  current = Math.max(0, Math.min(list.length - 1, row));
  paintList();
  find(`row${current}`).scrollIntoView({ block: "nearest" });
  choose(list[current].point, { neighbours: false });
}

// To what is near the chosen one, and back.
function deeper() { if (chosen) choose(chosen.point); }

function back() {
  const last = before.pop();
  if (!last) return;
  list = [];
  fill(last.rows, last.title);
  go(last.current);
}

// Searching.

async function searchNames(words) {
  if (!words.trim()) return fill([], "Names");
  const rows = await asked(`names?words=${encodeURIComponent(words)}`);
  if (rows) fill(rows, `Names with ${words}`);
}

async function searchSound(body, name) {
  say(`Listening to ${name} …`);
  const answer = await fetch(`${about.generation}/answers`, { method: "POST", body });
  const rows = await answer.json();
  if (!answer.ok) return rows.error;
  say("");
  fill(rows, `Like ${name}`);
  map.chosen = -1;
  map.neighbours = [];
  map.draw();
}

// What the server cannot read, the browser may.
async function searchFile(file) {
  let wrong = await searchSound(file, file.name);
  if (wrong) {
    try {
      wrong = await searchSound(await wav(await file.arrayBuffer()), file.name);
    } catch { /* the browser cannot either */ }
  }
  if (wrong) say(wrong.replace("standard input", file.name));
}

async function toggleRecording() {
  const button = find("record");
  if (stopRecording) {
    const stop = stopRecording;
    stopRecording = null;
    button.setAttribute("aria-pressed", false);
    button.textContent = "Record";
    const wrong = await searchSound(await stop(), "the recording");
    if (wrong) say(wrong.replace("standard input", "the recording"));
    return;
  }
  try {
    player.silence();
    stopRecording = await record();
    button.setAttribute("aria-pressed", true);
    button.textContent = "Stop";
  } catch {
    say("There is no microphone, or the browser may not use it.");
  }
}

async function mark(which) {
  if (!chosen) return;
  const own = marks[which], other = marks[which === "likes" ? "unlikes" : "likes"];
  if (!own.delete(chosen.point)) own.add(chosen.point);
  other.delete(chosen.point);
  tick();
  paintList();
  if (!marks.likes.size) return;
  const body = JSON.stringify({ likes: [...marks.likes], unlikes: [...marks.unlikes] });
  const rows = await asked("blend", { method: "POST", body });
  if (rows) fill(rows, `Like ${marks.likes.size}, unlike ${marks.unlikes.size}`);
}

// The selection.

function select(points) {
  for (const point of points) map.selected.add(point);
  showSelection();
}

function showSelection() {
  find("selection").hidden = !map.selected.size;
  find("count").textContent = `${map.selected.size} selected`;
  paintList();
  map.draw();
}

async function exported(as) {
  return (await ask(`export/${as}`, { method: "POST", body: JSON.stringify({ points: [...map.selected] }) }))?.blob();
}

async function save(as) {
  const content = await exported(as);
  if (!content) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = `selection.${as}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser does not let the page copy; the path above can be marked.");
  }
}

// Pointer on the map.

const canvas = find("map"), pointers = new Map();
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
  if (map.lasso.length) { map.lasso.push(now); map.draw(true); }
  else if (pointers.size === 2) pinch();
  else map.pan(now[0] - last[0], now[1] - last[1]);
});

function pinch() {
  const [one, other] = [...pointers.values()], apart = Math.hypot(one[0] - other[0], one[1] - other[1]);
  if (spread) map.zoom(apart / spread, [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2]);
  spread = apart;
}

canvas.addEventListener("pointerup", (event) => {
  pointers.delete(event.pointerId);
  if (map.lasso.length > 2) select(map.inside(map.lasso));
  else if (moved < 5) {
    const point = map.at(placeOf(event));
    if (point >= 0) choose(point);
  }
  map.lasso = [];
  map.draw();
});
canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
canvas.addEventListener("pointerleave", () => { map.hovered = -1; find("tip").textContent = ""; map.draw(true); });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  map.zoom(Math.exp(-event.deltaY / 400), placeOf(event));
}, { passive: false });

async function hover(place) {
  const point = map.at(place);
  if (point === map.hovered) return;
  map.hovered = point;
  map.mark();
  const tip = find("tip");
  tip.textContent = "";
  if (point < 0) return;
  if (find("hover").checked) play(point);
  const facts = await asked(`point/${point}`);
  if (!facts || map.hovered !== point) return;
  tip.textContent = facts.folder ? `${facts.name} — ${facts.folder}` : facts.name;
  const [x, y] = map.toScreen(point);
  tip.style.left = `${Math.min(x + 12, canvas.clientWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.max(4, y - 30)}px`;
}

// Keys.

const KEYS = {
  ArrowDown: () => go(current + 1),
  ArrowUp: () => go(current - 1),
  ArrowRight: deeper,
  ArrowLeft: back,
  " ": toggle,
  l: () => mark("likes"),
  u: () => mark("unlikes"),
  x: () => {
    if (!chosen) return;
    if (!map.selected.delete(chosen.point)) map.selected.add(chosen.point);
    showSelection();
  },
  "/": () => { find("words").focus(); find("words").select(); },
  "+": () => map.zoom(1.4),
  "-": () => map.zoom(1 / 1.4),
  0: () => map.all(),
  Escape: () => { player.silence(); map.selected.clear(); showSelection(); },
};

document.addEventListener("keydown", (event) => {
  const typing = event.target === find("words");
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  if (typing && !["ArrowDown", "ArrowUp", "Escape"].includes(event.key)) return;
  if (event.key === " " && event.target.matches("button, input, select")) return;
  if (event.target.matches("select")) return;
  event.preventDefault();
  if (typing) event.target.blur();
  KEYS[event.key]();
});

// The rest of the page.

let typed;
find("words").addEventListener("input", (event) => {
  clearTimeout(typed);
  typed = setTimeout(() => searchNames(event.target.value), 150);
});
find("colour").addEventListener("change", recolour);
find("file").addEventListener("change", (event) => event.target.files[0] && searchFile(event.target.files[0]));
find("record").addEventListener("click", toggleRecording);
find("help").addEventListener("click", (event) => {
  find("keys").hidden = !find("keys").hidden;
  event.target.setAttribute("aria-expanded", !find("keys").hidden);
});
find("play").addEventListener("click", toggle);
find("like").addEventListener("click", () => mark("likes"));
find("unlike").addEventListener("click", () => mark("unlikes"));
find("copy").addEventListener("click", () => copy(chosen.path));
find("wave").addEventListener("click", (event) => {
  play(chosen.point, (event.offsetX / find("wave").clientWidth) * Math.min(chosen.length, 120));
});
find("none").addEventListener("click", KEYS.Escape);
find("paths").addEventListener("click", async () => {
  const content = await exported("tsv");
  if (content) copy((await content.text()).split("\n").map((line) => line.split("\t")[0]).join("\n"));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawWave);
document.querySelectorAll("[data-as]").forEach((button) => button.addEventListener("click", () => save(button.dataset.as)));
for (const event of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(event, (drag) => {
    drag.preventDefault();
    document.body.classList.toggle("dropping", event === "dragover");
    if (event === "drop" && drag.dataTransfer.files[0]) searchFile(drag.dataTransfer.files[0]);
  });
}

begin();
