"""Building a view from what was read."""

from datetime import UTC, datetime
from typing import Any

from boiler_functions import Embedded, GeoPoint, Store, ViewModel, attrs, reference
from tests.unit.views.view_model.scene import DOCUMENTS, MeetingSession, MeetingStore, User, bare, built


def test_a_view_is_computed_from_its_store() -> None:
    result = built(MeetingSession, "meetings/m", DOCUMENTS)
    assert result.content == {"inSession": True, "attending": ["Ada", "Bob"], "obj_type": "MeetingSession"}
    assert result.destinations == ("users/a/meetingSessions/m", "users/b/meetingSessions/m")


def test_a_view_of_a_missing_root_is_none() -> None:
    result = built(MeetingSession, "meetings/none", DOCUMENTS)
    assert result.content is None
    assert result.destinations == ()


def test_a_missing_user_has_no_copy_and_is_not_attending() -> None:
    documents = {path: fields for path, fields in DOCUMENTS.items() if path != "users/b"}
    result = built(MeetingSession, "meetings/m", documents)
    assert result.content["attending"] == ["Ada"]
    assert result.destinations == ("users/a/meetingSessions/m",)


def test_two_many_references_in_a_path_give_a_copy_for_each_pair() -> None:
    class Pairs(ViewModel[MeetingStore]):
        class Meta:
            path = "a/{meeting.doc_id}/b/{users.doc_id}/c/{tickets.doc_id}"

    assert built(Pairs, "meetings/m", DOCUMENTS).destinations == tuple(
        f"a/m/b/{user}/c/{ticket}" for user in "ab" for ticket in ("t1", "t2")
    )


def test_a_path_may_name_attributes_and_copies_that_coincide_are_one() -> None:
    class ByName(ViewModel[MeetingStore]):
        class Meta:
            path = "names/{users.name}/meetings/{meeting.doc_id}"

    documents = {**DOCUMENTS, "users/b": {"name": "Ada"}}
    assert built(ByName, "meetings/m", documents).destinations == ("names/Ada/meetings/m",)


def test_a_view_of_a_store_without_a_root_has_a_fixed_path() -> None:
    class Dashboard(Store):
        user = reference(User, doc_id="a")

    class DashboardView(ViewModel[Dashboard]):
        class Meta:
            path = "dashboards/main"

        @attrs.computed
        def name(self) -> str | None:
            return self.store.user.name if self.store.user else None

    result = built(DashboardView, "", DOCUMENTS)
    assert (result.content["name"], result.destinations) == ("Ada", ("dashboards/main",))
    assert built(DashboardView, "", {}).content["name"] is None


def test_every_type_of_a_getter_is_stored_as_documents_hold_it() -> None:
    class Inner(Embedded):
        street_name = attrs.string()

    class Wide(ViewModel[Any]):
        @attrs.computed
        def some_text(self) -> str | None:
            return None

        @attrs.computed
        def moment(self) -> datetime:
            return datetime(2026, 1, 1, tzinfo=UTC)

        @attrs.computed
        def place(self) -> GeoPoint:
            return GeoPoint(1, 2)

        @attrs.computed
        def inner(self) -> Inner:
            return Inner(street_name="x")

        @attrs.computed
        def many(self) -> dict[str, list[Inner]]:
            return {"a": [Inner(street_name="y")]}

        @attrs.computed
        def ratio(self) -> float:
            return 1

        @attrs.computed
        def data(self) -> bytes:
            return b"x"

    view = bare(Wide)
    assert view.to_view_dict() == {
        "someText": None,
        "moment": datetime(2026, 1, 1, tzinfo=UTC),
        "place": GeoPoint(1, 2),
        "inner": {"streetName": "x"},
        "many": {"a": [{"streetName": "y"}]},
        "ratio": 1.0,
        "data": b"x",
    }
    assert type(view.to_view_dict()["ratio"]) is float


def test_each_getter_runs_once() -> None:
    calls: list[str] = []

    class Counted(ViewModel[Any]):
        @attrs.computed
        def name(self) -> str:
            calls.append("name")
            return "x"

    assert bare(Counted).to_view_dict() == {"name": "x"}
    assert calls == ["name"]
