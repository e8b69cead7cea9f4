// Chromium, as the scenarios use it.

import { chromium } from "playwright-core";

import { ADVICE, find } from "./chromium.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function launch() {
  const found = await find();
  if (!found) {
    throw new Error(ADVICE);
  }
  return chromium.launch({ executablePath: found.path, args: FLAGS, env: { ...process.env, ...found.env } });
}

// A page whose panes show the meeting.
export async function open(context, url, as) {
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  await page.goto(as ? `${url}/?as=${as}` : url);
  const isShown = () => {
    const panes = [...document.querySelectorAll(".pane")];
    return panes.length && panes.every((pane) => pane.querySelector(".attending li") && !pane.querySelector(".switch").disabled);
  };
  for (let left = 3; ; left -= 1) {
    try {
      // Not at each frame, which is the default, and keeps the page drawing frames.
      await page.waitForFunction(isShown, null, { timeout: 40_000, polling: 100 });
      return page;
    } catch (error) {
      // On a busy machine a first listener has been seen without an answer for 90 s; as a user would, load it again.
      if (left === 1) {
        throw error;
      }
      await page.reload();
    }
  }
}

export const pane = (page, who) => page.locator(`.pane[data-participant=${who}]`);

export const names = (page, who) => pane(page, who).locator(".attending li span:first-child").allTextContents();

export async function until(holds, what, seconds = 90) {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) {
      throw new Error(`not within ${seconds} s: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
