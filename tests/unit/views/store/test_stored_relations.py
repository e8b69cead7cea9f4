"""Relations by the value of another field, and by the keys of a map, as a Store follows them both ways."""

from typing import Any

import pytest

from boiler_functions import DomainModel, Store, attrs, reference, references, referrers
from boiler_functions.database import Filter, Query
from boiler_functions.exceptions import DeclarationError, ImpureGetter, InvalidDocument
from tests.unit.views.store.scene import Fetched


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string()
    email = attrs.string()
    number = attrs.integer()


class Admin(User):
    pass


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    size = attrs.integer()
    members = attrs.relation(User, many=True, by="keys")


class Suite(Room):
    pass


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    open = attrs.boolean()
    user = attrs.relation(User, by=User.email)
    watchers = attrs.relation(User, many=True, by=User.email)
    agent = attrs.relation(Admin, by=Admin.number)
    room = attrs.relation(Room)


class TicketStore(Store):
    ticket = reference(Ticket)
    user = reference(Ticket.user)
    watchers = references(Ticket.watchers)
    agent = reference(Ticket.agent)
    room = reference(Ticket.room)
    members = references(Room.members)


class UserStore(Store):
    user = reference(User)
    tickets = referrers(Ticket.user)
    watched = referrers(Ticket.watchers).where(open=True)
    rooms = referrers(Room.members)
    colleagues = references(Room.members, via=rooms)


DOCUMENTS: dict[str, dict[str, Any]] = {
    "users/a": {"name": "Ada", "email": "ada@x", "number": 1},
    "users/b": {"name": "Bob", "email": "bob@x", "number": 2, "obj_type": "Admin"},
    "users/c": {"name": "Carl"},
    "rooms/1": {"members": {"a": True, "b": "owner", "c": None, "gone": True}},
    "rooms/2": {"members": {"b": False}},
    "rooms/3": {},
    "tickets/1": {"user": "ada@x", "watchers": ["bob@x", "gone@x", "ada@x"], "open": True},
    "tickets/2": {"user": "gone@x", "watchers": ["ada@x"], "open": False, "agent": 2},
    "tickets/3": {"user": "ada@x", "agent": 1},
}


def test_a_value_leads_to_the_document_that_has_it() -> None:
    found = Fetched(TicketStore, "tickets/1", DOCUMENTS)
    assert found.one("user").name == "Ada"
    assert found.ids("watchers") == ["a", "b"]
    assert [query for _, query in found.resolution.queries.values()] == [
        Query("users", filters=(Filter("email", "==", value),), limit=2) for value in ("ada@x", "bob@x", "gone@x")
    ]
    assert found.one("ticket").values["user"] == "ada@x"


def test_a_value_that_no_document_has_leads_to_none_and_one_of_another_class_does_too() -> None:
    assert Fetched(TicketStore, "tickets/2", DOCUMENTS).one("user") is None
    assert Fetched(TicketStore, "tickets/2", DOCUMENTS).one("agent").name == "Bob"
    assert Fetched(TicketStore, "tickets/3", DOCUMENTS).one("agent") is None, "users/a is not an Admin"


def test_the_relation_of_a_model_finds_what_the_store_looked_up() -> None:
    found = Fetched(TicketStore, "tickets/1", DOCUMENTS)
    ticket = found.one("ticket")

    class Follows:
        user = property(lambda self: ticket.user)
        watchers = property(lambda self: ticket.watchers)

    found.store = Follows()
    assert found.one("user").name == "Ada"
    assert found.ids("watchers") == ["b", "a"]


def test_a_relation_by_a_value_that_the_store_does_not_look_up_is_refused_by_name() -> None:
    class Lonely(Store):
        ticket = reference(Ticket)

    found = Fetched(Lonely, "tickets/1", DOCUMENTS)
    ticket = found.one("ticket")
    found.store = type("Follows", (), {"user": property(lambda self: ticket.user)})()
    with pytest.raises(ImpureGetter, match=r"follows Ticket\.user to what it finds by 'ada@x', which its Store does"):
        found.one("user")


@pytest.mark.parametrize("name", ["user", "watchers"])
def test_a_value_of_two_documents_is_an_error_that_names_both(name: str) -> None:
    documents = {**DOCUMENTS, "users/z": {"name": "Zoe", "email": "ada@x"}}
    with pytest.raises(InvalidDocument, match=r"tickets/1 .*'ada@x' is the email of users/a and users/z") as caught:
        Fetched(TicketStore, "tickets/1", documents).one(name)
    assert caught.value.path == "tickets/1"


@pytest.mark.parametrize("value", [7, True, ["ada@x"], {"a": 1}])
def test_a_stored_value_of_another_type_looks_nothing_up_and_is_refused_where_it_is_followed(value: Any) -> None:
    found = Fetched(TicketStore, "tickets/1", {**DOCUMENTS, "tickets/1": {"user": value}})
    asked = [query for _, query in found.resolution.queries.values()]
    assert asked == [] or value == ["ada@x"]
    with pytest.raises(InvalidDocument, match=r"tickets/1 .*user"):
        found.one("user")


def test_whole_numbers_are_one_value_however_they_are_stored() -> None:
    documents = {**DOCUMENTS, "users/d": {"number": 5.0, "obj_type": "Admin"}, "tickets/1": {"agent": 5}}
    assert [each.path for each in Fetched(TicketStore, "tickets/1", documents).reader.documents.values()] == [
        "tickets/1",
        "users/d",
    ]
    relation: Any = Ticket.agent.attribute
    assert relation.values_in({"agent": 5.0}) == relation.values_in({"agent": 5}) == [5]


def test_the_keys_of_a_map_lead_to_their_documents_unless_null_stands_beside_them() -> None:
    found = Fetched(RoomStore, "rooms/1", DOCUMENTS)
    assert found.ids("members") == ["a", "b"]
    assert {"users/a", "users/b", "users/gone"} == found.resolution.named.keys() - {"rooms/1"}
    assert Fetched(RoomStore, "rooms/3", DOCUMENTS).ids("members") == []


class RoomStore(Store):
    room = reference(Room)
    members = references(Room.members)
    ranked = references(Room.members).where(User.name > "A").order_by(User.name.desc())


def test_referrers_by_a_value_and_by_a_key_are_found() -> None:
    ada = Fetched(UserStore, "users/a", DOCUMENTS)
    assert [ada.ids(each) for each in ("tickets", "watched", "rooms", "colleagues")] == [
        ["1", "3"], ["1"], ["1"], ["a", "b"],
    ]  # fmt: skip
    bob = Fetched(UserStore, "users/b", DOCUMENTS)
    assert [bob.ids(each) for each in ("tickets", "rooms")] == [[], ["1", "2"]]
    carl = Fetched(UserStore, "users/c", DOCUMENTS)
    assert [carl.ids(each) for each in ("tickets", "watched", "rooms")] == [[], [], []], "no email, and null by the key"


def test_an_id_that_is_too_long_for_a_key_is_in_no_map() -> None:
    long = f"users/{'x' * 1500}"
    assert Fetched(UserStore, long, {**DOCUMENTS, long: {}}).ids("rooms") == []


def test_an_order_chooses_among_what_the_keys_lead_to() -> None:
    assert Fetched(RoomStore, "rooms/1", DOCUMENTS).ids("ranked") == ["b", "a"]


def test_a_choice_beside_a_key_is_refused_as_it_would_need_an_index_for_each_key() -> None:
    rooms = referrers(Room.members)
    for choice in (rooms.where(size=1), rooms.order_by(Room.size), rooms.limit(1), rooms.sum(Room.size)):
        with pytest.raises(DeclarationError, match=r"Few\.rooms.* an index for each key"):
            type("Few", (Store,), {"user": reference(User), "rooms": choice})
    with pytest.raises(DeclarationError, match=r"Suites\.rooms.*by the keys of a map"):

        class Suites(Store):
            user = reference(User)
            rooms = referrers(Suite.members)


def test_what_refers_by_a_key_is_counted() -> None:
    class Counted(Store):
        user = reference(User)
        rooms = referrers(Room.members).count()
        tickets = referrers(Ticket.user).count()

    found = Fetched(Counted, "users/b", DOCUMENTS)
    assert found.reader.totals_of(found.resolution) == {"rooms": 2, "tickets": 0}
    again = Fetched(Counted, "users/a", DOCUMENTS)
    assert again.reader.totals_of(again.resolution) == {"rooms": 1, "tickets": 2}


def test_values_are_looked_up_by_one_query_for_thirty_unless_some_are_of_several_documents() -> None:
    users: dict[str, dict[str, Any]] = {f"users/{n}": {"name": f"{n}", "email": f"{n}@x"} for n in range(40)}
    ticket = {"watchers": [f"{n}@x" for n in range(50)]}
    found = Fetched(TicketStore, "tickets/1", {**users, "tickets/1": ticket})
    assert len(found.ids("watchers")) == 40
    assert (found.metered.usage.rpcs, found.metered.usage.reads) == (1 + 2, 1 + 40)
    same: dict[str, dict[str, Any]] = {f"users/same{n}": {"email": "0@x"} for n in range(1_000)}
    again = Fetched(TicketStore, "tickets/1", {**users, **same, "tickets/1": {"watchers": ["1@x", "0@x", "2@x"]}})
    assert again.metered.usage.rpcs == 1 + 1 + 3
    assert again.metered.usage.reads == 1 + 4 + 1 + 2 + 1, "of many documents with one value few are read"
    with pytest.raises(InvalidDocument, match=r"'0@x' is the email of users/0 and users/same0"):
        again.ids("watchers")


def test_a_lookup_cannot_be_left_out_of_what_a_commit_verifies() -> None:
    for declare in (lambda: reference(Ticket.user, verify=False), lambda: references(Ticket.watchers, verify=False)):
        with pytest.raises(DeclarationError, match=r"verify=False: Ticket\.\w+ finds its documents by a query"):
            declare()
    with pytest.raises(DeclarationError, match=r"Lots\.user leads to many documents; declare it with `references"):

        class Lots(Store):
            ticket = reference(Ticket)
            user: Any = reference(Ticket.watchers)
