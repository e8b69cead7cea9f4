// The map: sources, functions, and the views and models that they write, with an arrow for each way of a change.

import { el } from "./dom.js";

const COLUMNS = ["sources", "functions", "views and models"];
const SVG = "http://www.w3.org/2000/svg";

// Returns the map; `parts` says of each view, by its name, its state and why. Its `show` tells how busy each function is;
// with `live`, a name leads to the deliveries that concern it.
export function map({ nodes, edges }, parts, live) {
  const boxes = new Map(nodes.map((node) => [node.id, box(node, parts.get(node.name), live)]));
  const next = new Map(nodes.map((node) => [node.id, edges.filter(([from]) => from === node.id).map(([, to]) => to)]));
  const names = new Map(nodes.map((node) => [node.id, node.name]));
  for (const [id, made] of boxes) {
    const leads = next.get(id).map((each) => names.get(each));
    if (leads.length) {
      made.append(el("span", { class: "leads" }, `leads to ${leads.join(", ")}`));
    }
  }
  const arrows = document.createElementNS(SVG, "svg");
  arrows.setAttribute("aria-hidden", "true");
  const columns = COLUMNS.map((title) =>
    el(
      "section",
      { "aria-label": title },
      el("h4", {}, title),
      el("ul", {}, ...nodes.filter((node) => node.column === title).map((node) => el("li", {}, boxes.get(node.id)))),
    ),
  );
  const made = el("div", { class: "map" }, ...columns);
  made.prepend(arrows);
  const draw = () => arrows.replaceChildren(...edges.map(([from, to]) => arrow(arrows, boxes.get(from), boxes.get(to))));
  new ResizeObserver(draw).observe(made);
  const light = (id) => {
    for (const [index, [from, to]] of edges.entries()) {
      arrows.children[index]?.classList.toggle("lit", from === id || to === id);
    }
  };
  for (const [id, each] of boxes) {
    each.addEventListener("pointerenter", () => light(id));
    each.addEventListener("pointerleave", () => light(null));
  }
  const show = (rates) => nodes.forEach((node) => boxes.get(node.id).querySelector(".rate").replaceChildren(busy(rates.get(node.name))));
  return { element: made, show };
}

function busy(rate) {
  if (!rate) {
    return "";
  }
  const lag = typeof rate.lag === "number" ? `, ${rate.lag.toFixed(0)} ms after the change` : "";
  return `${(rate.count / 10).toFixed(1)} a second${lag}`;
}

function box(node, { state, why } = {}, live) {
  return el(
    "div",
    { class: `node ${node.look}`, "data-state": state },
    el("strong", {}, live ? el("a", { href: `#/deliveries/${encodeURIComponent(`of:${node.name.split("{")[0]}`)}` }, node.name) : node.name),
    state ? el("span", { class: "state", "data-state": state }, state) : null,
    node.detail ? el("small", {}, node.detail) : null,
    why ? el("small", {}, why) : null,
    el("small", { class: "rate" }),
  );
}

function arrow(picture, from, to) {
  const whole = picture.getBoundingClientRect();
  const [start, end] = [from.getBoundingClientRect(), to.getBoundingClientRect()];
  const [x1, y1] = [start.right - whole.left, start.top + start.height / 2 - whole.top];
  const [x2, y2] = [end.left - whole.left, end.top + end.height / 2 - whole.top];
  const bend = (x2 - x1) / 2;
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`);
  return path;
}
