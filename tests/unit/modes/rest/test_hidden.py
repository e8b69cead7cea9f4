"""Documents that a caller may not see change none of their answers."""

import logging
from random import Random, SystemRandom
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, HttpSettings, Store, ViewModel, attrs, reference, use
from boiler_functions.access import Caller, audience
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import Unavailable
from boiler_functions.modes.rest.resource import LONGEST_STEP, MOST_READ
from tests.unit.modes.rest.meeting_api import Api, Faulty


class Diary(DomainModel):
    class Meta:
        collection_name = "diaries"

    owner = attrs.string(required=True)
    title = attrs.string(default="")
    stars = attrs.integer(default=0)


class DiaryStore(Store):
    diary = reference(Diary)


def is_owner(caller: Caller | None, view: Any) -> bool:
    return caller is not None and view.store.diary.owner.lower() == caller.uid


class DiaryView(ViewModel[DiaryStore]):
    """The document says who may see it, and some documents do not."""

    class Meta:
        read = write = staticmethod(is_owner)

    @attrs.computed
    def title(self) -> str:
        return self.store.diary.title

    @title.setter
    def set_title(self, value: str) -> None:
        self.store.diary.title = value

    @attrs.computed
    def stars(self) -> int:
        return self.store.diary.stars


app = Boiler("diaries", http=HttpSettings(rate=None))
app.rest("/diaries", delete=True, filtered_orders=["-stars"])(DiaryView)


@pytest.fixture
def diaries() -> Api:
    """Stores Ada's b and d, with others' before, between and after them."""
    memory = MemoryDatabase()
    with use(memory):
        for name, owner in (("a", "eve"), ("b", "ada"), ("c", "eve"), ("d", "ada"), ("e", "eve")):
            Diary.new(doc_id=name, owner=owner, title="mine", stars=1).save()
    return Api(memory, Faulty(memory), app=app)


def ids(answer: Any) -> list[str]:
    return [view["id"] for view in answer.json["results"]]


def test_no_page_token_tells_of_documents_that_the_caller_may_not_see(diaries: Api) -> None:
    first = diaries.get("/diaries", by="ada", limit="1")
    assert ids(first) == ["b"]
    second = diaries.get("/diaries", by="ada", limit="1", pageToken=first.json["nextPageToken"])
    assert second.json == {"results": [{"id": "d", "title": "mine", "stars": 1}]}
    assert diaries.get("/diaries", by="bob", limit="1", title="mine").json == {"results": []}


def hidden(random: Random) -> dict[str, Any]:
    """The fields of a document that nobody but its owner may see, or that nobody can say so of."""
    owner = random.choice(("eve", "eve", None, 5))
    return {"owner": owner, "title": random.choice(("mine", "x")), "stars": random.randrange(3), "obj_type": "Diary"}


QUERIES = {
    "limit": ("1", "2", "3", "100"),
    "title": ("mine", "x"),
    "stars": ("0", "1"),
    "stars>": ("0", "1", "2"),
    "stars<": ("1",),
    "title>": ("", "n"),
    "orderBy": ("stars", "-stars", "title"),
}


def ask(api: Api, token: str, random: Random) -> Any:
    """The answer to a request that chance makes; `token` is the one of the last list of this service."""
    by, path = random.choice((None, "ada", "bob")), f"/diaries/{random.choice(('b', 'd', 'f', '__x__'))}"
    query = {name: random.choice(values) for name, values in QUERIES.items() if random.random() < 0.4}
    goes_on = random.random() < 0.5
    match random.choice(("list", "list", "list", "get", "patch")):
        case "list":
            return api.get("/diaries", by=by, **query, **({"pageToken": token} if goes_on else {}))
        case "get":
            return api.get(path, by=by)
        case _:
            return api.ask("PATCH", path, by=by, body={"title": "new"})


def test_two_databases_that_differ_in_hidden_documents_give_equal_answers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    random = Random(seed)
    twins = []
    for many in (0, 40):
        memory = MemoryDatabase()
        with use(memory):
            for name in ("b", "d", "f"):
                Diary.new(doc_id=name, owner="ada", title="mine", stars=ord(name) % 3).save()
            for number in range(many):
                memory.commit([Put(f"diaries/{random.choice('aceg')}{number}", hidden(random))])
        twins.append(Api(memory, Faulty(memory), app=app))
    tokens = ["", ""]
    for number in range(300):
        answers = [ask(api, token, Random(seed + number)) for api, token in zip(twins, tokens, strict=True)]
        told = []
        for position, answer in enumerate(answers):
            body = answer.json
            if token := body.pop("nextPageToken", None):
                tokens[position] = token
            headers = {name: value for name, value in answer.headers.items() if name not in ("Content-Length", "Date")}
            told.append((answer.status_code, body, headers, token is None))
        assert told[0] == told[1]


def test_a_list_leaves_out_a_view_over_which_its_audience_raises(
    diaries: Api, caplog: pytest.LogCaptureFixture
) -> None:
    diaries.memory.commit([Put("diaries/bb", {"title": "mine", "owner": None, "obj_type": "Diary"})])
    assert ids(diaries.get("/diaries", by="ada")) == ["b", "d"]
    assert "failed for the DiaryView of {'doc_id': 'bb'}, and admits nobody" in caplog.text


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"title": "x"}), ("DELETE", None)])
def test_a_view_over_which_its_audience_raises_is_as_if_missing(diaries: Api, method: str, body: Any) -> None:
    diaries.memory.commit([Put("diaries/bb", {"title": "mine", "owner": None, "obj_type": "Diary"})])
    answer = diaries.ask(method, "/diaries/bb", by="ada", body=body)
    missing = diaries.ask(method, "/diaries/none", by="ada", body=body)
    assert (answer.status_code, answer.json) == (missing.status_code, missing.json)
    assert answer.status_code == 404
    assert diaries.document("diaries/bb")["title"] == "mine"


def test_a_predicate_that_meets_a_database_which_is_away_is_no_refusal() -> None:
    def away(caller: Caller | None, view: Any) -> bool:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        audience(away).admits(None, None)  # type: ignore[arg-type]


def test_a_list_reads_a_bounded_number_of_documents_for_one_request(diaries: Api) -> None:
    with use(diaries.memory):
        for number in range(MOST_READ + LONGEST_STEP):
            Diary.new(doc_id=f"c{number}", owner="eve").save()
    diaries.database.usage = Usage()
    answer = diaries.get("/diaries", by="ada", limit="2")
    assert diaries.database.usage.reads < MOST_READ + LONGEST_STEP
    assert ids(answer) == ["b"]
    assert ids(diaries.get("/diaries", by="ada", pageToken=answer.json["nextPageToken"])) == ["d"]


@pytest.mark.parametrize("name", ["owner", "mood"])
def test_nobody_filters_or_orders_by_what_the_view_does_not_show(diaries: Api, name: str) -> None:
    for query in ({name: "eve"}, {f"{name}>": "eve"}, {f"{name}<": "eve"}, {"orderBy": name}, {"orderBy": f"-{name}"}):
        answer = diaries.get("/diaries", by="ada", **query)
        unknown = diaries.get("/diaries", by="ada", **{each.replace(name, "x"): "eve" for each in query})
        assert answer.status_code == 422
        assert diaries.database.usage == Usage()
        # No word tells which attributes there are.
        assert name not in unknown.text
    assert f'"{name}"' not in str(diaries.client.get("/openapi.json").json)
