"""Getters that raise."""

from typing import Any

import pytest

from boiler_functions import ViewModel, attrs
from boiler_functions.exceptions import GetterFailed, ImpureGetter, InvalidDocument, InvalidValue
from boiler_functions.types import Reference
from tests.unit.views.view_model.scene import DOCUMENTS, MeetingSession, MeetingStore, User, bare, built


def test_an_error_of_a_getter_is_reported_with_class_and_attribute() -> None:
    class Broken(ViewModel[Any]):
        @attrs.computed
        def share(self) -> float:
            return 1 / 0

    with pytest.raises(GetterFailed, match=r"Broken\.share raised ZeroDivisionError: division by zero") as raised:
        bare(Broken).to_view_dict()
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_an_attribute_error_inside_a_getter_is_reported_unchanged() -> None:
    class Broken(ViewModel[Any]):
        @attrs.computed
        def name(self) -> str:
            nobody: Any = None
            return str(nobody.first_name)

    with pytest.raises(GetterFailed, match=r"Broken\.name raised AttributeError: 'NoneType' object has no"):
        bare(Broken).to_view_dict()


@pytest.mark.parametrize("value", [5, None, ["a"], b"x"])
def test_a_getter_that_returns_another_type_than_it_declares_fails(value: Any) -> None:
    class Liar(ViewModel[Any]):
        @attrs.computed
        def name(self) -> str:
            result: str = value
            return result

    with pytest.raises(InvalidValue, match="Liar refuses name"):
        bare(Liar).to_view_dict()


def test_a_getter_that_reads_the_database_fails() -> None:
    class Reading(ViewModel[MeetingStore]):
        class Meta:
            path = "readings/{meeting.doc_id}"

        @attrs.computed
        def other(self) -> bool:
            return User.get("c") is not None

    with pytest.raises(ImpureGetter, match=r"A getter of Reading reads users/c"):
        built(Reading, "meetings/m", DOCUMENTS)


def test_a_getter_that_follows_an_undeclared_relation_fails_and_says_what_to_declare() -> None:
    class Following(ViewModel[MeetingStore]):
        class Meta:
            path = "followings/{meeting.doc_id}"

        @attrs.computed
        def owner(self) -> bool:
            return self.store.meeting.owner is not None

    documents = {**DOCUMENTS, "meetings/m": {**DOCUMENTS["meetings/m"], "owner": Reference("users/x")}}
    with pytest.raises(ImpureGetter, match=r"Following follows a relation to users/x, which its Store does not fetch"):
        built(Following, "meetings/m", documents)


def test_a_document_that_does_not_fit_is_named() -> None:
    documents = {**DOCUMENTS, "users/a": {"name": 5}}
    with pytest.raises(InvalidDocument, match=r"users/a does not fit User: name: Not a valid string"):
        built(MeetingSession, "meetings/m", documents)


def test_an_attribute_that_cannot_be_an_id_gives_no_copy_and_is_reported_with_its_value() -> None:
    class ByEmail(ViewModel[MeetingStore]):
        class Meta:
            path = "emails/{users.email}/meetings/{meeting.doc_id}"

    documents = {**DOCUMENTS, "users/a": {"name": "Ada", "email": "a/b"}, "users/b": {"name": "Bob"}}
    view = built(ByEmail, "meetings/m", documents)
    assert view.destinations == ()
    assert [str(each) for each in view.refused] == [
        "ByEmail has no copy for {users.email} of users/a. "
        "'a/b' is not a document id: it may not be empty, '.' or '..', or contain '/'."
    ]
