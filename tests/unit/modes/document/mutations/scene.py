"""What the tests of this folder share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, access, attrs, reference, references
from boiler_functions.testing import MemoryApp, memory_app

COPY = "users/ann/counters/one"


MUTATION = f"{COPY}/_PATCH_CounterView/m1"


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Counter(DomainModel):
    class Meta:
        collection_name = "counters"

    count = attrs.integer(default=0)
    label = attrs.string(default="")
    users = attrs.relation(User, many=True)


class CounterStore(Store):
    counter = reference(Counter)
    users = references(Counter.users)


class Counting(ViewModel[CounterStore]):
    @attrs.computed
    def count(self) -> int:
        return self.store.counter.count

    @attrs.computed
    def label(self) -> str:
        return self.store.counter.label

    @label.setter
    def set_label(self, value: str) -> None:
        if value == "forbidden":
            raise Rejected("not that one", {"label": ["forbidden"]})
        self.store.counter.label = value

    @attrs.computed
    def add(self) -> int:
        """Always 0: a value that is written here is added, so that a doubled effect shows."""
        return 0

    @add.setter
    def set_add(self, value: int) -> None:
        self.store.counter.count += value


def counting(*, versioned: bool = False, **options: Any) -> Boiler:
    """An app with a view of a counter, a copy for each user, which they may change by documents."""
    app = Boiler("demo")

    meta = {
        "path": "users/{users.doc_id}/counters/{counter.doc_id}",
        "read": access.public,
        "write": access.owner("users.doc_id"),
        "versioned": versioned,
    }

    class CounterView(Counting):
        Meta = type("Meta", (), meta)

    app.query(CounterView)
    app.document(**options)(CounterView)
    return app


@contextmanager
def opened(app: Boiler) -> Iterator[MemoryApp]:
    """The app in memory, with a counter of two users whose copies are built."""
    with memory_app(app) as testing:
        for name in ("ann", "ben", "eve"):
            User.new(doc_id=name, name=name).save()
        Counter.new(doc_id="one", users=["ann", "ben"]).save()
        testing.deliver()
        yield testing


def outcome(testing: MemoryApp, path: str = MUTATION) -> dict[str, Any]:
    found: dict[str, Any] = (testing.fields(path) or {})["outcome"]
    return found


def count(testing: MemoryApp) -> object:
    return (testing.fields("counters/one") or {})["count"]


def version(testing: MemoryApp, path: str = COPY) -> str:
    return str((testing.fields(path) or {})["doc_version"])
