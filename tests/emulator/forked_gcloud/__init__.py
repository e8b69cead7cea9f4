"""The gcloud that is installed, started once: each call of it is a fork with arguments and surroundings of its own.

A start of gcloud takes nearly a second of CPU, of which four fifths are the imports of its modules, and the tests call
it some hundred and forty times. A fork has them imported, and runs the same `main` of the same files: what it parses,
refuses, asks for and prints is all gcloud's own, and nothing of one call is left for the next.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

_HERE = Path(__file__).absolute().parent


class ForkedGcloud:
    """The `environment` whose gcloud is a fork of the one of `environ`; `folder` is empty before."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder, self._environ = folder, environ
        self.environment = {**environ, "PATH": f"{folder}{os.pathsep}{environ['PATH']}"}

    def __enter__(self) -> Self:
        program, address = shutil.which("gcloud", path=self._environ["PATH"]), self._folder / "socket"
        assert program, "gcloud is not on PATH."
        self._process = subprocess.Popen(
            [program, str(address)],
            cwd=_HERE,
            # The script `gcloud` looks for a Python, and passes it these arguments before the path of its own program.
            env={**self._environ, "CLOUDSDK_PYTHON_ARGS": "-S serve.py"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "serves\n"
        command = shlex.join([sys.executable, "-IS", str(_HERE / "call.py"), str(address)])
        called = self._folder / "gcloud"
        called.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        called.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        # It ends with its standard input.
        self._process.communicate()
