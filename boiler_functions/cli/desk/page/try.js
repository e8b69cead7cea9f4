// Tries what a client may do: sends a form, reads a document, or calls the API, as a chosen user.

import { ask, el, linkTo } from "./dom.js";

const WHAT = { forms: ["create", "Send"], documents: ["read", "Read"], calls: ["call", "Call"] };

// What somebody types stays.
let shown = null;

export async function tries(desk, again) {
  if (!shown?.form.isConnected) {
    shown = drawn(await ask("api/offers"), again);
  }
  return shown;
}

function drawn(offers, again) {
  const all = Object.entries(WHAT).flatMap(([kind, [what, verb]]) =>
    offers[kind].map((each) => ({ ...each, what, label: `${verb} ${each.method ?? each.name} ${each.path}` })),
  );
  const answer = el("div", { "aria-live": "polite" });
  const choice = el("select", { id: "try-what", input: () => fill() }, ...all.map((each, index) => el("option", { value: index }, each.label)));
  const path = input("path");
  const body = el("textarea", { id: "try-body", rows: "10", spellcheck: "false" });
  const user = input("user");
  const claims = el("textarea", { id: "try-claims", rows: "2", spellcheck: "false" });
  const chosen = () => all[Number(choice.value)];

  function fill() {
    const { path: pattern, fields, body: example } = chosen();
    path.value = pattern;
    const content = fields ?? example ?? null;
    body.value = content === null ? "" : JSON.stringify(content, null, 2);
    body.disabled = content === null;
    answer.replaceChildren();
  }

  async function send() {
    const { what, method } = chosen();
    const content = parsed(body.value, "The content");
    const wanted = { what, method, path: path.value, fields: content, body: content, user: user.value, claims: parsed(claims.value, "The claims") };
    const found = await ask("api/try", wanted);
    answer.replaceChildren(...result(found, what, path.value));
    return found.status < 300 ? "It was allowed." : `It was answered ${found.status}.`;
  }

  const form = el(
    "form",
    { class: "fields wide" },
    ...named("What", "try-what", choice),
    ...named("Path", "try-path", path),
    ...named("Content, as Firestore's REST interface or the API takes it", "try-body", body),
    ...named("User id; empty for nobody", "try-user", user),
    ...named('Claims, as {"admin": true}', "try-claims", claims),
    el("div", { class: "buttons" }, el("button", { type: "submit" }, "Try")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    again(send);
  });
  if (all.length) {
    fill();
  }
  return { form, key: "try", children: [el("h2", {}, "Try it"), form, answer] };
}

function input(name) {
  return el("input", { id: `try-${name}`, name, type: "text", autocomplete: "off", spellcheck: "false" });
}

function named(label, id, field) {
  return [el("label", { for: id }, label), field];
}

function parsed(text, what) {
  try {
    return text.trim() ? JSON.parse(text) : null;
  } catch (error) {
    throw new Error(`${what} is not JSON: ${error.message}`);
  }
}

function result({ status, body, denied }, what, path) {
  const state = el("span", { class: "state", "data-state": status < 300 ? "ok" : "failing" }, status < 300 ? "allowed" : `answered ${status}`);
  const lines = denied.map(({ line, text }) => el("li", {}, `line ${line}: `, el("code", {}, text)));
  return [
    el("h3", {}, "Answer"),
    el("p", {}, state, " ", what === "call" ? null : linkTo(path)),
    ...(lines.length ? [el("p", {}, "Denied by these lines of the rules:"), el("ul", {}, ...lines)] : []),
    el("pre", { tabindex: "0" }, el("code", {}, typeof body === "string" ? body : JSON.stringify(body, null, 2))),
  ];
}
