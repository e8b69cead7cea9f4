"""`boiler dev`: runs a whole project: its emulators, security rules and data, and its functions, which reload."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from flask import Request, Response
from watchfiles import PythonFilter, watch

from boiler_functions.cli.context import is_demo
from boiler_functions.cli.desk.api import refusal
from boiler_functions.cli.desk.application import Live, desk
from boiler_functions.cli.desk.commands import move_of
from boiler_functions.cli.desk.faults import FaultSwitch
from boiler_functions.cli.desk.trial import Trial
from boiler_functions.cli.dev_apps import Apps, described
from boiler_functions.cli.dev_control import controlled
from boiler_functions.cli.dev_deliveries import Deliveries, PlanJson
from boiler_functions.cli.firebase_json import FirebaseJson
from boiler_functions.cli.insights import begin_run
from boiler_functions.cli.project import Project
from boiler_functions.cli.served import COMMANDS, HOST
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.auth_emulator import AuthEmulator
from boiler_functions.local.events import EventServer
from boiler_functions.local.exported import Exported, export
from boiler_functions.local.firestore_emulator import FirestoreEmulator, firebase_command, is_emulator_installed
from boiler_functions.local.loopback import free_ports, is_free, request
from boiler_functions.local.serving import served

_JSON = {"Content-Type": "application/json"}

AUTH_EMULATOR_HOST = "FIREBASE_AUTH_EMULATOR_HOST"


@dataclass(frozen=True)
class DevOptions:
    """The options of `boiler dev`."""

    project_id: str
    free_ports: bool = False
    auth: bool = True
    data: Path | None = None
    """The folder whose data is imported."""
    export: Path | None = None
    """The folder that the data is exported to in the end."""
    seed: Path | None = None


@dataclass(frozen=True)
class Ports:
    """The ports of what runs; the sockets, which firebase-tools does not know, are next to the functions."""

    firestore: int
    auth: int
    functions: int
    sockets: int
    ui: int
    """That of the desk."""

    @classmethod
    def of(cls, firebase: FirebaseJson) -> Ports:
        """Reads the ports of firebase.json; raises ConfigurationError if one of them is taken."""
        named = {name: firebase.port(name) for name in ("firestore", "auth", "functions", "ui")}
        ports = cls(**named, sockets=named["functions"] + 1)
        for name, port in asdict(ports).items():
            if not is_free(port):
                raise ConfigurationError(
                    f"The port {port} of {name!r} is taken. Stop what listens there, name another port under "
                    f'"emulators" in {firebase.path}, or pass --free-ports.'
                )
        return ports


def develop(project: Project, wanted: DevOptions) -> None:
    """Runs until Ctrl-C or SIGTERM; raises ConfigurationError if it cannot start."""
    if not is_demo(wanted.project_id):
        raise ConfigurationError(
            f"The project {wanted.project_id!r} could be a real one. Pass one that begins with 'demo-': such projects "
            f"exist only in emulators."
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as opened:
            _run(project, wanted, opened)
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _run(project: Project, wanted: DevOptions, opened: ExitStack) -> None:
    firebase = FirebaseJson.find(project)
    ports = Ports(*free_ports(5)) if wanted.free_ports else Ports.of(firebase)
    data = Exported.find(wanted.data) if wanted.data else None
    if not is_emulator_installed():
        click.echo("Downloading the Firestore emulator with firebase-tools, once …")
    click.echo("Starting the Firestore emulator …")
    # First, because it takes the longest, and others start meanwhile.
    auth = _auth(wanted, ports.auth, data, opened)
    server = opened.enter_context(EventServer())
    imported = data.firestore if data else None
    emulator = opened.enter_context(FirestoreEmulator(ports.firestore, server.host, data=imported))
    rules = Rules(firebase.rules, emulator, wanted.project_id)
    rules.follow()
    if auth is not None:
        click.echo("Waiting for the Auth emulator; --no-auth saves the seconds that it takes …")
        auth.wait()
    deliveries = Deliveries(server, emulator, wanted.project_id)
    environment = {EMULATOR_HOST: emulator.host, PROJECT: wanted.project_id}
    # Without the emulator nothing listens there: firebase-admin accepts the unsigned tokens of `boiler token`.
    environment[AUTH_EMULATOR_HOST] = auth.host if auth else f"{HOST}:{ports.auth}"
    apps = Apps(project, environment, (ports.functions, ports.sockets), deliveries)
    opened.callback(deliveries.stop)
    opened.callback(apps.stop)
    begin_run(project.folder)
    click.echo(f"Starting {project.app} …")
    if (plan := apps.start()) is None:
        raise click.exceptions.Exit(2)
    if wanted.export:
        opened.callback(_export, wanted.export, deliveries, auth)
    if wanted.seed and data is None:
        click.echo(f"Running {wanted.seed} …")
        _seed(project, wanted.seed, environment)
    opened.enter_context(controlled(project.folder, emulator.host, apps))
    trial = Trial(emulator.host, apps.shown.host, wanted.project_id, lambda: rules.text or "")
    live = Live(deliveries.timeline, FaultSwitch(deliveries.simulate, apps.crash), trial)
    opened.enter_context(_desk(project, apps, environment, live, ports.ui))
    said = {"Auth": _accounts(wanted, auth), "Rules": str(rules), "Data": _came_from(wanted, data)}
    _introduce(environment, apps, plan, {**said, "Desk": f"http://{HOST}:{ports.ui}"})
    _follow(project, apps, rules)


def _desk(
    project: Project, apps: Apps, environment: Mapping[str, str], live: Live, port: int
) -> AbstractContextManager[str]:
    """Serves the desk, which asks the commands of the app's process, with the code that is shown now."""

    def ask(path: str, asked: Request) -> Response:
        if asked.method == "POST" and (move := re.fullmatch(r"/versions/([^/]+)/([^/]+)", path)):
            return _move(project, environment, *move.groups())
        app, url = apps.shown, f"{COMMANDS}{path}?{asked.query_string.decode()}"
        try:
            answer = request(app.host, asked.method, url, asked.get_data(), {**app.bearer, **_JSON})
        except (OSError, http.client.HTTPException):
            return refusal(503, "The app does not run: its code has an error, or is being loaded again.")
        return Response(answer.body, answer.status, content_type=_JSON["Content-Type"])

    return served(desk(ask, port, changes=True, live=live), port)


def _move(project: Project, environment: Mapping[str, str], view: str, act: str) -> Response:
    """Runs a command of staged versions as in a terminal: by the code that is there now, while apps are replaced."""
    try:
        move_of(act)
    except ConfigurationError as error:
        return refusal(422, str(error))
    command = [sys.executable, "-m", "boiler_functions", "--app", project.app, act, "--yes", "--json", "--", view]
    variables = {**os.environ, **environment}
    done = subprocess.run(
        command,
        cwd=project.folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        return refusal(422, done.stderr.strip().removeprefix("error "))
    return Response(done.stdout, content_type=_JSON["Content-Type"])


def _auth(wanted: DevOptions, port: int, data: Exported | None, opened: ExitStack) -> AuthEmulator | None:
    """Starts the Auth emulator, if it is wanted and firebase-tools is installed."""
    firebase = firebase_command() if wanted.auth else None
    if firebase is None:
        return None
    folder = data.folder if data and data.has_users else None
    return opened.enter_context(AuthEmulator(firebase, wanted.project_id, port, folder))


def _accounts(wanted: DevOptions, auth: AuthEmulator | None) -> str:
    if auth is None:
        only = "unsigned tokens only, as of `boiler token`"
        return f"{only}; firebase-tools brings the emulator of accounts" if wanted.auth else only
    return f"{auth.host}, and unsigned tokens"


def _came_from(wanted: DevOptions, data: Exported | None) -> str:
    if data is not None:
        return f"of {data.folder}"
    missing = f"; {wanted.data} holds no export yet" if wanted.data else ""
    return f"of {wanted.seed}{missing}" if wanted.seed else f"none{missing}"


def _seed(project: Project, script: Path, environment: Mapping[str, str]) -> None:
    """Runs a script that writes documents; raises ConfigurationError if it fails."""
    path = os.pathsep.join(filter(None, (str(project.source), os.environ.get("PYTHONPATH"))))
    variables = {**os.environ, **environment, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, str(script)], cwd=project.folder, env=variables, check=False)
    if done.returncode:
        raise ConfigurationError(f"{script}, which fills the emulators, ended with status {done.returncode}.")


def _export(folder: Path, deliveries: Deliveries, auth: AuthEmulator | None) -> None:
    deliveries.settle()
    export(folder, deliveries.project, deliveries.emulator, auth)
    click.echo(f"The data is in {folder}.")


def _follow(project: Project, apps: Apps, rules: Rules) -> None:
    """Reloads what changes, until Ctrl-C."""
    for changes in watch(project.source, watch_filter=PythonFilter(), rust_timeout=500, yield_on_timeout=True):
        rules.follow()
        if changes:
            apps.save(", ".join(sorted({os.path.relpath(path, project.source) for _, path in changes})))


def _introduce(environment: Mapping[str, str], apps: Apps, plan: PlanJson, said: Mapping[str, str]) -> None:
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    lines = {"Firestore": environment[EMULATOR_HOST], "Clients": f"export {variables}", **said, "App": described(plan)}
    if plan["api"]:
        lines["API"] = f"http://{apps.shown.host}"
    if plan["namespaces"]:
        lines["Sockets"] = ", ".join(f"ws://{apps.shown.sockets}{namespace}" for namespace in plan["namespaces"])
    lines["Stop"] = "Ctrl-C"
    for name, value in lines.items():
        click.echo(f"{name:<11}{value}")


class Rules:
    """The security rules of a file, which the emulator enforces for clients; the functions are above them."""

    def __init__(self, path: Path, emulator: FirestoreEmulator, project: str) -> None:
        self.path = path
        self._emulator = emulator
        self._project = project
        self.text: str | None = None

    def __str__(self) -> str:
        if self.text is None:
            return f"none: clients may do everything, as {self.path} does not exist; `boiler rules` writes it"
        return str(self.path)

    def follow(self) -> None:
        """Enforces what the file says now; raises ConfigurationError if its first text has errors."""
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return
        before, self.text = self.text, text
        if text == before:
            return
        if errors := self._emulator.set_rules(self._project, text):
            told = "\n  ".join((f"{self.path} has errors:", *errors))
            if before is None:
                raise ConfigurationError(told)
            click.echo(f"{told}\n  The rules from before are enforced.")
        elif before is not None:
            click.echo(f"{self.path} changed; its rules are enforced.")
