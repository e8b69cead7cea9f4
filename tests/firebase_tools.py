"""firebase-tools as `firebase deploy` runs it up to the upload, and firebase-functions for the functions beside an app.

The account is all that a deployment lacks here: its hook, its search for functions and its packing are called as the
command calls them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

# As lib/deploy/index.js does, without what asks the cloud.
SCRIPT = """
const [tools, folder] = process.argv.slice(2);
const { Config } = require(`${tools}/lib/config`);
const { lifecycleHooks } = require(`${tools}/lib/deploy/lifecycleHooks`);
const { prepareFunctionsUpload } = require(`${tools}/lib/deploy/functions/prepareFunctionsUpload`);
const { loadCodebases } = require(`${tools}/lib/deploy/functions/prepare`);
const { normalizeAndValidate } = require(`${tools}/lib/functions/projectConfig`);
(async () => {
  const config = Config.load({ cwd: folder });
  const options = { cwd: folder, projectRoot: folder, project: process.env.DEPLOYED, config };
  await lifecycleHooks("functions", "predeploy")({}, options);
  const codebases = normalizeAndValidate(config.get("functions"));
  const builds = await loadCodebases(codebases, options, { projectId: options.project }, {});
  const found = Object.entries(builds).map(([name, build]) => [name, Object.keys(build.endpoints)]);
  require("fs").writeFileSync(`${folder}/found.json`, JSON.stringify(Object.fromEntries(found)));
  const functions = codebases[codebases.length - 1];
  const packed = await prepareFunctionsUpload(folder, config.path(functions.source), functions, []);
  require("fs").copyFileSync(packed.pathToSource, `${folder}/packed.zip`);
  // The timer that gives up the search for functions still runs, and would keep the process.
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
"""


OWN = """
from firebase_functions import firestore_fn, https_fn

@https_fn.on_request(region="us-central1")
def hello(request):
    return https_fn.Response("hello")

@firestore_fn.on_document_created(document="users/{user_id}", region="us-central1")
def welcome(event):
    pass
"""


def deployed(folder: Path, project: str = "my-project", **variables: str) -> dict[str, list[str]]:
    """Goes the way of `firebase deploy` up to the upload; returns the functions of each codebase."""
    script = folder / "pack.js"
    script.write_text(SCRIPT)
    done = subprocess.run(
        ["node", script, ROOT / "node_modules" / "firebase-tools", folder],
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DEPLOYED": project, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = json.loads((folder / "found.json").read_text())
    return found


def install_firebase_functions(folder: Path) -> None:
    """Installs firebase-functions into the folder, and what it needs beside the packages of this environment."""
    wanted = ("firebase-functions==0.6.0", "google-events==0.5.0", "flask-cors", "pyjwt", "pyyaml")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *wanted]
    subprocess.run(pip, check=True, capture_output=True)
