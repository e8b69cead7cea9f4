"""What happens because a model or a view changed, and is no write of Firestore: mail, a webhook, a message.

At least once, under one key for each change. A view's change leaves a record in the outbox in its own commit, whose
creation is the event; a model's change is an event whoever wrote it, so that it needs no second one. The platform
delivers either again until it is acknowledged. In both cases the record then says that it was delivered, or given up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar, cast

from boiler_functions.database import ABSENT, PRESENT, Document, Put, Write
from boiler_functions.database.change import Change
from boiler_functions.exceptions import Permanent, UndeclaredWrite, Undeliverable, Undelivered
from boiler_functions.models.model import DomainModel, Model, differs
from boiler_functions.models.session import Direct, active
from boiler_functions.modes.dead_letter import write_dead_letter
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.ledger import Ledger
from boiler_functions.paths import Pattern, id_of
from boiler_functions.settings.options import Options
from boiler_functions.types import Fields, digest, to_datetime
from boiler_functions.views.build import Built, Instance
from boiler_functions.views.view_model import ViewModel

COLLECTION = "boilerOutbox"
"""Holds no documents itself, only a collection of the same name below each sink's, so that each has its own trigger."""

KEPT = timedelta(days=30)

_LONGEST_MESSAGE = 1_000

M_co = TypeVar("M_co", bound=Model, covariant=True)


class Changed(NamedTuple, Generic[M_co]):
    """One change of a model or a view, as it is told.

    `before` is None when it was created (or is not known), `after` when it is gone. Older code may have left either:
    an attribute that it did not have, or that has another type now, is None in it. Every attempt to tell of one change
    has the same `key`, by which a receiver knows a repetition. `name` is that of the model or view as declared, `path`
    that of the document, of a view its root's; `copies` are where the view was or is stored.
    """

    key: str
    name: str
    path: str
    before: M_co | None
    after: M_co | None
    time: datetime
    attempt: int = 1
    copies: tuple[str, ...] = ()

    @property
    def doc_id(self) -> str:
        return id_of(self.path)


class Sink(NamedTuple):
    """A function that is told of every change of a model or a view."""

    function: Callable[[Changed[Any]], None]
    target: type[DomainModel] | type[ViewModel[Any]]
    max_attempts: int | None
    max_age: timedelta
    options: Options = Options()

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def view(self) -> type[ViewModel[Any]] | None:
        """The view whose changes it is told; None when it is told those of a model."""
        return self.target if issubclass(self.target, ViewModel) else None

    def outbox(self, app: str) -> str:
        """The collection of its records."""
        return f"{COLLECTION}/{app}.{self.name}.{self.target.__name__}/{COLLECTION}"

    def source(self, app: str) -> Pattern:
        """The documents that it is triggered by: the model's, or, as they are created, the records of its outbox."""
        return Pattern(f"{self.outbox(app)}/{{key}}") if self.view else self.target.pattern()


def records(
    invocation: Invocation, sinks: Iterable[Sink], instance: Instance, ledger: Ledger, built: Built
) -> Iterator[Write]:
    """The records of a view's change, to be written in its commit: one for each sink that is told of the view."""
    for sink in sinks:
        if sink.view is not instance.view:
            continue
        # At most one commit succeeds on a version of the ledger, so this names the change, however often it is tried.
        key = digest(sink.outbox(invocation.app), instance.root, ledger.document.version)
        fields = {
            "app": invocation.app,
            "path": instance.root,
            "before": ledger.content,
            "after": built.content,
            "copies": sorted({*ledger.destinations, *built.destinations}),
            **_state(invocation, "pending", 0),
        }
        yield Put(f"{sink.outbox(invocation.app)}/{key}", fields, precondition=ABSENT)


def deliver(invocation: Invocation, sink: Sink, change: Change) -> None:
    """Tells the sink of the change unless it was; raises Undelivered to have the event delivered again."""
    if change.is_equal:
        invocation.note(Outcome.IGNORED)
        return
    telling = _OfView(invocation, sink, change) if sink.view else _OfModel(invocation, sink, change)
    telling.run()


@dataclass(eq=False, repr=False)
class _Telling(ABC):
    """One event of a sink."""

    invocation: Invocation
    sink: Sink
    change: Change

    @property
    @abstractmethod
    def record(self) -> str:
        """The path of the record of the change; its id is the change's key."""

    @abstractmethod
    def look_up(self) -> tuple[Document, Document]:
        """The record and the changed document as they are now; the latter only where the event lacks it."""

    @abstractmethod
    def changed(self, record: Fields, document: Document) -> Changed[Model] | None:
        """What is told; None when it does not concern the sink."""

    def run(self) -> None:
        record, document = self.look_up()
        fields = record.fields or {}
        if fields.get("status") in ("delivered", "dead"):
            self.invocation.note(Outcome.DUPLICATE)
            return
        try:
            changed = self.changed(fields, document)
            if changed is None:
                self.invocation.note(Outcome.UNAFFECTED)
                return
            self._tell(changed, record)
        except Permanent as error:
            self._give_up(error, record)
            return
        self._stamp(record, "delivered", changed.attempt)
        self.invocation.note(Outcome.DELIVERED)

    def _changed(
        self, record: Fields, path: str, before: Model | None, after: Model | None, copies: tuple[str, ...] = ()
    ) -> Changed[Model]:
        name, time = self.sink.target.__name__, to_datetime(self.change.time)
        return Changed(id_of(self.record), name, path, before, after, time, _attempts(record) + 1, copies)

    def _tell(self, changed: Changed[Model], record: Document) -> None:
        if (age := self._age()) > self.sink.max_age:
            raise Undeliverable(
                f"{self.sink.name} is not told of {changed.path} any more: after {age} (`max_event_age`) the platform "
                f"would soon drop the event. The dead letter's `message` has the last error: {_last_error(record)}."
            )
        try:
            with active(_ReadOnly(self.invocation, self.sink.name)):
                self.sink.function(changed)
        except Permanent:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
            if self.sink.max_attempts is not None and changed.attempt >= self.sink.max_attempts:
                raise Undeliverable(f"{self.sink.name} failed {changed.attempt} times; at last {reason}") from error
            self._stamp(record, "pending", changed.attempt, error=reason)
            raise Undelivered(
                f"{self.sink.name} failed on {changed.path}, attempt {changed.attempt}: {reason}"
            ) from error

    def _give_up(self, error: Permanent, record: Document) -> None:
        write_dead_letter(
            self.invocation,
            view=self.sink.name,
            subject=self.record,
            source=self.change.path,
            event=self.change.id,
            error=error,
        )
        self._stamp(record, "dead", _attempts(record.fields or {}) + 1, error=str(error)[:_LONGEST_MESSAGE])

    def _stamp(self, record: Document, status: str, attempts: int, **more: Any) -> None:
        state = {**_state(self.invocation, status, attempts), **more}
        if record.exists:
            self.invocation.database.commit([Put(record.path, state, mask=tuple(state), precondition=PRESENT)])
        else:
            known = {"app": self.invocation.app, "path": self.change.path, "event": self.change.id}
            self.invocation.database.commit([Put(record.path, {**known, **state})])

    def _age(self) -> timedelta:
        return timedelta(microseconds=(self.invocation.now() - self.change.time) // 1000)


class _OfView(_Telling):
    """The event of a record that a view's change left."""

    @property
    def record(self) -> str:
        return self.change.path

    def look_up(self) -> tuple[Document, Document]:
        record = self.invocation.database.read([self.record]).documents[0]
        return record, record

    def changed(self, record: Fields, document: Document) -> Changed[Model] | None:
        if not document.exists:
            return None  # It was delivered, and has expired since.
        before, after = (self._view(record["path"], record.get(name)) for name in ("before", "after"))
        return self._changed(record, record["path"], before, after, tuple(record.get("copies", ())))

    def _view(self, root: str, content: Fields | None) -> ViewModel[Any] | None:
        view = self.sink.view
        assert view is not None
        return None if content is None else view.recall(Instance(view, root).key, content)


class _OfModel(_Telling):
    """The event of a model's document, whoever wrote it."""

    @property
    def record(self) -> str:
        app = self.invocation.app
        return f"{self.sink.outbox(app)}/{digest(app, self.sink.name, self.change.source, self.change.id)}"

    def look_up(self) -> tuple[Document, Document]:
        # An event that is too large to hold its document comes without; the document as it is now stands for it.
        wanted = [self.record] if self.change.has_images else [self.record, self.change.path]
        record, *found = self.invocation.database.read(wanted).documents
        return record, found[0] if found else self.change.after

    def changed(self, record: Fields, document: Document) -> Changed[Model] | None:
        model = cast(type[DomainModel], self.sink.target)
        # What was there before may be of older code, or bad data of which this change is the repair.
        before = model.recall(self.change.before) if model.holds(self.change.before) else None
        after = model.from_document(document) if model.holds(document) else None
        # What a model declares is the same: another field changed, of which it knows nothing.
        if self.change.has_images and not differs(before, after):
            return None
        return self._changed(record, self.change.path, before, after)


class _ReadOnly(Direct):
    """A session of a sink: it may read, and a write would escape the search for cycles."""

    def __init__(self, invocation: Invocation, sink: str) -> None:
        super().__init__(invocation.database)
        self.sink = sink

    def write(self, write: Write) -> None:
        raise UndeclaredWrite(
            f"{self.sink} writes {write.path}, and is only told of changes; let a `@app.task` write, or a view follow."
        )


def _state(invocation: Invocation, status: str, attempts: int) -> dict[str, Any]:
    now = to_datetime(invocation.now())
    return {"status": status, "attempts": attempts, "time": now, "expire_at": now + KEPT}


def _attempts(record: Fields) -> int:
    attempts: int = record.get("attempts", 0)
    return attempts


def _last_error(record: Document) -> str:
    return str((record.fields or {}).get("error", "none"))
