// The overview: the state of each part of the app, and the map.

import { rates } from "./deliveries.js";
import { ask, el, table } from "./dom.js";
import { map } from "./map.js";

const WORDS = {
  instances: "instances",
  other_code: "of other code",
  owed: "owed a build",
  undelivered: "undelivered",
};

let drawn = null;
let shown = null;

export async function overview({ live }) {
  const [graph, status] = await Promise.all([drawn ?? ask("api/map"), ask("api/status")]);
  drawn = graph;
  const key = JSON.stringify(status.result);
  if (shown?.key !== key) {
    shown = page(key, graph.result, status.result, live);
  }
  shown.map.show(rates());
  return { ...shown, time: status.time };
}

function page(key, graph, { parts, dropped, other_letters: others }, live) {
  // A view of several modes is listed several times, first as it is stored.
  const states = new Map(parts.toReversed().map((each) => [each.name, each]));
  const picture = map(graph, states, live);
  return {
    key,
    map: picture,
    children: [
      el("h2", {}, "Overview"),
      table("State", ["Name", "Mode", "State", "What is there", "Why"], parts.map(row)),
      dropped.length ? el("p", {}, `No longer declared: ${dropped.join(", ")}. boiler withdraw --dropped deletes what is left.`) : null,
      Object.keys(others).length ? el("p", {}, `There are letters of what is not declared: ${Object.keys(others).join(", ")}.`) : null,
      el("h3", {}, "Map"),
      picture.element,
    ],
  };
}

function row(part) {
  const figures = Object.entries(WORDS)
    .filter(([name]) => part.figures[name])
    .map(([name, word]) => `${part.figures[name]} ${word}`);
  const state = el("span", { class: "state", "data-state": part.state }, part.state);
  return [part.name, part.mode, state, figures.join(", ") || "nothing yet", part.why];
}
