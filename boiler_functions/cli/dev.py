"""`boiler dev`: runs the Firestore emulator, and the functions of an app, which restart when a source changes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import click
from watchfiles import PythonFilter, watch

from boiler_functions.cli.project import Project
from boiler_functions.cli.served import FUNCTIONS, HOST, PLAN
from boiler_functions.database.firestore import EMULATOR_HOST, PROJECT
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.delivery import Delivered, DeliveryHarness, EventHandler, LocalTrigger, Refused, Retries
from boiler_functions.local.events import Event, EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import answers, free_ports, request

# Long enough that a failed event is still retried when its function has been corrected.
_RETRIES = Retries(first=0.5, longest=5.0, attempts=1000)

# https://cloud.google.com/functions/quotas: an event function's time limit.
_LONGEST_SECONDS = 540.0

_STOP_SECONDS = 5.0

AUTH_EMULATOR_HOST = "FIREBASE_AUTH_EMULATOR_HOST"

PlanJson = Mapping[str, Any]


def develop(project: Project, port: int, project_id: str) -> None:
    """Runs until Ctrl-C or SIGTERM; raises ConfigurationError if it cannot start."""
    if not project_id.startswith("demo-"):
        raise ConfigurationError(
            f"The project {project_id!r} could be a real one. Pass one that begins with 'demo-': such projects exist "
            f"only in emulators."
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as opened:
            click.echo("Starting the Firestore emulator …")
            server = opened.enter_context(EventServer())
            emulator = opened.enter_context(FirestoreEmulator(port, functions=server.host))
            _follow(project, Deliveries(server, emulator, project_id), opened)
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _follow(project: Project, deliveries: Deliveries, opened: ExitStack) -> None:
    environment = {EMULATOR_HOST: deliveries.emulator.host, PROJECT: deliveries.project}
    # Nothing listens there: firebase-admin accepts the unsigned tokens of `boiler token` if the variable is set.
    auth = {AUTH_EMULATOR_HOST: os.environ.get(AUTH_EMULATOR_HOST, f"{HOST}:9099")}
    app = App(project, {**environment, **auth})
    opened.callback(deliveries.stop)
    opened.callback(app.stop)
    if (plan := app.start()) is None:
        raise click.exceptions.Exit(2)
    deliveries.use(app.host, plan)
    _introduce(environment, app, plan)
    deliveries.resume()
    for changes in watch(project.source, watch_filter=PythonFilter()):
        deliveries.pause()
        app.stop()
        plan = app.start()
        names = ", ".join(sorted({os.path.relpath(path, project.source) for _, path in changes}))
        if plan is None:
            click.echo(f"{names} changed; the app does not start. Events wait until it does.")
        else:
            deliveries.use(app.host, plan)
            click.echo(f"{names} changed; {_described(plan)} reloaded.")
            deliveries.resume()


def _introduce(environment: Mapping[str, str], app: App, plan: PlanJson) -> None:
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    lines = {
        "Firestore": environment[EMULATOR_HOST],
        "Clients": f"export {variables}",
        "App": _described(plan),
    }
    if plan["api"]:
        lines["API"] = f"http://{app.host}"
    if plan["namespaces"]:
        lines["Sockets"] = ", ".join(f"ws://{app.sockets}{namespace}" for namespace in plan["namespaces"])
    lines["Stop"] = "Ctrl-C"
    for name, value in lines.items():
        click.echo(f"{name:<11}{value}")


def _described(plan: PlanJson) -> str:
    return f"{plan['app']} with {len(plan['functions'])} functions"


class App:
    """The process that serves the app's functions; its address stays the same over restarts."""

    def __init__(self, project: Project, environment: Mapping[str, str]) -> None:
        port, sockets = free_ports(2)
        self.host, self.sockets = f"{HOST}:{port}", f"{HOST}:{sockets}"
        place = (str(port), str(sockets), str(project.folder), str(project.source), project.app)
        self._command = [sys.executable, "-m", "boiler_functions.cli.served", *place]
        # Python takes cached bytecode for current within the same second, in which an editor may save twice.
        self._environment = {**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"}
        self._process: subprocess.Popen[bytes] | None = None

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


class Deliveries:
    """Delivers events to the app and retries those that fail; while it is paused, events wait."""

    def __init__(self, server: EventServer, emulator: FirestoreEmulator, project: str) -> None:
        self.emulator = emulator
        self.project = project
        self._server = server
        self._host = ""
        self._running = threading.Event()
        self._functions: frozenset[str] = frozenset()
        self._sources: dict[str, str] = {}
        self._harnesses: list[DeliveryHarness] = []

    def pause(self) -> None:
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    def use(self, host: str, plan: PlanJson) -> None:
        """Delivers to the functions of the plan from now on."""
        records = [each for each in plan["functions"] if each["path_pattern"] is not None]
        sources = {each["entry_point"]: each["path_pattern"] for each in records}
        self._host = host
        self._functions = frozenset(sources)
        if not sources.items() <= self._sources.items():
            # The emulator cannot remove a trigger, so those of earlier sources stay registered.
            self._sources |= sources
            self._harnesses.append(self._harness())

    def stop(self) -> None:
        """Stops delivering; deliveries in progress fail, because the app has ended."""
        self.resume()
        for harness in self._harnesses:
            harness.stop()

    def _harness(self) -> DeliveryHarness:
        """Starts a harness that receives all events from now on; an earlier one finishes those that it has."""
        triggers = [LocalTrigger(name, source, self._target(name)) for name, source in self._sources.items()]
        return DeliveryHarness(
            self._server, self.emulator, self.project, triggers, observer=_show_failure, retries=_RETRIES
        )

    def _target(self, function: str) -> EventHandler:
        def target(event: Event) -> int:
            self._running.wait()
            return _post(self._host, function, event) if function in self._functions else 204

        return target


def _post(host: str, function: str, event: Event) -> int:
    try:
        path = f"{FUNCTIONS}/{function}"
        answer = request(host, "POST", path, event.data, event.headers, timeout=_LONGEST_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        raise Refused(503, "the app ended during the delivery") from error
    if answer.status >= 300:
        raise Refused(answer.status, answer.text)
    return answer.status


def _show_failure(delivery: Delivered) -> None:
    # The app logs its successes itself.
    if not delivery.acknowledged:
        wait = _RETRIES.wait(delivery.attempt)
        click.echo(
            f"{delivery.function} ← {delivery.subject}: attempt {delivery.attempt} failed, {delivery.error}; "
            f"again in {wait:g} s"
        )
