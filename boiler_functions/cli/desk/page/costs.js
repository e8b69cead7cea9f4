// What the deliveries of this run cost at list prices, by view and by source, over time; and how late they were.

import { ask, el, table } from "./dom.js";
import { observed } from "./deliveries.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [600, 120];
const LAGS = [10, 30, 100, 300, 1000, 3000, Infinity];

let prices = null;

export async function costs() {
  prices ??= await ask("api/prices");
  const found = observed().filter((each) => each.report);
  const total = sum(found, priceOf);
  return {
    key: `costs ${found.at(-1)?.number}`,
    children: [
      el("h2", {}, "Costs"),
      el("p", {}, `${found.length} deliveries of this run: ${money(total)} for reads and writes, at list prices of ${prices.date}.`),
      figure("Cost so far", curve(found), `${money(0)} to ${money(total)}`),
      byName("Costs by view", "View", found, (each) => (each.report.views ?? []).join(", ") || each.function),
      byName("Costs by source", "Source", found, (each) => each.document.split("/").filter((_, index) => index % 2 === 0).join("/")),
      figure("How long after the change a delivery was done", bars(lags(found)), lags(found).map(([limit, count]) => `${limit}: ${count}`).join(", ")),
    ],
  };
}

function priceOf({ report }) {
  return report.reads * prices.read + report.writes * prices.write;
}

function sum(found, of) {
  return found.reduce((total, each) => total + of(each), 0);
}

function money(amount) {
  return `${amount.toFixed(6)} ${prices.currency}`;
}

function byName(caption, head, found, nameOf) {
  const groups = grouped(found, nameOf);
  const rows = [...groups].map(([name, each]) => [
    name,
    String(each.length),
    ...["reads", "writes", "rpcs"].map((what) => String(sum(each, ({ report }) => report[what]))),
    money(sum(each, priceOf)),
  ]);
  return table(caption, [head, "Deliveries", "Reads", "Writes", "RPCs", "Price"], rows);
}

function grouped(found, nameOf) {
  const groups = new Map();
  for (const each of found) {
    const name = nameOf(each);
    groups.set(name, groups.get(name) ?? []);
    groups.get(name).push(each);
  }
  return groups;
}

// The picture says what the text below it says, so only the text is read aloud.
function figure(caption, picture, text) {
  return el("figure", {}, el("figcaption", {}, caption), picture, el("small", {}, text));
}

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}

function canvas(...shapes) {
  const made = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", "aria-hidden": "true" });
  made.append(...shapes);
  return made;
}

function curve(found) {
  const times = found.map((each) => Date.parse(each.time));
  const span = Math.max(1, times.at(-1) - times[0]);
  const total = sum(found, priceOf) || 1;
  let spent = 0;
  const points = found.map((each, index) => {
    spent += priceOf(each);
    return `${(((times[index] - times[0]) / span) * WIDTH).toFixed(1)},${(HEIGHT - (spent / total) * (HEIGHT - 4)).toFixed(1)}`;
  });
  return canvas(svg("polyline", { points: [`0,${HEIGHT}`, ...points].join(" ") }));
}

function lags(found) {
  const known = found.map((each) => each.report.lag_milliseconds).filter((lag) => typeof lag === "number");
  return LAGS.map((limit, index) => {
    const count = known.filter((lag) => lag < limit && lag >= (LAGS[index - 1] ?? -Infinity)).length;
    return [limit === Infinity ? "more" : `under ${limit} ms`, count];
  });
}

function bars(counts) {
  const most = Math.max(1, ...counts.map(([, count]) => count));
  const width = WIDTH / counts.length;
  return canvas(
    ...counts.map(([, count], index) => {
      const height = (count / most) * (HEIGHT - 4);
      return svg("rect", { x: index * width + 4, y: HEIGHT - height, width: width - 8, height });
    }),
  );
}
