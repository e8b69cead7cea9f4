"""`boiler dev`: runs a whole project: its emulators, security rules and data, and its functions, which reload."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from flask import Request, Response
from watchfiles import PythonFilter, watch

from boiler_functions.cli.context import is_demo
from boiler_functions.cli.desk.api import refusal
from boiler_functions.cli.desk.application import Live, desk
from boiler_functions.cli.desk.faults import FaultSwitch
from boiler_functions.cli.desk.timeline import Timeline
from boiler_functions.cli.desk.trial import Trial
from boiler_functions.cli.firebase_json import FirebaseJson
from boiler_functions.cli.insights import begin_run
from boiler_functions.cli.project import Project
from boiler_functions.cli.served import COMMANDS, FUNCTIONS, HOST, PLAN, TOKEN
from boiler_functions.database.firestore import EMULATOR_HOST, PROJECT
from boiler_functions.exceptions import ConfigurationError, NotDrained
from boiler_functions.local.auth_emulator import AuthEmulator
from boiler_functions.local.delivery import (
    Delivered,
    DeliveryFaults,
    DeliveryHarness,
    EventHandler,
    LocalTrigger,
    Refused,
    Retries,
)
from boiler_functions.local.events import Event, EventServer
from boiler_functions.local.exported import Exported, export
from boiler_functions.local.firestore_emulator import FirestoreEmulator, firebase_command, is_emulator_installed
from boiler_functions.local.loopback import Response as Answered
from boiler_functions.local.loopback import answers, free_ports, is_free, request
from boiler_functions.local.serving import served

# Long enough that a failed event is still retried when its function has been corrected.
_RETRIES = Retries(first=0.5, longest=5.0, attempts=1000)

# https://cloud.google.com/functions/quotas: an event function's time limit.
_LONGEST_SECONDS = 540.0

_STOP_SECONDS = 5.0

_SETTLE_SECONDS = 10.0

_JSON = {"Content-Type": "application/json"}

AUTH_EMULATOR_HOST = "FIREBASE_AUTH_EMULATOR_HOST"

PlanJson = Mapping[str, Any]


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
    app = App(project, environment, ports)
    opened.callback(deliveries.stop)
    opened.callback(app.stop)
    begin_run(project.folder)
    click.echo(f"Starting {project.app} …")
    if (plan := app.start()) is None:
        raise click.exceptions.Exit(2)
    deliveries.use(app.host, plan)
    deliveries.resume()
    if wanted.export:
        opened.callback(_export, wanted.export, deliveries, auth)
    if wanted.seed and data is None:
        click.echo(f"Running {wanted.seed} …")
        _seed(project, wanted.seed, environment)
    trial = Trial(emulator.host, app.host, wanted.project_id, lambda: rules.text or "")
    opened.enter_context(_desk(app, deliveries, trial, ports.ui))
    said = {"Auth": _accounts(wanted, auth), "Rules": str(rules), "Data": _came_from(wanted, data)}
    _introduce(environment, app, plan, {**said, "Desk": f"http://{HOST}:{ports.ui}"})
    _follow(project, app, deliveries, rules)


def _desk(app: App, deliveries: Deliveries, trial: Trial, port: int) -> AbstractContextManager[str]:
    """Serves the desk, which asks the commands of the app's process, with the code that is there now."""

    def ask(path: str, asked: Request) -> Response:
        url = f"{COMMANDS}{path}?{asked.query_string.decode()}"
        try:
            answer = request(app.host, asked.method, url, asked.get_data(), {**app.bearer, **_JSON})
        except (OSError, http.client.HTTPException):
            return refusal(503, "The app does not run: its code has an error, or is being loaded again.")
        return Response(answer.body, answer.status, content_type=_JSON["Content-Type"])

    live = Live(deliveries.timeline, FaultSwitch(deliveries.simulate, lambda: _crash(app, deliveries)), trial)
    return served(desk(ask, port, changes=True, live=live), port)


def _crash(app: App, deliveries: Deliveries) -> None:
    """Kills the app amid its work, and starts it again, as a machine that fails does."""
    if (plan := app.restart(app.kill)) is not None:
        deliveries.use(app.host, plan)


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


def _follow(project: Project, app: App, deliveries: Deliveries, rules: Rules) -> None:
    """Reloads what changes, until Ctrl-C."""
    for changes in watch(project.source, watch_filter=PythonFilter(), rust_timeout=500, yield_on_timeout=True):
        rules.follow()
        if not changes:
            continue
        deliveries.pause()
        plan = app.restart(app.stop)
        names = ", ".join(sorted({os.path.relpath(path, project.source) for _, path in changes}))
        if plan is None:
            click.echo(f"{names} changed; the app does not start. Events wait until it does.")
        else:
            deliveries.use(app.host, plan)
            click.echo(f"{names} changed; {_described(plan)} reloaded.")
            deliveries.resume()


def _introduce(environment: Mapping[str, str], app: App, plan: PlanJson, said: Mapping[str, str]) -> None:
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    lines = {"Firestore": environment[EMULATOR_HOST], "Clients": f"export {variables}", **said, "App": _described(plan)}
    if plan["api"]:
        lines["API"] = f"http://{app.host}"
    if plan["namespaces"]:
        lines["Sockets"] = ", ".join(f"ws://{app.sockets}{namespace}" for namespace in plan["namespaces"])
    lines["Stop"] = "Ctrl-C"
    for name, value in lines.items():
        click.echo(f"{name:<11}{value}")


def _described(plan: PlanJson) -> str:
    return f"{plan['app']} with {len(plan['functions'])} functions"


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


class App:
    """The process that serves the app's functions; its address stays the same over restarts."""

    def __init__(self, project: Project, environment: Mapping[str, str], ports: Ports) -> None:
        self.host, self.sockets = f"{HOST}:{ports.functions}", f"{HOST}:{ports.sockets}"
        place = (str(ports.functions), str(ports.sockets), str(project.folder), str(project.source), project.app)
        self._command = [sys.executable, "-m", "boiler_functions.cli.served", *place]
        # Python takes cached bytecode for current within the same second, in which an editor may save twice.
        token = secrets.token_hex()
        self.bearer = {"Authorization": f"Bearer {token}"}
        self._environment = {**os.environ, **environment, TOKEN: token, "PYTHONDONTWRITEBYTECODE": "1"}
        self._process: subprocess.Popen[bytes] | None = None
        self._restarting = threading.Lock()

    def start(self) -> PlanJson | None:
        """Returns the app's plan once it is served; None if the process ended, after it has printed why."""
        # In a session of its own, so that Ctrl-C in the terminal reaches only the parent, which stops it in order.
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, env=self._environment, start_new_session=True
        )
        while not answers(self.host, PLAN):
            if self._process.poll() is not None:
                return None
            time.sleep(0.02)
        plan: PlanJson = json.loads(request(self.host, "GET", PLAN).body)
        return plan

    def stop(self) -> None:
        """Stops the process; does nothing if it is stopped."""
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

    def restart(self, end: Callable[[], None]) -> PlanJson | None:
        """Replaces the process, which `end` ends; both the files that change and the desk may ask for it."""
        with self._restarting:
            end()
            return self.start()

    def kill(self) -> None:
        """Ends the process at once, whatever it does; does nothing if it is stopped."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Deliveries:
    """Delivers events to the app and retries those that fail; while it is paused, events wait."""

    def __init__(self, server: EventServer, emulator: FirestoreEmulator, project: str) -> None:
        self.emulator = emulator
        self.project = project
        self._server = server
        self._host = ""
        self._running = threading.Event()
        self._functions: frozenset[str] = frozenset()
        self._sources: dict[str, tuple[str, str]] = {}
        """The paths and the type of event of each function."""
        self._harnesses: list[DeliveryHarness] = []
        self._faults = DeliveryFaults()
        self._reached = threading.local()
        self.timeline = Timeline(self._deliver)

    def pause(self) -> None:
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    def use(self, host: str, plan: PlanJson) -> None:
        """Delivers to the functions of the plan from now on."""
        records = [each for each in plan["functions"] if each["path_pattern"] is not None]
        sources = {each["entry_point"]: (each["path_pattern"], each["event_type"]) for each in records}
        self._host = host
        self._functions = frozenset(sources)
        if not sources.items() <= self._sources.items():
            # The emulator cannot remove a trigger, so those of earlier sources stay registered.
            self._sources |= sources
            self._harnesses.append(self._harness())

    def simulate(self, faults: DeliveryFaults) -> None:
        """Has these faults happen from now on."""
        self._faults = faults
        for harness in self._harnesses:
            harness.simulate(faults)

    def settle(self) -> None:
        """Waits until all events are handled, though not for ever: one may fail again and again."""
        with suppress(NotDrained):
            self._harnesses[-1].drain(_SETTLE_SECONDS)

    def stop(self) -> None:
        """Stops delivering; deliveries in progress fail, because the app has ended."""
        self.resume()
        for harness in self._harnesses:
            harness.stop()

    def _harness(self) -> DeliveryHarness:
        """Starts a harness that receives all events from now on; an earlier one finishes those that it has."""
        triggers = [
            LocalTrigger(name, document, self._target(name), event_type)
            for name, (document, event_type) in self._sources.items()
        ]
        return DeliveryHarness(
            self._server,
            self.emulator,
            self.project,
            triggers,
            observer=self._observe,
            retries=_RETRIES,
            faults=self._faults,
        )

    def _target(self, function: str) -> EventHandler:
        def target(event: Event) -> int:
            self._running.wait()
            self._reached.event = event
            if function not in self._functions:
                return 204
            answer = _post(self._host, function, event)
            self._reached.report = json.loads(answer.body)["report"]
            return answer.status

        return target

    def _observe(self, delivery: Delivered) -> None:
        # In the thread that made the delivery, so that what `target` stored is of this one.
        reached = dict(vars(self._reached))
        vars(self._reached).clear()
        self.timeline.add(delivery, reached.get("event"), reached.get("report"))
        _show_failure(delivery)

    def _deliver(self, function: str, event: Event) -> None:
        self._server.deliver(self.project, function, event)


def _post(host: str, function: str, event: Event) -> Answered:
    try:
        path = f"{FUNCTIONS}/{function}"
        answer = request(host, "POST", path, event.data, event.headers, timeout=_LONGEST_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        raise Refused(503, "the app ended during the delivery") from error
    if answer.status >= 300:
        raise Refused(answer.status, answer.text)
    return answer


def _show_failure(delivery: Delivered) -> None:
    # The app logs its successes itself.
    if not delivery.acknowledged:
        wait = _RETRIES.wait(delivery.attempt)
        click.echo(
            f"{delivery.function} ← {delivery.subject}: attempt {delivery.attempt} failed, {delivery.error}; "
            f"again in {wait:g} s"
        )
