"""Attributes with getters and setters."""

from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, use
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import DeclarationError, InvalidValue
from tests.unit.models.attributes.scene import City, Properties


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string(default="closed")
    log = attrs.list(str)

    @attrs.computed
    def in_session(self) -> bool:
        return self.status == "in-session"

    @in_session.setter
    def set_in_session(self, value: bool) -> None:
        self.status = "in-session" if value else "closed"

    @attrs.computed
    def shout(self) -> str:
        return (self.status or "").upper()


def test_a_computed_attribute_reads_through_its_getter_and_writes_through_its_setter() -> None:
    meeting = Meeting.new()
    assert meeting.in_session is False
    meeting.in_session = True
    assert (meeting.status, meeting.in_session) == ("in-session", True)


def test_new_takes_values_through_setters() -> None:
    assert Meeting.new(in_session=True).status == "in-session"


def test_an_attribute_with_a_getter_alone_is_read_only() -> None:
    with pytest.raises(InvalidValue, match="Meeting refuses shout: Read-only"):
        Meeting.new().shout = "X"
    with pytest.raises(InvalidValue, match="Meeting refuses shout: Read-only"):
        Meeting.new(shout="X")
    assert Meeting.attributes["shout"].read_only
    assert not Meeting.attributes["in_session"].read_only
    assert not Meeting.attributes["status"].read_only


def test_a_computed_attribute_is_stored_and_can_be_queried() -> None:
    with use(MemoryDatabase()):
        Meeting.new(doc_id="a", in_session=True).save()
        Meeting.new(doc_id="b").save()
        assert [meeting.doc_id for meeting in Meeting.where(in_session=True)] == ["a"]


def test_the_methods_of_getters_and_setters_stay_methods() -> None:
    meeting = Meeting.new()
    meeting.set_in_session(True)
    assert meeting.status == "in-session"


def test_the_return_type_of_a_getter_gives_its_field() -> None:
    errors = Meeting.view_schema().validate({"status": "x", "log": [], "inSession": "yes", "shout": 5})
    assert set(errors) == {"inSession", "shout"}


def _properties() -> Any:
    return Properties.of(None, {})  # type: ignore[arg-type]


def test_bproperty_takes_its_getter_and_setter_under_its_own_name() -> None:
    view = _properties()
    assert view.own_name == "nothing"
    view.own_name = "set"
    assert view.own_name == "set"


def test_bproperty_takes_its_getter_under_another_name_which_stays_a_method() -> None:
    view = _properties()
    assert view.other_name == [1, "a"]
    assert view.get_other() == [1, "a"]
    with pytest.raises(InvalidValue, match="Properties refuses other_name: Read-only"):
        view.other_name = []


def test_bproperty_without_a_getter_holds_any_value() -> None:
    view = _properties()
    view.plain = {"a": [1, None]}
    assert view.plain == {"a": [1, None]}
    assert view.to_view_dict() == {"own_name": "nothing", "other": [1, "a"], "plain": {"a": [1, None]}}


def test_an_untyped_getter_may_give_none() -> None:
    class Untyped(ViewModel):
        first = attrs.bproperty()

        @first.getter
        def get_first(self) -> Any:
            return None

        @attrs.computed
        def second(self) -> Any:
            return None

    assert Untyped.of(None, {}).to_view_dict() == {"first": None, "second": None}  # type: ignore[arg-type]


def test_a_getter_without_a_return_type_is_refused_by_name() -> None:
    with pytest.raises(DeclarationError, match=r"Untyped\.name has no return type.*bproperty"):

        class Untyped(ViewModel):
            @attrs.computed
            def name(self):  # type: ignore[no-untyped-def]
                return 1


def test_a_getter_of_a_type_that_no_document_holds_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.names.*set\[str\]"):

        class Wrong(ViewModel):
            @attrs.computed
            def names(self) -> set[str]:
                return set()


def test_a_list_of_a_type_that_no_document_holds_is_refused() -> None:
    with pytest.raises(DeclarationError, match="complex"):
        attrs.list(complex)


@pytest.mark.parametrize("item", [list[int], tuple[int, int], list[list[str]], list[int] | None])
def test_a_list_of_lists_is_refused(item: Any) -> None:
    """Firestore holds no arrays in arrays."""
    with pytest.raises(DeclarationError, match=r"array|list"):
        attrs.list(item)


class Pair(Enum):
    """Its values are tuples, which a document has as lists."""

    FIRST = (1, 2)


class Day(Enum):
    """Its values are dates, which no document holds."""

    FIRST = date(2024, 1, 1)


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (tuple[str, int], "a type of its own for each position; write `list"),
        (list[int] | dict[str, tuple[str, int]], "a type of its own for each position"),
        (dict[int, str], r"keys are not strings; write `dict\[str"),
        (Mapping[int, str] | None, "keys are not strings"),
        (Pair, r"Pair\.FIRST has the value \(1, 2\)"),
        (dict[str, Day], r"Day\.FIRST has the value datetime\.date"),
    ],
)
def test_a_type_whose_values_would_not_come_back_is_refused(annotation: Any, told: str) -> None:
    def value(self: Any) -> Any:
        return None

    value.__annotations__["return"] = annotation
    with pytest.raises(DeclarationError, match=rf"value.*{told}"):
        attrs.computed(value)
    with pytest.raises(DeclarationError, match=told):
        attrs.mapping(annotation)


@pytest.mark.parametrize("annotation", [tuple[int, ...], tuple[int, int], tuple[()], dict, Mapping[str, int], list])
def test_a_tuple_of_one_type_and_a_mapping_by_text_come_back(annotation: Any) -> None:
    attrs.mapping(annotation)


def test_an_enum_of_tuples_is_refused_as_an_attribute() -> None:
    with pytest.raises(DeclarationError, match=r"Pair\.FIRST"):
        attrs.enum(Pair)


def test_a_getter_whose_type_names_nothing_is_refused_by_the_app() -> None:
    class CityStore(Store):
        city = reference(City)

    def name(self: Any) -> str:
        return "x"

    name.__annotations__["return"] = "Nope"
    meta = type("Meta", (), {"path": "lateViews/{city.doc_id}"})
    view: Any = type("Late", (ViewModel,), {"store_class": CityStore, "Meta": meta, "name": attrs.computed(name)})
    with pytest.raises(DeclarationError, match=r"name.*Nope"):
        Boiler("late").query(view)


def test_one_attribute_under_two_names_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Double\.b"):

        class Double(DomainModel):
            a = b = attrs.string()
