// Shows the page that the address names, and asks again while it is open.

import { costs } from "./costs.js";
import { deliveries, followDeliveries } from "./deliveries.js";
import { documentPage } from "./document.js";
import { ask } from "./dom.js";
import { faults } from "./faults.js";
import { letter, letters } from "./letters.js";
import { overview } from "./overview.js";
import { tries } from "./try.js";
import { versions } from "./versions.js";

const main = document.querySelector("#main");
const problem = document.querySelector("#problem");
const follow = document.querySelector("#follow");
const PAGES = { "": overview, costs, deliveries, faults, letters, letter, document: documentPage, try: tries, versions };

const { changes, live } = await ask("api/desk");
const desk = { ...(await ask("api/about")), changes, live };
if (live) {
  followDeliveries();
} else {
  document.querySelectorAll(".live").forEach((each) => each.remove());
}
document.title = `${desk.app}: desk`;
document.querySelector("#place").textContent = `${desk.app}: ${desk.place}. ${desk.changes ? "Changes are allowed." : "It only reads."}`;

let shown = null;

function say(text, kind = "error") {
  problem.textContent = text;
  problem.className = kind;
}

function page() {
  const [, name = "", argument = ""] = location.hash.split("/");
  return { name: name in PAGES ? name : "", argument: decodeURIComponent(argument) };
}

async function show() {
  const { name, argument } = page();
  const asked = location.hash;
  try {
    const found = await PAGES[name](desk, again, argument);
    if (location.hash !== asked) {
      return;
    }
    // What came of a change stays until the reader goes on.
    if (problem.className !== "outcome") {
      say("");
    }
    document.querySelector("#time").textContent = found.time ? `as of ${new Date(found.time).toLocaleTimeString()}` : "";
    // What is as it was stays, with the focus and the place to which it was scrolled.
    if (shown !== asked + found.key) {
      shown = asked + found.key;
      main.replaceChildren(...found.children.filter((each) => each));
    }
  } catch (error) {
    say(error.message);
  }
}

// Does a change, says what came of it, and shows the page anew.
async function again(change) {
  try {
    const outcome = await change();
    await show();
    say(outcome, "outcome");
  } catch (error) {
    say(error.message);
  }
}

async function go() {
  shown = null;
  say("");
  const { name, argument } = page();
  for (const each of document.querySelectorAll("nav a")) {
    const isCurrent = each.getAttribute("href") === `#/${name}`;
    each.toggleAttribute("aria-current", isCurrent);
    if (isCurrent) {
      each.setAttribute("aria-current", "page");
    }
  }
  document.querySelector("#path").value = name === "document" ? argument : "";
  await show();
}

document.querySelector("#find").addEventListener("submit", (event) => {
  event.preventDefault();
  const path = document.querySelector("#path").value.trim();
  if (path) {
    location.hash = `#/document/${encodeURIComponent(path)}`;
  }
});

window.addEventListener("hashchange", async () => {
  await go();
  main.focus();
});

// Deliveries come by themselves, and to look at versions reads the names of all roots and all that is staged, which costs
// nothing with boiler dev.
const ONCE = new Set(live ? ["deliveries"] : ["deliveries", "versions"]);

// Asks only while somebody looks, and never twice at once.
async function keepAsking() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    if (follow.checked && !ONCE.has(page().name) && document.visibilityState === "visible") {
      await show();
    }
  }
}

await go();
keepAsking();
