// Keys, which do all that the pointer does.

import { toggle } from "./chosen.js";
import { mark } from "./likes.js";
import { back, deeper, step } from "./list.js";
import { map } from "./map.js";
import { find } from "./page.js";
import { player } from "./player.js";
import { showAll } from "./searching.js";
import { beginTag, clear, toggleChosen } from "./selection.js";

const KEYS = {
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  ArrowRight: deeper,
  ArrowLeft: back,
  " ": toggle,
  l: () => mark("likes"),
  u: () => mark("unlikes"),
  x: toggleChosen,
  t: beginTag,
  "/": () => { find("words").focus(); find("words").select(); },
  "+": () => map.zoom(1.4),
  "-": () => map.zoom(1 / 1.4),
  0: () => map.all(),
  Escape: () => { player.silence(); clear(); showAll(); },
};
const WHILE_TYPING = { words: ["ArrowDown", "ArrowUp", "Escape"], tag: ["Escape"] };

document.addEventListener("keydown", (event) => {
  const { id } = event.target, typing = WHILE_TYPING[id];
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  if (typing && !typing.includes(event.key)) return;
  if (event.key === " " && event.target.matches("button, input")) return;
  if (event.target.matches("select")) return;
  event.preventDefault();
  if (typing) event.target.blur();
  KEYS[event.key]();
});
