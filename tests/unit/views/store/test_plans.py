"""The fetch plan: what is read together, and in which order."""

from boiler_functions import Store, reference
from boiler_functions.types import Reference
from tests.unit.views.store.scene import MEETING, Fetched, MeetingStore, User, database_with


def test_a_store_is_read_level_by_level() -> None:
    found = Fetched(MeetingStore, "meetings/m")
    assert found.one("meeting").status == "open"
    assert found.one("location").address == "Gilman Drive"
    assert found.ids("tickets") == ["t1", "t2"]
    assert found.ids("users") == ["a", "b"]
    assert found.metered.usage.rpcs == 3


def test_references_are_ordered_by_path_each_document_once() -> None:
    documents = {
        "meetings/m": {"tickets": [Reference(f"tickets/{each}") for each in ("z", "a", "z")]},
        "tickets/z": {"user": Reference("users/a")},
        "tickets/a": {"user": Reference("users/a")},
        "users/a": {"name": "Ada"},
    }
    found = Fetched(MeetingStore, "meetings/m", documents)
    assert found.ids("tickets") == ["a", "z"]
    assert found.ids("users") == ["a"]


def test_one_document_behind_two_references_is_one_object() -> None:
    class Two(Store):
        user = reference(User)
        boss = reference(User.boss)
        same = reference(User, doc_id="a")

    found = Fetched(Two, "users/a")
    assert found.one("same") is found.one("user")


def test_missing_documents_are_none_or_left_out_and_still_named() -> None:
    found = Fetched(MeetingStore, "meetings/m", {"meetings/m": MEETING["meetings/m"]})
    assert found.one("location") is None
    assert found.ids("tickets") == []
    assert {"locations/l", "tickets/t1", "tickets/gone"} <= set(found.resolution.named)


def test_a_relation_that_is_not_set_leads_nowhere() -> None:
    found = Fetched(MeetingStore, "meetings/m", {"meetings/m": {"status": "open"}})
    assert found.one("location") is None
    assert found.ids("tickets") == []
    assert found.ids("users") == []
    assert list(found.resolution.named) == ["meetings/m"]


def test_a_missing_root_leads_nowhere() -> None:
    resolution = MeetingStore.resolve(
        {"doc_id": "m"}, {"meetings/m": database_with({}).read(["meetings/m"]).documents[0]}, {}
    )
    assert list(resolution.named) == ["meetings/m"]
    assert resolution.is_complete


def test_a_plan_asks_only_for_what_was_not_read_yet() -> None:
    documents = {each.path: each for each in database_with(MEETING).read(["meetings/m", "locations/l"]).documents}
    empty = MeetingStore.resolve({"doc_id": "m"}, {}, {})
    assert list(empty.missing_documents) == ["meetings/m"]
    some = MeetingStore.resolve({"doc_id": "m"}, documents, {})
    assert list(some.missing_documents) == ["tickets/gone", "tickets/t1", "tickets/t2"]
    assert not some.is_complete


def test_a_value_that_is_not_a_reference_into_the_collection_is_left_to_validation() -> None:
    documents = {"meetings/m": {"location": Reference("users/a"), "tickets": ["t1", Reference("users/a"), None]}}
    resolution = Fetched(MeetingStore, "meetings/m", documents).resolution
    assert list(resolution.named) == ["meetings/m"]
