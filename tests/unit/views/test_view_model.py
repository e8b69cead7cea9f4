"""ViewModel: what a front end wants to read, computed from the documents of a Store."""

from datetime import UTC, datetime
from typing import Any

import pytest

from boiler_functions import (
    DomainModel,
    Embedded,
    GeoPoint,
    Rejected,
    Store,
    ViewModel,
    access,
    attrs,
    reference,
    references,
)
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import DeclarationError, GetterFailed, ImpureGetter, InvalidDocument, InvalidValue
from boiler_functions.models.attributes import camel_case
from boiler_functions.models.session import UnitOfWork, active
from boiler_functions.models.spelling import JsonSchema
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance, Reader, build


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)
    email = attrs.string()
    age = attrs.integer()


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    user = attrs.relation(User)
    attendance = attrs.boolean()


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string(required=True)
    slug = attrs.string()
    owner = attrs.relation(User)
    tickets = attrs.relation(Ticket, many=True)


class Note(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/notes"

    text = attrs.string()


class MeetingStore(Store):
    meeting = reference(Meeting)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


class MeetingSession(ViewModel[MeetingStore]):
    class Meta:
        path = "users/{users.doc_id}/meetingSessions/{meeting.doc_id}"

    @attrs.computed
    def in_session(self) -> bool:
        return self.store.meeting.status == "in-session"

    @in_session.setter
    def set_in_session(self, value: bool) -> None:
        if value == self.in_session:
            raise Rejected(f"the meeting is already {self.store.meeting.status}")
        self.store.meeting.status = "in-session" if value else "closed"

    @attrs.computed
    def attending(self) -> list[str]:
        return sorted(ticket.user.name for ticket in self.store.tickets if ticket.attendance and ticket.user)


DOCUMENTS: dict[str, dict[str, Any]] = {
    "meetings/m": {"status": "in-session", "tickets": [Reference("tickets/t1"), Reference("tickets/t2")]},
    "tickets/t1": {"user": Reference("users/a"), "attendance": True},
    "tickets/t2": {"user": Reference("users/b"), "attendance": True},
    "users/a": {"name": "Ada"},
    "users/b": {"name": "Bob"},
}


def database_with(documents: dict[str, dict[str, Any]]) -> MemoryDatabase:
    database = MemoryDatabase()
    database.commit([Put(path, fields) for path, fields in documents.items()])
    return database


def built(view: type[ViewModel[Any]], root: str, documents: dict[str, dict[str, Any]]) -> Any:
    reader = Reader(database_with(documents))
    instance = Instance(view, root)
    return build(instance, reader, reader.resolve([instance])[instance], "app")


def bare(view: type[ViewModel[Any]]) -> Any:
    return view.of(None, {})


# Building.


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


# Getters that fail.


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


# Setters.


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


# Forms.


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


# Paths that cannot work.


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
