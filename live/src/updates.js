// The table of updates: how long each took from the click to all panes, and what the functions read and wrote for it.

const table = document.querySelector("#updates");
const body = table.querySelector("tbody");

let latest = null;

// An update, and the predicate by which a pane recognises that it shows the update.
export function begin(label, isShown, panes) {
  const row = body.insertRow(0);
  const cells = [label, "…", "0", "0"].map((text, column) => {
    const cell = row.insertCell();
    cell.textContent = text;
    cell.className = column ? "number" : "";
    return cell;
  });
  table.hidden = false;
  document.querySelector("#updates-empty").hidden = true;
  latest = { row, cells, isShown, started: performance.now(), waiting: new Set(panes), reads: 0, writes: 0 };
  return latest;
}

export function fail(update, reason) {
  update.cells[1].textContent = reason;
  update.waiting.clear();
}

// Notes that a pane shows this view; returns the milliseconds since the click if the view has the update.
export function shown(pane, view) {
  if (!latest?.waiting.has(pane) || !latest.isShown(view)) {
    return null;
  }
  latest.waiting.delete(pane);
  const took = performance.now() - latest.started;
  if (!latest.waiting.size) {
    latest.cells[1].textContent = `${took.toFixed(0)} ms`;
    latest.row.dataset.milliseconds = took.toFixed(1);
  }
  return took;
}

// Adds what the functions report to the latest update.
export function followCosts() {
  const source = new EventSource("/costs");
  source.onmessage = ({ data }) => {
    const cost = JSON.parse(data);
    if (latest) {
      latest.reads += cost.reads;
      latest.writes += cost.writes;
      latest.cells[2].textContent = latest.reads;
      latest.cells[3].textContent = latest.writes;
    }
  };
}

export function costsAreUnknown() {
  table.classList.add("unmeasured");
}
