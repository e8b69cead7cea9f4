// The timeline of `boiler dev`: each delivery of an event to a function as it comes.

import { ask, el, linkTo } from "./dom.js";

const MOST = 10000;
const SHOWN = 200;

// The newest comes last. The stream stays open from page to page, so that nothing is missed.
let kept = [];
let stream = null;
let redraw = () => {};
let shown = null;

// Returns the deliveries that are kept, the newest last.
export function observed() {
  return kept;
}

// Returns the deliveries a second of each function in the last ten seconds, and how late the last one was.
export function rates() {
  const since = Date.now() - 10_000;
  const found = new Map();
  for (const each of kept.filter(({ time }) => Date.parse(time) > since)) {
    const { count = 0 } = found.get(each.function) ?? {};
    found.set(each.function, { count: count + 1, lag: each.report?.lag_milliseconds });
  }
  return found;
}

export function followDeliveries() {
  stream = new EventSource("api/deliveries");
  stream.addEventListener("message", ({ data }) => {
    kept = kept.concat(JSON.parse(data)).slice(-MOST);
    redraw();
  });
}

// `which` is the id of an event, or `of:` and a name that the deliveries must have.
export async function deliveries({ changes }, again, which = "") {
  if (shown?.which === which && shown.body.isConnected) {
    return shown;
  }
  const [story, text] = which.startsWith("of:") ? ["", which.slice(3)] : [which, ""];
  const chosen = { text: text.toLowerCase(), outcome: "", isPaused: false, story };
  const body = el("tbody");
  const count = el("p", { class: "quiet" });
  const outcomes = el("select", { id: "outcome", input: (event) => choose({ outcome: event.target.value }) });
  const heads = ["Time", "Function", "Document", "Attempt", "Outcome", "Reads", "Writes", "RPCs", "ms", "Lag ms", ...(changes ? ["Do"] : [])];
  let asked = 0;

  function choose(change) {
    Object.assign(chosen, change);
    draw();
  }

  function draw() {
    const found = kept.filter((each) => fits(each, chosen));
    const sum = (name) => found.reduce((total, each) => total + (each.report?.[name] ?? 0), 0);
    count.textContent = `${found.length} of ${kept.length} deliveries: ${sum("reads")} reads, ${sum("writes")} writes, ${sum("rpcs")} RPCs`;
    body.replaceChildren(...found.slice(-SHOWN).reverse().map((each) => row(each, changes, again)));
    const names = [...new Set(kept.map(outcomeOf))].sort();
    if (outcomes.options.length !== names.length + 1) {
      outcomes.replaceChildren(el("option", { value: "" }, "all"), ...names.map((each) => el("option", {}, each)));
      outcomes.value = chosen.outcome;
    }
  }

  // Once in a frame at most, however many come.
  redraw = () => {
    if (!chosen.isPaused && body.isConnected && !asked) {
      asked = requestAnimationFrame(() => {
        asked = 0;
        draw();
      });
    }
  };
  draw();
  const name = "Deliveries, the latest first";
  shown = {
    which,
    body,
    key: `deliveries ${which}`,
    children: [
      el("h2", {}, story ? "One event, with its retries" : "Deliveries"),
      el(
        "div",
        { class: "choose", role: "group", "aria-label": "Which deliveries" },
        el("label", { for: "text" }, "Function, view or document"),
        el("input", { id: "text", type: "search", value: text, input: (event) => choose({ text: event.target.value.toLowerCase() }) }),
        el("label", { for: "outcome" }, "Outcome"),
        outcomes,
        el("label", {}, el("input", { type: "checkbox", input: (event) => choose({ isPaused: event.target.checked }) }), " Pause"),
        story ? el("a", { href: "#/deliveries" }, "All events") : null,
      ),
      count,
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": name },
        el("table", {}, el("caption", {}, name), el("thead", {}, el("tr", {}, ...heads.map((each) => el("th", { scope: "col" }, each)))), body),
      ),
    ],
  };
  return shown;
}

function fits(each, { text, outcome, story }) {
  return (
    (!story || each.event === story) &&
    (!outcome || outcomeOf(each) === outcome) &&
    (!text || [each.function, each.document, ...(each.report?.views ?? [])].some((name) => name.toLowerCase().includes(text)))
  );
}

function outcomeOf(each) {
  return each.status >= 300 ? "failed" : (each.report?.outcome ?? "acknowledged");
}

function row(each, changes, again) {
  const outcome = outcomeOf(each);
  const { report } = each;
  const click = () => again(async () => (await ask(`api/deliveries/${each.number}/again`, {})).outcome);
  const story = el("a", { href: `#/deliveries/${encodeURIComponent(each.event)}` }, new Date(each.time).toLocaleTimeString());
  const cells = [
    each.function,
    linkTo(each.document),
    String(each.attempt),
    el("span", { class: "state", "data-state": outcome === "failed" ? "failing" : "ok" }, outcome, each.error ? `: ${each.error}` : ""),
    ...["reads", "writes", "rpcs"].map((name) => String(report?.[name] ?? "")),
    each.milliseconds.toFixed(0),
    report?.lag_milliseconds?.toFixed(0) ?? "",
    ...(changes ? [el("button", { type: "button", click }, "Again")] : []),
  ];
  return el("tr", {}, el("th", { scope: "row" }, story), ...cells.map((cell) => el("td", {}, cell)));
}
