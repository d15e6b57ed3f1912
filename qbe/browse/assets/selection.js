// What is selected: it leaves as files, and bears tags.

import { paintList } from "./list.js";
import { map } from "./map.js";
import { find, page, post, say } from "./page.js";

const KEPT = 10000; // milliseconds that a file is there to be saved

export function select(points) {
  for (const point of points) map.selected.add(point);
  showSelection();
}

export function toggleChosen() {
  if (!page.chosen) return;
  if (!map.selected.delete(page.chosen.point)) map.selected.add(page.chosen.point);
  showSelection();
}

export function clear() {
  map.selected.clear();
  showSelection();
}

function showSelection() {
  find("selection").hidden = !map.selected.size;
  find("count").textContent = `${map.selected.size} selected`;
  paintList();
  map.mark();
}

const selected = (more = {}) => ({ points: [...map.selected], ...more });

const exported = async (as) => (await post(`export/${as}`, selected()))?.blob();

export async function save(as) {
  const content = await exported(as);
  if (!content) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = `selection.${as}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}

export async function copyPaths() {
  const content = await exported("tsv");
  if (content) copy((await content.text()).split("\n").map((line) => line.split("\t")[0]).join("\n"));
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser does not let the page copy; the path above can be marked.");
  }
}

// To the field of the tag, with something selected.
export function beginTag() {
  if (!map.selected.size) toggleChosen();
  if (map.selected.size) find("tag").focus();
}

// Keep that the selected sounds bear a word, or do not. Gives the words that it means, if they are kept.
export async function tagSelected(word, bears) {
  const answer = await post(bears ? "tag" : "untag", selected({ word }));
  if (!answer) return null;
  const { words, left_out: leftOut } = await answer.json();
  const lost = leftOut ? `; ${leftOut} with a tab or a newline in the name cannot be tagged` : "";
  say(`${words.join(", ")}: ${bears ? "added to" : "removed from"} ${map.selected.size}${lost}.`);
  find("tag").value = "";
  return words;
}
