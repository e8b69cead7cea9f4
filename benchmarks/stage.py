"""A project on the emulator with both ways in: the package's and Google's."""

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
from boiler_functions.modes.report import Report
from boiler_functions.paths import field_path
from boiler_functions.types import Fields, Instant, Reference
from boiler_functions.views.build import Instance, Reader, build
from emulator import geonames
from functions.world import City

UNITED_STATES = Reference("countries/US")

_SUBCOLLECTIONS = ("visitForms",)


class Stage:
    """An empty project of its own; `change` writes a document and gives the event that tells of it."""

    def __init__(self, emulator: FirestoreEmulator) -> None:
        self._emulator = emulator
        self.project = f"demo-{secrets.token_hex(6)}"
        self.database = FirestoreDatabase(self.project, emulator=emulator.host)

    def another(self) -> "Stage":
        """A stage on the same emulator, as empty as this one was."""
        return Stage(self._emulator)

    @cached_property
    def client(self) -> firestore.Client:
        """Google's client; FIRESTORE_EMULATOR_HOST must name the emulator."""
        return firestore.Client(project=self.project)

    @cached_property
    def counted(self) -> CountedClient:
        """The same with a meter."""
        return CountedClient(self.project)

    def save(self, models: Iterable[DomainModel]) -> None:
        for _ in geonames.save_all(self.database, models):
            pass

    def save_world(self) -> list[City]:
        """All countries, and the cities of the United States; gives the cities, the most populous first."""
        cities = [city for city in geonames.cities() if city.values["country"] == UNITED_STATES]
        self.save([*geonames.countries(), *cities])
        return cities

    def read(self, path: str) -> Document:
        return self.database.read([path]).documents[0]

    def change(self, path: str, fields: Fields) -> Change:
        """The event of writing some fields of a document, which is made when it is missing."""
        return self._committed(Put(path, fields, mask=tuple(map(field_path, fields))), fields)

    def delete(self, path: str) -> Change:
        """The event of deleting a document."""
        return self._committed(Delete(path), None)

    def _committed(self, write: Write, fields: Fields | None) -> Change:
        before = self.read(write.path)
        committed = self.database.commit([write])
        after = Document(write.path)
        if fields is not None:
            after = Document(write.path, {**(before.fields or {}), **fields}, committed.versions[0])
        return self.event(before, after, committed.commit_time)

    def event(self, before: Document, after: Document, time: Instant) -> Change:
        """An event with an id of its own, as the emulator gives them."""
        return Change(secrets.token_hex(16), self.project, before.path, before, after, time)

    def created(self, path: str) -> Change:
        """The event that tells of a document as if it had been created just now."""
        document = self.read(path)
        return self.event(Document(path), document, document.version)

    def handle(self, app: Boiler, entry_point: str, change: Change) -> Report:
        """What a function of the app did about the change."""
        return app.compiled.functions[entry_point].handle(change, self.database)

    def is_equal_to_rebuild(self, app: Boiler, view: type[ViewModel[Any]], root: str) -> bool:
        """Whether every copy of the view is what a fresh build gives."""
        instance = Instance(view, root)
        reader = Reader(self.database)
        built = build(instance, reader, reader.resolve([instance])[instance], scope_of(app.name, view))
        return all(self.read(path).fields == built.document(path) for path in built.destinations)

    @property
    def fullness(self) -> str:
        """How many documents there are, by collection: the emulator scans, so that they cost time."""
        names = sorted({*_SUBCOLLECTIONS, *(each.id for each in self.client.collections())})
        counts = {name: self._count(self.client.collection_group(name)) for name in names}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)

    @staticmethod
    def _count(collection: firestore.CollectionGroup) -> int:
        query: Any = collection.count()  # declared as the class of what it is
        return int(query.get()[0][0].value)
