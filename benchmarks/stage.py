"""A project on the emulator, reached through the package and through Google's client."""

import secrets
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from google.cloud import firestore

from benchmarks.counted import CountedClient
from boiler_functions import Boiler, DomainModel, ViewModel
from boiler_functions.database import Delete, Document, Put, Write
from boiler_functions.database.change import Change
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.invocation import REAL
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.release import Release
from boiler_functions.modes.run import Report
from boiler_functions.paths import field_path
from boiler_functions.types import Fields, Instant, Reference
from boiler_functions.views.build import Instance, Reader, build
from emulator import geonames
from functions.world import City

UNITED_STATES = Reference("countries/US")

DEPLOYED = REAL._replace(release=Release(1))
"""Code that knows its deployment, as in the cloud: without a number, no build relies on what another recorded."""

_SUBCOLLECTIONS = ("visitForms",)


class Stage:
    """An empty project; `change` writes a document and returns its event."""

    def __init__(self, emulator: FirestoreEmulator) -> None:
        self._emulator = emulator
        self.project = f"demo-{secrets.token_hex(6)}"
        self.database = FirestoreDatabase(self.project, emulator=emulator.host)

    def another(self) -> "Stage":
        """Returns another empty stage on the same emulator."""
        return Stage(self._emulator)

    @cached_property
    def client(self) -> firestore.Client:
        """Returns Google's client; FIRESTORE_EMULATOR_HOST must name the emulator."""
        return firestore.Client(project=self.project)

    @cached_property
    def counted(self) -> CountedClient:
        """Returns Google's client with a meter."""
        return CountedClient(self.project)

    def save(self, models: Iterable[DomainModel]) -> None:
        for _ in geonames.save_all(self.database, models):
            pass

    def save_world(self) -> list[City]:
        """Stores all countries, and the cities of the United States; returns the cities, largest population first."""
        cities = [city for city in geonames.cities() if city.values["country"] == UNITED_STATES]
        self.save([*geonames.countries(), *cities])
        return cities

    def read(self, path: str) -> Document:
        return self.database.read([path]).documents[0]

    def change(self, path: str, fields: Fields) -> Change:
        """Writes some fields of a document, creating it if it is missing, and returns the event."""
        return self._committed(Put(path, fields, mask=tuple(map(field_path, fields))), fields)

    def delete(self, path: str) -> Change:
        """Deletes a document, and returns the event."""
        return self._committed(Delete(path), None)

    def _committed(self, write: Write, fields: Fields | None) -> Change:
        before = self.read(write.path)
        committed = self.database.commit([write])
        after = Document(write.path)
        if fields is not None:
            after = Document(write.path, {**(before.fields or {}), **fields}, committed.versions[0])
        return self.event(before, after, committed.commit_time)

    def event(self, before: Document, after: Document, time: Instant) -> Change:
        """Returns an event with a new id, as the emulator sends it."""
        return Change(secrets.token_hex(16), self.project, before.path, before, after, time)

    def created(self, path: str) -> Change:
        """Returns an event for a document as if it had just been created."""
        document = self.read(path)
        return self.event(Document(path), document, document.version)

    def handle(self, app: Boiler, entry_point: str, change: Change) -> Report:
        """Lets a function of the app handle the change, and returns the outcome."""
        return app.compiled.functions[entry_point].handle(change, self.database, DEPLOYED)

    def build_all(self, app: Boiler, view: type[ViewModel[Any]]) -> None:
        """Builds all instances of the view, as `boiler build` does."""
        for _ in RebuildAll(app.name, view, self.database, DEPLOYED).run():
            pass

    def is_equal_to_rebuild(self, app: Boiler, view: type[ViewModel[Any]], root: str) -> bool:
        """Returns whether every copy of the view equals a new build."""
        instance = Instance(view, root)
        reader = Reader(self.database)
        built = build(instance, reader, reader.resolve([instance])[instance], scope_of(app.name, view))
        return all(self.read(path).fields == built.document(path) for path in built.destinations)

    @property
    def fullness(self) -> str:
        """Returns the number of documents by collection; the emulator scans them all, so they cost time."""
        names = sorted({*_SUBCOLLECTIONS, *(each.id for each in self.client.collections())})
        counts = {name: self._count(self.client.collection_group(name)) for name in names}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)

    @staticmethod
    def _count(collection: firestore.CollectionGroup) -> int:
        query: Any = collection.count()  # typed as a class, not as its instance
        return int(query.get()[0][0].value)
