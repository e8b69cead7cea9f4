"""What a Store refuses when it is declared, and how it is used."""

import pytest

from boiler_functions import Store, reference, references
from boiler_functions.database import Document
from boiler_functions.exceptions import BoilerError, DeclarationError
from boiler_functions.models.session import Snapshot, active
from tests.unit.views.store.scene import Fetched, MeetingStore, User


def test_a_store_inherits_the_references_of_its_base() -> None:
    class Longer(MeetingStore):
        bosses = references(User.boss, via=MeetingStore.users)

    found = Fetched(Longer, "meetings/m")
    assert found.ids("bosses") == ["c"]
    assert [source.name for source in MeetingStore.sources] == ["meeting", "location", "tickets", "users"]


@pytest.mark.parametrize("name", ["documents", "paths", "models", "_models", "root", "sources", "resolve", "changed"])
def test_a_reference_with_a_reserved_name_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match=rf"Named\.{name}: the name is reserved by Store"):
        type("Named", (Store,), {name: reference(User)})


def test_a_reference_of_a_class_is_the_reference_itself() -> None:
    assert MeetingStore.users in MeetingStore.sources
    assert MeetingStore.root() is MeetingStore.sources[0]
    assert repr(MeetingStore.users) == "users"


def test_changed_models_are_given_once_each() -> None:
    class Two(Store):
        user = reference(User)
        same = reference(User, doc_id="a")

    found = Fetched(Two, "users/a")
    found.one("same").name = "Augusta"
    with active(found.session):
        _ = found.store.user
        assert [model.name for model in found.store.changed()] == ["Augusta"]


def test_documents_that_were_only_read_are_unchanged() -> None:
    found = Fetched(MeetingStore, "meetings/m")
    with active(found.session):
        _ = (found.store.meeting, found.store.location, found.store.tickets, found.store.users)
        assert list(found.store.changed()) == []


def test_a_missing_root_raises_rejected_rather_than_stop_iteration() -> None:
    """StopIteration would end a generator of the user's silently, or as RuntimeError."""
    store = MeetingStore({"meeting": ("meetings/none",)}, {"meetings/none": Document("meetings/none")}, int)
    with active(Snapshot({}, "TheView")), pytest.raises(BoilerError, match=r"no Meeting meetings/none"):
        _ = store.meeting
