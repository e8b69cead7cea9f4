// The staged versions of views: how far they are, what they will change, and what puts them in place or away.

import { ask, el, linkTo, table } from "./dom.js";

const ACTS = { promote: "Promote", rollback: "Roll back", abort: "Abort", finish: "Finish" };
const AFTER = { promoted: ["rollback", "finish"], built: ["promote", "abort"], building: ["abort"] };

export async function versions({ changes }, again) {
  const found = await ask("api/versions");
  const { versions: staged } = found.result;
  return {
    time: found.time,
    key: JSON.stringify(staged),
    children: [
      el("h2", {}, "Versions"),
      staged.length ? null : el("p", {}, "No view has a staged version. boiler stage VIEW builds one beside what is shown."),
      ...staged.flatMap((each) => version(each, changes, again)),
    ],
  };
}

// Says what was done: `3 moved`.
function describe({ instances }) {
  const counts = typeof instances === "number" ? { instances } : instances;
  return Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(", ") || "nothing was left to do";
}

function version({ view, readiness, progress, built, of, why, diff }, changes, again) {
  const state = el("span", { class: "state", "data-state": readiness === "ready" ? "ok" : readiness }, readiness);
  const act = (name) => () => again(async () => describe((await ask(`api/versions/${view}/${name}`, {})).result));
  const samples = diff.changes.map(({ root, differing: copies }) => [linkTo(root), copies.map(({ path, fields }) => `${path}: ${fields.join(", ")}`).join("; ")]);
  return [
    el("h3", {}, view),
    el("p", {}, state, ` ${progress}; ${built} of ${of} built${why ? `; ${why}` : ""}. Of ${diff.compared} compared, ${diff.changed} will change.`),
    changes
      ? el("div", { class: "buttons" }, ...(AFTER[progress] ?? ["promote", "rollback"]).map((name) => el("button", { type: "button", click: act(name) }, ACTS[name])))
      : null,
    samples.length ? table(`What ${view} will change`, ["Root", "Copies"], samples) : null,
  ];
}
