"""Store: the fetch plan of a view, which finds the documents that the view needs."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from boiler_functions import (
    DomainModel,
    Embedded,
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
from boiler_functions.database import Document, Filter, Put, Query
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import BoilerError, DeclarationError, InvalidPath, InvalidValue
from boiler_functions.models.session import Snapshot, active
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance, Reader
from boiler_functions.views.store import Resolution


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string()
    boss = attrs.relation("User")
    reports = attrs.relation("User", many=True)


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    user = attrs.relation(User)
    sponsor = attrs.relation(User)
    meeting = attrs.relation("Meeting")
    attendance = attrs.boolean()


class SeasonTicket(Ticket):
    season = attrs.string()


class Location(DomainModel):
    class Meta:
        collection_name = "locations"

    address = attrs.string()


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string()
    location = attrs.relation(Location)
    tickets = attrs.relation(Ticket, many=True)


class Note(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/notes"

    about = attrs.relation(Meeting)
    tags = attrs.relation(Meeting, many=True)
    text = attrs.string()


class Settings(DomainModel):
    class Meta:
        collection_name = "settings"

    theme = attrs.string()


class MeetingStore(Store):
    meeting = reference(Meeting)
    location = reference(Meeting.location)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


def database_with(documents: Mapping[str, Mapping[str, Any]]) -> MemoryDatabase:
    database = MemoryDatabase()
    database.commit([Put(path, fields) for path, fields in documents.items()])
    return database


MEETING: dict[str, dict[str, Any]] = {
    "meetings/m": {
        "status": "open",
        "location": Reference("locations/l"),
        "tickets": [Reference("tickets/t2"), Reference("tickets/t1"), Reference("tickets/gone")],
    },
    "locations/l": {"address": "Gilman Drive"},
    "tickets/t1": {"user": Reference("users/b"), "meeting": Reference("meetings/m")},
    "tickets/t2": {"user": Reference("users/a"), "meeting": Reference("meetings/m")},
    "tickets/t3": {"user": Reference("users/gone"), "meeting": Reference("meetings/other")},
    "users/a": {"name": "Ada", "boss": Reference("users/c")},
    "users/b": {"name": "Bob"},
    "users/c": {"name": "Carl", "reports": [Reference("users/a"), Reference("users/a")]},
    "users/a/notes/n": {"about": Reference("meetings/m"), "text": "note"},
    "users/b/notes/o": {"tags": [Reference("meetings/m")], "text": "tagged"},
    "aaa/x/notes/foreign": {"about": Reference("meetings/m"), "text": "foreign"},
    "settings/main": {"theme": "dark"},
    "settings/a": {"theme": "light"},
}


class Fetched:
    """A Store, filled from a database as a build fills it."""

    def __init__(self, store: type[Store], root: str = "", documents: Mapping[str, Any] = MEETING) -> None:
        view: Any = type("TheView", (ViewModel,), {"store_class": store})
        self.metered = Metered(database_with(documents))
        self.reader = Reader(self.metered)
        instance = Instance(view, root)
        self.resolution: Resolution = self.reader.resolve([instance])[instance]
        self.session = Snapshot(self.reader.documents, "TheView")
        self.store: Any = store(self.resolution.paths, self.reader.documents, self.reader.time)

    def ids(self, name: str) -> list[str]:
        with active(self.session):
            return [model.doc_id for model in getattr(self.store, name)]

    def one(self, name: str) -> Any:
        with active(self.session):
            return getattr(self.store, name)


# Plans.


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


# One document by id.


def test_a_document_of_a_fixed_id_is_read_with_the_root() -> None:
    class WithSettings(Store):
        user = reference(User)
        main = reference(Settings, doc_id="main")
        own = reference(Settings, doc_id="{doc_id}")

    found = Fetched(WithSettings, "users/a")
    assert (found.one("main").theme, found.one("own").theme) == ("dark", "light")
    assert found.metered.usage.rpcs == 1


def test_a_document_of_a_fixed_id_may_stand_without_a_root() -> None:
    class Dashboard(Store):
        main = reference(Settings, doc_id="main")
        absent = reference(Settings, doc_id="absent")

    found = Fetched(Dashboard)
    assert found.one("main").theme == "dark"
    assert found.one("absent") is None


def test_a_document_of_a_sub_collection_takes_its_parents_from_the_key() -> None:
    class NoteStore(Store):
        note = reference(Note)
        owner = reference(User, doc_id="{user_id}")
        other = reference(Note, doc_id="n")

    found = Fetched(NoteStore, "users/a/notes/n")
    assert found.one("note").text == "note"
    assert found.one("owner").name == "Ada"
    assert found.one("other") is found.one("note")


def test_a_doc_id_placeholder_that_the_root_does_not_have_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.settings.*\{nope\}"):

        class Wrong(Store):
            user = reference(User)
            settings = reference(Settings, doc_id="{nope}")


def test_a_fixed_document_whose_parents_the_root_does_not_have_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.note.*user_id"):

        class Wrong(Store):
            user = reference(User)
            note = reference(Note, doc_id="n")


@pytest.mark.parametrize("doc_id", ["", "a/b", "..", "{doc_id}/x", "{doc_id"])
def test_a_doc_id_that_is_not_an_id_is_refused_at_once(doc_id: str) -> None:
    with pytest.raises((DeclarationError, InvalidPath)):
        reference(Settings, doc_id=doc_id)


# Relations: via, self-relations.


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


# Referrers.


def test_referrers_are_found_by_a_query_and_ordered_by_path() -> None:
    class WithReferrers(Store):
        meeting = reference(Meeting)
        tickets = referrers(Ticket.meeting)
        users = references(Ticket.user)

    found = Fetched(WithReferrers, "meetings/m")
    assert found.ids("tickets") == ["t1", "t2"]
    assert found.ids("users") == ["a", "b"]
    assert [query for _, query in found.resolution.queries.values()] == [
        Query("tickets", filters=(Filter("meeting", "==", Reference("meetings/m")),))
    ]
    assert "tickets/t1" not in found.resolution.named


def test_referrers_of_a_sub_collection_are_found_in_every_parent_and_nowhere_else() -> None:
    class WithNotes(Store):
        meeting = reference(Meeting)
        notes = referrers(Note.about)

    assert Fetched(WithNotes, "meetings/m").ids("notes") == ["n"]


def test_referrers_by_a_relation_to_many_are_found() -> None:
    class WithTags(Store):
        meeting = reference(Meeting)
        notes = referrers(Note.tags)

    assert Fetched(WithTags, "meetings/m").ids("notes") == ["o"]


def test_referrers_of_many_documents_are_asked_for_together() -> None:
    class Deep(Store):
        user = reference(User)
        reports = references(User.reports, via=user)
        tickets = referrers(Ticket.user, via=reports)

    documents = {
        "users/x": {"reports": [Reference("users/a"), Reference("users/b"), Reference("users/gone")]},
        **{path: fields for path, fields in MEETING.items() if path != "users/x"},
    }
    found = Fetched(Deep, "users/x", documents)
    assert found.ids("tickets") == ["t1", "t2", "t3"]
    assert found.metered.usage.rpcs == 3


def test_referrers_by_id_and_by_path_are_asked_for_together_as_those_by_reference_are() -> None:
    class Member(DomainModel):
        class Meta:
            collection_name = "members"

        chief = attrs.relation("Member", by="id")
        friends = attrs.relation("Member", many=True, by="path")

    class Deep(Store):
        member = reference(Member)
        team = referrers(Member.chief)
        juniors = referrers(Member.chief, via=team)
        admirers = referrers(Member.friends, via=team)

    documents: dict[str, dict[str, Any]] = {
        "members/x": {},
        "members/a": {"chief": "x", "friends": []},
        "members/b": {"chief": "x", "friends": ["members/a"]},
        "members/c": {"chief": "a", "friends": ["members/a", "members/b"]},
        "members/d": {"chief": "b", "friends": ["members/x"]},
    }
    found = Fetched(Deep, "members/x", documents)
    assert [found.ids(name) for name in ("team", "juniors", "admirers")] == [["a", "b"], ["c", "d"], ["b", "c"]]
    assert found.metered.usage.rpcs == 4


class Talk(DomainModel):
    class Meta:
        collection_name = "meetings/{meeting_id}/talks"


class Keynote(Talk):
    pass


TALKS: dict[str, dict[str, Any]] = {
    "meetings/m": {},
    "meetings/m/talks/1": {"obj_type": "Talk"},
    "meetings/m/talks/2": {"obj_type": "Keynote"},
    "meetings/m/talks/2/talks/3": {"obj_type": "Talk"},
    "meetings/n": {},
    "meetings/n/talks/4": {"obj_type": "Talk"},
    "others/m/talks/5": {"obj_type": "Talk"},
}


def test_children_are_the_documents_below_this_document_and_of_this_class() -> None:
    class WithTalks(Store):
        meeting = reference(Meeting)
        talks = children(Talk)
        keynotes = children(Keynote)

    found = Fetched(WithTalks, "meetings/m", TALKS)
    assert found.ids("talks") == ["1", "2"]
    assert found.ids("keynotes") == ["2"]
    assert Fetched(WithTalks, "meetings/n", TALKS).ids("talks") == ["4"]


def test_children_without_a_document_to_lie_below_are_refused_with_what_to_declare() -> None:
    with pytest.raises(DeclarationError, match=r"Lost\.talks: a Talk lies below meetings/\{meeting_id\}; declare"):

        class Lost(Store):
            user = reference(User)
            talks = children(Talk)

    with pytest.raises(DeclarationError, match=r"Torn\.talks: choose where it starts with `via=`: one, two"):

        class Torn(Store):
            one = reference(Meeting)
            two = reference(Meeting, doc_id="main")
            talks = children(Talk)

    with pytest.raises(DeclarationError, match=r"children\(Meeting\): meetings/\{doc_id\} is not a sub-collection"):
        children(Meeting)


class Line(DomainModel):
    class Meta:
        collection_name = "meetings/{meeting_id}/talks/{talk_id}/lines"

    talk = attrs.relation(Talk)


def test_a_parent_is_the_document_above_and_is_read_together_with_what_lies_below_it() -> None:
    class LineStore(Store):
        line = reference(Line)
        talk = parent(Talk)
        keynote = parent(Keynote, via=line)
        meeting = parent(Meeting, via=talk)
        location = reference(Meeting.location)

    documents = {**TALKS, "meetings/m/talks/2/lines/l": {}, "meetings/m": {"location": Reference("locations/l")}}
    found = Fetched(LineStore, "meetings/m/talks/2/lines/l", {**documents, "locations/l": {}})
    assert [found.one(each).path for each in ("talk", "keynote", "meeting", "location")] == [
        "meetings/m/talks/2", "meetings/m/talks/2", "meetings/m", "locations/l",
    ]  # fmt: skip
    assert found.metered.usage.rpcs == 2
    orphan = Fetched(LineStore, "meetings/m/talks/9/lines/l", {**documents, "meetings/m/talks/9/lines/l": {}})
    assert (orphan.one("talk"), orphan.one("meeting").path) == (None, "meetings/m")
    assert orphan.resolution.named.keys() >= {"meetings/m/talks/9"}, "its creation wakes the view"
    plain = Fetched(LineStore, "meetings/m/talks/1/lines/l", {**documents, "meetings/m/talks/1/lines/l": {}})
    assert (plain.one("talk").doc_id, plain.one("keynote")) == ("1", None)


def test_parents_are_the_documents_above_many_each_once() -> None:
    class NotedStore(Store):
        meeting = reference(Meeting)
        notes = referrers(Note.about)
        authors = parents(User)

    notes = {
        f"users/{user}/notes/{note}": {"about": Reference("meetings/m")} for user, note in ("ax", "ay", "bz", "cz")
    }
    users: dict[str, dict[str, Any]] = {"users/a": {}, "users/b": {}, "meetings/m": {}}
    assert Fetched(NotedStore, "meetings/m", {**notes, **users}).ids("authors") == ["a", "b"]


def test_a_parent_that_nothing_or_too_much_leads_to_is_refused_by_name() -> None:
    with pytest.raises(DeclarationError, match=r"Lost\.talk: it is .*a reference to a document below meetings/"):

        class Lost(Store):
            meeting = reference(Meeting)
            talk = parent(Talk)

    with pytest.raises(DeclarationError, match=r"Torn\.talk: choose where it starts with `via=`: one, two"):

        class Torn(Store):
            one = reference(Line)
            two = reference(Line, doc_id="{doc_id}")
            talk = parent(Talk)

    with pytest.raises(DeclarationError, match=r"Lots\.again leads to many documents; declare it with `parents"):

        class Lots(Store):
            meeting = reference(Meeting, doc_id="{id}")
            talks = children(Talk)
            again = parent(Meeting)

    with pytest.raises(DeclarationError, match=r"Few\.talks leads to one document; declare it with `parent\("):

        class Few(Store):
            line = reference(Line)
            talks = parents(Talk)

    with pytest.raises(DeclarationError, match=r"parent\(5\): give the DomainModel"):
        parent(5)  # type: ignore[arg-type]


class Task(DomainModel):
    class Meta:
        collection_name = "tasks"

    done = attrs.boolean(default=False)
    rank = attrs.integer()
    colour = attrs.string()
    owner = attrs.relation(User)
    helpers = attrs.relation(User, many=True, by="id")


TASKS: dict[str, dict[str, Any]] = {
    "users/c": {"reports": [Reference("users/a"), Reference("users/b")]},
    "users/a": {},
    "users/b": {},
    "tasks/1": {"owner": Reference("users/a"), "done": False, "rank": 3, "helpers": ["b"]},
    "tasks/2": {"owner": Reference("users/a"), "done": True, "rank": 2, "helpers": ["b"]},
    "tasks/3": {"owner": Reference("users/b"), "done": False, "rank": 1, "helpers": ["a"]},
    "tasks/4": {"owner": Reference("users/b"), "done": False, "rank": None, "helpers": ["a", "b"]},
    "tasks/5": {"owner": Reference("users/b"), "done": False},
    "tasks/6": {"owner": Reference("users/a"), "done": False, "rank": 1},
}


def test_conditions_an_order_and_a_limit_choose_among_referrers() -> None:
    class Board(Store):
        user = reference(User)
        all = referrers(Task.owner)
        open = all.where(done=False)
        ranked = open.where(Task.rank.is_not_null())
        unranked = referrers(Task.owner).where(rank=None)
        best = ranked.order_by(Task.rank.desc()).limit(1)
        helped = referrers(Task.helpers).where(Task.rank > 1).order_by(Task.rank)
        open_ones = all.where(done=False).count()

    found = Fetched(Board, "users/a", TASKS)
    names = ("all", "open", "ranked", "unranked", "best", "helped")
    assert [found.ids(name) for name in names] == [["1", "2", "6"], ["1", "6"], ["1", "6"], [], ["1"], []]
    again = Fetched(Board, "users/b", TASKS)
    assert [again.ids(name) for name in names] == [["3", "4", "5"], ["3", "4", "5"], ["3"], ["4"], ["3"], ["2", "1"]]
    assert again.reader.totals_of(again.resolution) == {"open_ones": 3}


def test_a_limit_is_for_each_document_and_an_order_for_all_together() -> None:
    class Team(Store):
        lead = reference(User)
        team = references(User.reports, via=lead)
        ranked = referrers(Task.owner, via=team).order_by(Task.rank)
        first = referrers(Task.owner, via=team).where(done=False).order_by(Task.rank.desc()).limit(1)

    found = Fetched(Team, "users/c", TASKS)
    assert found.ids("ranked") == ["4", "3", "6", "2", "1"]
    assert found.ids("first") == ["1", "3"]
    assert found.metered.usage.rpcs == 2 + 1 + 2, "one query for all without a limit, and one for each with it"


def test_queries_beside_a_not_in_run_one_by_one_as_firestore_refuses_them_together() -> None:
    class Team(Store):
        lead = reference(User)
        team = references(User.reports, via=lead)
        tasks = referrers(Task.owner, via=team).where(Task.rank.not_in([2, 3]))

    assert Fetched(Team, "users/c", TASKS).ids("tasks") == ["3", "6"]


def test_conditions_an_order_and_a_limit_choose_among_children() -> None:
    class WithTalks(Store):
        meeting = reference(Meeting)
        talks = children(RankedTalk).where(RankedTalk.rank > 1).order_by(RankedTalk.rank.desc()).limit(2)

    ranks = {"a": 1, "b": 2, "c": 3, "d": 4, "e": None}
    documents: dict[str, Any] = {f"meetings/m/ranked/{name}": {"rank": rank} for name, rank in ranks.items()}
    assert Fetched(WithTalks, "meetings/m", {"meetings/m": {}, **documents}).ids("talks") == ["d", "c"]


class RankedTalk(DomainModel):
    class Meta:
        collection_name = "meetings/{meeting_id}/ranked"

    rank = attrs.integer()


def test_a_choice_that_firestore_refuses_is_refused_where_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match=r"Board\.tasks: Firestore refuses .*more than one 'array-contains'"):

        class Board(Store):
            user = reference(User)
            tasks = referrers(Task.helpers).where(Task.helpers.contains("a"))

    with pytest.raises(DeclarationError, match=r"Shelf\.tasks: Firestore refuses .*more than one '!='"):

        class Shelf(Store):
            tasks = matching(Task.rank != 1, Task.done != True)  # noqa: E712


def test_a_choice_takes_conditions_on_its_own_model_and_no_placeholders() -> None:
    with pytest.raises(DeclarationError, match=r"Task\.where takes conditions on the model itself, not on Note"):
        referrers(Task.owner).where(Note.text == "x")
    with pytest.raises(DeclarationError, match=r"Task\.where\(…\) has the value '\{user_id\}'"):
        referrers(Task.owner).where(Task.colour == "{user_id}")
    with pytest.raises(InvalidValue, match="limit"):
        children(Talk).limit(0)
    with pytest.raises(InvalidValue, match=r"meeting_id: Undeclared"):
        children(Talk).where(meeting_id="m")


@pytest.mark.parametrize(
    "selection",
    [
        Talk.where(meeting_id="{meeting_id}"),
        Meeting.where(status="{status}"),
        Talk.where(meeting_id="{meeting.doc_id}"),
    ],
)
def test_a_placeholder_as_the_value_of_a_selection_is_refused(selection: Any) -> None:
    with pytest.raises(DeclarationError, match=r"has the value '\{.*no placeholders\. Use `children\("):
        matching(selection)


class Seat(Embedded):
    guest = attrs.relation(User)


@pytest.mark.parametrize("declare", [reference, references, referrers])
def test_a_relation_inside_an_embedded_is_refused_by_name(declare: Any) -> None:
    with pytest.raises(DeclarationError, match=r"Seat\.guest is a relation inside an .*attrs\.relation\(User"):
        declare(Seat.guest)


@pytest.mark.parametrize("by", [User.name, "key", "email", None])
def test_a_relation_by_anything_but_the_document_is_refused_where_it_is_declared(by: Any) -> None:
    with pytest.raises(DeclarationError, match=r"attrs\.relation\(…, by=.*store the id"):
        attrs.relation(User, by=by)


def test_referrers_of_a_missing_document_are_still_found() -> None:
    class Gone(Store):
        meeting = reference(Meeting)
        location = reference(Meeting.location)
        others = referrers(Meeting.location, via=location)

    found = Fetched(Gone, "meetings/m", {"meetings/m": {"location": Reference("locations/gone")}})
    assert found.ids("others") == ["m"]


def test_referrers_of_a_subclass_are_of_that_kind() -> None:
    class Seasons(Store):
        user = reference(User)
        tickets = referrers(SeasonTicket.user)

    documents = {
        "users/a": {},
        "tickets/s": {"user": Reference("users/a"), "obj_type": "SeasonTicket"},
        "tickets/t": {"user": Reference("users/a"), "obj_type": "Ticket"},
    }
    assert Fetched(Seasons, "users/a", documents).ids("tickets") == ["s"]


# What a relation reaches.


class Person(DomainModel):
    class Meta:
        collection_name = "people"

    home = attrs.relation(Location)
    boss = attrs.relation("Manager")
    team = attrs.relation("Manager", many=True)


class Manager(Person):
    assistant = attrs.relation(Person)


class Guest(Person):
    host = attrs.relation(Person, data_key="assistant")


PEOPLE: dict[str, dict[str, Any]] = {
    "people/ada": {
        "boss": Reference("people/bob"),
        "team": [Reference("people/bob"), Reference("people/eve"), Reference("people/gone")],
        "home": Reference("locations/ada"),
    },
    "people/bob": {"obj_type": "Guest", "home": Reference("locations/bob"), "assistant": Reference("people/ada")},
    "people/eve": {"obj_type": "Manager", "home": Reference("locations/eve"), "assistant": Reference("people/ada")},
    "people/tom": {"obj_type": "Person", "boss": Reference("people/eve")},
    "people/tim": {"obj_type": "Person", "boss": Reference("people/bob")},
    "people/kim": {"obj_type": "Person", "boss": Reference("people/gone")},
    **{f"locations/{name}": {} for name in ("ada", "bob", "eve")},
}


class BossStore(Store):
    person = reference(Person)
    boss = reference(Person.boss)
    home = reference(Person.home, via=boss)
    assistant = reference(Manager.assistant, via=boss)
    colleagues = referrers(Person.boss, via=boss)


class TeamStore(Store):
    person = reference(Person)
    team = references(Person.team)
    homes = references(Person.home, via=team)
    reports = referrers(Person.boss, via=team)


def boss_of_ada(path: str) -> Fetched:
    return Fetched(BossStore, "people/ada", {**PEOPLE, "people/ada": {"boss": Reference(path)}})


def test_nothing_is_reached_from_a_document_of_another_class() -> None:
    found = boss_of_ada("people/bob")
    assert [found.one(name) for name in ("boss", "home", "assistant")] == [None, None, None]
    assert found.ids("colleagues") == []
    assert found.resolution.named.keys() == {"people/ada", "people/bob"}
    assert found.resolution.queries == {}


def test_nothing_is_reached_from_a_missing_document_of_a_subclass() -> None:
    found = boss_of_ada("people/gone")
    assert (found.one("boss"), found.ids("colleagues"), found.resolution.queries) == (None, [], {})


def test_all_is_reached_from_a_document_of_the_class() -> None:
    found = boss_of_ada("people/eve")
    assert [found.one(name).doc_id for name in ("boss", "home", "assistant")] == ["eve", "eve", "ada"]
    assert found.ids("colleagues") == ["ada", "tom"]


def test_only_documents_of_the_class_lead_on_from_a_reference_to_many() -> None:
    found = Fetched(TeamStore, "people/ada", PEOPLE)
    assert (found.ids("team"), found.ids("homes"), found.ids("reports")) == (["eve"], ["eve"], ["tom"])


def test_a_relation_of_a_subclass_starts_from_documents_of_that_class_alone() -> None:
    class Assisted(Store):
        person = reference(Person)
        assistant = reference(Manager.assistant)

    assert Fetched(Assisted, "people/eve", PEOPLE).one("assistant").doc_id == "ada"
    assert Fetched(Assisted, "people/bob", PEOPLE).one("assistant") is None


def test_documents_that_refer_to_a_subclass_are_not_found_from_one_of_another_class() -> None:
    class Reports(Store):
        person = reference(Person)
        reports = referrers(Person.boss)

    assert Fetched(Reports, "people/eve", PEOPLE).ids("reports") == ["tom"]
    assert Fetched(Reports, "people/bob", PEOPLE).ids("reports") == []


def test_a_document_of_a_fixed_id_that_is_of_another_class_leads_nowhere() -> None:
    class Fixed(Store):
        boss = reference(Manager, doc_id="bob")
        home = reference(Person.home)

    assert Fetched(Fixed, documents=PEOPLE).resolution.named.keys() == {"people/bob"}


# Matching.


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


# Stores.


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
