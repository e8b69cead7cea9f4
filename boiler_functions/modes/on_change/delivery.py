"""Delivers the changes of models and views to functions that act outside Firestore: mail, a webhook, a message.

Each change is delivered at least once, always under the same key. A change of a view adds a record to the outbox in the
same commit, and the creation of that record is the event. A change of a model is already an event, whoever wrote the
document, so its record is written only once a delivery was tried. The platform delivers either event again until it is
acknowledged. In both cases the record says in the end that the change was delivered, or was given up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from boiler_functions.database import PRESENT, Document, Put, Write, unchanged
from boiler_functions.database.change import Change
from boiler_functions.exceptions import Permanent, UndeclaredWrite, Undeliverable, Undelivered
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.model import Model, differs
from boiler_functions.models.session import Direct, active
from boiler_functions.modes.dead_letter import Letter, write_dead_letter
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.on_change.declaration import Changed, Sink
from boiler_functions.modes.outbox import state
from boiler_functions.paths import id_of
from boiler_functions.types import Fields, described, digest, legible, to_datetime
from boiler_functions.views.build import Instance
from boiler_functions.views.view_model import ViewModel

_LONGEST_MESSAGE = 1_000


def deliver(invocation: Invocation, sink: Sink, change: Change) -> None:
    """Delivers the change to the sink, unless it was delivered; raises Undelivered to receive the event again."""
    if change.is_equal:
        invocation.note(Outcome.IGNORED)
        return
    delivery = _OfView(invocation, sink, change) if sink.view else _OfModel(invocation, sink, change)
    delivery.run()


def deliver_again(invocation: Invocation, sink: Sink, letter: Letter) -> None:
    """Delivers the change that a letter is about, under the same key; raises Undelivered if it fails again.

    A record holds its view as it was before and after the change. A model's change comes without its images, with the
    document as it is now, as that of a large document does.
    """
    record = invocation.database.read([letter.subject]).documents[0]
    if (record.fields or {}).get("status") == "dead":
        # On this condition, so that of two retries at once only one delivers.
        pending = state(invocation, "pending", _attempts(record.fields or {}))
        invocation.database.commit([Put(record.path, pending, mask=tuple(pending), precondition=unchanged(record))])
    path = record.path if sink.view else letter.source
    nowhere = Document(path)
    change = Change(letter.event, "", path, nowhere, nowhere, invocation.now())
    telling = _OfView(invocation, sink, change) if sink.view else _Again(invocation, sink, change, letter.subject)
    telling.run()


def is_delivered(record: Document) -> bool:
    """Whether a record's change was delivered, or the record has expired."""
    return not record.exists or (record.fields or {}).get("status") == "delivered"


@dataclass(eq=False, repr=False)
class _Delivery(ABC):
    """One event of a sink."""

    invocation: Invocation
    sink: Sink
    change: Change

    @property
    @abstractmethod
    def record(self) -> str:
        """Returns the path of the change's record, whose id is the change's key."""

    @abstractmethod
    def look_up(self) -> tuple[Document, Document]:
        """Returns the record as it is now, and the changed document, which is read if the event lacks it."""

    @abstractmethod
    def changed(self, record: Fields, document: Document) -> Changed[Model] | None:
        """Returns the change that the sink receives, or None if it does not concern the sink."""

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
                f"{self.sink.name} no longer receives the change of {changed.path}: it is {age} old, more than "
                f"`max_event_age`, and the platform would soon drop its event. The last error: {_last_error(record)}."
            )
        try:
            with active(_ReadOnly(self.invocation, self.sink.name)):
                self.sink.function(changed)
        except Permanent:
            raise
        # `sys.exit()` in it must not end a process that serves others.
        except (Exception, SystemExit) as error:
            reason = legible(described(error)[:_LONGEST_MESSAGE])
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
        self._stamp(record, "dead", _attempts(record.fields or {}) + 1, error=legible(str(error)[:_LONGEST_MESSAGE]))

    def _stamp(self, record: Document, status: str, attempts: int, **more: Any) -> None:
        stamp = {**state(self.invocation, status, attempts), **more}
        if record.exists:
            self.invocation.database.commit([Put(record.path, stamp, mask=tuple(stamp), precondition=PRESENT)])
        else:
            known = {"app": self.invocation.app, "path": self.change.path, "event": self.change.id}
            self.invocation.database.commit([Put(record.path, {**known, **stamp})])

    def _age(self) -> timedelta:
        return timedelta(microseconds=(self.invocation.now() - self.change.time) // 1000)


class _OfView(_Delivery):
    """The event of an outbox record, which the commit of a view's change created."""

    @property
    def record(self) -> str:
        return self.change.path

    def look_up(self) -> tuple[Document, Document]:
        record = self.invocation.database.read([self.record]).documents[0]
        return record, record

    def changed(self, record: Fields, document: Document) -> Changed[Model] | None:
        if not document.exists:
            return None  # The change was delivered, and its record has expired.
        before, after = (self._view(record["path"], record.get(name)) for name in ("before", "after"))
        return self._changed(record, record["path"], before, after, tuple(record.get("copies", ())))

    def _view(self, root: str, content: Fields | None) -> ViewModel[Any] | None:
        view = self.sink.view
        assert view is not None
        return None if content is None else view.recall(Instance(view, root).key, content)


class _OfModel(_Delivery):
    """The event of a model's document, whoever wrote it."""

    @property
    def record(self) -> str:
        app = self.invocation.app
        return f"{self.sink.outbox(app)}/{digest(app, self.sink.name, self.change.source, self.change.id)}"

    def look_up(self) -> tuple[Document, Document]:
        # A large event comes without images of its document; the current document takes their place.
        wanted = [self.record] if self.change.has_images else [self.record, self.change.path]
        record, *found = self.invocation.database.read(wanted).documents
        return record, found[0] if found else self.change.after

    def changed(self, record: Fields, document: Document) -> Changed[Model] | None:
        model = cast(type[DomainModel], self.sink.target)
        # The former document may come from older code, or be bad data that this change repairs, so it may not load.
        before = model.recall(self.change.before) if model.holds(self.change.before) else None
        after = model.from_document(document) if model.holds(document) else None
        # If no declared attribute differs, only a field has changed that the model does not declare.
        if self.change.has_images and not differs(before, after):
            return None
        return self._changed(record, self.change.path, before, after)


@dataclass(eq=False, repr=False)
class _Again(_OfModel):
    """A change of a model's document that a letter is about, whose record the letter names."""

    named: str

    @property
    def record(self) -> str:
        return self.named


class _ReadOnly(Direct):
    """The session of a sink, which may only read: `boiler check` could not find cycles through its writes."""

    def __init__(self, invocation: Invocation, sink: str) -> None:
        super().__init__(invocation.database)
        self.sink = sink

    def write(self, write: Write) -> None:
        raise UndeclaredWrite(
            f"{self.sink} writes {write.path}, but a function of `@app.on_change` may only read models. Write in an "
            f"`@app.task`, or let a view follow."
        )


def _attempts(record: Fields) -> int:
    attempts: int = record.get("attempts", 0)
    return attempts


def _last_error(record: Document) -> str:
    return str((record.fields or {}).get("error", "none"))
