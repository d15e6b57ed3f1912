// One sound at a time. It comes from the server as WAV, its beginning in a small piece, so that it is heard at once.

import { ask, say } from "./page.js";

const HEAD = 44, FIRST = 1 << 15; // bytes
const AHEAD = 8; // seconds that are fetched before they are heard
const ALLOWED = 100; // milliseconds in which a browser lets a page be heard, if it does

let context = null; // made after the map is there, as that takes a while
let sound = null; // what plays, and when on the clock of the context it began and is to end
let onChange = () => {};

export const player = {
  prepare() { context ??= new AudioContext({ latencyHint: "interactive" }); },
  // Begin a sound, in place of the one that plays. from, to: of the part that is to be heard, seconds
  async play(what, from = 0, to = Infinity) {
    stop();
    this.prepare();
    const own = (sound = { what, from, to, sources: new Set(), stopped: new AbortController(), ends: Infinity });
    onChange();
    if (await mayBeHeard()) await stream(own).catch((error) => fail(own, error));
    if (own.began === undefined) own.ends = 0;
    if (own === sound) onChange();
  },
  silence() { stop(); onChange(); },
  get isPlaying() { return sound !== null && context.currentTime < sound.ends; },
  // How far into the sound it is.
  get seconds() {
    if (sound?.began === undefined) return 0;
    return Math.max(0, Math.min(context.currentTime, sound.ends) - sound.began) + sound.from;
  },
  listen(listener) { onChange = listener; },
};

function stop() {
  sound?.stopped.abort();
  for (const source of sound?.sources ?? []) source.stop();
  sound = null;
}

// Browsers keep a page silent that nobody has clicked on.
async function mayBeHeard() {
  if (context.state === "suspended") {
    await Promise.race([context.resume(), new Promise((done) => setTimeout(done, ALLOWED))]);
  }
  if (context.state === "suspended") say("Click on the page, or press a key: before that the browser plays nothing.");
  return context.state !== "suspended";
}

function fail(own, error) {
  own.ends = own.ending ?? 0;
  if (error.name !== "AbortError") say(`The browser cannot play it: ${error.message}`);
}

// Fetch a sound, and have each piece follow the one before.
async function stream(own) {
  const first = await piece(own, 0, own.from ? HEAD : FIRST);
  if (!first) return;
  const content = await first.arrayBuffer();
  readHead(own, new DataView(content));
  const byteAt = (seconds) => Math.min(own.size, HEAD + Math.round(seconds * own.rate) * own.frame);
  const end = own.to < Infinity ? byteAt(own.to) : own.size;
  let next = own.from ? byteAt(own.from) : Math.min(content.byteLength, end);
  if (!own.from) next -= sounded(own, new Uint8Array(content, HEAD, next - HEAD)).length;
  const rest = next < end && (await piece(own, next, end));
  if (rest) await streamed(own, rest.body.getReader());
  own.ends = own.ending;
}

async function piece(own, begin, end) {
  const answer = await ask(own.what, { headers: { Range: `bytes=${begin}-${end - 1}` }, signal: own.stopped.signal });
  if (answer) own.size = Number(answer.headers.get("Content-Range").split("/")[1]);
  return answer;
}

function readHead(own, view) {
  own.channels = view.getUint16(22, true);
  own.rate = view.getUint32(24, true);
  own.frame = view.getUint16(32, true);
}

async function streamed(own, reader) {
  let left = new Uint8Array(0);
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const bytes = new Uint8Array(left.length + part.value.length);
    bytes.set(left);
    bytes.set(part.value, left.length);
    left = sounded(own, bytes);
    while (own.ending - context.currentTime > AHEAD && own === sound) await new Promise((done) => setTimeout(done, 500));
  }
}

// Whole frames of 16 bits are heard after what was heard before, or as soon as they can be; gives the bytes left over.
function sounded(own, bytes) {
  const frames = Math.floor(bytes.length / own.frame), view = new DataView(bytes.buffer, bytes.byteOffset);
  if (!frames || own !== sound) return bytes.subarray(frames * own.frame);
  const buffer = context.createBuffer(own.channels, frames, own.rate);
  for (let channel = 0; channel < own.channels; channel++) {
    const into = buffer.getChannelData(channel);
    for (let k = 0; k < frames; k++) into[k] = view.getInt16(k * own.frame + 2 * channel, true) / 32768;
  }
  const source = context.createBufferSource(), at = Math.max(own.ending ?? 0, context.currentTime);
  source.buffer = buffer;
  source.connect(context.destination);
  source.start(at);
  own.began ??= at;
  own.ending = at + buffer.duration;
  own.sources.add(source);
  source.addEventListener("ended", () => { own.sources.delete(source); if (own === sound) onChange(); });
  return bytes.subarray(frames * own.frame);
}
