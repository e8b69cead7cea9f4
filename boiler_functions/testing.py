"""An app in memory, for tests: write documents, deliver their events, compare every view with a fresh build.

    with memory_app(app) as testing:
        City.new(doc_id="TOK", city_name="Tokyo").save()
        testing.deliver(duplicates=1, shuffle=7)
        assert_views_equal_rebuild(testing)

Events come duplicated and in any order, as in production; a failing test names the seed of its order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random

from boiler_functions.app import Boiler
from boiler_functions.build import Built, Instance, Reader, build
from boiler_functions.compile import Compiled, EventFunction, Report, View
from boiler_functions.database import Database, Delete, Document, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.sizes import check_document
from boiler_functions.events import Change
from boiler_functions.exceptions import Permanent, Transient
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.ledger import COLLECTION, Ledger, ledger_path
from boiler_functions.modes.query import scope_of
from boiler_functions.session import use
from boiler_functions.types import Fields, to_datetime

__all__ = ["Delivery", "MemoryApp", "assert_views_equal_rebuild", "memory_app"]

SOURCE = "//firestore.googleapis.com/projects/demo-memory/databases/(default)"

MAX_DELIVERIES = 20
"""Times that a failing event is delivered before its error reaches the test; the platform would go on for a day."""

_LONGEST_TEXT = 500


@dataclass(frozen=True)
class Delivery:
    """One change on its way to one function."""

    function: EventFunction
    change: Change
    attempt: int = 1

    def without_images(self) -> Delivery:
        """The same event as it comes when it is too large to hold the document: with neither image."""
        missing = Document(self.change.path)
        return replace(self, change=replace(self.change, before=missing, after=missing))


class MemoryApp:
    """An app on a database of its own; every commit leaves its events in `pending`.

    The functions see the database `through` which they are handled: a wrapper there can watch or disturb them.
    """

    def __init__(self, app: Boiler, surroundings: Surroundings) -> None:
        self.compiled: Compiled = app.compiled
        self.surroundings = surroundings
        self.database = MemoryDatabase(surroundings.clock)
        self.through: Database = self.database
        self.pending: list[Delivery] = []
        self.seeds: list[int] = []
        self._paths: dict[str, None] = {}
        self._changes = 0
        self.database.subscribe(self._collect)

    def fields(self, path: str) -> Fields | None:
        """The fields of a stored document, or None: `testing.fields("cityView/TOK")`."""
        return self.database.read([path]).documents[0].fields

    def write(self, path: str, fields: Fields | None) -> None:
        """Writes a whole document as a client does, a form for example; with None, deletes it."""
        self.database.commit([Delete(path) if fields is None else Put(path, fields)])

    def documents(self) -> dict[str, Document]:
        """Every document that exists, by path."""
        return {each.path: each for each in self.database.read(list(self._paths)).documents if each.exists}

    def take(self) -> list[Delivery]:
        """The pending events, which are pending no longer; `handle` delivers one of them."""
        taken, self.pending = self.pending, []
        return taken

    def handle(self, delivery: Delivery, through: Database | None = None) -> Report:
        """What the function did about the event; raises a Transient error when it must be delivered again."""
        return delivery.function.handle(delivery.change, through or self.through, self.surroundings)

    def deliver(self, *, duplicates: int = 0, shuffle: int | None = None, drain: bool = True) -> list[Report]:
        """Delivers the pending events until none is left, those that they cause included, and again what failed.

        Each comes `duplicates` times more, after the others. With `shuffle`, a seed, the order is random, and a test
        that fails names the seed. With `drain=False` the events that are caused stay pending.
        """
        chance = None if shuffle is None else Random(shuffle)
        self.seeds += [] if shuffle is None else [shuffle]
        reports: list[Report] = []
        queue = self.take() * (1 + duplicates)
        while queue:
            delivery = queue.pop(chance.randrange(len(queue)) if chance else 0)
            try:
                reports.append(self.handle(delivery))
            except Transient:
                if delivery.attempt == MAX_DELIVERIES:
                    raise
                queue.append(replace(delivery, attempt=delivery.attempt + 1))
            if drain:
                queue += self.take() * (1 + duplicates)
        return reports

    def _collect(self, before: Document, after: Document) -> None:
        self._changes += 1
        self._paths[after.path] = None
        # One id for all functions: that is how production does it, and the emulator not always.
        change = Change(f"event-{self._changes}", SOURCE, after.path, before, after, self.surroundings.clock())
        functions = self.compiled.functions.values()
        self.pending += [Delivery(function, change) for function in functions if function.source.match(after.path)]


@contextmanager
def memory_app(app: Boiler, surroundings: Surroundings | None = None) -> Iterator[MemoryApp]:
    """The app in memory; inside the block models read and write its database.

    `surroundings` are the time and the chance that the functions see; unless given, retries follow at once and chance
    is the same in every run.
    """
    testing = MemoryApp(app, surroundings or Surroundings(time.time_ns, _no_pause, Random(0)))
    with use(testing.database):
        try:
            yield testing
        except BaseException as error:
            for seed in testing.seeds:
                error.add_note(f"The events came in the random order of deliver(shuffle={seed}).")
            raise


def assert_views_equal_rebuild(testing: MemoryApp) -> None:
    """Asserts that the stored views are what a fresh build makes: each copy equal, none missing, none left over.

    A view that cannot be built, or stored, may be as it was before. One without a root is expected once an event has
    concerned it.
    """
    documents = testing.documents()
    faults = [fault for view in testing.compiled.declarations.queries for fault in _faults(testing, view, documents)]
    assert not faults, "\n".join(["The stored views are not what a fresh build makes:", *faults])


def _faults(testing: MemoryApp, view: View, documents: Mapping[str, Document]) -> Iterator[str]:
    expected: dict[str, Fields] = {}
    excused: set[str] = set()
    for instance in _instances(view, documents):
        scope = scope_of(testing.compiled.declarations.app, view)
        stored = documents.get(ledger_path(scope, instance), Document(ledger_path(scope, instance)))
        ledger = Ledger.of(instance, stored)
        try:
            built = _fresh(testing.database, instance, scope)
        except Permanent:
            excused.update(ledger.destinations)
            continue
        if instance.root or ledger.document.exists:
            expected.update((path, built.document(path)) for path in built.destinations)
            yield from _ledger_faults(instance, ledger, built)
    for path, fields in expected.items():
        found = documents[path].fields if path in documents else None
        if found != fields:
            yield f"{path} is {_short(found)}, and should be {_short(fields)}"
    for path in documents:
        if view.pattern().match(path) and path not in expected and path not in excused:
            yield f"{path} should not exist; it is {_short(documents[path].fields)}"


def _ledger_faults(instance: Instance, ledger: Ledger, built: Built) -> Iterator[str]:
    if ledger.destinations != built.destinations:
        yield f"the ledger of {instance!r} knows the copies {ledger.destinations}, and there are {built.destinations}"
    if ledger.document.exists and built.content is None:
        yield f"the ledger of {instance!r} is left of {to_datetime(ledger.as_of)}, and there is no such view"


def _instances(view: View, documents: Mapping[str, Document]) -> list[Instance]:
    """The instances that there should be, and those that have a ledger."""
    root = view.store_class.root()
    roots = [path for path in documents if root.model.pattern().match(path)] if root else [""]
    ledgers = [each.fields or {} for each in documents.values() if each.collection == COLLECTION]
    known = [fields["root"] for fields in ledgers if fields["view"] == view.__name__]
    return [Instance(view, path) for path in dict.fromkeys([*roots, *known])]


def _fresh(database: Database, instance: Instance, scope: str) -> Built:
    reader = Reader(database)
    built = build(instance, reader, reader.resolve([instance])[instance], scope)
    for path in built.destinations:
        check_document(path, built.document(path))
    return built


def _short(fields: Fields | None) -> str:
    text = str(fields)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _no_pause(seconds: float) -> None:
    """Retries follow at once."""
