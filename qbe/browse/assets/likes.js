// What is liked and unliked: together one query.

import { showMarked } from "./chosen.js";
import { fill, paintList } from "./list.js";
import { find, made, page, post } from "./page.js";

export const marks = { likes: new Map(), unlikes: new Map() }; // names by point

export const isMarked = (which) => marks[which].has(page.chosen?.point);

// Like the chosen sound, or unlike it; or neither any more.
export async function mark(which) {
  if (!page.chosen) return;
  const { point, name } = page.chosen, other = marks[which === "likes" ? "unlikes" : "likes"];
  if (!marks[which].delete(point)) marks[which].set(point, name);
  other.delete(point);
  await search();
}

export async function clearLikes() {
  marks.likes.clear();
  marks.unlikes.clear();
  await search();
}

async function search() {
  const chips = (which, sign) => [...marks[which]].map(([point, name]) => made("li", {}, made("button", {
    type: "button", title: "no more", onclick: () => { marks[which].delete(point); search(); },
  }, `${sign} ${name}`)));
  const none = made("li", {}, made("button", { type: "button", id: "unmark" }, "Clear"));
  const all = [...chips("likes", "♥"), ...chips("unlikes", "✗")];
  find("liked").replaceChildren(...all, ...(all.length ? [none] : []));
  showMarked();
  paintList();
  if (!marks.likes.size) return;
  const answer = await post("blend", { likes: [...marks.likes.keys()], unlikes: [...marks.unlikes.keys()] });
  if (answer) fill(await answer.json(), `Like ${marks.likes.size}, unlike ${marks.unlikes.size}`);
}
