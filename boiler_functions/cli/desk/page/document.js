// The page of one document: what it was built from, whether a fresh build is the same, and what depends on it.

import { ask, el, linkTo, table, time } from "./dom.js";

export async function documentPage(desk, again, path) {
  const found = await ask(`api/explain?path=${encodeURIComponent(path)}`);
  const { about, clients, dependents, letters, stored } = found.result;
  return {
    time: found.time,
    key: JSON.stringify(found.result),
    children: [
      el("h2", {}, about),
      ...found.result.found.flatMap((each) => part(each, desk, again)),
      stored === undefined ? null : contents(stored, found.result.found.find((each) => "fresh" in each)?.fresh),
      table(
        "Who may",
        ["Documents", "Read", "Create"],
        clients.map((each) => [each.title, each.read, each.create]),
      ),
      letters.length ? el("p", {}, "Letters: ", ...letters.map((id) => el("a", { href: `#/letter/${id}` }, id))) : null,
      el("h3", {}, "What a change of it builds"),
      ...impact(dependents),
    ],
  };
}

function part(found, desk, again) {
  const { what, view, root, sources = [], verdict, differing, ...others } = found;
  const facts = Object.entries(others).filter(([name, value]) => name !== "fresh" && value !== null && String(value) !== "");
  const build = () => again(async () => told((await ask("api/build", { view, root })).result.outcomes));
  return [
    el("h3", {}, what),
    verdict ? el("p", {}, "A fresh build: ", el("span", { class: "state", "data-state": verdict }, verdict), differs(differing)) : null,
    view && desk.changes ? el("button", { type: "button", click: build }, "Build again") : null,
    table("Facts", ["Fact", "Value"], [...(root ? [["root", linkTo(root)]] : []), ...facts.map(([name, value]) => [name.replaceAll("_", " "), value_(name, value)])]),
    sources.length
      ? table(
          "Built from",
          ["Document", "Version read", "Version now"],
          sources.map((each) => [linkTo(each.path), time(each.then) || "missing", each.has_changed ? el("strong", {}, time(each.now) || "missing") : "the same"]),
        )
      : null,
  ];
}

function differs(names) {
  return names.length ? `, differs in ${names.join(", ")}` : "";
}

function value_(name, value) {
  if (name.endsWith("_at")) {
    return time(value);
  }
  return Array.isArray(value) ? el("span", {}, ...value.map((each) => el("span", { class: "item" }, linkTo(each)))) : String(value);
}

// Beside each other: what is stored, and what a fresh build makes.
function contents(stored, fresh) {
  const names = [...new Set([...Object.keys(stored ?? {}), ...Object.keys(fresh ?? {})])].sort();
  const text = (value) => (value === undefined ? "" : JSON.stringify(value, null, 1));
  const rows = names.map((name) => {
    const [is, wanted] = [text(stored?.[name]), text(fresh?.[name])];
    return [name, el("code", {}, is), ...(fresh ? [el(is === wanted ? "code" : "strong", {}, wanted)] : [])];
  });
  const heads = ["Field", "Stored", ...(fresh ? ["A fresh build"] : [])];
  return rows.length ? table("Content", heads, rows) : el("p", {}, "Nothing is stored there.");
}

function impact(dependents) {
  const views = Object.entries(dependents);
  if (!views.length) {
    return [el("p", {}, "Nothing.")];
  }
  return views.map(([view, roots]) =>
    el("p", {}, `${roots.length} of ${view}: `, ...roots.slice(0, 20).map((root) => el("span", { class: "item" }, root ? linkTo(root) : view))),
  );
}

function told(outcomes) {
  return Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`).join(", ") || "nothing to build";
}
