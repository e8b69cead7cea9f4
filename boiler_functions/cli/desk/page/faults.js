// The faults that `boiler dev` simulates, and whether the views are right all the same.

import { ask, el, table } from "./dom.js";

const FIELDS = {
  duplicate: ["Comes again", "the chance that an event is delivered once more, as another copy"],
  drop: ["Is lost on the way", "the chance that a delivery does not arrive, and is repeated"],
  crash: ["Answer is lost", "the chance that the work is done, but its answer is lost, so that it is repeated"],
  shuffle: ["Out of order", "seconds that a delivery waits at most, each another time"],
  delay: ["Late", "seconds that every delivery waits"],
};
const ROUGH = { duplicate: 0.3, drop: 0.2, crash: 0.2, shuffle: 3, delay: 0 };

// What somebody types stays: only the comparison is drawn anew.
let shown = null;

export async function faults(desk, again) {
  const audit = await ask("api/audit");
  if (!shown?.compared.isConnected) {
    shown = drawn(await ask("api/faults"), again);
  }
  shown.compared.replaceChildren(table("Views beside a fresh build", ["View", "Compared", "State"], Object.entries(audit.result.views).map(row)));
  return { ...shown, time: audit.time };
}

function drawn({ seed, faults: now, most }, again) {
  const form = el(
    "form",
    { class: "fields" },
    ...Object.entries(FIELDS).flatMap(([name, [label, help]]) => field(name, label, help, now[name], most[name])),
    ...field("seed", "Seed", "equal seeds draw equal numbers", seed),
    el("div", { class: "buttons" }, el("button", { type: "submit" }, "Simulate")),
  );
  const fill = (values) => Object.keys(FIELDS).forEach((name) => (form.elements[name].value = values[name] ?? 0));
  const simulate = (said) => {
    const wanted = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, Number(value)]));
    return again(async () => (await ask("api/faults", wanted), said));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    simulate("These faults happen from now on.");
  });
  const button = (text, click) => el("button", { type: "button", click }, text);
  const choose = (values, said) => () => {
    fill(values);
    simulate(said);
  };
  const compared = el("div");
  return {
    compared,
    key: "faults",
    children: [
      el("h2", {}, "Faults"),
      el("p", {}, "Events arrive as production may deliver them on its worst day. Once all have arrived, the views must be right."),
      form,
      el(
        "div",
        { class: "buttons" },
        button("A bad day", choose(ROUGH, "A bad day begins.")),
        button("No faults", choose({}, "Nothing fails any more.")),
        button("Kill the app", () => again(async () => (await ask("api/faults/crash", {})).outcome)),
      ),
      compared,
    ],
  };
}

function field(name, label, help, value, most) {
  const limits = most === undefined ? { step: "1" } : { min: "0", max: most, step: "any" };
  return [
    el("label", { for: `fault-${name}` }, label),
    el("input", { id: `fault-${name}`, name, type: "number", value, required: true, "aria-describedby": `help-${name}`, ...limits }),
    el("small", { id: `help-${name}` }, help),
  ];
}

function row([view, { compared, verdicts, faults, totals }]) {
  const counts = Object.entries(verdicts).map(([verdict, count]) => `${count} ${verdict}`);
  if (totals.length) counts.push(`${totals.length} wrong ${totals.length === 1 ? "total" : "totals"}`);
  const state = faults.length || totals.length ? "failing" : verdicts.late ? "late" : "ok";
  return [view, String(compared), el("span", { class: "state", "data-state": state }, counts.join(", ") || "nothing is stored")];
}
