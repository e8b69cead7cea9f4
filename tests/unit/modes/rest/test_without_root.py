"""A view without a root is served at the path of its rule, and can only be read."""

from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, matching, operation, reference
from boiler_functions.exceptions import InvalidRule
from boiler_functions.testing import http_client, memory_app


class Job(DomainModel):
    class Meta:
        collection_name = "jobs"

    state = attrs.string(default="open")
    weight = attrs.integer(default=1)


class Members(DomainModel):
    class Meta:
        collection_name = "settings"

    uids = attrs.list(str)


class BoardStore(Store):
    open = matching(Job.where(state="open"))
    weight = matching(Job.all()).sum(Job.weight)


class Board(ViewModel[BoardStore]):
    """What is open."""

    class Meta:
        path = "boards/all"
        read = access.claim("staff")

    @attrs.computed
    def open(self) -> list[str]:
        return [each.doc_id for each in self.store.open]

    @attrs.computed
    def weight(self) -> int:
        return self.store.weight


class CountStore(Store):
    jobs = matching(Job.all()).count()


class Count(ViewModel[CountStore]):
    """Is built at each request, of nothing but a number."""

    class Meta:
        read = access.public

    @attrs.computed
    def jobs(self) -> int:
        return self.store.jobs


class MembersStore(Store):
    members = reference(Members, doc_id="members")


class ForMembers(ViewModel[MembersStore]):
    class Meta:
        read = staticmethod(lambda caller, view: caller is not None and caller.uid in view.store.members.uids)

    @attrs.computed
    def uids(self) -> list[str]:
        return self.store.members.uids if self.store.members else []


def board_app() -> Boiler:
    app = Boiler("board")
    app.query(Board)
    app.rest("/board")(Board)
    app.rest("/count")(Count)
    app.rest("/for_members")(ForMembers)
    return app


@pytest.mark.parametrize("fresh", ["", "?fresh=true"])
def test_it_is_the_stored_copy_or_built_now_without_an_id(fresh: str) -> None:
    with memory_app(board_app()) as testing:
        staff = http_client(testing, "ada", staff=True)
        assert staff.get(f"/board{fresh}").json == {"open": [], "weight": 0}, "before anything is stored"
        for name, state in (("a", "open"), ("b", "done"), ("c", "open")):
            Job.new(doc_id=name, state=state, weight=2).save()
        testing.deliver()
        answer = staff.get(f"/board{fresh}")
        assert (answer.status_code, answer.json) == (200, {"open": ["a", "c"], "weight": 6})
        assert staff.get("/board", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
        assert http_client(testing).get("/count").json == {"jobs": 3}


def test_only_whom_its_audience_admits_may_read_it() -> None:
    with memory_app(board_app()) as testing:
        assert http_client(testing).get("/board").status_code == 401
        assert http_client(testing, "eve").get("/board").status_code == 403
        eve = http_client(testing, "eve")
        assert eve.get("/for_members").status_code == 404
        Members.new(doc_id="members", uids=["eve"]).save()
        assert eve.get("/for_members").json == {"uids": ["eve"]}
        assert http_client(testing, "ada").get("/for_members").status_code == 404


def test_it_has_no_list_no_ids_and_nothing_but_a_get() -> None:
    with memory_app(board_app()) as testing:
        staff = http_client(testing, "ada", staff=True)
        assert staff.get("/board/x").status_code == 404
        assert staff.get("/board?limit=5").status_code == 422
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert staff.open("/board", method=method, json={}).status_code == 405
        document: Any = staff.get("/openapi.json").json
        assert {path: [*each] for path, each in document["paths"].items()} == {
            "/board": ["get"], "/count": ["get"], "/for_members": ["get"],
        }  # fmt: skip
        assert document["components"]["schemas"]["Board"]["properties"].keys() == {"open", "weight"}


class Settable(Count):
    label = attrs.bproperty()

    @label.getter
    def get_label(self) -> str:
        return ""

    @label.setter
    def set_label(self, value: str) -> None: ...


class Operated(Count):
    @operation
    def reset(self) -> None: ...


@pytest.mark.parametrize(
    ("view", "options", "named"),
    [
        (Count, {"create": True}, "create"),
        (Count, {"delete": True}, "delete"),
        (Count, {"filtered_orders": ["jobs"]}, "filtered_orders"),
        (Settable, {}, "the setter of label"),
        (Operated, {}, r"reset\(\)"),
    ],
)
def test_what_would_change_it_is_refused_by_name(view: Any, options: Any, named: str) -> None:
    with pytest.raises(InvalidRule, match=f"{view.__name__} has no root, so .* can only be read; it has {named}"):
        Boiler("board").rest("/count", **options)(view)
