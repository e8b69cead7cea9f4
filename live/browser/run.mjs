// node live/browser/run.mjs: starts one Chromium, and plays in it each scenario that a line of stdin names, as
// {"scenario": "timed", "url": "http://…", "folder": "of screenshots, or empty", "times": 25}
// Answers each with a line {"result": …} or {"error": …}, and ends with its stdin.

import { createInterface } from "node:readline";
import { launch } from "./browser.mjs";
import * as scenarios from "./scenarios.mjs";

const browser = await launch();
try {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await played(JSON.parse(line))));
  }
} finally {
  await browser.close();
}

async function played({ scenario, url, folder, times }) {
  try {
    return { result: (await scenarios[scenario](browser, url, folder, times)) ?? null };
  } catch (error) {
    return { error: error.stack };
  } finally {
    // So that the next scenario begins without the pages of this one, and a failed one leaves nobody offline.
    await Promise.all(browser.contexts().map((context) => context.close()));
  }
}
