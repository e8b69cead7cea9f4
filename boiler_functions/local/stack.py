"""Runs an app locally: the real emulator, all of its functions in this process, and its `api` over HTTP."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

from cloudevents.http import from_http
from google.cloud import firestore

from boiler_functions.app import Boiler
from boiler_functions.database import Database
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.database.variables import EMULATOR_HOST
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.delivery import (
    Delivered,
    DeliveryFaults,
    DeliveryHarness,
    EventHandler,
    LocalTrigger,
    Retries,
)
from boiler_functions.local.events import Event, EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import LOOPBACK
from boiler_functions.local.serving import served
from boiler_functions.manifest import EventTrigger
from boiler_functions.modes.event_function import EventFunction
from boiler_functions.modes.invocation import REAL
from boiler_functions.modes.release import Release
from boiler_functions.modes.run import Report
from boiler_functions.runtime.events import change_of

AUTH_EMULATOR_HOST = "FIREBASE_AUTH_EMULATOR_HOST"

_STAGED = "staged_"
"""Begins the names of the functions of a staged version."""


@dataclass(frozen=True, slots=True)
class Handled:
    """The result of one delivery, and what the function did.

    `event` is None if it did not reach the function, `report` if the function failed.
    """

    delivery: Delivered
    event: Event | None = None
    report: Report | None = None

    def __str__(self) -> str:
        delivery = self.delivery
        if self.report and delivery.acknowledged:
            return str(self.report)
        return (
            f"{delivery.function} ← {delivery.subject}: attempt {delivery.attempt} failed, {delivery.status} "
            f"{delivery.error}"
        )


Observer = Callable[[Handled], None]


class LocalStack:
    """Runs all functions of an app on the events of a Firestore emulator, until it is stopped.

    with LocalStack(app) as stack, use(stack.database):
        City.new(doc_id="TOK", city_name="Tokyo", country="Japan").save()
        stack.drain()

    Starts an emulator of its own, unless one is passed together with the server of its events. The observer is called
    after each delivery, by one thread at a time. `api_url` is None for an app without REST rules; the usage of
    `last_request` is the cost of the latest request to it. Without a release, each stack is a deployment of its own, so
    that a change of what no getter reads is left alone, as in the cloud.
    """

    def __init__(
        self,
        app: Boiler,
        project: str = "demo-boiler",
        *,
        emulator: FirestoreEmulator | None = None,
        server: EventServer | None = None,
        observer: Observer | None = None,
        workers: int = 4,
        retries: Retries | None = None,
        faults: DeliveryFaults | None = None,
        release: Release | None = None,
    ) -> None:
        if (emulator is None) is not (server is None):
            raise ConfigurationError("An emulator posts its events to one server; give LocalStack both, or neither.")
        self.app = app
        self.project = project
        self._observer = observer
        self.last_request: Metered | None = None
        self._reached = threading.local()
        with ExitStack() as opened:
            self.server = server or opened.enter_context(EventServer())
            self.emulator = emulator or opened.enter_context(FirestoreEmulator(functions=self.server.host))
            self.database = FirestoreDatabase(project, emulator=self.emulator.host)
            harness = DeliveryHarness(
                self.server,
                self.emulator,
                project,
                list(self._triggers(app, release or Release(time.time_ns() // 1_000_000))),
                observer=self._observe,
                workers=workers,
                retries=retries,
                faults=faults,
            )
            self.harness = opened.enter_context(harness)
            # Nothing listens there: firebase-admin accepts unsigned tokens if the variable is set.
            opened.enter_context(_environment(AUTH_EMULATOR_HOST, f"{LOOPBACK}:9099"))
            self.api_url = opened.enter_context(_served_api(app, project, self._metered))
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops all that it started; does nothing if it is stopped."""
        self._opened.close()

    def drain(self, timeout: float = 60.0) -> None:
        """Returns once every event is handled, also of the functions' own writes; raises NotDrained otherwise."""
        self.harness.drain(timeout)

    def stage(self, app: Boiler, view: str, deployment: int) -> None:
        """Runs the functions of a staged version of the view, too: from now on, each event goes to both."""
        for each in self._triggers(app, Release(deployment, staged=view)):
            self.harness.add(each)

    def unstage(self) -> None:
        """Stops the functions of staged versions; their events that are still to come are dropped."""
        self.harness.remove(_STAGED)

    def deliver(self, function: str, event: Event) -> None:
        """Delivers an event once more, as production may."""
        self.server.deliver(self.project, function, event)

    def client(self) -> firestore.Client:
        """Returns Google's own client of the project, for example for listeners."""
        with _environment(EMULATOR_HOST, self.emulator.host):
            return firestore.Client(project=self.project)

    def _metered(self) -> Metered:
        self.last_request = Metered(self.database)
        return self.last_request

    def _triggers(self, app: Boiler, release: Release) -> Iterator[LocalTrigger]:
        prefix = _STAGED if release.staged else ""
        manifest = app.manifest.staged(release.staged) if release.staged else app.manifest
        for record in manifest.functions:
            if isinstance(on := record.trigger, EventTrigger):
                target = self._target(app.compiled.functions[record.entry_point], release)
                yield LocalTrigger(prefix + record.entry_point, on.document, target, on.event_type, on.retry)

    def _target(self, function: EventFunction, release: Release) -> EventHandler:
        def target(event: Event) -> int:
            self._reached.event = event
            change = change_of(from_http(dict(event.headers), event.data))
            self._reached.report = function.handle(change, self.database, REAL._replace(release=release))
            return 204

        return target

    def _observe(self, delivery: Delivered) -> None:
        # The harness calls this in the thread that made the delivery, so what `target` stored is of this delivery.
        reached = dict(vars(self._reached))
        vars(self._reached).clear()
        if self._observer is not None:
            self._observer(Handled(delivery, **reached))


@contextmanager
def _served_api(app: Boiler, project: str, database: Callable[[], Database]) -> Iterator[str | None]:
    """Serves the app's API and yields its URL; yields None if it has none."""
    declarations = app.compiled.declarations
    serving = [mode for mode in declarations.modes if mode.serves(declarations)]
    if not serving:
        yield None
        return
    with served(serving[0].application(declarations, database, project=project)) as host:
        yield f"http://{host}"


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Sets the variable inside the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
