"""Callers see and change what is theirs; no answer reveals anything else."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference, use
from boiler_functions.access import Caller
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.plan.advice import advice_on
from boiler_functions.plan.indexes import Indexes
from boiler_functions.testing import http_client, memory_app
from tests.unit.modes.rest.desk_api import ShownView, TicketView, desk, some_tickets
from tests.unit.modes.rest.meeting_api import Api
from tests.unit.modes.rest.notes_api import Note, NoteStore, User, notes_api, store_views

N1 = {"id": "n1", "text": "one", "stars": 0, "status": "open", "names": ["Ada", "Bob"]}


@pytest.fixture
def api() -> Api:
    return notes_api()


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [view["id"] for view in answer.json["results"]]


def test_an_owner_gets_their_copy_by_one_read(api: Api) -> None:
    assert api.get("/notes/n1", by="ada").json == N1
    assert api.database.usage == Usage(rpcs=1, reads=2)


def test_reading_another_users_view_is_answered_as_if_it_did_not_exist(api: Api) -> None:
    missing = api.get("/notes/nowhere", by="ada")
    others = api.get("/notes/n2", by="ada")
    assert (missing.status_code, missing.json) == (others.status_code, others.json) == (404, missing.json)


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE", "POST"])
def test_changing_another_users_view_is_answered_as_if_it_did_not_exist(api: Api, method: str) -> None:
    path = "/notes/{}:addStar" if method == "POST" else "/notes/{}"
    body = {"PATCH": {"text": "x"}, "PUT": {"text": "x", "stars": 1}, "POST": {}, "DELETE": None}[method]
    before = api.document("notes/n2")
    answers = [api.ask(method, path.format(note), "ada", body) for note in ("n2", "n2", "n3")]
    if method != "PUT":
        assert [each.status_code for each in answers] == [404, 404, 404]
        assert answers[0].json == answers[2].json
    else:
        # A PUT to a free id makes a note there.
        assert [each.status_code for each in answers] == [404, 404, 201]
    assert api.document("notes/n2") == before


def test_the_only_copy_of_another_is_refused_without_a_look(api: Api) -> None:
    assert api.get("/profiles/ada", by="ada").json == {"id": "ada", "name": "Ada"}
    api.database.usage = Usage()
    assert api.get("/profiles/bob", by="ada").status_code == 404
    assert api.database.usage == Usage()


def test_the_list_is_of_the_callers_own_copies_by_one_query(api: Api) -> None:
    assert ids(api.get("/notes", by="bob")) == ["n1", "n2"]
    assert api.database.usage == Usage(rpcs=2, reads=3)
    assert ids(api.get("/notes", by="ada")) == ["n1"]
    assert ids(api.get("/notes", by="eve")) == []
    assert ids(api.get("/notes", by="bob", text="two")) == ["n2"]
    assert ids(api.get("/notes", by="bob", orderBy="-stars")) == ["n2", "n1"]
    assert ids(api.get("/notes", by="bob", fresh="true")) == ["n1", "n2"]
    assert ids(api.get("/profiles", by="bob")) == ["bob"]


def test_a_fresh_list_omits_views_that_the_caller_may_no_longer_see(api: Api) -> None:
    with use(api.memory):
        note = Note.get("n1")
        assert note is not None
        note.readers = ["ada"]
        note.save()
    assert ids(api.get("/notes", by="bob")) == ["n1", "n2"]
    assert ids(api.get("/notes", by="bob", fresh="true")) == ["n2"]
    assert api.get("/notes/n1", by="bob", fresh="true").status_code == 404


def test_a_claim_admits_to_what_others_own_and_to_no_change_of_it(api: Api) -> None:
    assert api.get("/notes/n2", by="eve:admin").json["text"] == "two"
    assert api.ask("PATCH", "/notes/n2", "eve:admin", {"text": "x"}).status_code == 403
    assert api.get("/notes/n2", by="eve:other").status_code == 404


def test_the_list_of_whom_a_claim_admits_is_of_all_views_each_once(api: Api) -> None:
    with use(api.memory):
        Note.new(doc_id="n3", text="three", stars=5).save()
    store_views(api)
    for caller in ("eve:admin", "bob:admin"):
        assert ids(api.get("/notes", by=caller)) == ["n1", "n2", "n3"], "n3 has no reader, and so no copy"
        assert ids(api.get("/notes", by=caller, orderBy="-text")) == ["n2", "n3", "n1"]
        assert ids(api.get("/notes", by=caller, stars="5", fresh="true")) == ["n2", "n3"]
        first = api.get("/notes", by=caller, limit="2").json
        assert [each["id"] for each in first["results"]] == ["n1", "n2"]
        assert ids(api.get("/notes", by=caller, limit="2", pageToken=first["nextPageToken"])) == ["n3"]
    assert ids(api.get("/notes", by="eve:other")) == []


@pytest.mark.parametrize(
    ("rule", "caller"), [("/tickets", "eve agent"), ("/tickets", "ada agent"), ("/audited", "audit"), ("/shown", "eve")]
)
@pytest.mark.parametrize("fresh", ["", "&fresh=true"], ids=["stored", "fresh"])
def test_where_each_view_has_one_copy_the_list_of_all_is_filtered_and_ordered_by_all_that_it_shows(
    rule: str, caller: str, fresh: str
) -> None:
    with memory_app(desk()) as testing:
        some_tickets()
        testing.deliver()
        uid, *claims = caller.split()
        client = http_client(testing, uid, **dict.fromkeys(claims, True))
        assert ids(client.get(f"{rule}?limit=9{fresh}")) == ["t1", "t3", "t2"], "in the order of their paths"
        assert ids(client.get(f"{rule}?words=2{fresh}")) == ["t2"]
        assert ids(client.get(f"{rule}?words>=2&orderBy=-words{fresh}")) == ["t3", "t2"]
        assert ids(client.get(f"{rule}?words=3&orderBy=-title{fresh}")) == ["t3"]
        first = client.get(f"{rule}?orderBy=words&limit=2{fresh}").json or {}
        assert [each["id"] for each in first["results"]] == ["t1", "t2"]
        assert ids(client.get(f"{rule}?orderBy=words&limit=2{fresh}&pageToken={first['nextPageToken']}")) == ["t3"]


def test_the_list_of_all_is_one_query_of_the_copies_and_the_owners_stays_their_own() -> None:
    with memory_app(desk()) as testing:
        some_tickets()
        testing.deliver()
        # A document of somebody else, in a collection of this name, is no view.
        testing.write("elsewhere/x/tickets/t9", {"title": "nine"})
        testing.deliver()
        testing.through = metered = Metered(testing.database)
        assert ids(http_client(testing, "eve", agent=True).get("/tickets")) == ["t1", "t3", "t2"]
        assert metered.usage == Usage(rpcs=2, reads=8), (
            "three copies, four others of this name, and whether code changed"
        )
        assert ids(http_client(testing, "ada").get("/tickets?words=3")) == ["t3"]
        assert ids(http_client(testing, "audit").get("/audited")) == ["t1", "t3", "t2"]
        assert ids(http_client(testing, "ada").get("/audited")) == ["t1", "t3"]


def test_where_a_function_decides_no_copy_is_read_in_vain() -> None:
    with memory_app(desk()) as testing:
        some_tickets()
        testing.deliver()
        testing.through = metered = Metered(testing.database)
        for caller, status in (("audit", 200), ("bob", 404), ("ada", 200)):
            metered.usage = Usage()
            assert http_client(testing, caller).get("/audited/t1").status_code == status
            assert metered.usage == Usage(rpcs=1, reads=1), "the ticket"


def test_a_list_of_all_copies_has_its_indexes() -> None:
    found = Indexes.of(desk().compiled.declarations)
    groups = {each.collection: each.field for each in found.singles}
    assert groups.keys() == {"tickets", "audited", "shown"}
    assert {each.field for each in found.singles} == {"title", "words"}
    assert {(each.collection, each.scope) for each in found.composite} >= {
        ("tickets", "COLLECTION"),
        ("tickets", "COLLECTION_GROUP"),
    }


def test_the_plan_warns_of_a_list_of_all_copies_that_reads_other_documents() -> None:
    app = Boiler("desk")
    app.query(app.rest("/tickets")(TicketView))
    app.query(app.rest("/shown")(ShownView))
    (found,) = (each for each in advice_on(app.compiled, {}) if each.name == "lists-read-others")
    assert found.about == "TicketView (/tickets)"
    assert "drops, the documents of tickets/{doc_id}." in found.text


def of_a_moderator(caller: Caller | None, view: Any) -> bool:
    return caller is not None and caller.uid == "mona"


class ModeratedView(ViewModel[NoteStore]):
    """Has a copy for each reader, and a function admits a moderator whom no path names."""

    class Meta:
        path = "readers/{readers.doc_id}/moderated/{note.doc_id}"
        read = access.owner("readers.doc_id") | of_a_moderator

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text


@pytest.mark.parametrize("fresh", ["", "?fresh=true"])
def test_the_list_of_whom_a_function_admits_is_of_all_that_it_admits_to(fresh: str) -> None:
    app = Boiler("moderated")
    app.query(ModeratedView)
    app.rest("/notes")(ModeratedView)
    with memory_app(app) as testing:
        for name in ("ada", "bob"):
            User.new(doc_id=name, name=name).save()
        for doc_id, readers in (("n1", ["ada", "bob"]), ("n2", ["bob"]), ("n3", [])):
            Note.new(doc_id=doc_id, text=doc_id, readers=readers).save()
        testing.deliver()
        wanted = {"ada": ["n1"], "bob": ["n1", "n2"], "mona": ["n1", "n2", "n3"], "eve": []}
        assert {name: ids(http_client(testing, name).get(f"/notes{fresh}")) for name in wanted} == wanted


def test_a_list_of_ones_own_view_alone_takes_no_range(api: Api) -> None:
    assert ids(api.get("/profiles", by="bob", name="Bob")) == ["bob"]
    answer = api.get("/profiles", by="bob", **{"name>": "A"})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["name>"])


@pytest.mark.parametrize(
    "query", [{"names": "Ada"}, {"names": "Ada", "stars": "5"}], ids=["of another document", "and another"]
)
def test_a_list_of_all_says_what_it_cannot_be_filtered_by(api: Api, query: dict[str, str]) -> None:
    assert api.get("/notes", by="ada", names="Ada").status_code == 200
    answer = api.get("/notes", by="eve:admin", **query)
    assert answer.status_code == 422
    assert answer.json["errors"].keys() == {"names"}
    assert "the documents themselves" in answer.json["errors"]["names"][0]


def test_a_predicate_looks_into_the_view(api: Api) -> None:
    with use(api.memory):
        Note.new(doc_id="n3", text="three", status="closed").save()
    assert ids(api.get("/open_notes")) == ["n1", "n2"]
    assert api.get("/open_notes/n1").json == {"id": "n1", "text": "one"}
    assert api.get("/open_notes/n3").status_code == 404


def test_a_caller_who_may_write_but_not_read_sees_no_content(api: Api) -> None:
    with use(api.memory):
        Note.new(doc_id="n3", text="three", status="closed").save()
    answer = api.ask("PATCH", "/open_notes/n3", "eve:editor", {"text": "new"})
    assert (answer.status_code, answer.data, answer.headers.get("ETag")) == (204, b"", None)
    assert api.document("notes/n3")["text"] == "new"


@pytest.mark.parametrize("path", ["/notes", "/notes/n1", "/profiles", "/profiles/ada", "/notes?limit=x"])
def test_without_a_token_what_needs_one_is_a_401_and_asks_nothing(api: Api, path: str) -> None:
    answer = api.client.get(path)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert api.database.usage == Usage()


@pytest.mark.parametrize("by", [None, "ada", "ada:admin"])
def test_what_declares_nobody_admits_nobody(api: Api, by: str | None) -> None:
    assert api.get("/hidden/ada", by=by).status_code == 403
    assert api.get("/hidden", by=by).status_code == 403
    assert api.database.usage == Usage()


def test_a_caller_without_the_claim_gets_a_403_before_the_body_is_read(api: Api) -> None:
    assert api.ask("PATCH", "/open_notes/n1", "ada", {"nonsense": 1}).status_code == 403
    assert api.ask("PATCH", "/open_notes/n1", None, {"nonsense": 1}).status_code == 401
    assert api.database.usage == Usage()


def test_a_setter_knows_the_caller(api: Api) -> None:
    assert api.ask("PATCH", "/notes/n1", "bob", {"text": "new"}).status_code == 200
    assert api.document("notes/n1")["lastEditor"] == "bob"


def test_an_id_of_a_user_that_no_path_can_hold_owns_nothing(api: Api) -> None:
    assert ids(api.get("/notes", by="a/b")) == []
    assert api.get("/notes/n1", by="a/b").status_code == 404
    assert api.get("/notes/n1", by="..").status_code == 404


class Chat(DomainModel):
    class Meta:
        collection_name = "chats"

    asker = attrs.string(required=True)
    helper = attrs.string(required=True)


class ChatStore(Store):
    chat = reference(Chat)


class ChatView(ViewModel[ChatStore]):
    """A view that two may read, each named by the path."""

    class Meta:
        path = "askers/{chat.asker}/helpers/{chat.helper}/chats/{chat.doc_id}"
        read = access.owner("chat.asker") | access.owner("chat.helper")

    @attrs.computed
    def asker(self) -> str:
        return self.store.chat.asker


class OwnChatView(ChatView):
    """A view that is its root's, too."""

    class Meta:
        path = "helpers/{chat.helper}/chats/{chat.doc_id}"
        read = access.owner("chat.doc_id") | access.owner("chat.helper")


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (ChatView, {"ada": ["bob", "c1"], "bob": ["c1", "c2"], "eve": ["c2"]}),
        (OwnChatView, {"ada": [], "bob": ["bob", "c1"], "eve": ["c2"]}),
    ],
)
@pytest.mark.parametrize("fresh", ["", "?fresh=true"])
def test_a_list_holds_what_any_owner_that_the_path_names_can_get(view: Any, expected: Any, fresh: str) -> None:
    app = Boiler("demo")
    app.query(view)
    app.rest("/chats")(view)
    with memory_app(app) as testing:
        for doc_id, asker, helper in (("bob", "ada", "ann"), ("c1", "ada", "bob"), ("c2", "bob", "eve")):
            Chat.new(doc_id=doc_id, asker=asker, helper=helper).save()
        testing.deliver()
        for caller, own in expected.items():
            client = http_client(testing, caller)
            assert ids(client.get(f"/chats{fresh}")) == own
            assert [each for each in ("bob", "c1", "c2") if client.get(f"/chats/{each}").status_code == 200] == own


def test_of_80_requests_at_once_none_sees_what_is_anothers() -> None:
    api = notes_api()
    users = [f"user{number}" for number in range(20)]
    with use(api.memory):
        for user in users:
            User.new(doc_id=user, name=user).save()
            Note.new(doc_id=f"of-{user}", text=f"secret of {user}", readers=[user]).save()
    store_views(api)

    def ask(number: int) -> tuple[str, Any]:
        user = users[number % len(users)]
        path, client = f"/notes/of-{user}", api.flask.test_client()
        headers = {"Authorization": f"Bearer {user}"}
        match number // len(users):
            case 0:
                return user, client.get(path, headers=headers)
            case 1:
                return user, client.get("/notes", headers=headers)
            case 2:
                return user, client.patch(path, headers=headers, json={"stars": 1})
            case _:
                return user, client.get(path, query_string={"fresh": "true"}, headers=headers)

    with ThreadPoolExecutor(80) as pool:
        answers = list(pool.map(ask, range(80)))
    assert {answer.status_code for _, answer in answers} == {200}
    for user, answer in answers:
        assert f"secret of {user}" in answer.text
        assert not [other for other in users if other != user and f'secret of {other}"' in answer.text]
