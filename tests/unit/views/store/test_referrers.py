"""Documents that refer to one of the Store, or lie below it."""

from typing import Any

import pytest

from boiler_functions import (
    DomainModel,
    Embedded,
    Store,
    attrs,
    children,
    matching,
    parent,
    parents,
    reference,
    references,
    referrers,
)
from boiler_functions.database import Filter, Query
from boiler_functions.exceptions import DeclarationError, InvalidValue
from boiler_functions.types import Reference
from tests.unit.views.store.scene import MEETING, Fetched, Meeting, Note, SeasonTicket, Ticket, User


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


def test_conditions_and_an_order_choose_among_the_documents_that_a_relation_refers_to() -> None:
    class Helped(DomainModel):
        class Meta:
            collection_name = "helped"

        tasks = attrs.relation(Task, many=True, by="id")

    class HelpedStore(Store):
        helped = reference(Helped)
        all = references(Helped.tasks)
        open = references(Helped.tasks).where(done=False)
        ranked = references(Helped.tasks).where(Task.rank > 1).order_by(Task.rank)
        owners = references(Task.owner, via=ranked)
        theirs = referrers(Task.owner, via=owners)

    documents = {**TASKS, "helped/h": {"tasks": ["5", "1", "2", "gone"]}}
    found = Fetched(HelpedStore, "helped/h", documents)
    assert [found.ids(name) for name in ("all", "open", "ranked", "owners", "theirs")] == [
        ["1", "2", "5"], ["1", "5"], ["2", "1"], ["a"], ["1", "2", "6"],
    ]  # fmt: skip
    assert found.resolution.named.keys() >= {"tasks/5", "tasks/gone"}, "a change of what is left out wakes the view"
    assert "users/b" not in found.resolution.named, "nothing is read that only what is left out leads to"


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
    host = attrs.relation(User, by=User.name)
    friends = attrs.relation(User, by="keys", many=True)


@pytest.mark.parametrize("declare", [reference, references, referrers])
@pytest.mark.parametrize("name", ["guest", "host", "friends"])
def test_a_relation_inside_an_embedded_is_refused_by_name(declare: Any, name: str) -> None:
    with pytest.raises(DeclarationError, match=rf"Seat\.{name} is a relation inside an .*attrs\.relation\(User"):
        declare(getattr(Seat, name))


@pytest.mark.parametrize("by", ["key", "email", None])
def test_a_relation_by_a_word_that_names_nothing_is_refused_where_it_is_declared(by: Any) -> None:
    with pytest.raises(DeclarationError, match=r"attrs\.relation\(…, by=.*`by=User\.email`"):
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
