// Makes elements, and asks the server.

// Returns an element; attributes whose value is null or false are left out, and a function is a listener.
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      made.addEventListener(key, value);
    } else if (value !== null && value !== false && value !== undefined) {
      made.setAttribute(key, value === true ? "" : value);
    }
  }
  made.append(...children.filter((each) => each !== null && each !== undefined));
  return made;
}

// Returns a table; a row is a list of cells, each a text or an element, and its first cell heads the row.
export function table(caption, heads, rows) {
  const cell = (each, index) => el(index ? "td" : "th", index ? {} : { scope: "row" }, each ?? "");
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table",
      {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, ...heads.map((each) => el("th", { scope: "col" }, each)))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell)))),
    ),
  );
}

export function linkTo(path) {
  return el("a", { href: `#/document/${encodeURIComponent(path)}` }, path);
}

export function time(text) {
  return text ? el("time", { datetime: text }, new Date(text).toLocaleString()) : "";
}

// Returns the answer; throws its message if the server refuses.
export async function ask(path, change) {
  const options = change && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(change),
  };
  const answer = await fetch(path, options);
  const body = await answer.json();
  if (!answer.ok) {
    throw new Error(body.message);
  }
  return body;
}
