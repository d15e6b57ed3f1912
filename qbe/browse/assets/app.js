// The page begins: it loads the map, and binds what can be pressed to what it does.

import { choose, openFolder, toggle } from "./chosen.js";
import "./keys.js";
import { clearLikes, mark } from "./likes.js";
import { map } from "./map.js";
import { asked, ask, find, made, page, say } from "./page.js";
import { player } from "./player.js";
import "./pointing.js";
import { searchFile, searchWords, showAll, toggleRecording } from "./searching.js";
import { clear, copy, copyPaths, save, select, tagSelected } from "./selection.js";
import "./wave.js";

window.qbe = { map, player, page }; // for tests and curious people

async function begin() {
  page.about = await asked("about");
  if (!page.about) return;
  document.title = find("library").textContent = page.about.name;
  showTagged();
  const [points, colours] = await Promise.all([ask("points").then((answer) => answer?.arrayBuffer()), coloured()]);
  if (!points || !colours) return;
  map.show(new Float32Array(points), colours.numbers, colours.colours);
  showLegend(colours);
  document.body.dataset.ready = "yes";
  showWords();
  player.prepare();
}

// The number of each point's colour, and what the colours stand for.
async function coloured() {
  const content = await (await ask(`colours/${find("colour").value}`))?.arrayBuffer();
  if (!content) return null;
  const bytes = new Uint8Array(content), end = bytes.indexOf(10);
  return { ...JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))), numbers: bytes.subarray(end + 1) };
}

async function recolour() {
  const by = find("colour").value, colours = await coloured();
  if (!colours || by !== find("colour").value) return;
  map.colour(colours.numbers, colours.colours);
  showLegend(colours);
}

function showLegend({ colours, labels, numbers }) {
  const used = new Uint8Array(256);
  for (let k = 0; k < numbers.length; k++) used[numbers[k]] = 1;
  find("legend").replaceChildren(...labels.flatMap((label, k) => (used[k] ? [made("li", {}, dot(colours[k]), label)] : [])));
}

function dot(colour) {
  const [svg, circle] = ["svg", "circle"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
  for (const [name, value] of [["cx", 5], ["cy", 5], ["r", 5], ["fill", colour]]) circle.setAttribute(name, value);
  svg.append(circle);
  return svg;
}

async function showWords() {
  map.words = (await asked("words")) ?? [];
  map.mark();
}

// Where there are tags, they can colour the map.
function showTagged() {
  find("colour").querySelector("[value=tag]").hidden = !page.about.tagged;
}

async function tagged(event, bears) {
  event.preventDefault();
  const words = await tagSelected(find("tag").value, bears);
  if (!words) return;
  page.about = await asked("about");
  showTagged();
  showWords();
  if (find("colour").value === "tag") recolour();
  if (page.chosen) choose(page.chosen.point, { sound: false, neighbours: false });
}

const pressed = {
  record: toggleRecording,
  play: toggle,
  like: () => mark("likes"),
  unlike: () => mark("unlikes"),
  copy: () => copy(page.chosen.path),
  folder: openFolder,
  none: clear,
  paths: copyPaths,
  all: showAll,
  select: () => select(map.borne()),
  untag: (event) => tagged(event, false),
  help: (event) => {
    find("keys").hidden = !find("keys").hidden;
    event.target.setAttribute("aria-expanded", !find("keys").hidden);
  },
};
for (const [id, action] of Object.entries(pressed)) find(id).addEventListener("click", action);
find("liked").addEventListener("click", (event) => event.target.id === "unmark" && clearLikes());
find("tagging").addEventListener("submit", (event) => tagged(event, true));
find("colour").addEventListener("change", recolour);
find("file").addEventListener("change", (event) => {
  if (event.target.files[0]) searchFile(event.target.files[0]);
  event.target.value = "";
});
document.querySelectorAll("[data-as]").forEach((button) => button.addEventListener("click", () => save(button.dataset.as)));

let typed;
find("words").addEventListener("input", (event) => {
  clearTimeout(typed);
  typed = setTimeout(() => searchWords(event.target.value), 150);
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) searchFile(event.dataTransfer.files[0]);
  });
}
window.addEventListener("unhandledrejection", (event) => say(`Something went wrong: ${event.reason?.message ?? event.reason}`));

begin();
