"""Samples on the real emulator, one project a test."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from boiler_functions import Boiler, use
from boiler_functions.database import Document, Put
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.stack import Handled, LocalStack
from boiler_functions.types import Fields
from functions import city, meeting_room


class Sample:
    """An app on the emulator, as a test sees it: its documents after all events are handled, and what was delivered."""

    def __init__(self, stack: LocalStack, deliveries: list[Handled]) -> None:
        self.stack = stack
        self.deliveries = deliveries

    def write(self, path: str, **fields: object) -> None:
        """Writes a document as a browser does."""
        self.stack.database.commit([Put(path, fields)])

    def document(self, path: str) -> Document:
        self.stack.drain()
        return self.stack.database.read([path]).documents[0]

    def fields(self, path: str) -> Fields | None:
        return self.document(path).fields

    def outcomes(self, function: str) -> Counter[str]:
        """What all invocations of the function came to."""
        self.stack.drain()
        reports = [each.report for each in self.deliveries if each.report and each.delivery.function == function]
        return sum((Counter(report.outcomes) for report in reports), Counter())


Start = Callable[..., Sample]


@pytest.fixture
def start(firestore_emulator: FirestoreEmulator, event_server: EventServer, project: str) -> Iterator[Start]:
    with ExitStack() as opened:

        def starts(app: Boiler, **options: Any) -> Sample:
            deliveries: list[Handled] = []
            stack = LocalStack(
                app, project, emulator=firestore_emulator, server=event_server, observer=deliveries.append, **options
            )
            opened.enter_context(stack)
            opened.enter_context(use(stack.database))
            return Sample(stack, deliveries)

        yield starts


@pytest.fixture
def city_app(start: Start) -> Sample:
    return start(city.app)


@pytest.fixture
def meeting_app(start: Start) -> Sample:
    return start(meeting_room.app)
