"""Views of views: the copies of a stored view are the source of another, and a chain converges to its end."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random, SystemRandom
from typing import Any, TypedDict

import pytest

from boiler_functions import (
    Boiler,
    Copy,
    DomainModel,
    Embedded,
    Store,
    ViewModel,
    access,
    attrs,
    children,
    matching,
    one_of,
    reference,
    references,
    referrers,
)
from boiler_functions.compile.compiler import compile_app
from boiler_functions.database.faults import Faults
from boiler_functions.exceptions import (
    DeclarationError,
    InvalidAccess,
    InvalidAttribute,
    InvalidReference,
    TriggersItself,
)
from boiler_functions.models.session import use
from boiler_functions.modes.invocation import Outcome, Surroundings
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.staged import StagedVersion
from boiler_functions.plan.chains import Chains
from boiler_functions.plan.graph import Graph
from boiler_functions.plan.prices import Prices
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from boiler_functions.views.fetching import Assumed


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    title = attrs.string(default="")
    room = attrs.string(default="")
    seats = attrs.integer(default=0)
    seen_at = attrs.integer(default=0)


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    meeting = attrs.relation(Meeting)


class MeetingStore(Store):
    meeting = reference(Meeting)
    tickets = referrers(Ticket.meeting)


class Session(ViewModel[MeetingStore]):
    class Meta:
        path = "sessions/{meeting.doc_id}"
        versioned = True

    @attrs.computed
    def title(self) -> str:
        return self.store.meeting.title

    @attrs.computed
    def room(self) -> str:
        return self.store.meeting.room

    @attrs.computed
    def free(self) -> int:
        return self.store.meeting.seats - len(self.store.tickets)


class CardStore(Store):
    session = reference(Session)


class Card(ViewModel[CardStore]):
    class Meta:
        path = "cards/{session.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return f"{self.store.session.title}: {'full' if self.store.session.free <= 0 else 'free'}"


class BoardStore(Store):
    cards = matching(Card.where())
    open = matching(Session.free > 0)
    seats = matching(Session.where()).sum(Session.free)
    by_room = matching(Session.where()).count(by=Session.room)


class Board(ViewModel[BoardStore]):
    class Meta:
        path = "boards/all"

    @attrs.computed
    def cards(self) -> list[str]:
        return [each.text for each in self.store.cards]

    @attrs.computed
    def open(self) -> list[str]:
        return [each.title for each in self.store.open]

    @attrs.computed
    def seats(self) -> int:
        return self.store.seats

    @attrs.computed
    def by_room(self) -> dict[str, int]:
        return self.store.by_room


def chain() -> Boiler:
    app = Boiler("chain")
    for view in (Board, Card, Session):
        app.query(view)
    return app


def meet(testing: MemoryApp, name: str, **fields: Any) -> None:
    testing.write(f"meetings/{name}", {"title": name, "room": "red", "seats": 1, **fields})


def shown(testing: MemoryApp) -> dict[str, Any]:
    fields = testing.fields("boards/all") or {}
    return {key: fields.get(key) for key in ("cards", "open", "seats", "byRoom")}


def test_a_change_reaches_the_end_of_a_chain_and_the_copies_stamps_are_no_attributes_of_it() -> None:
    with memory_app(chain()) as testing:
        meet(testing, "m")
        meet(testing, "n", room="blue", seats=0)
        testing.deliver()
        assert testing.fields("cards/m") == {"text": "m: free", "obj_type": "Card", "doc_ref": "cards/m"}
        assert shown(testing) == {
            "cards": ["m: free", "n: full"],
            "open": ["m"],
            "seats": 1,
            "byRoom": {"red": 1, "blue": 1},
        }
        testing.write("tickets/t", {"meeting": Reference("meetings/m")})
        testing.deliver()
        assert shown(testing)["cards"] == ["m: full", "n: full"]
        assert shown(testing)["open"] == []
        assert_views_equal_rebuild(testing)


def test_a_chain_stops_where_nothing_changes() -> None:
    with memory_app(chain()) as testing:
        meet(testing, "m", seats=2)
        testing.deliver()
        meet(testing, "m", seats=2, seenAt=1)
        assert [each.function for each in testing.deliver()] == ["session_on_meetings"]
        meet(testing, "m", seats=3)
        reports = testing.deliver()
        assert {each.function: [*each.outcomes] for each in reports} == {
            "session_on_meetings": [Outcome.BUILT],
            "card_on_sessions": [Outcome.UNCHANGED],
            "board_on_sessions": [Outcome.BUILT],
        }


def test_a_copy_that_goes_is_a_missing_source_and_one_that_returns_is_there_again() -> None:
    with memory_app(chain()) as testing:
        meet(testing, "m")
        testing.deliver()
        testing.write("meetings/m", None)
        testing.deliver()
        assert testing.fields("cards/m") is None
        assert shown(testing) == {"cards": [], "open": [], "seats": 0, "byRoom": {}}
        meet(testing, "m")
        testing.deliver()
        assert shown(testing)["cards"] == ["m: free"]
        assert_views_equal_rebuild(testing)


def test_a_view_reads_the_fields_of_a_copy_that_it_names_and_a_change_of_others_costs_nothing() -> None:
    class TitleStore(Store):
        session = reference(Session, fields=[Session.title])

    class Title(ViewModel[TitleStore]):
        class Meta:
            path = "titles/{session.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return self.store.session.title

    app = Boiler("chain")
    app.query(Session)
    app.query(Title)
    with memory_app(app) as testing:
        meet(testing, "m")
        testing.deliver()
        meet(testing, "m", seats=9)
        (_, second) = testing.deliver()
        assert (second.function, second.usage.rpcs) == ("title_on_sessions", 0)
        assert_views_equal_rebuild(testing)


class RoomSession(ViewModel[MeetingStore]):
    """A copy in a sub-collection, at a path that an attribute decides."""

    class Meta:
        path = "rooms/{meeting.room}/sessions/{meeting.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.meeting.title


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"


class RoomStore(Store):
    room = reference(Room)
    sessions = children(RoomSession).where(title="m").order_by(RoomSession.title)


class RoomView(ViewModel[RoomStore]):
    class Meta:
        path = "roomViews/{room.doc_id}"

    @attrs.computed
    def titles(self) -> list[str]:
        return [" ".join((each.title, *each.params.values())) for each in self.store.sessions]


class PlaceStore(Store):
    session = reference(RoomSession)


class PlaceView(ViewModel[PlaceStore]):
    class Meta:
        path = "places/{session.meeting_room}/of/{session.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.session.title


def test_copies_in_a_sub_collection_move_with_what_decides_their_path() -> None:
    app = Boiler("chain")
    for view in (RoomSession, RoomView, PlaceView):
        app.query(view)
    with memory_app(app) as testing:
        for room in ("red", "blue"):
            testing.write(f"rooms/{room}", {})
        meet(testing, "m")
        testing.deliver()
        assert (testing.fields("roomViews/red") or {})["titles"] == ["m red m"]
        assert testing.fields("places/red/of/m") is not None
        meet(testing, "m", room="blue")
        testing.deliver()
        assert (testing.fields("roomViews/red") or {})["titles"] == []
        assert (testing.fields("roomViews/blue") or {})["titles"] == ["m blue m"]
        assert testing.fields("places/red/of/m") is None
        assert testing.fields("places/blue/of/m") is not None
        assert_views_equal_rebuild(testing)


def test_the_stored_views_of_an_app_are_in_the_order_in_which_a_build_of_all_needs_them() -> None:
    assert chain().compiled.declarations.stored == (Session, Card, Board)
    with memory_app(chain()) as testing:
        meet(testing, "m")
        testing.take()
        for view in testing.compiled.declarations.stored:
            for _ in RebuildAll("chain", view, testing.database, testing.surroundings).run():
                pass
        assert shown(testing)["cards"] == ["m: free"]
        assert_views_equal_rebuild(testing)


def test_a_chain_converges_whatever_goes_wrong() -> None:
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    with memory_app(chain()) as testing:
        acts: list[Callable[[], object]] = []
        for step in range(8):
            name = "mn"[step % 2]
            acts.append(partial(meet, testing, name, seats=step % 3))
            acts.append(partial(testing.write, "tickets/t", {"meeting": Reference(f"meetings/{name}")}))
        acts.insert(5, lambda: testing.write("meetings/m", None))
        faults = Faults(before=0.05, after=0.05, torn=0.2)
        testing.deliver(shuffle=seed, at_once=4, duplicates=1, crashes=0.05, drops=0.1, faults=faults, meanwhile=acts)
        assert_views_equal_rebuild(testing)


def test_the_copies_of_a_view_can_be_gone_through_outside_of_functions() -> None:
    with memory_app(chain()) as testing:
        meet(testing, "m")
        testing.deliver()
        with use(testing.database):
            assert [each.title for each in Session.where(Session.free > 0).order_by(Session.free)] == ["m"]


def test_a_copy_has_no_store_and_an_older_copy_that_lacks_an_attribute_does_not_fit() -> None:
    class Helped(ViewModel[MeetingStore]):
        class Meta:
            path = "helped/{meeting.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return self.store.meeting.title

        def helper(self) -> str:
            return self.store.meeting.title

        def shouted(self) -> str:
            return self.title.upper()

    class HelpedStore(Store):
        helped = reference(Helped)

    class Asking(ViewModel[HelpedStore]):
        class Meta:
            path = "asking/{helped.doc_id}"

        @attrs.computed
        def shouted(self) -> str:
            return self.store.helped.shouted()

        @attrs.computed
        def helper(self) -> str:
            return self.store.helped.helper() if self.store.helped.title == "ask" else ""

    app = Boiler("chain")
    app.query(Helped)
    app.query(Asking)
    with memory_app(app) as testing:
        meet(testing, "m")
        testing.deliver()
        assert (testing.fields("asking/m") or {})["shouted"] == "M"
        meet(testing, "m", title="ask")
        testing.deliver()
        (letter,) = (each for path, each in testing.documents().items() if path.startswith("boilerDeadLetters/"))
        assert "is a copy, which has what Helped computed and no Store" in str(letter.fields)
        testing.write("helped/m", {"obj_type": "Helped", "doc_ref": "helped/m"})
        testing.deliver()
        (letter,) = (each for path, each in testing.documents().items() if path.startswith("boilerDeadLetters/"))
        assert "helped/m" in str(letter.fields)
        assert "Missing data for required field" in str(letter.fields)


def declared(*views: Any) -> Boiler:
    app = Boiler("chain")
    for view in views:
        app.query(view)
    return app


def test_a_view_that_the_app_does_not_store_is_refused_as_a_source() -> None:
    with pytest.raises(InvalidReference, match=r"CardStore.session reads the copies of Session, which chain does not"):
        compile_app(declared(Card).declarations)


def test_a_circle_over_several_views_is_refused_by_the_functions_on_it() -> None:
    class ByHand(DomainModel):
        """The copies of Card, declared by hand: a class cannot name a view that is declared after it."""

        class Meta:
            collection_name = "cards"

    class RoundStore(Store):
        card = reference(ByHand)

    class Round(ViewModel[RoundStore]):
        class Meta:
            path = "meetings/{card.doc_id}"

        @attrs.computed
        def text(self) -> str:
            return ""

    with pytest.raises(TriggersItself, match=r"session_on_meetings .* → card_on_sessions .* → round_on_cards"):
        compile_app(declared(Session, Card, Round).declarations)


class WithSetter(ViewModel[CardStore]):
    class Meta:
        path = "withSetters/{session.doc_id}"
        write = access.signed_in

    @attrs.computed
    def title(self) -> str:
        return self.store.session.title

    @title.setter
    def set_title(self, value: str) -> None:
        """Would decide by an older state."""


def add_task(app: Boiler) -> None:
    class FormStore(Store):
        session = reference(Session, doc_id="{form_id}")

    class Form(ViewModel[FormStore]):
        pass

    app.task("users/{user_id}/forms/{form_id}", writes=[Meeting])(Form)


@pytest.mark.parametrize(
    ("declare", "mode"),
    [
        (add_task, "task"),
        (lambda app: app.document()(app.query(WithSetter)), "document"),
        (lambda app: app.rest("/cards")(WithSetter), "rest"),
        (lambda app: app.rest("/cards", delete=True)(Card), "rest"),
        (lambda app: app.websocket("/cards")(WithSetter), "websocket"),
    ],
)
def test_what_writes_by_its_store_does_not_read_copies(declare: Callable[[Boiler], object], mode: str) -> None:
    app = declared(Session)
    declare(app)
    with pytest.raises(InvalidReference, match=rf"reads the copies of Session, which may not .* @app\.{mode} of"):
        compile_app(app.declarations)


def test_what_only_reads_may_read_copies() -> None:
    app = declared(Session, Card)
    app.rest("/cards")(Card)
    app.websocket("/cards")(Card)
    compile_app(app.declarations)


def test_a_copy_that_holds_a_relation_as_text_is_refused_as_a_source() -> None:
    class Part(Embedded):
        meeting = attrs.relation(Meeting)

    class Parts(ViewModel[MeetingStore]):
        class Meta:
            path = "parts/{meeting.doc_id}"

        @attrs.computed
        def parts(self) -> list[Part]:
            return []

    class PartsStore(Store):
        parts = reference(Parts)

    class Reading(ViewModel[PartsStore]):
        class Meta:
            path = "reading/{parts.doc_id}"

        @attrs.computed
        def text(self) -> str:
            return ""

    with pytest.raises(InvalidReference, match="the copies of Parts, whose parts holds a relation"):
        compile_app(declared(Parts, Reading).declarations)


def test_a_view_whose_path_another_view_could_not_name_is_refused_as_a_source() -> None:
    class Taken(ViewModel[MeetingStore]):
        class Meta:
            path = "rooms/{meeting.room}/taken/{meeting.doc_id}"

        @attrs.computed
        def meeting_room(self) -> str:
            return ""

    class Reserved(ViewModel[MeetingStore]):
        class Meta:
            path = "reserved/{meeting.doc_id}"

        @attrs.computed
        def delete(self) -> str:
            return ""

    cases: list[tuple[Any, type[DeclarationError], str]] = [
        (Ends, InvalidReference, "nor be the root of a view, as their path .* ends in 'part'"),
        (Board, InvalidReference, r"or read one: `reference\(Board, doc_id='all'\)`"),
        (Taken, InvalidReference, "a placeholder of its path .* has the name 'meeting_room'"),
        (Reserved, InvalidAttribute, "Reserved.delete: the name is reserved by DomainModel"),
    ]
    for view, error, text in cases:
        with pytest.raises(error, match=text):
            reference(view)


def test_a_quiet_view_delays_its_chain_and_the_last_state_arrives() -> None:
    app = Boiler("chain")
    app.query(at_most_every=timedelta(seconds=5))(Session)
    app.query(Card)
    with memory_app(app) as testing:
        meet(testing, "m")
        testing.deliver()
        for seats in (0, 1, 0):
            meet(testing, "m", seats=seats)
            testing.deliver()
        assert (testing.fields("cards/m") or {})["text"] == "m: free"
        testing.advance(seconds=6)
        testing.deliver()
        assert (testing.fields("cards/m") or {})["text"] == "m: full"
        assert_views_equal_rebuild(testing)


class Agenda(DomainModel):
    class Meta:
        collection_name = "agendas"

    first = attrs.relation(Meeting)
    meetings = attrs.relation(Meeting, many=True)


class AgendaStore(Store):
    agenda = reference(Agenda)
    first = reference(Agenda.first)
    meetings = references(Agenda.meetings)
    opening = reference(Session, via=first)
    sessions = references(Session, via=meetings)


class AgendaView(ViewModel[AgendaStore]):
    class Meta:
        path = "agendaViews/{agenda.doc_id}"

    @attrs.computed
    def opening(self) -> str | None:
        return self.store.opening.title if self.store.opening else None

    @attrs.computed
    def free(self) -> list[int]:
        return [each.free for each in self.store.sessions]


def test_the_copies_of_the_documents_of_another_reference_are_read_in_the_level_of_these() -> None:
    with memory_app(declared(Session, AgendaView)) as testing:
        meet(testing, "m", seats=3)
        meetings = [Reference(f"meetings/{each}") for each in "mn"]
        testing.write("agendas/a", {"first": meetings[1], "meetings": meetings})
        testing.deliver()
        assert testing.fields("agendaViews/a") == {
            "opening": None,
            "free": [3],
            "obj_type": "AgendaView",
            "doc_ref": "agendaViews/a",
        }
        meet(testing, "n", seats=5)
        testing.deliver()
        assert (testing.fields("agendaViews/a") or {})["opening"] == "n"
        assert (testing.fields("agendaViews/a") or {})["free"] == [3, 5]
        testing.write("meetings/n", None)
        testing.deliver()
        assert (testing.fields("agendaViews/a") or {})["opening"] is None
        assert_views_equal_rebuild(testing)


def test_the_copy_of_a_document_is_named_by_its_key_alone() -> None:
    with pytest.raises(InvalidReference, match=r"Board has no root, .* `reference\(Board, doc_id='all'\)`"):
        references(Board)
    with pytest.raises(InvalidReference, match="The copies of Board cannot be found"):
        Board.where()
    with pytest.raises(InvalidReference, match=r"doc_id='none'.*: the id of its copy is 'all'"):
        reference(Board, doc_id="none")
    with pytest.raises(
        InvalidReference, match=r"RoomSession has a copy for each \{meeting.room\}, so .*`meeting_room="
    ):
        references(RoomSession)
    with pytest.raises(InvalidReference, match="Session has no placeholder room in its path; it has none besides"):
        references(Session, room="red")
    with pytest.raises(InvalidReference, match="one segment of a path; found 'a/b'"):
        references(RoomSession, meeting_room="a/b")
    with pytest.raises(InvalidReference, match=r"room=…: placeholders belong to the copies of a view"):
        reference(Session, room="red")  # type: ignore[call-overload]
    with pytest.raises(InvalidReference, match=r"room=…: placeholders belong to the copies of a view"):
        references(Agenda.meetings, room="red")  # type: ignore[call-overload]
    with pytest.raises(InvalidReference, match=r"reference\(Meeting\): give a DomainModel, .* `via` belongs"):
        reference(Meeting, via=MeetingStore.meeting)  # type: ignore[type-var]
    with pytest.raises(InvalidReference, match=r"AStore.session: it is the copy for a Meeting; declare a reference"):

        class AStore(Store):
            session = references(Session)

    with pytest.raises(InvalidReference, match=r"leads to one document; declare it with `reference\(…\)`"):

        class BStore(Store):
            meeting = reference(Meeting)
            session = references(Session)


def test_the_impact_of_a_change_is_told_to_the_end_of_the_chain() -> None:
    with memory_app(chain()) as testing:
        meet(testing, "m")
        testing.deliver()
        (document,) = testing.database.read(["meetings/m"]).documents
        declarations = testing.compiled.declarations
        found = declarations.storing().dependents(declarations, document, testing.database)
        assert found == {"Board": [""], "Card": ["sessions/m"], "Session": ["meetings/m"]}


def test_the_plan_shows_what_a_change_costs_to_the_end_of_its_chain() -> None:
    (meetings, tickets) = Chains(chain().compiled, Assumed(many=10, dependents=1), Prices.read()).all()
    assert (meetings.source, meetings.steps, meetings.views) == ("meetings/{doc_id}", 3, ("Session", "Card", "Board"))
    assert (tickets.source, tickets.steps, tickets.views) == ("tickets/{doc_id}", 3, ("Session", "Card", "Board"))
    # Session, then Card and Board for its copy, then Board for the copy of Card: a ledger and a copy each.
    assert meetings.usage.writes == 4 * 2
    assert meetings.million > 0


def test_an_app_without_views_of_views_has_no_chain() -> None:
    assert not list(Chains(declared(Session).compiled, Assumed(), Prices.read()).all())


def test_a_kept_total_over_copies_follows_them() -> None:
    class KeptStore(Store):
        agenda = reference(Agenda)
        seats = matching(Session.where()).sum(Session.free, kept=True, shards=2)

    class Kept(ViewModel[KeptStore]):
        class Meta:
            path = "kept/{agenda.doc_id}"

        @attrs.computed
        def seats(self) -> int:
            return self.store.seats

    with memory_app(declared(Session, Kept)) as testing:
        testing.write("agendas/a", {})
        meet(testing, "m", seats=3)
        meet(testing, "n", seats=4)
        testing.deliver()
        assert (testing.fields("kept/a") or {})["seats"] == 7
        testing.write("meetings/n", None)
        testing.deliver()
        assert (testing.fields("kept/a") or {})["seats"] == 3
        assert_views_equal_rebuild(testing)


def test_a_relation_leads_to_no_view() -> None:
    with pytest.raises(InvalidReference, match="a relation leads to a DomainModel"):
        attrs.relation(Session)  # type: ignore[type-var]


class Owned(ViewModel[MeetingStore]):
    """A view with who owns its meeting among its values, and in no path."""

    class Meta:
        path = "owned/{meeting.doc_id}"

    @attrs.computed
    def owner(self) -> str:
        return self.store.meeting.room


class OwnedStore(Store):
    owned = reference(Owned)
    mine = matching(Owned.owner == "me")


def readable(path: str, read: object) -> Boiler:
    options = type("Meta", (), {"path": path, "read": read})

    class Readable(ViewModel[OwnedStore]):
        Meta = options

        @attrs.computed
        def text(self) -> str:
            return ""

    return declared(Owned, Readable)


@pytest.mark.parametrize(
    ("path", "read", "why"),
    [
        ("users/{owned.owner}/readable/{owned.doc_id}", access.owner("owned.owner"), r"has owner\('owned.owner'\)"),
        ("users/{mine.doc_id}/readable/{owned.doc_id}", access.owner("mine.doc_id"), r"has owner\('mine.doc_id'\)"),
        ("readable/{owned.doc_id}", lambda caller, view: view.store.owned.owner == caller.uid, "has a function"),
    ],
    ids=["a value", "a condition", "a function"],
)
def test_the_content_of_a_copy_decides_nobodys_right_as_it_stays_while_it_cannot_be_built(
    path: str, read: object, why: str
) -> None:
    with pytest.raises(InvalidAccess, match=f"Meta.read {why}"):
        compile_app(readable(path, read).declarations)


def test_the_key_of_a_copy_may_name_who_reads_and_what_no_right_depends_on_may_be_in_the_path() -> None:
    compile_app(readable("users/{owned.owner}/readable/{owned.doc_id}", access.owner("owned.doc_id")).declarations)


def test_a_view_with_values_that_hold_their_own_kind_is_a_source() -> None:
    class Tree(ViewModel[MeetingStore]):
        class Meta:
            path = "trees/{meeting.doc_id}"

        @attrs.computed
        def tree(self) -> "Node":
            return {"name": "", "below": []}

    class TreeStore(Store):
        tree = reference(Tree)

    class Leaf(ViewModel[TreeStore]):
        class Meta:
            path = "leaves/{tree.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.tree.tree["name"]

    with memory_app(declared(Tree, Leaf)) as testing:
        meet(testing, "m")
        testing.deliver()
        assert testing.fields("leaves/m") is not None
        assert_views_equal_rebuild(testing)


class Node(TypedDict):
    name: str
    below: list["Node"]


class User(DomainModel):
    class Meta:
        collection_name = "users"


class Club(DomainModel):
    class Meta:
        collection_name = "clubs"

    title = attrs.string(required=True)
    users = attrs.relation(User, many=True)


class ClubStore(Store):
    club = reference(Club)
    users = references(Club.users)


class Membership(ViewModel[ClubStore]):
    class Meta:
        path = "users/{users.doc_id}/clubs/{club.doc_id}"
        read = access.owner("users.doc_id")

    @attrs.computed
    def title(self) -> str:
        return self.store.club.title


class MembershipStore(Store):
    membership = reference(Membership)


class Welcome(ViewModel[MembershipStore]):
    class Meta:
        path = "users/{membership.users_id}/welcomes/{membership.doc_id}"
        read = access.owner("membership.users_id")

    @attrs.computed
    def text(self) -> str:
        return f"Welcome to {self.store.membership.title}"


def test_who_loses_a_right_loses_it_to_the_end_of_the_chain_though_the_first_view_cannot_be_built() -> None:
    with memory_app(declared(Membership, Welcome)) as testing:
        for user in "uv":
            testing.write(f"users/{user}", {})
        both = [Reference("users/u"), Reference("users/v")]
        testing.write("clubs/c", {"title": "Chess", "users": both})
        testing.deliver()
        assert testing.fields("users/u/welcomes/c") is not None
        testing.write("clubs/c", {"title": 7, "users": both[1:]})
        testing.deliver()
        assert testing.fields("users/u/welcomes/c") is None
        assert (testing.fields("users/v/welcomes/c") or {})["text"] == "Welcome to Chess"
        assert_views_equal_rebuild(testing)


class Week(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/weeks"

    clubs = attrs.relation(Club, many=True)


class WeekStore(Store):
    week = reference(Week)
    clubs = references(Week.clubs)
    memberships = references(Membership, via=clubs, users_id="{user_id}")


class WeekView(ViewModel[WeekStore]):
    class Meta:
        path = "users/{week.user_id}/weekViews/{week.doc_id}"

    @attrs.computed
    def titles(self) -> list[str]:
        return [each.title for each in self.store.memberships]


def test_a_placeholder_that_the_key_of_a_root_does_not_fill_has_its_value_from_the_key_of_the_view() -> None:
    with memory_app(declared(Membership, WeekView)) as testing:
        for user in "uv":
            testing.write(f"users/{user}", {})
        testing.write("clubs/c", {"title": "Chess", "users": [Reference("users/u")]})
        testing.write("clubs/d", {"title": "Go", "users": [Reference("users/u"), Reference("users/v")]})
        clubs = [Reference("clubs/c"), Reference("clubs/d")]
        for user in "uv":
            testing.write(f"users/{user}/weeks/1", {"clubs": clubs})
        testing.deliver(shuffle=3)
        assert (testing.fields("users/u/weekViews/1") or {})["titles"] == ["Chess", "Go"]
        assert (testing.fields("users/v/weekViews/1") or {})["titles"] == ["Go"]
        testing.write("clubs/c", {"title": "Chess", "users": [Reference("users/v")]})
        testing.deliver()
        assert (testing.fields("users/u/weekViews/1") or {})["titles"] == ["Go"]
        assert (testing.fields("users/v/weekViews/1") or {})["titles"] == ["Chess", "Go"]
        assert_views_equal_rebuild(testing)


class Ends(ViewModel[MeetingStore]):
    """A copy that has a fixed id, below its meeting."""

    class Meta:
        path = "meetings/{meeting.doc_id}/parts/part"

    @attrs.computed
    def title(self) -> str:
        return self.store.meeting.title


class FrontStore(Store):
    meeting = reference(Meeting)
    part = reference(Ends, via=meeting)
    board = reference(Board, doc_id="all")


class Front(ViewModel[FrontStore]):
    class Meta:
        path = "fronts/{meeting.doc_id}"

    @attrs.computed
    def text(self) -> str:
        board, part = self.store.board, self.store.part
        return f"{part.title if part else ''} of {len(board.cards) if board else 0}"


def test_a_copy_with_a_fixed_id_is_read_by_name_beside_others_in_its_collection() -> None:
    with memory_app(declared(Session, Card, Board, Ends, Front)) as testing:
        testing.write("boards/other", {"cards": 5})
        meet(testing, "m")
        meet(testing, "n")
        testing.deliver()
        assert (testing.fields("fronts/m") or {})["text"] == "m of 2"
        testing.write("meetings/n", None)
        testing.deliver(shuffle=5)
        assert (testing.fields("fronts/m") or {})["text"] == "m of 1"
        assert_views_equal_rebuild(testing)


def test_the_picture_says_whose_copies_a_function_follows() -> None:
    sources = [each for each in Graph.of(chain().compiled).nodes if each.id.startswith("source")]
    assert {each.name: each.detail for each in sources} == {
        "meetings/{doc_id}": "",
        "tickets/{doc_id}": "",
        "sessions/{doc_id}": "copies of Session",
        "cards/{doc_id}": "copies of Card",
    }


class OwnCopy(Copy):
    user = one_of(ClubStore.users)


class Greeting(ViewModel[ClubStore, OwnCopy]):
    """Copies that differ: each member is greeted by name."""

    class Meta:
        path = "users/{users.doc_id}/greetings/{club.doc_id}"
        read = access.owner("users.doc_id")

    @attrs.computed
    def text(self) -> str:
        return f"{self.store.club.title} of {self.copy.user.doc_id}"


class GreetingStore(Store):
    greeting = reference(Greeting)


class Shown(ViewModel[GreetingStore]):
    class Meta:
        path = "users/{greeting.users_id}/shown/{greeting.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return self.store.greeting.text


def test_each_of_the_copies_that_differ_is_a_source_of_its_own() -> None:
    with memory_app(declared(Greeting, Shown)) as testing:
        for user in "uv":
            testing.write(f"users/{user}", {})
        testing.write("clubs/c", {"title": "Chess", "users": [Reference("users/u"), Reference("users/v")]})
        testing.deliver()
        assert [(testing.fields(f"users/{user}/shown/c") or {})["text"] for user in "uv"] == [
            "Chess of u",
            "Chess of v",
        ]
        assert_views_equal_rebuild(testing)


def version(says: str) -> Boiler:
    """A version of a chain of two, whose first view begins with what it says."""

    class First(ViewModel[MeetingStore]):
        class Meta:
            path = "firsts/{meeting.doc_id}"

        @attrs.computed
        def text(self) -> str:
            return f"{says} {self.store.meeting.title}"

    class FirstStore(Store):
        first = reference(First)

    class Second(ViewModel[FirstStore]):
        class Meta:
            path = "seconds/{first.doc_id}"

        @attrs.computed
        def text(self) -> str:
            return self.store.first.text

    return declared(First, Second)


def test_the_views_behind_a_staged_one_follow_what_is_shown_and_its_promotion() -> None:
    clock = VirtualClock()
    with memory_app(version("old"), Surroundings(clock.now, clock.sleep, Random(1))) as testing:

        def second() -> object:
            return (testing.fields("seconds/m") or {})["text"]

        meet(testing, "m")
        testing.deliver()
        begun = testing.stage(version("new"), "First")
        staged = partial(StagedVersion.of, testing.database, "chain", "First")
        staged().write(testing.database, deployment=2, production=1)
        list(begun.staging.build())
        meet(testing, "m", title="n")
        testing.deliver()
        assert second() == "old n"
        list(begun.staging.promote(staged()))
        testing.deliver()
        assert second() == "new n"
        list(begun.staging.roll_back(staged()))
        testing.deliver()
        assert second() == "old n"
