"""Views as forms."""

from datetime import UTC, datetime
from typing import Any

import pytest

from boiler_functions import ViewModel, attrs
from boiler_functions.exceptions import InvalidDocument
from boiler_functions.models.spelling import JsonSchema
from tests.unit.views.view_model.scene import DOCUMENTS, MeetingSession, MeetingStore, bare, built


class CityForm(ViewModel[Any]):
    city_name = attrs.string(required=True)
    population = attrs.integer(default=1)

    @attrs.computed
    def shout(self) -> str:
        return self.city_name.upper()


def test_a_form_is_read_and_validated_from_its_document() -> None:
    values = CityForm.load_form("users/u/cityForms/LA", {"cityName": "Los Angeles", "undeclared": 1, "shout": "no"})
    assert values == {"city_name": "Los Angeles"}
    form = CityForm.of(None, {"city_id": "LA"}, values)
    assert (form.city_name, form.population, form.shout, form.params["city_id"]) == (
        "Los Angeles",
        1,
        "LOS ANGELES",
        "LA",
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [({}, "cityName: Missing data"), ({"cityName": 5}, "cityName: Not a valid string"), ({"cityName": None}, "null")],
)
def test_a_form_that_does_not_fit_is_reported_by_path_and_field(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidDocument, match=rf"users/u/cityForms/LA does not fit CityForm: .*{told}"):
        CityForm.load_form("users/u/cityForms/LA", fields)


def test_a_form_passes_through_setters() -> None:
    class Switch(ViewModel[Any]):
        seen = attrs.list(str)

        @attrs.computed
        def position(self) -> str:
            return self.seen[-1]

        @position.setter
        def set_position(self, value: str) -> None:
            self.seen.append(value)

    values = Switch.load_form("switches/a", {"position": "on"})
    switch: Any = Switch.of(None, {}, values)
    assert switch.seen == ["on"]


def test_a_view_without_a_store_may_leave_its_type_argument_out() -> None:
    class Plain(ViewModel):
        name = attrs.string()

    assert bare(Plain).name is None
    assert Plain.store_class.sources == ()


def test_a_subclass_has_the_store_of_its_base() -> None:
    class Longer(MeetingSession):
        class Meta:
            path = "longer/{meeting.doc_id}"

        @attrs.computed
        def count(self) -> int:
            return len(self.attending)

    assert Longer.store_class is MeetingStore
    content = built(Longer, "meetings/m", DOCUMENTS).content
    assert content == {"inSession": True, "attending": ["Ada", "Bob"], "count": 2, "obj_type": "Longer"}


def test_an_excluded_attribute_is_left_out_of_the_view() -> None:
    class Partial(MeetingSession):
        class Meta:
            path = "partial/{meeting.doc_id}"
            exclude = ("attending",)

    assert built(Partial, "meetings/m", DOCUMENTS).content == {"inSession": True, "obj_type": "Partial"}


def test_the_json_of_a_view_spells_moments_as_text() -> None:
    class Timed(ViewModel[Any]):
        @attrs.computed
        def at(self) -> datetime:
            return datetime(2026, 1, 1, tzinfo=UTC)

    assert Timed.view_schema(JsonSchema).dump({"at": bare(Timed).at}) == {"at": "2026-01-01T00:00:00+00:00"}
