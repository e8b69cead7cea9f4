"""A build records which fields its getters read, and a change of others writes nothing."""

import pickle
from collections.abc import Callable, Iterator
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
from boiler_functions.models.reads import Reads
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.modes.query.continuation import Continuation
from boiler_functions.modes.release import Release
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, http_client, memory_app
from boiler_functions.types import Fields
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.query.scenes import only


class Author(DomainModel):
    class Meta:
        collection_name = "authors"

    name = attrs.string(default="")
    nickname = attrs.string(data_key="nick", aliases=["short"])
    seen = attrs.integer(default=0)
    boss = attrs.relation("Author")


class Article(DomainModel):
    class Meta:
        collection_name = "articles"

    author = attrs.relation(Author)
    readers = attrs.relation(Author, many=True)
    title = attrs.string(default="")
    is_signed = attrs.boolean(default=False)
    visits = attrs.integer(default=0)


class Comment(DomainModel):
    class Meta:
        collection_name = "comments"

    article = attrs.relation(Article)
    text = attrs.string(default="")
    rank = attrs.integer(default=0)
    likes = attrs.integer(default=0)


class ArticleStore(Store):
    article = reference(Article)
    author = reference(Article.author)
    boss = reference(Author.boss, via=author)
    readers = references(Article.readers)
    comments = referrers(Comment.article).where(Comment.rank > 0)


app = Boiler("news", http=HttpSettings(rate=None))


@app.query
@app.rest("/pages")
class Page(ViewModel[ArticleStore]):
    class Meta:
        path = "pages/{article.doc_id}"
        read = access.public
        write = access.public

    @attrs.computed
    def title(self) -> str:
        return self.store.article.title

    @title.setter
    def set_title(self, value: str) -> None:
        self.store.article.title = value

    @attrs.computed
    def visits(self) -> int:
        return 0

    @visits.setter
    def set_visits(self, value: int) -> None:
        self.store.article.visits = value

    @attrs.computed
    def by(self) -> str | None:
        author = self.store.author
        if author is None:
            return None
        return author.nickname if self.store.article.is_signed else author.name

    @attrs.computed
    def readers(self) -> int:
        return len(self.store.readers)

    @attrs.computed
    def comments(self) -> list[str]:
        return [each.text for each in self.store.comments]


def begun(testing: MemoryApp) -> None:
    Author.new(doc_id="eve", name="Eve").save()
    Author.new(doc_id="ada", name="Ada", nickname="Lady A", boss="eve").save()
    Article.new(doc_id="a", author="ada", readers=["eve"], title="One").save()
    Comment.new(doc_id="c", article="a", text="Yes", rank=1).save()
    testing.deliver()


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with memory_app(app) as memory:
        begun(memory)
        yield memory


def ledger(testing: MemoryApp) -> Fields:
    (found,) = (each.fields or {} for each in testing.documents().values() if each.collection == COLLECTION)
    return found


def put(testing: MemoryApp, path: str, **fields: Any) -> None:
    testing.write(path, {**(testing.fields(path) or {}), **fields})


def changed(testing: MemoryApp, path: str, **fields: Any) -> tuple[dict[str, int], int, int]:
    """Changes fields of a document; returns the outcomes, and the RPCs and writes of its one event."""
    put(testing, path, **fields)
    (report,) = testing.deliver()
    assert_views_equal_rebuild(testing)
    return {str(each): count for each, count in report.outcomes.items()}, report.usage.rpcs, report.usage.writes


def test_a_ledger_names_the_fields_of_each_source_once_for_all_of_its_documents(testing: MemoryApp) -> None:
    assert ledger(testing)["reads"] == {
        "articles/{doc_id}": ["author", "isSigned", "obj_type", "readers", "title"],
        "authors/{doc_id}": ["boss", "name", "obj_type"],
        "comments/{doc_id}": ["article", "obj_type", "rank", "text"],
    }
    before = ledger(testing)["reads"]
    for number in range(3):
        Comment.new(article="a", text="No", rank=number).save()
    testing.deliver()
    assert ledger(testing)["reads"] == before


@pytest.mark.parametrize(
    ("path", "fields", "rpcs"),
    [
        ("articles/a", {"visits": 7}, 1),
        ("articles/a", {"undeclared": 7}, 1),
        ("authors/ada", {"seen": 7}, 1),
        ("authors/ada", {"nick": "Ada L."}, 1),
        ("authors/eve", {"seen": 7, "nick": "E"}, 1),
        ("comments/c", {"likes": 7}, 1),
    ],
)
def test_a_change_of_what_no_getter_has_read_costs_one_rpc_and_writes_nothing(
    testing: MemoryApp, path: str, fields: dict[str, Any], rpcs: int
) -> None:
    assert changed(testing, path, **fields) == ({"unaffected": 1}, rpcs, 0)


@pytest.mark.parametrize(
    ("path", "fields", "outcome"),
    [
        ("articles/a", {"title": "Two"}, "built"),
        ("articles/a", {"author": None}, "built"),
        ("articles/a", {"readers": []}, "built"),
        ("authors/ada", {"name": "Ada L."}, "built"),
        ("authors/ada", {"boss": None}, "unchanged"),
        ("comments/c", {"text": "No"}, "built"),
        ("comments/c", {"rank": 0}, "built"),
        ("comments/c", {"rank": 2}, "unchanged"),
    ],
)
def test_a_change_of_what_is_read_followed_or_compared_builds(
    testing: MemoryApp, path: str, fields: dict[str, Any], outcome: str
) -> None:
    assert changed(testing, path, **fields)[0] == {outcome: 1}


def test_a_document_that_comes_or_goes_builds(testing: MemoryApp) -> None:
    testing.write("authors/ada", None)
    testing.deliver()
    assert_views_equal_rebuild(testing)
    testing.write("authors/ada", {"name": "Ada"})
    testing.deliver()
    assert (testing.fields("pages/a") or {})["by"] == "Ada"


def test_an_event_without_images_builds(testing: MemoryApp) -> None:
    put(testing, "authors/ada", seen=7)
    assert testing.handle(only(testing).without_images()).outcomes == {"unchanged": 1}


def test_a_field_that_is_read_for_the_first_time_is_registered_and_then_builds(testing: MemoryApp) -> None:
    assert changed(testing, "authors/ada", nick="Ada L.")[0] == {"unaffected": 1}
    # Ledger and sources, the registration, the author once more, and the commit.
    assert changed(testing, "articles/a", isSigned=True) == ({"built": 1}, 5, 3)
    assert (testing.fields("pages/a") or {})["by"] == "Ada L."
    assert "registered" not in ledger(testing)
    assert changed(testing, "authors/ada", short=None, nick="Lady L.")[0] == {"built": 1}
    # What was read once stays recorded, so that nothing is registered twice.
    assert changed(testing, "articles/a", isSigned=False)[0] == {"built": 1}
    assert changed(testing, "articles/a", isSigned=True)[1:] == (3, 2)


def race(hook: Callable[[MemoryApp, Callable[[], None]], Hooked]) -> MemoryApp:
    """Lets the article be signed for the first time, while the author's nickname changes and its event is handled."""
    with memory_app(app) as testing:
        begun(testing)
        put(testing, "articles/a", isSigned=True)
        slow = only(testing)

        def rename() -> None:
            put(testing, "authors/ada", nick="Ada L.")
            testing.handle(only(testing), testing.database)

        testing.handle(slow, hook(testing, rename))
        testing.deliver()
        assert_views_equal_rebuild(testing)
    return testing


def test_a_change_that_was_left_alone_before_its_field_is_registered_is_in_the_view() -> None:
    race(lambda testing, rename: Hooked(testing.database).before("commit", 1, rename))


def test_a_change_after_its_field_was_registered_is_in_the_view() -> None:
    race(lambda testing, rename: Hooked(testing.database).after("commit", 1, rename))
    race(lambda testing, rename: Hooked(testing.database).before("commit", 2, rename))


def test_what_is_followed_or_compared_is_recorded_although_no_getter_reads_it() -> None:
    with memory_app(app) as testing:
        begun(testing)
        for path, fields in (("authors/ada", {"boss": None}), ("comments/c", {"rank": 0})):
            assert changed(testing, path, **fields)[0] != {"unaffected": 1}


def test_what_new_code_reads_is_not_known_from_the_ledger_of_old_code() -> None:
    newer = Boiler("news")

    class Renamed(Page):
        @attrs.computed
        def by(self) -> str | None:
            return self.store.author.nickname if self.store.author else None

    Renamed.__name__ = "Page"
    newer.query(Renamed)
    with memory_app(app) as testing:
        begun(testing)
        testing.deploy(newer)
        put(testing, "authors/ada", nick="Ada L.")
        testing.deliver()
        assert (testing.fields("pages/a") or {})["by"] == "Ada L."


def shows(attribute: str) -> Boiler:
    """Returns an app with the same view of a model that shows another attribute."""

    class Shown(DomainModel):
        class Meta:
            collection_name = "authors"

        name = attrs.string(default="")
        nick = attrs.string(default="")

        @property
        def shown(self) -> str:
            return str(getattr(self, attribute))

    class ShownStore(Store):
        author = reference(Shown)

    other = Boiler("other")

    @other.query
    class Name(ViewModel[ShownStore]):
        class Meta:
            path = "names/{author.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.author.shown

    return other


def test_the_fingerprint_of_a_class_does_not_tell_what_another_deployment_reads() -> None:
    with memory_app(shows("name")) as testing:
        testing.write("authors/ada", {"name": "Ada", "nick": "Lady A"})
        testing.deliver()
        testing.deploy(shows("nick"))
        assert changed(testing, "authors/ada", nick="Lady L")[0] == {"built": 1}


def test_without_a_number_of_its_deployment_code_leaves_no_change_alone(testing: MemoryApp) -> None:
    testing.release = Release()
    testing.write("articles/a", {**(testing.fields("articles/a") or {}), "title": "Two"})
    testing.deliver()
    assert changed(testing, "articles/a", visits=1)[0] == {"unchanged": 1}


def test_a_view_that_is_owed_a_build_is_built_by_any_change(testing: MemoryApp) -> None:
    put(testing, "authors/ada", name=7)
    testing.deliver()
    assert ledger(testing)["owed"]
    put(testing, "authors/ada", name="Ada")
    testing.take()
    assert changed(testing, "authors/ada", seen=1)[0] == {"unchanged": 1}


def test_a_getter_that_takes_models_or_documents_as_a_whole_reads_all_fields() -> None:
    def whole(store: ArticleStore) -> str:
        return str(sorted(store.article.to_view_dict()))

    def values(store: ArticleStore) -> str:
        return str(sorted(dict(store.article.values)))

    def documents(store: ArticleStore) -> str:
        return str(sorted(store.documents))

    def same(store: ArticleStore) -> str:
        return str(store.article == Article.from_document(store._documents["articles/a"]))

    def shown(store: ArticleStore) -> str:
        return str(len(str(store.article.values)))

    def differs(store: ArticleStore) -> str:
        return str(store.article.values != {"title": "One"})

    def backwards(store: ArticleStore) -> str:
        return str(len([*reversed(store.article.values)]))

    def last(store: ArticleStore) -> str:
        return str(len(store.article.values.popitem()))

    for read in (whole, values, documents, same, shown, differs, backwards, last):
        other = Boiler("other")

        @other.query
        class Whole(ViewModel[ArticleStore]):
            class Meta:
                path = "wholes/{article.doc_id}"

            @attrs.computed
            def text(self, read: Any = read) -> str:
                return str(read(self.store))

        with memory_app(other) as testing:
            begun(testing)
            assert ledger(testing)["reads"]["articles/{doc_id}"] is None, read
            assert changed(testing, "articles/a", visits=1)[0] == {"unchanged": 1}


def test_a_getter_that_takes_a_value_out_of_a_model_reads_it() -> None:
    for read in (lambda values: values.pop("visits", 0), lambda values: values.setdefault("visits", 0)):
        other = Boiler("other")

        @other.query
        class Taken(ViewModel[ArticleStore]):
            class Meta:
                path = "taken/{article.doc_id}"

            @attrs.computed
            def visits(self, read: Any = read) -> int:
                return int(read(self.store.article.values))

        with memory_app(other) as testing:
            begun(testing)
            assert changed(testing, "articles/a", visits=1)[0] == {"built": 1}


def test_the_values_of_a_model_can_be_sent_to_another_process() -> None:
    reads = Reads()
    values = reads.noted(Article, {"title": "One"})
    sent = pickle.loads(pickle.dumps(values))
    assert (type(sent), sent) == (dict, {"title": "One"})
    assert dict(reads.attributes) == {Article: None}


def test_a_request_that_waits_knows_that_its_change_is_left_alone(testing: MemoryApp) -> None:
    client = http_client(testing)
    headers = {"Prefer": "wait=1"}
    before = testing.fields("pages/a")
    for key in ("one", "one"):
        answer = client.patch("/pages/a", json={"visits": 9}, headers={**headers, "Idempotency-Key": key})
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=1")
    (report,) = testing.deliver()
    assert report.outcomes == {"unaffected": 1}
    assert testing.fields("pages/a") == before
    assert client.get("/pages/a").headers["ETag"] == answer.headers["ETag"]


def test_the_rest_of_a_fan_out_knows_which_fields_have_changed(testing: MemoryApp) -> None:
    put(testing, "authors/ada", seen=7)
    delivery = only(testing)
    whole = Continuation.of("news_page_on_authors", ["token"], delivery.change, frozenset({"seen"}))
    assert Continuation.from_json(whole.to_json()).fields_changed == frozenset({"seen"})
    assert Continuation.of("f", ["token"], delivery.change).fields_changed is None
    many = frozenset(map(str, range(101)))
    assert Continuation.of("f", ["token"], delivery.change, many).fields_changed is None
    earlier = {name: value for name, value in whole.to_json().items() if name != "changed"}
    assert Continuation.from_json(earlier).fields_changed is None
