"""Every mode follows relations by the value of another field, and by the keys of a map."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    DomainModel,
    HttpSettings,
    Store,
    ViewModel,
    access,
    attrs,
    reference,
    references,
    referrers,
)
from boiler_functions.access import Caller
from boiler_functions.modes import dead_letter
from boiler_functions.modes.websocket.followers import read_now
from boiler_functions.plan.indexes import Indexes
from boiler_functions.plan.security_rules import documents, firestore_rules
from boiler_functions.plan.web_client import web_client
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from boiler_functions.views.build import Instance
from boiler_functions.views.fetching import Assumed
from tests.unit.modes.rest.meeting_api import Api, Faulty


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(default="")
    email = attrs.string()


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    title = attrs.string(default="")
    members = attrs.relation(User, many=True, by="keys")


class Issue(DomainModel):
    class Meta:
        collection_name = "issues"

    title = attrs.string(default="")
    owner = attrs.relation(User, by=User.email)
    watchers = attrs.relation(User, many=True, by=User.email)


class IssueStore(Store):
    issue = reference(Issue)
    owner = reference(Issue.owner, fields=[User.name])
    watchers = references(Issue.watchers, fields=[User.name])


class RoomStore(Store):
    room = reference(Room)
    members = references(Room.members)


class UserStore(Store):
    user = reference(User)
    issues = referrers(Issue.owner)
    watched = referrers(Issue.watchers)
    rooms = referrers(Room.members)
    count = referrers(Room.members).count()


class KeptStore(Store):
    user = reference(User)
    issues = referrers(Issue.owner).count(kept=True)
    rooms = referrers(Room.members).count(kept=True, shards=1)


app = Boiler("stored", http=HttpSettings(rate=None))


@app.query
@app.rest("/issues")
@app.websocket("/issues")
class IssueView(ViewModel[IssueStore]):
    class Meta:
        path = "issueViews/{issue.doc_id}"
        read = access.public
        write = access.public

    @attrs.computed
    def owner(self) -> str | None:
        return self.store.issue.owner.name if self.store.issue.owner else None

    @owner.setter
    def set_owner(self, value: str | None) -> None:
        self.store.issue.owner = value

    @attrs.computed
    def watchers(self) -> list[str]:
        return sorted(each.name for each in self.store.issue.watchers)


@app.query
@app.rest("/rooms")
class RoomView(ViewModel[RoomStore]):
    """Has a copy for each member."""

    class Meta:
        path = "users/{members.doc_id}/roomViews/{room.doc_id}"
        read = access.owner("members.doc_id")
        write = access.owner("members.doc_id")

    members = attrs.relation(User, many=True, by="keys")

    @members.getter
    def get_members(self) -> Any:
        return self.store.room.values["members"]

    @members.setter
    def set_members(self, value: Any) -> None:
        self.store.room.members = value


@app.query
class OwnedView(ViewModel[IssueStore]):
    """Has its copy with the owner of the issue."""

    class Meta:
        path = "users/{owner.doc_id}/owned/{issue.doc_id}"
        read = access.owner("owner.doc_id")

    @attrs.computed
    def title(self) -> str:
        return self.store.issue.title


@app.query
class UserView(ViewModel[UserStore]):
    class Meta:
        path = "userViews/{user.doc_id}"
        read = access.public

    @attrs.computed
    def issues(self) -> list[str]:
        return [each.title for each in self.store.issues]

    @attrs.computed
    def watched(self) -> list[str]:
        return [each.title for each in self.store.watched]

    @attrs.computed
    def rooms(self) -> list[str]:
        return [each.title for each in self.store.rooms]

    @attrs.computed
    def count(self) -> int:
        return self.store.count


def is_owner(caller: Caller | None, view: Any) -> bool:
    owner = view.store.issue.owner
    return caller is not None and owner is not None and caller.uid == owner.doc_id


@app.rest("/mine")
@app.websocket("/mine")
class MineView(IssueView):
    """Is for the owner of the issue, whom a predicate finds by the relation."""

    class Meta:
        read = staticmethod(is_owner)
        write = staticmethod(is_owner)


@app.query
class KeptView(ViewModel[KeptStore]):
    class Meta:
        path = "keptViews/{user.doc_id}"

    @attrs.computed
    def counts(self) -> list[int]:
        return [self.store.issues, self.store.rooms]


@app.task("users/{user_id}/transfers/{id}", writes=[Issue, User])
class Transfer(ViewModel):
    class Meta:
        write = access.owner("user_id")

    issue = attrs.string(required=True)
    to = attrs.relation(User, by=User.email, required=True)
    with_members = attrs.relation(User, many=True, by="keys")

    def propagate_change(self) -> None:
        issue = Issue.get(self.issue)
        to = self.to
        if issue is not None and to is not None:
            to.email = f"new {to.email}"
            to.save()
            issue.owner = to
            issue.title = f"{issue.title} of {issue.owner.name}"
            issue.save()


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with memory_app(app) as memory:
        User.new("ada", name="Ada", email="ada@x").save()
        User.new("bob", name="Bob", email="bob@x").save()
        Issue.new("1", title="One", owner="ada@x", watchers=["bob@x", "zoe@x"]).save()
        Room.new("r", title="Red", members=["ada"]).save()
        memory.deliver()
        yield memory


def changed(testing: MemoryApp, path: str, **fields: Any) -> set[str]:
    """Changes some fields of a document; returns the outcomes of its events, after which all views are right."""
    testing.write(path, {**(testing.fields(path) or {}), **fields})
    reports = testing.deliver()
    assert_views_equal_rebuild(testing)
    return {str(each) for report in reports for each in report.outcomes}


def issue(testing: MemoryApp) -> list[Any]:
    fields = testing.fields("issueViews/1") or {}
    return [fields["owner"], fields["watchers"]]


def user(testing: MemoryApp, name: str) -> list[Any]:
    fields = testing.fields(f"userViews/{name}") or {}
    return [fields["issues"], fields["watched"], fields["rooms"], fields["count"]]


def test_a_target_that_appears_is_renamed_or_deleted_rebuilds_what_its_value_leads_from(testing: MemoryApp) -> None:
    assert issue(testing) == ["Ada", ["Bob"]]
    changed(testing, "users/zoe", name="Zoe", email="zoe@x")
    assert issue(testing) == ["Ada", ["Bob", "Zoe"]]
    changed(testing, "users/ada", email="else@x")
    assert issue(testing) == [None, ["Bob", "Zoe"]]
    changed(testing, "users/bob", email="ada@x")
    assert issue(testing) == ["Bob", ["Zoe"]]
    testing.write("users/bob", None)
    testing.deliver()
    assert_views_equal_rebuild(testing)
    assert issue(testing) == [None, ["Zoe"]]


def test_a_target_has_what_refers_to_its_value_before_and_after_each_change(testing: MemoryApp) -> None:
    assert [user(testing, each) for each in ("ada", "bob")] == [[["One"], [], ["Red"], 1], [[], ["One"], [], 0]]
    changed(testing, "issues/1", owner="bob@x", watchers=["ada@x"])
    assert [user(testing, each)[:2] for each in ("ada", "bob")] == [[[], ["One"]], [["One"], []]]
    changed(testing, "users/ada", email="bob@y")
    changed(testing, "issues/1", owner="bob@y")
    assert [user(testing, each)[:2] for each in ("ada", "bob")] == [[["One"], []], [[], []]]
    changed(testing, "rooms/r", members={"ada": None, "bob": False})
    assert [user(testing, each)[2:] for each in ("ada", "bob")] == [[[], 0], [["Red"], 1]]


def test_a_change_of_what_nobody_reads_costs_nothing_and_one_of_the_value_does(testing: MemoryApp) -> None:
    assert changed(testing, "users/bob", seen=1) <= {"unaffected", "unchanged"}
    before = testing.fields("issueViews/1")
    changed(testing, "users/ada", email="away@x")
    assert testing.fields("issueViews/1") != before


def test_a_value_that_two_documents_have_is_a_letter_that_names_both_until_one_changes_it(testing: MemoryApp) -> None:
    testing.write("users/zoe", {"name": "Zoe", "email": "ada@x"})
    testing.deliver()
    letters = [each.fields or {} for each in testing.documents().values() if each.collection == dead_letter.COLLECTION]
    (error,) = {str(each["message"]) for each in letters}
    assert "issues/1 does not fit Issue: owner: 'ada@x' is the email of users/ada and users/zoe" in error
    assert issue(testing) == ["Ada", ["Bob"]], "the view keeps its content"
    changed(testing, "users/ada", email="ada@y")
    assert issue(testing) == ["Zoe", ["Bob"]]


def test_copies_come_and_go_with_the_keys_of_a_map(testing: MemoryApp) -> None:
    assert testing.fields("users/ada/roomViews/r") is not None
    changed(testing, "rooms/r", members={"bob": "owner", "ada": None})
    assert testing.fields("users/ada/roomViews/r") is None
    assert (testing.fields("users/bob/roomViews/r") or {})["members"] == {"bob": "owner", "ada": None}


def test_a_copy_moves_with_the_value_of_the_document_that_it_is_for(testing: MemoryApp) -> None:
    assert testing.fields("users/ada/owned/1") is not None
    changed(testing, "users/ada", email="else@x")
    assert testing.fields("users/ada/owned/1") is None
    changed(testing, "users/bob", email="ada@x")
    assert testing.fields("users/bob/owned/1") is not None
    changed(testing, "issues/1", owner="else@x")
    assert (testing.fields("users/bob/owned/1"), testing.fields("users/ada/owned/1") is None) == (None, False)


def test_a_form_sees_its_own_writes_through_a_relation_by_a_value(testing: MemoryApp) -> None:
    testing.write("users/bob/transfers/t", {"issue": "1", "to": "bob@x"})
    testing.deliver()
    assert (testing.fields("issues/1") or {})["title"] == "One of Bob"
    assert (testing.fields("issues/1") or {})["owner"] == "new bob@x"
    assert issue(testing)[0] == "Bob"


def test_a_patch_that_sets_a_relation_answers_with_the_view_that_is_stored_afterwards(testing: MemoryApp) -> None:
    api = Api(testing.database, Faulty(testing.database), app=app)
    assert api.get("/issues/1").json["owner"] == "Ada"
    assert api.patch("/issues/1", {"owner": "bob@x"}).json["owner"] == "Bob"
    assert api.patch("/issues/1", {"owner": "nobody@x"}).json["owner"] is None
    testing.deliver()
    assert api.get("/issues/1").json["owner"] is None
    answer = api.ask("PATCH", "/rooms/r", "ada", {"members": {"ada": True, "bob": {"since": 3}}})
    assert (answer.status_code, answer.json["members"]) == (200, {"ada": True, "bob": {"since": 3}})
    assert api.ask("PATCH", "/rooms/r", "ada", {"members": ["ada"]}).status_code == 422
    assert api.ask("PATCH", "/rooms/r", "ada", {"members": {"a/b": True}}).status_code == 422
    testing.deliver()
    assert_views_equal_rebuild(testing)
    assert testing.fields("users/bob/roomViews/r") is not None


def test_a_predicate_follows_a_relation_by_a_value_before_and_after_a_change(testing: MemoryApp) -> None:
    api = Api(testing.database, Faulty(testing.database), app=app)
    assert [api.get("/mine/1", by=each).status_code for each in ("ada", "bob")] == [200, 404]
    assert api.ask("PATCH", "/mine/1", "bob", {"owner": "bob@x"}).status_code == 404
    assert api.ask("PATCH", "/mine/1", "ada", {"owner": "bob@x"}).status_code == 204, "Ada may not read it any more"
    assert api.ask("PATCH", "/mine/1", "bob", {"owner": "bob@x"}).json["owner"] == "Bob"
    state = read_now(Instance(MineView, "issues/1"), "stored/MineView", testing.database).state
    admitted = [state.admits(MineView.__readers__(), Caller(each)) for each in ("ada", "bob")]
    assert admitted == [False, True]


def test_a_kept_total_follows_the_value_of_its_target_and_the_keys_of_maps(testing: MemoryApp) -> None:
    def counts(name: str) -> object:
        return (testing.fields(f"keptViews/{name}") or {})["counts"]

    assert [counts("ada"), counts("bob")] == [[1, 1], [0, 0]]
    changed(testing, "rooms/r", members={"bob": "owner", "ada": True})
    changed(testing, "issues/2", owner="ada@x")
    assert [counts("ada"), counts("bob")] == [[2, 1], [0, 1]]
    changed(testing, "users/ada", email="else@x")
    changed(testing, "users/bob", email="ada@x")
    changed(testing, "rooms/r", members={"ada": None})
    assert [counts("ada"), counts("bob")] == [[0, 0], [2, 0]]


def test_a_patch_whose_relation_leads_to_two_documents_is_refused_and_changes_nothing(testing: MemoryApp) -> None:
    testing.write("users/zoe", {"name": "Zoe", "email": "bob@x"})
    api = Api(testing.database, Faulty(testing.database), app=app)
    before = testing.fields("issues/1")
    assert api.patch("/issues/1", {"owner": "bob@x"}).status_code >= 400
    assert testing.fields("issues/1") == before


def test_openapi_rules_and_types_spell_both_as_they_are_stored(testing: MemoryApp) -> None:
    api = Api(testing.database, Faulty(testing.database), app=app)
    room = api.get("/openapi.json").json["components"]["schemas"]["RoomView"]["properties"]["members"]
    assert room["type"] == "object"
    assert room["description"] == "A map whose keys are ids of User."
    declared = list(documents(app.declarations))
    rules = firestore_rules(declared)
    assert "areTexts([data.issue, data.to])" in rules
    assert "data.get('withMembers', {}) is map" in rules
    types = web_client(declared)
    assert "withMembers?: { [key: string]: unknown }" in types
    assert "to: string" in types


def test_no_index_names_the_key_of_one_document() -> None:
    assert Indexes.of(app.declarations).composite == ()
    assert Indexes.of(app.declarations).singles == ()


class LenientStore(Store):
    user = reference(User)
    issues = referrers(Issue.watchers, on_invalid="skip")
    owners = references(Issue.owner, via=issues).where(User.name != "Bob").order_by(User.name)


class LenientView(ViewModel[LenientStore]):
    class Meta:
        path = "lenientViews/{user.doc_id}"

    @attrs.computed
    def issues(self) -> list[str]:
        return [each.title for each in self.store.issues]

    @attrs.computed
    def owners(self) -> list[str]:
        return [each.name for each in self.store.owners]


def test_a_document_whose_value_two_others_have_is_left_out_where_those_that_do_not_fit_are() -> None:
    lenient = Boiler("lenient")
    lenient.query(LenientView)
    with memory_app(lenient) as testing:
        for name in ("Ada", "Bob", "Zoe"):
            User.new(name.lower(), name=name, email=f"{name.lower()}@x").save()
        Issue.new("1", title="One", owner="ada@x", watchers=["bob@x"]).save()
        Issue.new("2", title="Two", owner="zoe@x", watchers=["bob@x"]).save()
        Issue.new("3", title="Three", owner="bob@x", watchers=["bob@x"]).save()
        testing.deliver()

        def shown() -> list[Any]:
            fields = testing.fields("lenientViews/bob") or {}
            return [fields["issues"], fields["owners"]]

        assert shown() == [["One", "Two", "Three"], ["Ada", "Zoe"]]
        changed(testing, "users/yan", name="Yan", email="ada@x")
        assert shown() == [["Two", "Three"], ["Zoe"]]
        changed(testing, "users/yan", name="Yan", email="yan@x")
        assert shown() == [["One", "Two", "Three"], ["Ada", "Zoe"]]


class NarrowStore(Store):
    user = reference(User, fields=[User.name])
    issues = referrers(Issue.owner, fields=[Issue.title])
    count = referrers(Issue.watchers).count()


class NarrowView(ViewModel[NarrowStore]):
    class Meta:
        path = "narrowViews/{user.doc_id}"

    @attrs.computed
    def issues(self) -> list[Any]:
        return [self.store.user.name, self.store.count, *(each.title for each in self.store.issues)]


def test_the_value_that_others_refer_to_counts_though_no_getter_reads_it() -> None:
    narrow = Boiler("narrow")
    narrow.query(NarrowView)
    with memory_app(narrow) as testing:
        User.new("ada", name="Ada", email="ada@x").save()
        Issue.new("1", title="One", owner="ada@x", watchers=["ada@y", "ada@x"]).save()
        Issue.new("2", title="Two", owner="ada@y", watchers=["ada@y"]).save()
        testing.deliver()
        assert (testing.fields("narrowViews/ada") or {})["issues"] == ["Ada", 1, "One"]
        changed(testing, "users/ada", email="ada@y")
        assert (testing.fields("narrowViews/ada") or {})["issues"] == ["Ada", 2, "Two"]


class WatchedStore(Store):
    issue = reference(Issue)
    watchers = references(Issue.watchers)


class WatchedView(ViewModel[WatchedStore]):
    class Meta:
        path = "watchedViews/{issue.doc_id}"

    @attrs.computed
    def watchers(self) -> list[str]:
        return [each.name for each in self.store.watchers]


@pytest.mark.parametrize("many", [1, 3, 31])
def test_the_plan_counts_what_looking_up_values_costs_which_is_a_query_for_thirty(many: int) -> None:
    watched = Boiler("watched")
    watched.query(WatchedView)
    with memory_app(watched) as testing:
        for number in range(many):
            User.new(f"u{number}", name=f"{number}", email=f"{number}@x").save()
        emails = [f"{number}@x" for number in range(many)]
        Issue.new("1", watchers=emails).save()
        testing.deliver()
        costs = {each.entry_point: each.cost(WatchedView, Assumed(many=many)) for each in _functions(watched)}
        testing.write("users/u0", {"name": "New", "email": "0@x"})
        (changed_user,) = testing.deliver()
        assert changed_user.usage == costs[changed_user.function]
        testing.write("issues/1", {"watchers": emails[1:] or ["0@x"], "title": "New"})
        (changed_issue,) = testing.deliver()
        if many > 1:  # Otherwise nothing changes in the view.
            left = Assumed(many=many - 1)
            function = next(each for each in _functions(watched) if each.entry_point == changed_issue.function)
            assert changed_issue.usage == function.cost(WatchedView, left)


def _functions(of: Boiler) -> Iterable[Any]:
    return of.compiled.functions.values()
