"""A view whose copies are too large together for one commit is committed in parts, and is right however they end."""

from collections.abc import Iterator
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, references
from boiler_functions.exceptions import Unavailable, UnknownOutcome
from boiler_functions.modes.ledger import ledger_path
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked, raises

MEMBERS = 40


class Member(DomainModel):
    class Meta:
        collection_name = "members"


class Club(DomainModel):
    class Meta:
        collection_name = "clubs"

    text = attrs.string(default="")
    members = attrs.relation(Member, many=True)


class ClubStore(Store):
    club = reference(Club)
    members = references(Club.members)


class ClubView(ViewModel[ClubStore]):
    class Meta:
        path = "members/{members.doc_id}/clubs/{club.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return self.store.club.text


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    app = Boiler("demo")
    app.query(ClubView)
    with memory_app(app) as memory:
        for number in range(MEMBERS):
            put(memory, f"members/{number}")
        club(memory, "a")
        memory.deliver()
        yield memory


def club(testing: MemoryApp, letter: str, members: int = MEMBERS) -> None:
    """A club of a text that makes its copies some 12 MB together."""
    named = [Reference(f"members/{number}") for number in range(members)]
    put(testing, "clubs/c", text=letter * 300_000, members=named)


def copies(testing: MemoryApp) -> str:
    """The letter of each copy, in the order of the members."""
    stored = [testing.fields(f"members/{number}/clubs/c") or {"text": "-"} for number in range(MEMBERS)]
    return "".join(each["text"][0] for each in stored)


def test_copies_that_no_one_request_could_hold_are_all_written(testing: MemoryApp) -> None:
    assert copies(testing) == "a" * MEMBERS
    club(testing, "b", MEMBERS - 1)
    testing.deliver()
    assert copies(testing) == "b" * (MEMBERS - 1) + "-"
    assert_views_equal_rebuild(testing)
    ledger = testing.fields(ledger_path("demo/ClubView", Instance(ClubView, "clubs/c"))) or {}
    assert len(ledger["destinations"]) == MEMBERS - 1


@pytest.mark.parametrize("part", [1, 2, 4])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("error", [Unavailable("gone"), UnknownOutcome("lost"), KeyboardInterrupt()])
def test_a_builder_that_ends_between_two_parts_leaves_all_to_the_next(
    testing: MemoryApp, part: int, moment: Any, error: Any
) -> None:
    club(testing, "b", MEMBERS - 1)
    (event,) = testing.take()
    hooked = Hooked(testing.database)
    (hooked.before if moment == "before" else hooked.after)("commit", part, raises(error))
    try:
        testing.handle(event, hooked)
    except (Unavailable, KeyboardInterrupt):
        testing.handle(event)
    testing.deliver()
    assert copies(testing) == "b" * (MEMBERS - 1) + "-"
    assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("part", [1, 2, 3, 4])
def test_a_newer_builder_between_two_parts_is_not_overwritten(testing: MemoryApp, part: int) -> None:
    club(testing, "b")
    (event,) = testing.take()

    def newer() -> None:
        club(testing, "c", MEMBERS - 2)
        (other,) = testing.take()
        testing.handle(other)

    testing.handle(event, Hooked(testing.database).after("commit", part, newer))
    testing.deliver()
    assert copies(testing) == "c" * (MEMBERS - 2) + "--"
    assert_views_equal_rebuild(testing)
