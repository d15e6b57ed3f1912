// What all parts of the page need: its elements, the server's answers, messages.

export const find = (id) => document.getElementById(id);

export const page = { about: null }; // of the library, as the server told it

// An answer of the server; what it says instead of one becomes a message. Nothing where it fails.
export async function ask(what, options = {}) {
  try {
    const answer = await fetch(addressOf(what), options);
    if (answer.ok) return answer;
    if (answer.status === 409) return replaced();
    say((await answer.json()).error);
  } catch (error) {
    if (error.name !== "AbortError") say("The server does not answer: is qbe browse still running?");
  }
}

export const asked = async (what, options) => (await ask(what, options))?.json();

export const post = (what, value) => ask(what, { method: "POST", body: JSON.stringify(value) });

export const addressOf = (what) => (page.about && what !== "about" ? `${page.about.generation}/${what}` : what);

// All points have other numbers now.
export function replaced() {
  say("The library has been replaced: it is loaded anew.");
  location.reload();
}

export function say(text) { find("message").textContent = text; }

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

// An element with what is in it; what begins with on is listened to.
export function made(name, attributes, ...content) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element[key] = value;
  }
  element.append(...content);
  return element;
}
