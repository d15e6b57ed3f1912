// Searching by words, by a sound file, by a recording, by a part of a sound.

import { unchoose } from "./chosen.js";
import { fill } from "./list.js";
import { map } from "./map.js";
import { addressOf, ask, asked, clock, find, page, replaced, say } from "./page.js";
import { player } from "./player.js";
import { record, wav } from "./recording.js";

let stopRecording = null, latest = 0;

// The map shows what bears the words, and the list the first of these.
export async function searchWords(words) {
  const own = ++latest;
  if (!words.trim()) return showAll();
  const query = `words=${encodeURIComponent(words)}`;
  const found = await asked(`found?${query}`);
  if (!found || own !== latest) return;
  say(found.notes.join("; "));
  const bearing = await (await ask(`bearing?${query}`))?.arrayBuffer();
  if (!bearing || own !== latest) return;
  map.filter(new Uint8Array(bearing));
  find("filter").hidden = false;
  fill(found.rows, found.count ? `${found.count} with ${words}` : `With ${words}`);
}

export function showAll() {
  latest++;
  find("words").value = "";
  find("filter").hidden = true;
  map.filter(null);
}

async function searchSound(body, name) {
  say(`Listening to ${name} …`);
  const answer = await fetch(addressOf("answers"), { method: "POST", body });
  if (answer.status === 409) return replaced();
  const rows = await answer.json();
  if (!answer.ok) return rows.error;
  say("");
  fill(rows, `Like ${name}`);
  unchoose();
}

// What the server cannot read, the browser may.
export async function searchFile(file) {
  let wrong = await searchSound(file, file.name);
  if (wrong) {
    try {
      wrong = await searchSound(await wav(await file.arrayBuffer()), file.name);
    } catch { /* the browser cannot either */ }
  }
  if (wrong) say(wrong.replace("standard input", file.name));
}

export async function toggleRecording() {
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

// from, to: of the part of the chosen sound, seconds
export async function searchPart(from, to) {
  const { point, name, start } = page.chosen;
  const rows = await asked(`part/${point}?from=${from}&to=${to}`);
  if (rows) fill(rows, `Like ${name} ${clock(start + from)} – ${clock(start + to)}`);
}
