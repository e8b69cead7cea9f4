"""The lists of a ledger: readable while short, packed when long, and never a reason why a view cannot be stored."""

from collections.abc import Iterator
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, references, referrers
from boiler_functions.database import Put
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, document_size
from boiler_functions.models.domain_model import random_id
from boiler_functions.modes.ledger import FORMAT, Ledger, ledger_path
from boiler_functions.modes.ledger_lists import READABLE_BYTES, Lists
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance

SECOND = 1_000_000_000


def versions(count: int) -> dict[str, int]:
    return {f"likes/{random_id()}": 1_800_000_000 * SECOND + number * 1000 for number in range(count)}


def test_short_lists_are_fields_that_one_can_read() -> None:
    lists = Lists({"likes/a": 5}, ("views/v",))
    assert lists.fields() == {"versions": {"likes/a": 5}, "destinations": ["views/v"]}
    assert Lists.of(lists.fields()) == lists


def test_long_lists_are_packed_and_come_back_as_they_were() -> None:
    lists = Lists(versions(5000), tuple(f"users/{number}/feeds/f" for number in range(8000)))
    fields = lists.fields()
    assert fields.keys() == {"packed", "is_whole"}
    assert len(fields["packed"]) < 5000 * 60 + 8000 * 20
    assert Lists.of(fields) == lists


def test_the_newest_versions_are_kept_where_there_is_no_room_for_all() -> None:
    everything = versions(5000)
    lists = Lists(everything).fitting(40_000)
    assert len(lists.fields()["packed"]) <= 40_000
    assert not lists.is_whole
    oldest = min(lists.versions.values())
    assert dict(lists.versions) == {path: at for path, at in everything.items() if at >= oldest}
    assert len(lists.versions) > 1000


def test_the_rest_of_a_list_that_was_cut_is_never_taken_for_the_whole_list() -> None:
    lists = Lists(versions(5000)).fitting(500)
    assert not Lists.of(lists.fields()).is_whole
    assert sum(map(len, lists.versions)) < READABLE_BYTES


# Views whose ledgers are long.


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(default="")


class Post(DomainModel):
    class Meta:
        collection_name = "posts"

    title = attrs.string(default="")


class Like(DomainModel):
    class Meta:
        collection_name = "likes"

    post = attrs.relation(Post)
    number = attrs.integer(default=0)


class Follow(DomainModel):
    class Meta:
        collection_name = "follows"

    post = attrs.relation(Post)
    user = attrs.relation(User)


class LikesStore(Store):
    post = reference(Post)
    likes = referrers(Like.post)


class FeedStore(Store):
    post = reference(Post)
    follows = referrers(Follow.post)
    users = references(Follow.user)


class LikesView(ViewModel[LikesStore]):
    class Meta:
        path = "likeViews/{post.doc_id}"

    @attrs.computed
    def likes(self) -> int:
        return len(self.store.likes)

    @attrs.computed
    def total(self) -> int:
        return sum(like.number for like in self.store.likes)


class FeedView(ViewModel[FeedStore]):
    class Meta:
        path = "users/{users.doc_id}/feed/{post.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.post.title


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    app = Boiler("demo", group_by="source")
    app.query(LikesView)
    app.query(FeedView)
    with memory_app(app) as memory:
        yield memory


def stored(testing: MemoryApp, documents: dict[str, dict[str, Any]]) -> None:
    """The documents, there before the app was."""
    paths = list(documents)
    for start in range(0, len(paths), 4000):
        testing.database.commit([Put(path, documents[path]) for path in paths[start : start + 4000]])
    testing.take()


def ledger(testing: MemoryApp, view: type[ViewModel[Any]]) -> Ledger:
    path = ledger_path(f"demo/{view.__name__}", Instance(view, "posts/p"))
    (document,) = testing.database.read([path]).documents
    assert document_size(path, document.fields or {}) <= MAX_DOCUMENT_BYTES
    return Ledger.of(Instance(view, "posts/p"), document)


def liked(testing: MemoryApp, count: int) -> None:
    post = Reference("posts/p")
    stored(testing, {f"likes/{random_id()}": {"post": post, "number": 1} for _ in range(count)})
    Post.new(doc_id="p").save()
    testing.deliver()
    assert (testing.fields("likeViews/p") or {})["likes"] == count


def test_a_view_of_one_number_follows_thirty_thousand_documents(testing: MemoryApp) -> None:
    liked(testing, 30_000)
    assert (ledger(testing, LikesView).document.fields or {})["format"] == FORMAT


def test_a_document_that_the_ledger_has_no_room_for_is_never_covered_and_a_new_one_is(
    testing: MemoryApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boiler_functions.modes.ledger.SPARE_BYTES", MAX_DOCUMENT_BYTES - 20_000)
    liked(testing, 2_000)
    assert_views_equal_rebuild(testing)
    Like.new(doc_id="new", post="p", number=1).save()
    events = testing.take()
    assert sum(testing.handle(event).outcomes["built"] for event in events) == 1
    assert sum(testing.handle(event).outcomes["covered"] for event in events) == 1
    known = ledger(testing, LikesView)
    assert not known.is_whole
    old = next(path for path in testing.documents() if path.startswith("likes/") and path not in known.versions)
    like = Like.get(old.removeprefix("likes/"))
    assert like is not None
    like.number = 5
    like.save()
    testing.deliver()
    assert (testing.fields("likeViews/p") or {})["total"] == 2_005


def test_eight_thousand_followers_have_a_copy_each(testing: MemoryApp) -> None:
    users = [random_id() for _ in range(8_000)]
    stored(testing, {f"users/{user}": {"name": user} for user in users})
    follows = {user: {"post": Reference("posts/p"), "user": Reference(f"users/{user}")} for user in users}
    stored(testing, {f"follows/{user}": fields for user, fields in follows.items()})
    Post.new(doc_id="p", title="First").save()
    testing.deliver()
    titles = [(testing.fields(f"users/{user}/feed/p") or {}).get("title") for user in users]
    assert titles == ["First"] * 8_000
    assert ledger(testing, FeedView).is_whole
