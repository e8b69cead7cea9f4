"""Paths of copies that cannot work."""

from typing import Any

import pytest

from boiler_functions import DomainModel, Store, ViewModel, access, attrs, reference
from boiler_functions.exceptions import DeclarationError
from boiler_functions.models.attributes import camel_case
from boiler_functions.views.build import Instance, Reader, build
from tests.unit.views.view_model.scene import DOCUMENTS, MeetingStore, built, database_with


class Note(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/notes"

    text = attrs.string()


def declare(path: str, store: type[Store] = MeetingStore) -> None:
    type("Wrong", (ViewModel,), {"store_class": store, "Meta": type("Meta", (), {"path": path})})


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("views", r"Wrong\.Meta\.path 'views' names a collection"),
        (
            "views/{meting.doc_id}",
            r"Wrong\.Meta\.path .*\{meting\.doc_id\}, which names nothing in MeetingStore",
        ),
        ("views/{meeting}", r"\{meeting\}, which names nothing in MeetingStore; it could name \{meeting\.doc_id\}"),
        ("views/{meeting.docid}", r"Wrong\.Meta\.path has \{meeting\.docid\}, and Meeting has no 'docid'"),
        ("views/main", r"does not name the whole key of its root; add \{meeting\.doc_id\}"),
        ("views/{users.doc_id}", r"does not name the whole key of its root; add \{meeting\.doc_id\}"),
        ("views/x{meeting.doc_id}", "is not a placeholder"),
        ("views/{meeting.doc_id}/x/{meeting.doc_id}", "twice"),
        ("views/{meeting.owner}/x/{meeting.doc_id}", r"\{meeting\.owner\}"),
        ("views/{users.age}/x/{meeting.doc_id}", r"\{users\.age\}"),
        ("views/{meeting.tickets}/x/{meeting.doc_id}", r"\{meeting\.tickets\}"),
        ("{meeting.doc_id}/main", r"Wrong\.Meta\.path .* the placeholder \{meeting\.doc_id\} for a collection"),
        ("{meeting.owner}/{meeting.doc_id}", r"the placeholder \{meeting\.owner\} for a collection"),
        ("users/{users.doc_id}/{users.name}/{meeting.doc_id}", r"the placeholder \{users\.name\} for a collection"),
    ],
)
def test_a_path_that_cannot_work_is_refused_when_the_class_is_made(path: str, told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        declare(path)


def test_a_path_names_every_placeholder_of_a_root_in_a_sub_collection() -> None:
    class NoteStore(Store):
        note = reference(Note)

    with pytest.raises(DeclarationError, match=r"add \{note\.user_id\}"):
        declare("noteViews/{note.doc_id}", NoteStore)
    declare("users/{note.user_id}/noteViews/{note.doc_id}", NoteStore)


def test_a_view_without_a_path_tells_how_to_give_it_one() -> None:
    class Unstored(ViewModel[MeetingStore]): ...

    with pytest.raises(DeclarationError, match=r"Unstored is not stored; add `class Meta: path"):
        Unstored.pattern()


@pytest.mark.parametrize("name", ["store", "params", "values", "of", "pattern", "schema", "propagate_change"])
def test_an_attribute_may_not_hide_a_member_of_the_view(name: str) -> None:
    with pytest.raises(DeclarationError, match=rf"Wrong\.{name}"):
        type("Wrong", (ViewModel,), {name: attrs.string()})


FREE = ["owners", "owner_names", "related", "destinations", "readers", "writers", "example"]


@pytest.mark.parametrize("name", FREE)
def test_a_common_word_is_free_for_an_attribute_of_a_view_and_of_a_model(name: str) -> None:
    stored_in = type("Meta", (), {"collection_name": "named"})
    model = type("Named", (DomainModel,), {"Meta": stored_in, name: attrs.string()})
    store = type("NamedStore", (Store,), {"named": reference(model)})

    def getter(self: Any) -> str:
        return str(getattr(self.store.named, name))

    members = {
        "store_class": store,
        "Meta": type("Meta", (), {"path": "namedViews/{named.doc_id}", "read": access.public}),
    }
    view: Any = type("NamedView", (ViewModel,), {**members, name: attrs.computed(getter)})
    database = database_with({"named/a": {camel_case(name): "Ada"}})
    reader, instance = Reader(database), Instance(view, "named/a")
    made = build(instance, reader, reader.resolve([instance])[instance], "demo/NamedView")
    assert made.content is not None
    assert made.content[camel_case(name)] == "Ada"
    assert view.__readers__() == access.public


def test_a_computed_attribute_whose_name_is_reserved_keeps_it_in_documents() -> None:
    with pytest.raises(DeclarationError, match=r"@attrs\.computed\(data_key='values'\)"):

        class Wrong(ViewModel[MeetingStore]):
            values: Any = attrs.list(int)

    class Right(ViewModel[MeetingStore]):
        @attrs.computed(data_key="values")
        def all_values(self) -> list[int]:
            return [1, 2]

    assert (built(Right, "meetings/m", DOCUMENTS).content or {})["values"] == [1, 2]
