// node live/browser/run.mjs SCENARIO URL [FOLDER OF SCREENSHOTS] [TIMES]

import { launch } from "./browser.mjs";
import * as scenarios from "./scenarios.mjs";

const [name, url, folder, times] = process.argv.slice(2);
const browser = await launch();
try {
  console.log(JSON.stringify((await scenarios[name](browser, url, folder, times)) ?? null));
} finally {
  await browser.close();
}
