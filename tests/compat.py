"""Runs the unit tests with each Python that is installed, and with the oldest releases of what the package needs.

    make compat                         # about half an hour on two cores
    python -m tests.compat --short      # the newest Python with the newest, and the oldest with the oldest

Each run has an environment of its own in a temporary folder. A Python that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

PYTHONS: Final = ("3.11", "3.12", "3.13")

# The package comes first and alone: its lowest releases are then kept when the tools of the tests are added.
# anyio's plugin must be one that the newest pytest can load.
INSTALLS: Final = {
    "newest": (["--editable", ".[all]", "--group", "dev"],),
    "oldest": (
        ["--resolution", "lowest-direct", "--editable", ".[all]"],
        ["--group", "dev", "--upgrade-package", "anyio"],
    ),
}


def uv(*arguments: str, quiet: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "uv", *(["--quiet"] if quiet else []), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def environment(folder: Path, python: str, installs: Sequence[Sequence[str]]) -> Path:
    """Returns the interpreter of a new environment; raises RuntimeError with uv's message if it cannot be made."""
    interpreter = folder / "bin" / "python"
    for command in (
        ["venv", "--no-python-downloads", "--python", python, str(folder)],
        *(["pip", "install", "--python", str(interpreter), *each] for each in installs),
    ):
        done = uv(*command)
        if done.returncode:
            raise RuntimeError(f"uv {' '.join(command)} failed:\n{done.stderr}")
    return interpreter


def run(python: str, dependencies: str) -> bool:
    """Returns whether the unit tests pass."""
    print(f"\nPython {python}, {dependencies} dependencies", flush=True)
    with tempfile.TemporaryDirectory(prefix="compat-") as scratch:
        interpreter = environment(Path(scratch), python, INSTALLS[dependencies])
        command = [str(interpreter), "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "tests/unit"]
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--short", action="store_true", help="two runs: the newest of all, and the oldest of all")
    is_short = parser.parse_args().short
    installed = [each for each in PYTHONS if uv("python", "find", "--no-python-downloads", each).returncode == 0]
    missing = [each for each in PYTHONS if each not in installed]
    newest = installed[-1:] if is_short else installed
    results = {(each, "newest"): run(each, "newest") for each in newest}
    results[PYTHONS[0], "oldest"] = run(PYTHONS[0], "oldest")
    print()
    for (python, dependencies), passed in results.items():
        print(f"{'passed' if passed else 'FAILED'}: Python {python}, {dependencies} dependencies")
    for each in missing:
        print(f"left out: Python {each}, which is not installed")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
