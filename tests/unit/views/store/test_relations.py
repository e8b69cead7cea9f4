"""Documents that a relation leads to, and the reference that it starts from."""

from collections.abc import Callable
from typing import Any

import pytest

from boiler_functions import DomainModel, Store, ViewModel, attrs, reference, references, referrers
from boiler_functions.exceptions import DeclarationError
from boiler_functions.types import Reference
from tests.unit.views.store.scene import Fetched, Meeting, MeetingStore, SeasonTicket, Ticket, User


def test_a_relation_starts_from_the_only_reference_to_its_model() -> None:
    class Plain(Store):
        ticket = reference(Ticket)
        user = reference(Ticket.user)
        boss = reference(User.boss)

    assert Fetched(Plain, "tickets/t2").one("boss").name == "Carl"


def test_two_starting_points_are_refused_until_one_is_chosen() -> None:
    with pytest.raises(DeclarationError, match=r"Ambiguous\.boss could start from user, sponsor; choose with `via=`"):

        class Ambiguous(Store):
            ticket = reference(Ticket)
            user = reference(Ticket.user)
            sponsor = reference(Ticket.sponsor)
            boss = reference(User.boss)

    class Chosen(Store):
        ticket = reference(Ticket)
        user = reference(Ticket.user)
        sponsor = reference(Ticket.sponsor)
        boss = reference(User.boss, via=user)

    assert Fetched(Chosen, "tickets/t2").one("boss").name == "Carl"


def test_a_self_relation_is_followed_one_step_per_reference() -> None:
    class Hierarchy(Store):
        user = reference(User)
        boss = reference(User.boss, via=user)
        colleagues = references(User.reports, via=boss)

    found = Fetched(Hierarchy, "users/a")
    assert found.one("boss").name == "Carl"
    assert found.ids("colleagues") == ["a"]
    assert found.metered.usage.rpcs == 2


def test_a_document_that_refers_to_itself_is_read_once() -> None:
    class Loop(Store):
        user = reference(User)
        boss = reference(User.boss)

    found = Fetched(Loop, "users/x", {"users/x": {"name": "X", "boss": Reference("users/x")}})
    assert found.one("boss") is found.one("user")
    assert found.metered.usage.reads == 1


def test_a_relation_of_a_base_starts_from_a_subclass_and_the_other_way_round() -> None:
    class FromSubclass(Store):
        ticket = reference(SeasonTicket)
        user = reference(Ticket.user)

    documents = {
        "tickets/t": {"obj_type": "SeasonTicket", "user": Reference("users/a")},
        "users/a": {"name": "Ada"},
    }
    assert Fetched(FromSubclass, "tickets/t", documents).one("user").name == "Ada"


def test_a_relation_without_a_starting_point_is_refused_with_what_to_add() -> None:
    with pytest.raises(DeclarationError, match=r"Lost\.user starts from Ticket, which no reference before it reaches"):

        class Lost(Store):
            user = reference(Ticket.user)
            ticket = reference(Ticket)


def test_a_relation_via_a_reference_of_another_store_is_refused() -> None:
    with pytest.raises(
        DeclarationError,
        match=r"Foreign\.user goes via meeting, which is not a Ticket declared before",
    ):

        class Foreign(Store):
            ticket = reference(Ticket)
            user = reference(Ticket.user, via=MeetingStore.meeting)


def test_a_relation_via_documents_that_do_not_have_it_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.user.*via.*Ticket"):

        class Wrong(Store):
            meeting = reference(Meeting)
            ticket = reference(Ticket, doc_id="t")
            user = reference(Ticket.user, via=meeting)


def test_two_roots_are_refused_by_name() -> None:
    with pytest.raises(DeclarationError, match=r"Twins has the roots meeting and user; a view has one"):

        class Twins(Store):
            meeting = reference(Meeting)
            user = reference(User)


def test_reference_to_many_and_references_to_one_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.ticket leads to many documents; declare it with `references"):

        class Wrong(Store):
            meeting = reference(Meeting)
            ticket: Any = reference(Meeting.tickets)

    with pytest.raises(DeclarationError, match=r"Wrong2\.users leads to many documents"):

        class Wrong2(Store):
            meeting = reference(Meeting)
            tickets = references(Meeting.tickets)
            users = reference(Ticket.user)

    with pytest.raises(DeclarationError, match=r"Wrong3\.places leads to one document; declare it with `reference"):

        class Wrong3(Store):
            meeting = reference(Meeting)
            places = references(Meeting.location)


def test_an_attribute_that_is_not_a_relation_is_refused_by_name() -> None:
    makers: list[Callable[[Any], Any]] = [references, referrers, reference]
    for make in makers:
        with pytest.raises(DeclarationError, match=r"User\.name is not a relation"):
            make(User.name)


def test_a_relation_by_name_that_leads_nowhere_is_refused_when_the_store_is_made() -> None:
    class Lost(DomainModel):
        class Meta:
            collection_name = "losts"

        there = attrs.relation("NoSuchModelInAnyModule")

    with pytest.raises(DeclarationError, match=r"Lost\.there leads to 'NoSuchModelInAnyModule'"):

        class LostStore(Store):
            lost = reference(Lost)
            there = reference(Lost.there)
            further = reference(User.boss)


@pytest.mark.parametrize("wrong", [5, "User", ViewModel, None])
def test_a_reference_to_anything_but_a_model_is_refused(wrong: Any) -> None:
    with pytest.raises(DeclarationError, match="reference"):
        reference(wrong)
