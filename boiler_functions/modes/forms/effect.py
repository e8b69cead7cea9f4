"""One event of a form, from the first read to the commit: the form takes effect exactly once.

One commit holds the effect, the marker of the event, and a check of everything that the effect rests on.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

from boiler_functions.database import Delete, Document, Put, Write, check, unchanged
from boiler_functions.database.change import Change
from boiler_functions.database.values import as_name
from boiler_functions.exceptions import (
    BoilerError,
    Conflict,
    EventTooOld,
    InvalidDocument,
    InvalidPath,
    Permanent,
    Rejected,
    TaskFailed,
    TooLarge,
    Unavailable,
    UndeclaredWrite,
    UnknownOutcome,
)
from boiler_functions.models.session import UnitOfWork, active
from boiler_functions.modes.forms.task import Task
from boiler_functions.modes.forms.words import (
    OUTCOME,
    is_stamped,
    is_still_stamped,
    said,
    says,
    without_outcome,
)
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.marker import Marker
from boiler_functions.modes.sent import REASONS
from boiler_functions.types import MISSING, Fields, described, digest, to_datetime
from boiler_functions.views.build import Reader, unit_of_work

_LONGEST_REASON, _LONGEST_ERROR, _MOST_ERRORS = 2_000, 200, 50
"""The limits of a rejection in a stamp, so that a form of almost 1 MiB has room for it."""

FAILED = "failed"
"""The status of a form that could not take effect for a reason that its sender cannot correct."""

log = logging.getLogger(__name__)


class _Effect(NamedTuple):
    """The result of a run of user code: the writes to commit with the marker, and the reads to verify."""

    unit: UnitOfWork
    rejection: Rejected | None = None
    failure: Permanent | None = None
    """An error that will happen again and is not the sender's fault; it becomes a dead letter."""
    fits: bool = True
    """Whether the values of the form fit its view."""

    @property
    def outcome(self) -> Outcome:
        return Outcome.REJECTED if self.rejection else Outcome.DONE

    @property
    def status(self) -> str:
        """The outcome that the form's sender reads."""
        return FAILED if self.failure else str(self.outcome)

    def refused(self, reason: str, *, fits: bool = True, errors: Mapping[str, list[Any]] | None = None) -> _Effect:
        """Returns this run without its writes, as a rejection of the form's values."""
        return self._without_writes()._replace(rejection=Rejected(reason, errors), fits=fits)

    def failed(self, error: Permanent) -> _Effect:
        return self._without_writes()._replace(failure=error)

    def _without_writes(self) -> _Effect:
        self.unit.writes.clear()
        return self


class Run(NamedTuple):
    """One event of a task."""

    invocation: Invocation
    task: Task
    change: Change

    def run(self) -> None:
        """Lets the form take effect unless it already has; raises a Transient error to receive the event again."""
        self.invocation.note(self._needless() or self._outcome())

    def again(self) -> None:
        """Applies a document whose event ended in a dead letter, whatever its stamp says of that failure."""
        self.invocation.note(self._outcome())

    def _outcome(self) -> Outcome:
        if self._age() > self.task.max_event_age:
            raise EventTooOld(
                f"The event {self.change.id} of {self.change.path} is {self._age()} old; its marker may have expired "
                f"after {self.task.max_event_age} (`max_event_age`), so it could take effect twice. Write the document "
                f"again to have it done."
            )
        for attempt in itertools.count():
            marker = Marker.of(self.invocation, self.change)
            try:
                return self._attempt(marker)
            except (Conflict, Unavailable, UnknownOutcome) as error:
                if isinstance(error, UnknownOutcome) and (outcome := self._committed(marker)):
                    return outcome
                if attempt == self.task.max_retries:
                    raise
                self.invocation.pause(attempt)
        raise AssertionError("unreachable")

    def _needless(self) -> Outcome | None:
        """Returns IGNORED if the event shows without a read that there is nothing to do; else None."""
        if not self.change.has_images:
            return None
        if not self.change.after.exists or self.change.is_equal:
            return Outcome.IGNORED
        before, after = self.change.before.fields or {}, self.change.after.fields or {}
        # Any change of a failed form tries it again, except the stamp itself.
        is_final = not _has_failed(after) or without_outcome(before) == without_outcome(after)
        is_known = is_stamped(after) or is_still_stamped(before, after, self.task.declared)
        return Outcome.IGNORED if is_final and is_known else None

    def _age(self) -> timedelta:
        return timedelta(microseconds=(self.invocation.now() - self.change.time) // 1000)

    def _attempt(self, marker: Marker) -> Outcome:
        documents, read_time = self._read(marker)
        if documents.pop(marker.path).exists:
            return Outcome.DUPLICATE
        form = documents[self.change.path]
        if self._is_superseded(form):
            return Outcome.SUPERSEDED
        if not form.exists or self._is_finished(form):
            return Outcome.IGNORED
        record: Document | None = None
        if self.task.on_completion == "keep":
            record = documents.pop(marker.of_form(self.invocation.app, form.path))
            if self._is_recorded(record, form) or self._is_marked_by_version(form, documents):
                return Outcome.DUPLICATE
        reader = Reader(self.invocation.database)
        reader.documents.update(documents)
        reader.read_time = read_time
        effect = self._effect(form, reader)
        try:
            self._commit(marker, record, form, effect)
        except Permanent as error:
            effect = effect if effect.failure else self._judged(effect, error)
            self._commit_without_effect(marker, record, form, effect)
        if effect.failure:
            raise effect.failure
        return effect.outcome

    def _is_superseded(self, form: Document) -> bool:
        """Whether the form has changed since the event in a declared field; the event of that change will handle it."""
        told = said(self.change.after.fields or {}, self.task.declared)
        return self.change.superseded_by(form) and not says(form.fields or {}, told)

    def _is_finished(self, form: Document) -> bool:
        """Whether the form is stamped, and this event does not try it again.

        An event without images does not try a failed form again, as it could be the event of the stamp.
        """
        fields = form.fields or {}
        return is_stamped(fields) and not (_has_failed(fields) and self.change.has_images)

    def _is_recorded(self, record: Document, form: Document) -> bool:
        """Whether the values of a form that is kept have already taken effect.

        Stamped and deleted forms show this themselves. For a form that is kept, a record shows it, which outlives the
        event's marker. A form that was deleted and created again is a new form, even with the same values.
        """
        fields = record.fields or {}
        is_new = self.change.has_images and not self.change.before.exists
        is_known = not is_new or fields.get("version", MISSING) >= self.change.after.version
        return record.exists and is_known and says(form.fields or {}, fields.get("input"))

    def _is_marked_by_version(self, form: Document, documents: dict[str, Document]) -> bool:
        """Whether the previous version of this package has let the kept form take effect."""
        told = documents.pop(Marker.of_version(self.invocation, self.change.after), None)
        if told is None or self.change.after.version != form.version:
            (told,) = self.invocation.database.read([Marker.of_version(self.invocation, form)]).documents
        return told.exists

    def _read(self, marker: Marker) -> tuple[dict[str, Document], int]:
        """Reads the markers, the form, and the Store's documents that the event's image names, in one BatchGet."""
        hint = {self.change.path: self.change.after} if self.change.after.exists else {}
        paths = [marker.path, self.change.path]
        if self.task.on_completion == "keep":
            paths.append(marker.of_form(self.invocation.app, self.change.path))
            paths += [Marker.of_version(self.invocation, self.change.after)] if hint else []
        # An invalid id is reported on the form later, when the form has been read.
        with suppress(InvalidPath):
            paths += self.task.view.store_class.resolve(self.task.key(self.change.path), hint, {}).named
        reading = self.invocation.database.read(paths)
        return {document.path: document for document in reading.documents}, reading.read_time

    def _effect(self, form: Document, reader: Reader) -> _Effect:
        """Runs user code over the documents of the Store, and turns its errors into an effect."""
        store = self.task.view.store_class
        effect = _Effect(UnitOfWork(reader.database, reader.documents, reader.read_time))
        try:
            resolution = reader.complete(store, self.task.key(form.path))
            effect = _Effect(unit_of_work(store, reader, resolution))
            effect.unit.caller = self.task.caller(form.path)
            with active(effect.unit):
                try:
                    values = self.task.load(form.path, without_outcome(form.fields or {}))
                except InvalidDocument as error:
                    return effect.refused("The form does not fit.", fits=False, errors=error.errors)
                totals = reader.totals_of(resolution)
                read = store(resolution.paths, effect.unit.documents, reader.time, totals)
                self.task.take_effect(form.path, values, read)
            self._check_declared(effect.unit)
        except Rejected as error:
            return effect.refused(error.reason, errors=error.errors)
        except Permanent as error:
            return self._judged(effect, error)
        except BoilerError:
            raise
        except Exception as error:
            told = f"{self.task.view.__name__}{self.task.effect} raised {described(error)}"
            failure = TaskFailed(told)
            failure.__cause__ = error
            return effect.failed(failure)
        return effect

    def _judged(self, effect: _Effect, error: Permanent) -> _Effect:
        """Returns the effect of an error in user code or its commit: a rejection if the sender caused it, or a failure.

        A sender can choose ids and sizes that no declaration of the form could refuse. Every other value that a model
        refuses was made by user code.
        """
        reason = REASONS.get(type(error))
        return effect.refused(reason) if reason else effect.failed(error)

    def _check_declared(self, unit: UnitOfWork) -> None:
        declared = [model.pattern() for model in self.task.writes]
        for path in unit.writes:
            if not any(pattern.match(path) for pattern in declared):
                names = ", ".join(model.__name__ for model in self.task.writes) or "nothing"
                raise UndeclaredWrite(
                    f"{self.task.view.__name__} writes {path}, but declares writes=[{names}]; add its model, so that "
                    f"`boiler check` can find cycles."
                )

    def _commit(
        self, marker: Marker, record: Document | None, form: Document, effect: _Effect, *, has_room: bool = True
    ) -> None:
        serializable = self.task.isolation == "serializable"
        unit = effect.unit
        unit.unverified.add(form.path)
        writes = [self._completion(form, effect, has_room=has_room), *unit.commit_writes(verify=serializable)]
        if not effect.failure:
            # A failure leaves no marker, so that the next delivery, perhaps to corrected code, tries again.
            writes.insert(0, marker.create(self.invocation, self.change, effect.outcome, self.task.max_event_age))
            if record is not None:
                writes.insert(1, marker.remember(self.invocation, record, form.version, self._said(form, effect)))
        self.invocation.database.commit(writes, verify=unit.verified if serializable else ())
        if rejection := effect.rejection:
            # For a form without a stamp, the log alone shows this. Messages could quote the form, names do not.
            names = ", ".join(list(rejection.errors)[:_MOST_ERRORS])
            log.info("%s is rejected: %s%s", form.path, rejection.reason, names and f" ({names})")

    def _commit_without_effect(self, marker: Marker, record: Document | None, form: Document, effect: _Effect) -> None:
        try:
            self._commit(marker, record, form, effect)
        except TooLarge:
            # The form itself has no room for a stamp.
            self._commit(marker, record, form, effect, has_room=False)

    def _completion(self, form: Document, effect: _Effect, *, has_room: bool) -> Write:
        """Returns the write on the form, which fails if the form has changed since it was read."""
        match self.task.on_completion:
            case "delete" if not effect.failure:
                return Delete(form.path, precondition=unchanged(form))
            case "stamp" if has_room:
                return Put(form.path, {OUTCOME: self._stamp(form, effect)}, (OUTCOME,), unchanged(form))
            case _:
                return check(form)

    def _stamp(self, form: Document, effect: _Effect) -> Fields:
        stamp: dict[str, Any] = {
            "status": effect.status,
            "time": to_datetime(self.invocation.now()),
            "input": self._said(form, effect),
        }
        if effect.failure:
            # The sender cannot mend this; the message is in the dead letter.
            stamp["reason"] = "An error that these values did not cause stopped it. The operators can see which."
        elif effect.rejection:
            stamp |= _told(effect.rejection)
        return stamp

    def _said(self, form: Document, effect: _Effect) -> str | Fields:
        """Returns a record of the form, for `says` to compare: of its declared fields, or of all if it does not fit."""
        fields = form.fields or {}
        return said(fields, self.task.declared) if effect.fits else digest(without_outcome(fields))

    def _committed(self, marker: Marker) -> Outcome | None:
        """Returns the outcome of the commit whose answer was lost, or None if it was not applied.

        A marker that another run created does not count: the next attempt meets it as a duplicate.
        """
        document = self.invocation.database.read([marker.path]).documents[0]
        return Outcome((document.fields or {})["outcome"]) if marker.is_own(document) else None


def run_task(invocation: Invocation, task: Task, change: Change) -> None:
    """Lets a form take effect exactly once; raises a Permanent error for an event that will fail again."""
    Run(invocation, task, change).run()


def retry_form(invocation: Invocation, task: Task, path: str) -> None:
    """Lets a form take effect that failed before; does nothing if it did since.

    The form itself, or the record of a kept one, tells whether it did. So this is safe after the markers of its events
    have expired, beside a late delivery of its event, and beside another retry.
    """
    form = invocation.database.read([path]).documents[0]
    # The form exists before the change, or a kept form would be taken for a new one of the same name.
    earlier = Document(path, {}, MISSING)
    event = f"retry of {form.version}"
    Run(invocation, task, Change(event, path, path, earlier, form, invocation.now())).again()


def is_settled(form: Document, task: Task) -> bool:
    """Whether a form that once failed has nothing left to be done: it is gone, or has another outcome by now."""
    fields = form.fields or {}
    return not form.exists or (task.on_completion == "stamp" and is_stamped(fields) and not _has_failed(fields))


def _told(rejection: Rejected) -> Fields:
    """Returns a rejection as fields that fit in a form, whatever reason and errors user code gave."""
    first = list(rejection.errors.items())[:_MOST_ERRORS]
    errors = {as_name(field): [each[:_LONGEST_ERROR] for each in told[:_MOST_ERRORS]] for field, told in first}
    return {"reason": rejection.reason[:_LONGEST_REASON], "errors": errors}


def _has_failed(fields: Fields) -> bool:
    stamp = fields.get(OUTCOME)
    return isinstance(stamp, dict) and stamp.get("status") == FAILED
