"""The processes of `boiler dev`: the app and, while views are staged, their staged versions beside it.

Usually a saved file is the app's at once. From `boiler stage VIEW` on, the app runs from a copy of its code, and a file
that is saved is the staged version's. Once that is promoted, the next file is the app's again.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from watchfiles import PythonFilter

from boiler_functions.cli.dev_deliveries import Deliveries, PlanJson
from boiler_functions.cli.project import Project
from boiler_functions.cli.served import HOST, PLAN, TOKEN
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.loopback import answers, free_ports, request
from boiler_functions.modes.staged import StagedProgress, StagedVersion

_STOP_SECONDS = 5.0


class App:
    """A process that serves the functions of a project; its address stays the same over restarts.

    `source` is the folder of its code, `deployment` the number of what it runs, and `staged` the view of which it
    builds a staged version.
    """

    def __init__(
        self, project: Project, environment: Mapping[str, str], ports: tuple[int, int], staged: str = ""
    ) -> None:
        self.source, self.deployment, self.staged = project.source, 0, staged
        self.plan: PlanJson | None = None
        """What is served; None if nothing is."""
        self._project, self._ports = project, ports
        self.host, self.sockets = (f"{HOST}:{port}" for port in ports)
        token = secrets.token_hex()
        self.bearer = {"Authorization": f"Bearer {token}"}
        # Python takes cached bytecode for current within the same second, in which an editor may save twice.
        self._environment = {**os.environ, **environment, TOKEN: token, "PYTHONDONTWRITEBYTECODE": "1"}
        self._process: subprocess.Popen[bytes] | None = None

    def deploy(self) -> PlanJson | None:
        """Replaces what is served by the code as it is now, which counts as a deployment."""
        self.stop()
        self.deployment = max(self.deployment + 1, time.time_ns() // 1_000_000)
        return self.start()

    def start(self) -> PlanJson | None:
        """Returns the app's plan once it is served; None if the process ended, after it has printed why."""
        places = (*self._ports, self._project.folder, self.source, self._project.app, self.deployment)
        command = [sys.executable, "-m", "boiler_functions.cli.served", *map(str, places)]
        command += ["--staged", self.staged] if self.staged else []
        # In a session of its own, so that Ctrl-C in the terminal reaches only the parent, which stops it in order.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env=self._environment, start_new_session=True)
        while not answers(self.host, PLAN):
            if self._process.poll() is not None:
                return None
            time.sleep(0.02)
        self.plan = json.loads(request(self.host, "GET", PLAN).body)
        return self.plan

    def stop(self) -> None:
        """Stops the process; does nothing if it is stopped."""
        self.plan = None
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Ends the process at once, whatever it does; does nothing if it is stopped."""
        self.plan = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Apps:
    """The app that is shown, and the staged versions beside it; threads may ask for changes at once."""

    def __init__(
        self, project: Project, environment: Mapping[str, str], ports: tuple[int, int], deliveries: Deliveries
    ) -> None:
        self.shown = App(project, environment, ports)
        self._project, self._environment, self._deliveries = project, environment, deliveries
        self._database = FirestoreDatabase(deliveries.project, emulator=deliveries.emulator.host)
        self._staged: dict[str, App] = {}
        self._copy: TemporaryDirectory[str] | None = None
        self._lock = threading.RLock()

    def start(self) -> PlanJson | None:
        """Returns the plan of the app once it is served; None if it does not start."""
        with self._changing():
            return self._deploy()

    def save(self, names: str) -> None:
        """Runs what was saved: as the versions that are staged; without one that waits to be promoted, as the app."""
        with self._changing():
            waiting = {view: app for view, app in self._staged.items() if self._waits(view)}
            if waiting:
                found = [self._use(app, app.deploy()) for app in waiting.values()]
                what = f"the staged version of {' and '.join(waiting)}"
                said = "the app does not start" if None in found else f"{what} reloaded"
            else:
                plan = self._deploy()
                said = "the app does not start" if plan is None else f"{described(plan)} reloaded"
        waits = "" if self._are_served else " Events wait until it does."
        click.echo(f"{names} changed; {said}.{waits}")

    def stage(self, view: str) -> None:
        """Runs the code as it is now as a staged version, and the app from a copy; raises ConfigurationError."""
        with self._changing():
            self._set_apart()
            app = self._staged.setdefault(view, App(self._project, self._environment, _ports(), view))
            if self._use(app, app.deploy()) is None:
                self._remove(view)
                raise ConfigurationError("The app does not start; `boiler dev` has printed why.")
        click.echo(f"{view} is staged: what is saved from now on is its staged version, until it is promoted.")

    def unstage(self, view: str) -> None:
        """Stops the staged version; does nothing if it does not run."""
        with self._changing():
            if view not in self._staged:
                return
            self._remove(view)
        rest = "" if self._staged else "; the app runs the code from before until a file is saved"
        click.echo(f"{view} is not staged any more{rest}.")

    def deploy(self) -> None:
        """Runs the code as it is now as the app, and nothing beside it; raises ConfigurationError."""
        with self._changing():
            if (plan := self._deploy()) is None:
                raise ConfigurationError("The app does not start; `boiler dev` has printed why.")
        click.echo(f"{described(plan)} runs the code that was staged.")

    def crash(self) -> None:
        """Kills the app amid its work, and starts it again, as a machine that fails does."""
        with self._lock:
            self.shown.kill()
            self._use(self.shown, self.shown.start())

    def stop(self) -> None:
        """Stops everything."""
        with self._lock:
            for app in (self.shown, *self._staged.values()):
                app.stop()
            if self._copy is not None:
                self._copy.cleanup()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Lets no event through meanwhile; afterwards, only if everything is served."""
        with self._lock:
            self._deliveries.pause()
            try:
                yield
            finally:
                if self._are_served:
                    self._deliveries.resume()

    @property
    def _are_served(self) -> bool:
        return all(app.plan is not None for app in (self.shown, *self._staged.values()))

    def _deploy(self) -> PlanJson | None:
        # What was staged is either promoted, and then it is this code's now, or cannot be promoted after a deployment.
        for view in list(self._staged):
            self._remove(view)
        self.shown.source = self._project.source
        plan = self._use(self.shown, self.shown.deploy())
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None
        return plan

    def _set_apart(self) -> None:
        """Has the app run from a copy of its code, as the same deployment."""
        if self._copy is not None:
            return
        self._copy = TemporaryDirectory(prefix="boiler-shown-")
        self.shown.source = Path(self._copy.name)
        copy_code(self._project.source, self.shown.source)
        self.shown.stop()
        if self._use(self.shown, self.shown.start()) is None:
            self._deploy()
            raise ConfigurationError(
                f"The app does not start from a copy of {self._project.source}, as which it would run beside the "
                f"staged version; `boiler dev` has printed why."
            )

    def _use(self, app: App, plan: PlanJson | None) -> PlanJson | None:
        if plan is not None:
            self._deliveries.use(app.host, plan, app.staged)
        return plan

    def _remove(self, view: str) -> None:
        self._deliveries.drop(view)
        self._staged.pop(view).stop()

    def _waits(self, view: str) -> bool:
        """Whether the staged version is not promoted; one whose record is gone is left over."""
        staged = StagedVersion.of(self._database, str((self.shown.plan or {}).get("app")), view)
        return staged.exists and staged.progress is not StagedProgress.PROMOTED


def described(plan: PlanJson) -> str:
    """Returns which app a plan is of, and how large it is."""
    return f"{plan['app']} with {len(plan['functions'])} functions"


def copy_code(source: Path, into: Path) -> None:
    """Copies the Python files of a folder, and of those below that are watched for changes; links everything else."""
    for each in source.iterdir():
        target = into / each.name
        if each.suffix == ".py" and each.is_file():
            shutil.copy2(each, target)
        elif each.is_dir() and not each.is_symlink() and _is_code(each):
            target.mkdir()
            copy_code(each, target)
        else:
            target.symlink_to(each.resolve())


def _is_code(folder: Path) -> bool:
    is_ignored = folder.name in PythonFilter.ignore_dirs or folder.name.startswith(".")
    return not is_ignored and not (folder / "pyvenv.cfg").exists()


def _ports() -> tuple[int, int]:
    first, second = free_ports(2)
    return first, second
