"""A reference with `fields` reads no more than these, and a change of anything else costs nothing at all."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random, SystemRandom
from typing import Any

import pytest
from marshmallow import RAISE

from boiler_functions import (
    Boiler,
    DomainModel,
    HttpSettings,
    Store,
    ViewModel,
    access,
    attrs,
    children,
    matching,
    reference,
    references,
    referrers,
)
from boiler_functions.database import Database, Document, Query, Reading, Select
from boiler_functions.exceptions import InvalidReference
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, http_client, memory_app
from boiler_functions.types import Instant, Reference
from boiler_functions.views.dependencies import selected_of
from tests.unit.modes.hooked import Hooked


class Person(DomainModel):
    class Meta:
        collection_name = "people"

    name = attrs.string(default="")
    city = attrs.string(default="")
    seen = attrs.integer(default=0)
    nickname = attrs.string(data_key="nick", aliases=["short"])
    boss = attrs.relation("Person")

    @attrs.computed
    def title(self) -> str:
        return f"{self.name} of {self.city}"


class Team(DomainModel):
    class Meta:
        collection_name = "teams"

    lead = attrs.relation(Person)
    members = attrs.relation(Person, many=True)
    motto = attrs.string(default="")
    visits = attrs.integer(default=0)


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    team = attrs.relation(Team)
    text = attrs.string(default="")
    reads = attrs.integer(default=0)
    open = attrs.boolean(default=True)


class Log(DomainModel):
    class Meta:
        collection_name = "teams/{team_id}/logs"

    line = attrs.string(default="")
    at = attrs.integer(default=0)


class TeamStore(Store):
    team = reference(Team, fields=[Team.motto])
    lead = reference(Team.lead, fields=[Person.name])
    boss = reference(Person.boss, via=lead, fields=[Person.nickname])
    notes = referrers(Note.team, fields=[Note.text]).where(Note.open == True)  # noqa: E712
    logs = children(Log, fields=[Log.line])


app = Boiler("fields", http=HttpSettings(rate=None))


@app.query
@app.rest("/teams")
class TeamView(ViewModel[TeamStore]):
    class Meta:
        path = "teamViews/{team.doc_id}"
        read = access.public
        write = access.public

    @attrs.computed
    def text(self) -> list[str]:
        store = self.store
        lead, boss = store.lead, store.boss
        people = [lead.name if lead else "", (boss.nickname or "") if boss else ""]
        return [store.team.motto, *people, *(each.text for each in store.notes), *(each.line for each in store.logs)]

    @attrs.computed
    def visits(self) -> int:
        return 0

    @visits.setter
    def set_visits(self, value: int) -> None:
        self.store.team.visits = value


@contextmanager
def running() -> Iterator[MemoryApp]:
    with memory_app(app) as memory:
        Person.new(doc_id="eve", name="Eve", nickname="E").save()
        Person.new(doc_id="ada", name="Ada", boss="eve").save()
        Team.new(doc_id="t", lead="ada", members=["ada", "eve"], motto="Go").save()
        Note.new(doc_id="n", team="t", text="Hello").save()
        Log.new(team_id="t", doc_id="l", line="Begun").save()
        memory.deliver()
        yield memory


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with running() as memory:
        yield memory


def text(testing: MemoryApp) -> Any:
    return (testing.fields("teamViews/t") or {})["text"]


def changed(testing: MemoryApp, path: str, **fields: Any) -> tuple[set[str], int]:
    """Changes some fields of a document; returns the outcomes, and how many RPCs all its events took."""
    testing.write(path, {**(testing.fields(path) or {}), **fields})
    reports = testing.deliver()
    assert_views_equal_rebuild(testing)
    return {str(each) for report in reports for each in report.outcomes}, sum(each.usage.rpcs for each in reports)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("teams/t", {"visits": 7}),
        ("people/ada", {"seen": 7}),
        ("people/ada", {"city": "London"}),
        ("people/eve", {"seen": 7, "undeclared": 1}),
        ("notes/n", {"reads": 7}),
        ("teams/t/logs/l", {"at": 7}),
    ],
)
def test_a_change_of_other_fields_takes_no_rpc(testing: MemoryApp, path: str, fields: dict[str, Any]) -> None:
    assert changed(testing, path, **fields) == ({"unaffected"}, 0)


@pytest.mark.parametrize(
    ("path", "fields", "shown"),
    [
        ("teams/t", {"motto": "Stop"}, ["Stop", "Ada", "E", "Hello", "Begun"]),
        ("people/ada", {"name": "Ada L."}, ["Go", "Ada L.", "E", "Hello", "Begun"]),
        ("people/ada", {"boss": None}, ["Go", "Ada", "", "Hello", "Begun"]),
        ("people/eve", {"nick": "Evie"}, ["Go", "Ada", "Evie", "Hello", "Begun"]),
        ("people/eve", {"nick": None}, ["Go", "Ada", "", "Hello", "Begun"]),
        ("notes/n", {"text": "Bye"}, ["Go", "Ada", "E", "Bye", "Begun"]),
        ("notes/n", {"open": False}, ["Go", "Ada", "E", "Begun"]),
        ("notes/n", {"team": None}, ["Go", "Ada", "E", "Begun"]),
        ("teams/t/logs/l", {"line": "Done"}, ["Go", "Ada", "E", "Hello", "Done"]),
    ],
)
def test_a_change_of_what_is_read_followed_or_found_by_is_shown(
    testing: MemoryApp, path: str, fields: dict[str, Any], shown: list[str]
) -> None:
    changed(testing, path, **fields)
    assert text(testing) == shown


def test_a_value_that_moves_to_a_former_name_matters(testing: MemoryApp) -> None:
    testing.write("people/eve", {"name": "Eve", "short": "Evie"})
    testing.deliver()
    assert text(testing)[2] == "Evie"


def test_a_document_that_comes_or_goes_matters_and_so_does_an_event_without_images() -> None:
    with running() as testing:
        testing.write("people/ada", None)
        testing.deliver()
        assert text(testing) == ["Go", "", "", "Hello", "Begun"]
        testing.write("people/ada", {"name": "Ada"})
        (event,) = [each for each in testing.take() if each.function.entry_point == "team_view_on_people"]
        missing = Document("people/ada")
        testing.handle(replace(event, change=event.change._replace(before=missing, after=missing)))
        assert_views_equal_rebuild(testing)


def test_a_relation_that_another_reference_follows_matters_too() -> None:
    with running() as testing:
        changed(testing, "people/ada", boss=None)


def test_what_a_condition_compares_matters_too() -> None:
    with running() as testing:
        changed(testing, "notes/n", open=False)


@pytest.mark.parametrize("fields", [[Person.name], None], ids=["with fields", "without"])
def test_a_value_by_which_others_refer_to_a_document_matters_too(fields: Any) -> None:
    class Letter(DomainModel):
        class Meta:
            collection_name = "letters"

        to = attrs.relation(Person, by=Person.city)

    class MailStore(Store):
        person = reference(Person, fields=fields)
        letters = referrers(Letter.to)
        number = referrers(Letter.to).count()

    mail = Boiler("mail")

    @mail.query
    class Mail(ViewModel[MailStore]):
        class Meta:
            path = "mail/{person.doc_id}"

        @attrs.computed
        def letters(self) -> list[str]:
            return [self.store.person.name, str(self.store.number), *(each.doc_id for each in self.store.letters)]

    with memory_app(mail) as testing:
        Person.new(doc_id="ada", name="Ada", city="London").save()
        testing.write("letters/l", {"to": "London"})
        testing.write("letters/p", {"to": "Paris"})
        testing.deliver()
        assert changed(testing, "people/ada", city="Paris")[0] == {"built"}
        assert (testing.fields("mail/ada") or {})["letters"] == ["Ada", "1", "p"]
        assert changed(testing, "people/ada", nick="A")[0] == {"unaffected"}


def test_a_getter_that_reads_another_attribute_is_refused_by_name() -> None:
    class OtherStore(Store):
        team = reference(Team, fields=[Team.motto])
        lead = reference(Team.lead, fields=[Person.name])

    def view(read: Any) -> tuple[Boiler, str]:
        other = Boiler("other")

        @other.query
        class OtherView(ViewModel[OtherStore]):
            class Meta:
                path = "otherViews/{team.doc_id}"

            @attrs.computed
            def what(self) -> str:
                return str(read(self.store))

        return other, OtherView.__name__

    for read, name in [
        (lambda store: store.lead.city, "Person.city"),
        (lambda store: store.team.lead.seen, "Person.seen"),
        (lambda store: store.lead.title, "Person.city"),
        (lambda store: store.team.visits, "Team.visits"),
        (lambda store: store.lead.to_view_dict(), "Person.city"),
    ]:
        with memory_app(view(read)[0]) as testing:
            Person.new(doc_id="ada", name="Ada", city="London").save()
            Team.new(doc_id="t", lead="ada").save()
            testing.deliver()
            letters = [each.fields or {} for each in testing.documents().values() if "DeadLetters" in each.path]
            assert [name in each["message"] and "which no reference fetches" in each["message"] for each in letters]


def test_a_document_that_two_references_reach_is_read_as_far_as_either_says() -> None:
    class BothStore(Store):
        team = reference(Team)
        lead = reference(Team.lead, fields=[Person.name])
        members = references(Team.members, fields=[Person.city])

    both = Boiler("both")

    @both.query
    class BothView(ViewModel[BothStore]):
        class Meta:
            path = "bothViews/{team.doc_id}"

        @attrs.computed
        def what(self) -> list[str]:
            lead = self.store.lead
            return [lead.name if lead else "", *(each.city for each in self.store.members)]

    with memory_app(both) as testing:
        Person.new(doc_id="ada", name="Ada", city="London").save()
        Team.new(doc_id="t", lead="ada", members=["ada"]).save()
        testing.deliver()
        for fields in ({"name": "Ada L."}, {"city": "Paris"}):
            assert changed(testing, "people/ada", **fields)[0] == {"built"}
        assert changed(testing, "people/ada", seen=1) == ({"unaffected"}, 0)


def test_one_function_for_several_views_builds_those_to_which_the_change_matters() -> None:
    class WholeStore(Store):
        team = reference(Team)
        lead = reference(Team.lead)

    shared = Boiler("shared", group_by="source")
    shared.query(TeamView)

    @shared.query
    class WholeView(ViewModel[WholeStore]):
        class Meta:
            path = "wholeViews/{team.doc_id}"

        @attrs.computed
        def seen(self) -> int:
            return self.store.lead.seen if self.store.lead else 0

    with memory_app(shared) as testing:
        Person.new(doc_id="ada", name="Ada").save()
        Team.new(doc_id="t", lead="ada").save()
        testing.deliver()
        testing.write("people/ada", {**(testing.fields("people/ada") or {}), "seen": 5})
        (report,) = testing.deliver()
        assert report.outcomes == {"built": 1}
        assert_views_equal_rebuild(testing)


def test_prefer_wait_does_not_wait_for_a_write_that_the_view_never_records(testing: MemoryApp) -> None:
    answer = http_client(testing).patch("/teams/t", json={"visits": 9}, headers={"Prefer": "wait=5"})
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (200, "wait=5")
    assert (testing.fields("teams/t") or {})["visits"] == 9


@pytest.mark.parametrize("number", range(20))
def test_whatever_goes_wrong_the_views_equal_a_rebuild_in_the_end(testing: MemoryApp, number: int) -> None:
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = Random(seed)

    def act() -> None:
        number, name = chance.randrange(3), chance.choice("abc")
        match chance.randrange(6):
            case 0:
                testing.write(f"people/{chance.choice(['ada', 'eve'])}", None)
            case 1 | 2:
                boss = chance.choice(["ada", "eve", None])
                Person.new(doc_id=chance.choice(["ada", "eve"]), name=name, seen=number, boss=boss).save()
            case 3:
                Note.new(doc_id="n", team="t", text=name, reads=number, open=chance.random() < 0.5).save()
            case 4:
                Team.new(doc_id="t", lead=chance.choice(["ada", "eve"]), motto=name, visits=number).save()
            case _:
                Log.new(team_id="t", doc_id="l", line=name, at=number).save()

    testing.deliver(shuffle=seed, at_once=4, crashes=0.05, duplicates=1, drops=0.1, meanwhile=[act] * 30)
    testing.upkeep()
    assert_views_equal_rebuild(testing)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: reference(Team, fields=[]), "list the attributes"),
        (lambda: reference(Team, fields="motto"), "list the attributes"),  # type: ignore[arg-type]
        (lambda: reference(Team, fields=["motto"]), "give attributes of the model"),  # type: ignore[list-item]
        (lambda: reference(Person, fields=[Person.title]), "it has a getter"),
    ],
)
def test_what_is_no_field_is_refused(declare: Any, message: str) -> None:
    with pytest.raises(InvalidReference, match=message):
        declare()


def test_a_field_of_another_model_is_refused_by_the_name_of_the_reference() -> None:
    with pytest.raises(InvalidReference, match=r"MixedStore\.team: Person\.name is not an attribute of Team"):

        class MixedStore(Store):
            team = reference(Team, fields=[Person.name])


def test_a_placeholder_of_the_path_must_be_among_the_fields() -> None:
    class PlacedStore(Store):
        team = reference(Team)
        lead = reference(Team.lead, fields=[Person.name])

    class Placed(ViewModel[PlacedStore]):
        class Meta:
            path = "cities/{lead.city}/teams/{team.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.lead.name if self.store.lead else ""

    with pytest.raises(InvalidReference, match=r"Placed is stored by \{lead\.city\}"):
        Boiler("other").query(Placed)


def test_a_total_reads_no_fields() -> None:
    with pytest.raises(InvalidReference, match="leave out `fields`"):

        class CountingStore(Store):
            notes = matching(Note.all(), fields=[Note.text]).count()


def test_a_condition_that_chooses_among_related_documents_counts_as_well() -> None:
    class ChosenStore(Store):
        team = reference(Team)
        members = references(Team.members, fields=[Person.name]).where(Person.city == "London")

    chosen = Boiler("chosen")

    @chosen.query
    class ChosenView(ViewModel[ChosenStore]):
        class Meta:
            path = "chosenViews/{team.doc_id}"

        @attrs.computed
        def names(self) -> list[str]:
            return [each.name for each in self.store.members]

    with memory_app(chosen) as testing:
        Person.new(doc_id="ada", name="Ada", city="London").save()
        Team.new(doc_id="t", members=["ada"]).save()
        testing.deliver()
        assert changed(testing, "people/ada", city="Paris")[0] == {"built"}
        assert changed(testing, "people/ada", seen=1) == ({"unaffected"}, 0)


class Sent(Hooked):
    """A database that notes the fields of the documents that it returns."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.fields: dict[str, set[str]] = {}

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        return self._noted(super().query(query, at=at))

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        return self._noted(super().read(paths, at=at, select=select))

    def _noted(self, reading: Reading) -> Reading:
        for each in reading.documents:
            self.fields.setdefault(each.path, set()).update(each.fields or {})
        return reading


def sent(testing: MemoryApp, path: str, **fields: Any) -> dict[str, set[str]]:
    """Changes some fields of a document; returns those that were sent for its event, by path."""
    testing.write(path, {**(testing.fields(path) or {}), **fields})
    (delivery,) = [each for each in testing.take() if each.change.path == path]
    database = Sent(testing.database)
    testing.handle(delivery, database)
    return {path: names for path, names in database.fields.items() if not path.startswith("boiler")}


def test_those_fields_are_sent_that_are_read_followed_or_compared_and_no_others(testing: MemoryApp) -> None:
    for path in ("notes/n", "teams/t/logs/l", "people/ada", "people/eve"):
        testing.write(path, {**(testing.fields(path) or {}), "large": "x" * 100_000})
    testing.take()
    found = sent(testing, "teams/t", motto="Stop")
    assert found["notes/n"] == {"obj_type", "team", "text", "open"}
    assert found["teams/t/logs/l"] == {"obj_type", "line"}
    assert text(testing) == ["Stop", "Ada", "E", "Hello", "Begun"]
    assert_views_equal_rebuild(testing)


def test_of_documents_that_are_read_by_name_those_fields_are_sent_that_one_of_the_call_needs(
    testing: MemoryApp,
) -> None:
    """Those that are read beside a ledger are read whole, as one call has one choice of fields."""
    people, team = {"obj_type", "name", "nick", "boss"}, {"obj_type", "motto", "lead"}
    found = sent(testing, "people/eve", nick="Eva")
    assert found["people/ada"] == people - {"nick"}
    assert found["people/eve"] == people - {"boss"}
    assert found["teams/t"] == team
    assert text(testing) == ["Go", "Ada", "Eva", "Hello", "Begun"]
    Person.new(doc_id="zoe", name="Zoe", nickname="Z", city="Rome").save()
    testing.take()
    assert sent(testing, "people/ada", boss=Reference("people/zoe"))["people/zoe"] == people - {"boss"}
    assert text(testing) == ["Go", "Ada", "Z", "Hello", "Begun"]
    assert_views_equal_rebuild(testing)


class WholeStore(Store):
    team = reference(Team)
    notes = referrers(Note.team, fields=[Note.text])
    open = matching(Note.open == True)  # noqa: E712


class WholeView(ViewModel[WholeStore]):
    class Meta:
        path = "wholeViews/{team.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return f"{self.store.team.motto} {sum(each.reads for each in self.store.open)}"


def test_documents_that_another_reference_needs_whole_are_sent_whole() -> None:
    whole = Boiler("whole")
    whole.query(WholeView)
    with memory_app(whole) as testing:
        Team.new(doc_id="t").save()
        Note.new(doc_id="n", team="t", reads=3).save()
        testing.deliver()
        assert (testing.fields("wholeViews/t") or {})["text"] == " 3"
        assert {"reads", "text"} <= sent(testing, "teams/t", motto="Go")["notes/n"]


def test_documents_that_another_view_of_the_same_build_needs_have_its_fields_too() -> None:
    """The views of one page share what is read."""
    assert selected_of([TeamStore])["notes"] == ("obj_type", "open", "team", "text")
    assert "notes" not in selected_of([TeamStore, WholeStore])


class Strict(DomainModel):
    class Meta:
        collection_name = "stricts"
        unknown = RAISE

    team = attrs.relation(Team)
    text = attrs.string(default="")


class StrictStore(Store):
    team = reference(Team)
    stricts = referrers(Strict.team, fields=[Strict.text])


def test_documents_whose_model_refuses_undeclared_fields_are_sent_whole() -> None:
    assert "stricts" not in selected_of([StrictStore])
