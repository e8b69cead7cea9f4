"""Documents that a selection finds."""

from typing import Any

import pytest

from boiler_functions import Store, matching, reference, references, referrers
from boiler_functions.exceptions import DeclarationError
from tests.unit.views.store.scene import MEETING, Fetched, Meeting, Note, User


def test_matching_needs_no_root_and_keeps_the_order_of_its_selection() -> None:
    class Dashboard(Store):
        meetings = matching(Meeting.status == "open")
        users = matching(User.all().order_by(User.name.desc()).limit(2))
        everybody = matching(User.name >= "B", User.name < "C")

    found = Fetched(Dashboard)
    assert Dashboard.root() is None
    assert found.ids("meetings") == ["m"]
    assert found.ids("users") == ["c", "b"]
    assert found.ids("everybody") == ["b"]


def test_matching_of_a_sub_collection_leaves_foreign_collections_out() -> None:
    class Notes(Store):
        notes = matching(Note.text >= "")

    assert Fetched(Notes).ids("notes") == ["n", "o"]


def test_the_limit_of_a_selection_counts_no_document_of_a_foreign_collection() -> None:
    class Latest(Store):
        notes = matching(Note.all().order_by(Note.text).limit(1))
        last = matching(Note.all().order_by(Note.text.desc()).limit(1))

    documents = {**MEETING, **{f"aaa/x/notes/{n}": {"text": text} for n, text in enumerate(("a", "b", "y", "z"))}}
    found = Fetched(Latest, documents=documents)
    assert (found.ids("notes"), found.ids("last")) == (["n"], ["o"])
    assert set(found.reader.documents) == {"users/a/notes/n", "users/b/notes/o"}


def test_relations_start_from_what_matching_found() -> None:
    class Dashboard(Store):
        meetings = matching(Meeting.status == "open")
        locations = references(Meeting.location)

    found = Fetched(Dashboard)
    assert found.ids("locations") == ["l"]
    assert found.metered.usage.rpcs == 2


def test_matching_that_finds_nothing_is_empty() -> None:
    class Dashboard(Store):
        meetings = matching(Meeting.status == "never")
        locations = references(Meeting.location)

    found = Fetched(Dashboard)
    assert found.ids("meetings") == []
    assert found.ids("locations") == []


def test_matching_conditions_on_two_models_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Meeting\.where takes conditions on the model itself, not o[fn] User"):
        matching(Meeting.status == "open", User.name == "x")


def test_matching_anything_but_a_condition_is_refused() -> None:
    with pytest.raises(DeclarationError, match="matching"):
        matching(True)  # type: ignore[arg-type]


def test_referrers_of_anything_but_a_relation_are_refused() -> None:
    model: Any = User
    with pytest.raises(DeclarationError, match=r"User.*is not a relation"):
        referrers(model)


def test_a_doc_id_that_is_not_a_string_is_refused() -> None:
    doc_id: Any = 5
    with pytest.raises(DeclarationError, match=r"A path must be a string.*found 5"):
        reference(User, doc_id=doc_id)
