// The letters: what failed, and will fail again until something is mended.

import { ask, el, linkTo, table, time } from "./dom.js";

export async function letters({ changes }, again) {
  const found = await ask("api/letters");
  const rows = found.result.letters.map((letter) => [
    el("a", { href: `#/letter/${encodeURIComponent(letter.id)}` }, letter.id.slice(0, 12)),
    letter.kind,
    letter.code,
    letter.view,
    linkTo(letter.subject),
    String(letter.attempts),
    time(letter.last_time),
    changes ? retry(letter.id, again) : null,
  ]);
  const heads = ["Letter", "Kind", "Code", "View", "Of", "Times", "Last", ...(changes ? ["Do"] : [])];
  return {
    time: found.time,
    key: JSON.stringify(found.result),
    children: [el("h2", {}, "Letters"), rows.length ? table("Dead letters", heads, rows.map(full)) : el("p", {}, "No letters.")],
  };
}

export async function letter({ changes }, again, id) {
  const found = await ask(`api/letters/${encodeURIComponent(id)}`);
  const [shown] = found.result.letters;
  const rows = Object.entries(shown).map(([name, value]) => [name, name === "subject" ? linkTo(value) : String(value)]);
  return {
    time: found.time,
    key: JSON.stringify(found.result),
    children: [el("h2", {}, "A letter"), table("What it says", ["Field", "Value"], rows), changes ? retry(id, again) : null],
  };
}

function full(row) {
  return row.filter((cell) => cell !== null);
}

function retry(id, again) {
  const click = () => again(async () => (await ask(`api/letters/${encodeURIComponent(id)}/retry`, {})).result.letters[0].outcome);
  return el("button", { type: "button", click }, "Retry");
}
