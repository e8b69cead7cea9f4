// Which Chromium the scenarios and tests use: $CHROMIUM, else one that is installed, else that of npm's package, which
// needs no root. `node live/browser/chromium.mjs` prints it as JSON: its path and its environment, or null.

import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ADVICE = "No Chrome or Chromium was found. Install one, or set CHROMIUM to its path.";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const APPLICATIONS = ["Google Chrome", "Chromium"].map((name) => `/Applications/${name}.app/Contents/MacOS/${name}`);
const UNPACKED = fileURLToPath(new URL("../node_modules/.chromium", import.meta.url));

// The package's own file of this kind does not name this folder; without any font Chromium ends with an error.
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${UNPACKED}/fonts</dir><cachedir>${UNPACKED}/fonts-cache</cachedir></fontconfig>
`;

export async function find() {
  const path = process.env.CHROMIUM ?? installed();
  return path ? { path, env: {} } : await packaged();
}

function installed() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const places = [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), ...APPLICATIONS];
  return places.find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function packaged() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return null;
  }
  // Not into /tmp, where another user could have put a program of that name.
  mkdirSync(UNPACKED, { recursive: true });
  process.env.TMPDIR = UNPACKED;
  // So the package brings the libraries along that a bare system lacks.
  process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs20.x";
  const { default: chromium } = await import("@sparticuz/chromium");
  const path = await chromium.executablePath();
  const folder = dirname(path);
  const fonts = join(folder, "fonts.conf");
  writeFileSync(fonts, FONTS);
  return { path, env: { LD_LIBRARY_PATH: join(folder, "al2023", "lib"), FONTCONFIG_FILE: fonts } };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(await find()));
}
