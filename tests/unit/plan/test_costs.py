"""The predicted cost of a change is its real cost, as counted in invocations."""

from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    DomainModel,
    Store,
    ViewModel,
    attrs,
    children,
    matching,
    parent,
    parents,
    reference,
    references,
    referrers,
)
from boiler_functions.database.metered import Usage
from boiler_functions.testing import MemoryApp, memory_app
from boiler_functions.types import Reference
from boiler_functions.views.fetching import Assumed

MANY = 3


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(default="")


class Place(DomainModel):
    class Meta:
        collection_name = "places"

    name = attrs.string(default="")


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    user = attrs.relation(User)
    note = attrs.string(default="")


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string(default="")
    place = attrs.relation(Place)
    tickets = attrs.relation(Ticket, many=True)
    next = attrs.relation("Meeting")


class Settings(DomainModel):
    class Meta:
        collection_name = "settings"

    colour = attrs.string(default="")


def view_of(store: type[Store], path: str, name: str) -> type[ViewModel[Any]]:
    body = {"Meta": type("Meta", (), {"path": path}), "store_class": store, "all": attrs.computed(everything)}
    return type(name, (ViewModel,), {**body, "__module__": __name__})


def everything(self: Any) -> list[str]:
    return [str(sorted(doc.fields.items())) for doc in self.store.documents.values() if doc.exists]


class RootStore(Store):
    meeting = reference(Meeting)


class PlaceStore(Store):
    meeting = reference(Meeting)
    place = reference(Meeting.place)


class DeepStore(Store):
    meeting = reference(Meeting)
    place = reference(Meeting.place)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


class UserStore(Store):
    user = reference(User)
    tickets = referrers(Ticket.user)
    meetings = referrers(Meeting.tickets)
    places = references(Meeting.place)


class ChainStore(Store):
    meeting = reference(Meeting)
    following = reference(Meeting.next)


class SettingsStore(Store):
    meeting = reference(Meeting)
    settings = reference(Settings, doc_id="main")


class BoardStore(Store):
    settings = reference(Settings, doc_id="main")
    open = matching(Meeting.status == "open")


VIEWS = {
    "Root": view_of(RootStore, "rootViews/{meeting.doc_id}", "Root"),
    "Place": view_of(PlaceStore, "placeViews/{meeting.doc_id}", "PlaceView"),
    "Deep": view_of(DeepStore, "deepViews/{users.doc_id}/copies/{meeting.doc_id}", "Deep"),
    "User": view_of(UserStore, "userViews/{user.doc_id}", "UserView"),
    "Chain": view_of(ChainStore, "chainViews/{meeting.doc_id}", "Chain"),
    "Settings": view_of(SettingsStore, "settingsViews/{meeting.doc_id}", "SettingsView"),
    "Board": view_of(BoardStore, "boards/main", "Board"),
}


def seed() -> None:
    """One meeting with MANY tickets, of a user each; of each user MANY tickets in as many meetings."""
    Settings.new(doc_id="main", colour="red").save()
    for number in range(MANY):
        User.new(doc_id=f"u{number}").save()
        Ticket.new(doc_id=f"t{number}", user=f"u{number}").save()
    Place.new(doc_id="p0").save()
    tickets = [f"t{number}" for number in range(MANY)]
    Meeting.new(doc_id="m0", status="open", place="p0", tickets=tickets).save()


def seed_user() -> None:
    """One user with MANY tickets, each in MANY meetings of a place each."""
    User.new(doc_id="u0").save()
    for ticket in range(MANY):
        Ticket.new(doc_id=f"t{ticket}", user="u0").save()
        for meeting in range(MANY):
            Place.new(doc_id=f"p{ticket}{meeting}").save()
            Meeting.new(doc_id=f"m{ticket}{meeting}", place=f"p{ticket}{meeting}", tickets=[f"t{ticket}"]).save()


def counted(testing: MemoryApp, path: str, fields: dict[str, Any]) -> dict[str, Usage]:
    """What a change of the document cost each function."""
    database = testing.database
    before = database.read([path]).documents[0].fields or {}
    testing.write(path, {**before, **fields})
    reports = testing.deliver()
    return {report.function: report.usage for report in reports}


def compare(app: Boiler, changes: dict[str, tuple[str, dict[str, Any]]], assumed: Assumed, fill: Any = seed) -> None:
    with memory_app(app) as testing:
        fill()
        testing.deliver()
        for function in app.compiled.functions.values():
            path, fields = changes[function.source.text]
            usage = counted(testing, path, fields)[function.entry_point]
            assert usage == function.cost(function.views[0], assumed), function.entry_point


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "meetings/{doc_id}": ("meetings/m0", {"other": 1}),
    "places/{doc_id}": ("places/p0", {"name": "new"}),
    "tickets/{doc_id}": ("tickets/t1", {"note": "new"}),
    "users/{doc_id}": ("users/u1", {"name": "new"}),
    "settings/{doc_id}": ("settings/main", {"colour": "blue"}),
}


@pytest.mark.parametrize("name", ["Root", "Place", "Deep", "Settings"])
def test_the_predicted_cost_of_each_source_is_the_counted_one(name: str) -> None:
    app = Boiler("demo")
    app.query(VIEWS[name])
    compare(app, CHANGES, Assumed(many=MANY))


def test_queries_cost_one_each_level_however_many_ask() -> None:
    app = Boiler("demo")
    app.query(VIEWS["User"])
    changes = {
        "users/{doc_id}": ("users/u0", {"name": "new"}),
        "tickets/{doc_id}": ("tickets/t1", {"note": "new"}),
        "meetings/{doc_id}": ("meetings/m11", {"status": "new"}),
        "places/{doc_id}": ("places/p11", {"name": "new"}),
    }
    compare(app, changes, Assumed(many=MANY), seed_user)


class Talk(DomainModel):
    class Meta:
        collection_name = "meetings/{meeting_id}/talks"

    title = attrs.string(default="")


class Line(DomainModel):
    class Meta:
        collection_name = "meetings/{meeting_id}/talks/{talk_id}/lines"

    text = attrs.string(default="")


class TalkStore(Store):
    meeting = reference(Meeting)
    talks = children(Talk)
    lines = children(Line)


def test_children_cost_a_query_for_each_document_above() -> None:
    app = Boiler("demo")
    app.query(view_of(TalkStore, "talkViews/{meeting.doc_id}", "TalkView"))

    def fill() -> None:
        Meeting.new(doc_id="m0").save()
        for talk in range(MANY):
            Talk.new(doc_id=f"t{talk}", meeting_id="m0").save()
            for line in range(MANY):
                Line.new(doc_id=f"l{line}", meeting_id="m0", talk_id=f"t{talk}").save()

    changes = {
        "meetings/{doc_id}": ("meetings/m0", {"status": "new"}),
        "meetings/{meeting_id}/talks/{doc_id}": ("meetings/m0/talks/t1", {"title": "new"}),
        "meetings/{meeting_id}/talks/{talk_id}/lines/{doc_id}": ("meetings/m0/talks/t1/lines/l1", {"text": "new"}),
    }
    compare(app, changes, Assumed(many=MANY), fill)


class LineStore(Store):
    line = reference(Line)
    talk = parent(Talk)
    meeting = parent(Meeting, via=talk)
    place = reference(Meeting.place)


def test_a_parent_is_read_in_the_level_of_what_lies_below_it() -> None:
    app = Boiler("demo")
    app.query(view_of(LineStore, "lineViews/{line.meeting_id}/talks/{line.talk_id}/lines/{line.doc_id}", "LineView"))

    def fill() -> None:
        Place.new(doc_id="p0").save()
        Meeting.new(doc_id="m0", place="p0").save()
        Talk.new(doc_id="t0", meeting_id="m0").save()
        Line.new(doc_id="l0", meeting_id="m0", talk_id="t0").save()

    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "places/{doc_id}": ("places/p0", {"name": "new"}),
        "meetings/{doc_id}": ("meetings/m0", {"status": "new", "place": Reference("places/p0")}),
        "meetings/{meeting_id}/talks/{doc_id}": ("meetings/m0/talks/t0", {"title": "new"}),
        "meetings/{meeting_id}/talks/{talk_id}/lines/{doc_id}": ("meetings/m0/talks/t0/lines/l0", {"text": "new"}),
    }
    compare(app, changes, Assumed(many=MANY), fill)


class Reply(DomainModel):
    class Meta:
        collection_name = "replies"

    ticket = attrs.relation(Ticket)
    text = attrs.string(default="")


class NotedStore(Store):
    meeting = reference(Meeting)
    noted = references(Meeting.tickets).where(Ticket.note != "x")
    users = references(Ticket.user, via=noted)
    replies = referrers(Reply.ticket, via=noted)


def test_what_starts_from_a_choice_is_read_once_the_choice_is_made() -> None:
    app = Boiler("demo")
    app.query(view_of(NotedStore, "notedViews/{meeting.doc_id}", "NotedView"))

    def fill() -> None:
        Meeting.new(doc_id="m0", tickets=[f"t{each}" for each in range(MANY)]).save()
        for number in range(MANY):
            User.new(doc_id=f"u{number}").save()
            Ticket.new(doc_id=f"t{number}", user=f"u{number}", note="n").save()
            for reply in range(MANY):
                Reply.new(doc_id=f"r{number}{reply}", ticket=f"t{number}", text="b").save()

    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "meetings/{doc_id}": ("meetings/m0", {"status": "new"}),
        "tickets/{doc_id}": ("tickets/t0", {"note": "new"}),
        "users/{doc_id}": ("users/u0", {"name": "new"}),
        "replies/{doc_id}": ("replies/r00", {"text": "a"}),
    }
    compare(app, changes, Assumed(many=MANY), fill)


class Order(DomainModel):
    class Meta:
        collection_name = "orders"

    user = attrs.relation(User, by="id")
    watchers = attrs.relation(User, by="path", many=True)
    tickets = attrs.relation(Ticket, by="id", many=True)
    note = attrs.string(default="")


class OrderStore(Store):
    order = reference(Order)
    user = reference(Order.user)
    watchers = references(Order.watchers)
    tickets = references(Order.tickets)
    holders = references(Ticket.user, via=tickets)


class OrdersStore(Store):
    user = reference(User)
    orders = referrers(Order.user)
    watched = referrers(Order.watchers)
    unnoted = referrers(Order.user).where(note="").order_by(Order.note)


def order(doc_id: str) -> None:
    others = [f"u{each}" for each in range(1, MANY + 1)]
    Order.new(doc_id=doc_id, user="u0", watchers=others, tickets=[f"t{each}" for each in range(MANY)]).save()


def test_relations_as_ids_and_paths_cost_what_a_reference_costs() -> None:
    app = Boiler("demo")
    app.query(view_of(OrderStore, "orderViews/{order.doc_id}", "OrderView"))

    def fill() -> None:
        for each in range(MANY + 1):
            User.new(doc_id=f"u{each}").save()
        for each in range(MANY):
            User.new(doc_id=f"h{each}").save()
            Ticket.new(doc_id=f"t{each}", user=f"h{each}").save()
        order("o0")

    changes = {
        "orders/{doc_id}": ("orders/o0", {"note": "new"}),
        "tickets/{doc_id}": ("tickets/t0", {"note": "new"}),
        "users/{doc_id}": ("users/u1", {"name": "new"}),
    }
    compare(app, changes, Assumed(many=MANY), fill)


def test_those_that_refer_by_ids_and_paths_cost_what_referrers_cost() -> None:
    app = Boiler("demo")
    app.query(view_of(OrdersStore, "ordersViews/{user.doc_id}", "OrdersView"))

    def fill() -> None:
        for each in range(MANY + 1):
            User.new(doc_id=f"u{each}").save()
        for each in range(MANY):
            Order.new(doc_id=f"o{each}", user="u0", watchers=["u0"]).save()

    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "orders/{doc_id}": ("orders/o0", {"other": 1}),
        "users/{doc_id}": ("users/u0", {"name": "new"}),
    }
    compare(app, changes, Assumed(many=MANY), fill)


class Speech(DomainModel):
    class Meta:
        collection_name = "speeches"

    talks = attrs.relation(Talk, many=True)


class SpeechStore(Store):
    speech = reference(Speech)
    talks = references(Speech.talks)
    meetings = parents(Meeting, via=talks)


def test_parents_of_many_are_read_with_what_lies_below_them() -> None:
    app = Boiler("demo")
    app.query(view_of(SpeechStore, "speechViews/{speech.doc_id}", "SpeechView"))

    def fill() -> None:
        paths = [f"meetings/m{each}/talks/t{each}" for each in range(MANY)]
        for each in range(MANY):
            Meeting.new(doc_id=f"m{each}").save()
            Talk.new(doc_id=f"t{each}", meeting_id=f"m{each}").save()
        Speech.new(doc_id="s0", talks=[Reference(path) for path in paths]).save()

    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "speeches/{doc_id}": ("speeches/s0", {"other": 1}),
        "meetings/{doc_id}": ("meetings/m0", {"status": "new"}),
        "meetings/{meeting_id}/talks/{doc_id}": ("meetings/m0/talks/t0", {"title": "new"}),
    }
    compare(app, changes, Assumed(many=MANY), fill)


class TopStore(Store):
    meeting = reference(Meeting)
    tickets = references(Meeting.tickets)
    replies = referrers(Reply.ticket).order_by(Reply.text).limit(2)
    all = referrers(Reply.ticket).order_by(Reply.text).where(Reply.text != "old")
    talks = children(Talk).where(Talk.title != "old").order_by(Talk.title).limit(3)


def test_a_limit_costs_a_query_for_each_document_and_no_more_than_it_reads() -> None:
    app = Boiler("demo")
    app.query(view_of(TopStore, "topViews/{meeting.doc_id}", "TopView"))

    def fill() -> None:
        Meeting.new(doc_id="m0", tickets=[f"t{each}" for each in range(MANY)]).save()
        for number in range(MANY):
            Ticket.new(doc_id=f"t{number}").save()
            Talk.new(doc_id=f"t{number}", meeting_id="m0", title="b").save()
            for reply in range(MANY):
                Reply.new(doc_id=f"r{number}{reply}", ticket=f"t{number}", text="b").save()

    changes = {
        "meetings/{doc_id}": ("meetings/m0", {"status": "new"}),
        "tickets/{doc_id}": ("tickets/t0", {"note": "new"}),
        "replies/{doc_id}": ("replies/r00", {"text": "a"}),
        "meetings/{meeting_id}/talks/{doc_id}": ("meetings/m0/talks/t1", {"title": "a"}),
    }
    compare(app, changes, Assumed(many=MANY), fill)


def test_a_view_without_a_root_is_one_for_all() -> None:
    app = Boiler("demo")
    app.query(VIEWS["Board"])

    def fill() -> None:
        Settings.new(doc_id="main").save()
        for number in range(MANY):
            Meeting.new(doc_id=f"m{number}", status="open").save()

    compare(app, CHANGES, Assumed(many=MANY), fill)


def test_a_root_that_others_refer_to_is_looked_up_as_well() -> None:
    app = Boiler("demo")
    app.query(VIEWS["Chain"])

    def fill() -> None:
        Meeting.new(doc_id="last").save()
        Meeting.new(doc_id="m0", next="last").save()
        Meeting.new(doc_id="first", next="m0").save()

    compare(app, CHANGES, Assumed(), fill)


@pytest.mark.parametrize("dependents", [0, 1, 99, 100, 101, 250])
def test_dependents_are_found_and_written_page_by_page(dependents: int) -> None:
    app = Boiler("demo")
    app.query(VIEWS["Place"])

    def fill() -> None:
        Place.new(doc_id="p0").save()
        for number in range(dependents):
            Meeting.new(doc_id=f"m{number}", place="p0").save()

    with memory_app(app) as testing:
        fill()
        testing.deliver()
        function = app.compiled.functions["place_view_on_places"]
        usage = counted(testing, "places/p0", {"name": "new"})[function.entry_point]
        assert usage == function.cost(function.views[0], Assumed(dependents=dependents))


class NoteStore(Store):
    settings = reference(Settings, doc_id="main")
    ticket = reference(Ticket, doc_id="{ticket_id}")
    user = reference(Ticket.user)
    meetings = referrers(Meeting.tickets)


@pytest.mark.parametrize("options", [{}, {"isolation": "snapshot"}, {"on_completion": "keep"}])
def test_a_task_pays_for_its_store_its_marker_and_what_it_verifies(options: dict[str, Any]) -> None:
    class Note(ViewModel[NoteStore]):
        note = attrs.string(required=True)

        def propagate_change(self) -> None:
            assert self.store.ticket is not None
            Place.new(doc_id=self.params["ticket_id"], name=self.note).save()

    app = Boiler("demo")
    app.task("users/{user_id}/notes/{ticket_id}", writes=[Place], **options)(Note)
    with memory_app(app) as testing:
        seed()
        testing.deliver()
        testing.write("users/u0/notes/t0", {"note": "hello"})
        usage = next(report.usage for report in testing.deliver() if "done" in report.outcomes)
        function = app.compiled.functions["note_task"]
        assert usage == function.cost(Note, Assumed(many=1))


def test_a_sink_of_a_view_costs_a_write_of_its_outbox() -> None:
    app = Boiler("demo")
    view = view_of(PlaceStore, "toldViews/{meeting.doc_id}", "Told")
    app.query(view)

    @app.on_change(view)
    def mail(changed: Any) -> None:
        """Nothing."""

    with memory_app(app) as testing:
        seed()
        testing.deliver()
        for path, name in (("meetings/m0", "told_on_meetings"), ("places/p0", "told_on_places")):
            function = app.compiled.functions[name]
            assert counted(testing, path, {"other": 1})[name] == function.cost(view, Assumed())
