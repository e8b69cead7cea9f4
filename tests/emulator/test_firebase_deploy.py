"""firebase-tools itself stages and packs what `firebase deploy` uploads: the sources, and the wheel of the package.

The account is all that a deployment lacks here: its hook and its packing are called as the command calls them.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from boiler_functions.local.firebase import FirebaseEmulators
from boiler_functions.local.loopback import request

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent

# As lib/deploy/index.js does, without what asks the cloud.
SCRIPT = """
const [tools, folder] = process.argv.slice(2);
const { Config } = require(`${tools}/lib/config`);
const { lifecycleHooks } = require(`${tools}/lib/deploy/lifecycleHooks`);
const { prepareFunctionsUpload } = require(`${tools}/lib/deploy/functions/prepareFunctionsUpload`);
(async () => {
  const config = Config.load({ cwd: folder });
  const options = { cwd: folder, projectRoot: folder, project: "my-project", config };
  await lifecycleHooks("functions", "predeploy")({}, options);
  const [functions] = config.get("functions");
  const packed = await prepareFunctionsUpload(folder, config.path(functions.source), functions, []);
  require("fs").copyFileSync(packed.pathToSource, `${folder}/packed.zip`);
})().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The meeting room as it is checked in, and compiled once, so that the hook finds it older than its sources."""
    folder = tmp_path_factory.mktemp("meeting-room")
    for name in ("firebase.json", "firestore.rules", "firestore.indexes.json", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "functions", folder / "functions", ignore=shutil.ignore_patterns("__pycache__", "venv"))
    boiler(folder, "compile")
    main = folder / "functions" / "main.py"
    main.write_text(f"{main.read_text()}# edited\n")
    return folder


def boiler(folder: Path, *arguments: str) -> None:
    subprocess.run([BIN / "boiler", *arguments], cwd=folder, check=True, capture_output=True)


def test_firebase_tools_packs_the_sources_as_they_are_now_and_the_wheel_that_they_name(project: Path) -> None:
    script = project / "pack.js"
    script.write_text(SCRIPT)
    done = subprocess.run(
        ["node", script, ROOT / "node_modules" / "firebase-tools", project],
        cwd=project,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with ZipFile(project / "packed.zip") as packed:
        names = set(packed.namelist())
        (wheel,) = (name for name in names if name.endswith(".whl"))
        assert {"main.py", "meeting_room.py", "functions.yaml", "requirements.txt"} < names
        assert not any(name.startswith("venv") for name in names)
        assert packed.read("main.py").endswith(b"# edited\n")
        assert packed.read("requirements.txt").decode().startswith(f"./{wheel}[")
        assert packed.read("functions.yaml") == (project / "functions" / "functions.yaml").read_bytes()


def test_the_emulators_serve_the_folder_that_is_deployed(project: Path, tmp_path: Path) -> None:
    (record,) = json.loads((project / "firebase.json").read_text())["functions"]
    for name in ("firebase.json", "firestore.rules", "firestore.indexes.json"):
        shutil.copy(project / name, tmp_path)
    shutil.copytree(project / record["source"], tmp_path / "functions", symlinks=True)
    # On free ports, and else as they are configured.
    with FirebaseEmulators(tmp_path / "functions", demo := f"demo-{secrets.token_hex(6)}") as emulators:
        place = f"/{demo}/us-central1/meeting-room-api/openapi.json"
        answer = request(emulators.functions_host, "GET", place, timeout=120)
        assert (answer.status, json.loads(answer.text)["info"]["title"]) == (200, "meeting-room"), emulators.log()
