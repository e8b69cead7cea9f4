"""The deliveries of `boiler dev`: events to the functions of the app, and to those of staged versions beside it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import click

from boiler_functions.cli.desk.timeline import Timeline
from boiler_functions.cli.served import FUNCTIONS
from boiler_functions.exceptions import NotDrained
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
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import Response as Answered
from boiler_functions.local.loopback import request
from boiler_functions.manifest import staged_name

# Long enough that a failed event is still retried when its function has been corrected.
_RETRIES = Retries(first=0.5, longest=5.0, attempts=1000)

# https://cloud.google.com/functions/quotas: an event function's time limit.
_LONGEST_SECONDS = 540.0

_SETTLE_SECONDS = 10.0

PlanJson = Mapping[str, Any]


class _Receiver(NamedTuple):
    """The function that handles the events of a name; `staged` is the view of which it builds a staged version."""

    host: str
    entry_point: str
    staged: str


class Deliveries:
    """Delivers events to the app and retries those that fail; while it is paused, events wait."""

    def __init__(self, server: EventServer, emulator: FirestoreEmulator, project: str) -> None:
        self.emulator = emulator
        self.project = project
        self._server = server
        self._running = threading.Event()
        self._receivers: Mapping[str, _Receiver] = {}
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

    def use(self, host: str, plan: PlanJson, staged: str = "") -> None:
        """Delivers to the functions of the plan from now on: to the app's, or to those of a staged version."""
        records = [each for each in plan["functions"] if each["path_pattern"] is not None]
        names = {_name(each["entry_point"], staged): each for each in records}
        receivers = {name: _Receiver(host, each["entry_point"], staged) for name, each in names.items()}
        self._receivers = {**self._but(staged), **receivers}
        sources = {name: (each["path_pattern"], each["event_type"]) for name, each in names.items()}
        if not sources.items() <= self._sources.items():
            # The emulator cannot remove a trigger, so those of earlier sources stay registered.
            self._sources |= sources
            self._harnesses.append(self._harness())

    def drop(self, staged: str) -> None:
        """Drops the events of a staged version from now on."""
        self._receivers = self._but(staged)

    def _but(self, staged: str) -> dict[str, _Receiver]:
        return {name: each for name, each in self._receivers.items() if each.staged != staged}

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
            if (receiver := self._receivers.get(function)) is None:
                return 204
            answer = _post(receiver, event)
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


def _name(entry_point: str, staged: str) -> str:
    return staged_name(staged, entry_point) if staged else entry_point


def _post(receiver: _Receiver, event: Event) -> Answered:
    try:
        path = f"{FUNCTIONS}/{receiver.entry_point}"
        answer = request(receiver.host, "POST", path, event.data, event.headers, timeout=_LONGEST_SECONDS)
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
