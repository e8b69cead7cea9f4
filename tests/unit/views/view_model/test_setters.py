"""Setters of a view."""

import pytest

from boiler_functions import Rejected
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidValue
from boiler_functions.models.session import UnitOfWork, active
from boiler_functions.views.build import Instance, Reader
from tests.unit.views.view_model.scene import DOCUMENTS, MeetingSession, MeetingStore, database_with


def unit_of_work(database: MemoryDatabase) -> tuple[UnitOfWork, MeetingSession]:
    reader = Reader(database)
    instance = Instance(MeetingSession, "meetings/m")
    resolution = reader.resolve([instance])[instance]
    unit = UnitOfWork(database, reader.documents)
    return unit, MeetingSession.of(MeetingStore(resolution.paths, reader.documents, reader.time), {"doc_id": "m"})


def test_propagate_change_saves_what_a_setter_changed_and_nothing_else() -> None:
    database = database_with(DOCUMENTS)
    unit, view = unit_of_work(database)
    with active(unit):
        view.to_view_dict()
        view.in_session = False
        assert view.in_session is False
        view.propagate_change()
    assert list(unit.writes) == ["meetings/m"]
    database.commit(unit.commit_writes())
    assert (database.read(["meetings/m"]).documents[0].fields or {})["status"] == "closed"


def test_a_setter_may_delete_a_model_of_the_store() -> None:
    database = database_with(DOCUMENTS)
    unit, view = unit_of_work(database)
    with active(unit):
        view.store.tickets[0].delete()
        view.propagate_change()
    database.commit(unit.commit_writes())
    assert not database.read(["tickets/t1"]).documents[0].exists


def test_a_setter_may_refuse_with_a_reason() -> None:
    unit, view = unit_of_work(database_with(DOCUMENTS))
    with active(unit), pytest.raises(Rejected, match="the meeting is already in-session"):
        view.in_session = True


def test_an_attribute_without_a_setter_is_read_only() -> None:
    unit, view = unit_of_work(database_with(DOCUMENTS))
    with active(unit), pytest.raises(InvalidValue, match="MeetingSession refuses attending: Read-only"):
        view.attending = []
