"""A quiet view is written once in a period at most, its last state always, and a right is taken away at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
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
from boiler_functions.exceptions import InvalidOption
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild, http_client, memory_app
from tests.unit.modes.hooked import Hooked

PERIOD = timedelta(seconds=10)


class Person(DomainModel):
    class Meta:
        collection_name = "people"

    name = attrs.string(default="Ada")


class Post(DomainModel):
    class Meta:
        collection_name = "posts"

    views = attrs.integer(default=0)
    author = attrs.relation(Person)
    readers = attrs.relation(Person, many=True)


class Like(DomainModel):
    class Meta:
        collection_name = "likes"

    post = attrs.relation(Post)


class PostStore(Store):
    post = reference(Post)
    author = reference(Post.author)
    readers = references(Post.readers)
    likes = referrers(Like.post)


app = Boiler("quiet", http=HttpSettings(rate=None))


@app.query(at_most_every=PERIOD)
@app.rest("/posts")
class PostView(ViewModel[PostStore]):
    class Meta:
        path = "people/{readers.doc_id}/postViews/{post.doc_id}"
        read = access.owner("readers.doc_id") | access.public

    @attrs.computed
    def views(self) -> int:
        return self.store.post.views

    @attrs.computed
    def likes(self) -> int:
        return len(self.store.likes)

    @attrs.computed
    def author(self) -> str:
        return self.store.author.name if self.store.author else ""


@contextmanager
def running() -> Iterator[MemoryApp]:
    clock = VirtualClock()
    with memory_app(app, Surroundings(clock.now, clock.sleep, Random(7))) as memory:
        for each in ("ada", "eve"):
            Person.new(doc_id=each).save()
        post(views=1)
        memory.deliver()
        yield memory


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with running() as memory:
        yield memory


def post(views: int, readers: tuple[str, ...] = ("ada", "eve"), author: str = "ada") -> None:
    Post.new(doc_id="p", views=views, readers=list(readers), author=author).save()


def shown(testing: MemoryApp, reader: str = "ada") -> Any:
    return (testing.fields(f"people/{reader}/postViews/p") or {}).get("views")


def ledger(testing: MemoryApp) -> Any:
    return next(each.fields for each in testing.documents().values() if each.collection == COLLECTION)


def answered(response: Any) -> Any:
    return response.json["views"]


def outcomes(testing: MemoryApp) -> list[str]:
    return [str(outcome) for report in testing.deliver() for outcome in report.outcomes]


def test_a_change_within_the_period_waits_for_its_end_and_is_written_then() -> None:
    with running() as testing:
        for views in (2, 3, 4):
            post(views)
            assert outcomes(testing) == ["postponed"]
        assert shown(testing) == 1
        assert testing.advance(seconds=9) == {}
        assert testing.advance(seconds=1.2) == {"built": 1}
        assert shown(testing) == 4
        assert "postponed_until" not in ledger(testing)
        assert testing.advance(hours=1) == {}
        assert_views_equal_rebuild(testing)


def test_a_change_after_a_quiet_period_is_written_at_once(testing: MemoryApp) -> None:
    testing.advance(seconds=10.01)
    post(2)
    assert outcomes(testing) == ["built"]
    assert shown(testing) == 2


def test_a_change_after_the_period_writes_what_was_postponed_and_begins_the_next(testing: MemoryApp) -> None:
    post(2)
    testing.deliver()
    testing.surroundings.sleep(10.05)
    post(3)
    assert outcomes(testing) == ["built"]
    assert shown(testing) == 3
    assert testing.advance(seconds=9) == {}
    post(4)
    assert outcomes(testing) == ["postponed"]
    testing.advance(seconds=2)
    assert_views_equal_rebuild(testing)


def test_a_hot_source_costs_one_rpc_for_each_change_and_one_write_for_each_period(testing: MemoryApp) -> None:
    written, costs = [], []
    testing.database.subscribe(lambda _, after: written.append(after) if "/postViews/" in after.path else None)
    for number in range(200):
        testing.surroundings.sleep(0.25)
        Like.new(doc_id=f"l{number}", post="p").save()
        costs += [report.usage.rpcs for report in testing.deliver() if report.outcomes == {"postponed": 1}]
    testing.advance(seconds=11)
    assert len(written) / 2 <= 200 * 0.25 / 10 + 2
    assert sorted(costs)[len(costs) // 2] == 1
    assert_views_equal_rebuild(testing)


def test_a_reader_who_is_removed_loses_the_copy_at_once_and_the_others_wait(testing: MemoryApp) -> None:
    post(2, readers=("ada",))
    assert outcomes(testing) == ["withdrawn"]
    assert shown(testing, "eve") is None
    assert shown(testing, "ada") == 1
    testing.advance(seconds=11)
    assert_views_equal_rebuild(testing)


def test_a_removal_after_a_postponed_change_takes_effect_at_once() -> None:
    with running() as testing:
        post(2)
        assert outcomes(testing) == ["postponed"]
        post(3, readers=("ada",))
        assert outcomes(testing) == ["withdrawn"]
        assert shown(testing, "eve") is None
        testing.advance(seconds=11)
        assert_views_equal_rebuild(testing)


def test_a_reader_who_is_deleted_loses_the_copy_at_once(testing: MemoryApp) -> None:
    testing.write("people/eve", None)
    assert outcomes(testing) == ["withdrawn"]
    assert shown(testing, "eve") is None


def test_a_reader_who_is_added_waits(testing: MemoryApp) -> None:
    Person.new(doc_id="bob").save()
    post(2, readers=("ada", "bob", "eve"))
    assert set(outcomes(testing)) == {"postponed"}
    assert shown(testing, "bob") is None
    testing.advance(seconds=11)
    assert shown(testing, "bob") == 2


def test_a_root_that_is_deleted_takes_its_copies_along_at_once_and_returns_at_once(testing: MemoryApp) -> None:
    post(2)
    testing.deliver()
    testing.write("posts/p", None)
    assert outcomes(testing) == ["deleted"]
    assert shown(testing) is None
    post(3)
    testing.deliver()
    assert shown(testing) == 3
    assert testing.advance(hours=1) == {}


def test_a_torn_read_from_before_a_postponement_deletes_nothing_that_is_there_again() -> None:
    with running() as testing:
        testing.write("posts/p", None)
        gone = testing.surroundings.clock()
        (deleted,) = testing.take()
        testing.surroundings.sleep(1)
        post(2)
        assert outcomes(testing) == ["postponed"]
        testing.handle(deleted, Hooked(testing.database).tear("posts/p", at=gone))
        testing.deliver()
        testing.advance(seconds=11)
        assert shown(testing) == 2
        assert_views_equal_rebuild(testing)


def test_an_event_that_comes_while_the_postponed_build_runs_is_in_a_later_one() -> None:
    with running() as testing:
        post(2)
        testing.deliver()
        testing.surroundings.sleep(11)
        database = Hooked(testing.database)

        def hot() -> None:
            post(3)
            (event,) = testing.take()
            testing.handle(event)

        database.before("commit", 1, hot)
        testing.through = database
        testing.advance()
        testing.through = testing.database
        testing.deliver()
        testing.advance(seconds=30)
        assert shown(testing) == 3
        assert_views_equal_rebuild(testing)


def test_a_build_by_hand_is_written_at_once_and_leaves_the_promise_to_events_after_its_reading() -> None:
    with running() as testing:
        post(2)
        testing.deliver()
        database = Hooked(testing.database)

        def change() -> None:
            post(3)
            assert outcomes(testing) == ["postponed"]

        database.before("commit", 1, change)
        RebuildAll("quiet", PostView, database, testing.surroundings).rebuild(["posts/p"])
        assert shown(testing) == 2
        testing.advance(seconds=11)
        testing.advance(seconds=11)
        assert shown(testing) == 3
        assert_views_equal_rebuild(testing)


def test_upkeep_that_slept_for_days_writes_the_last_state(testing: MemoryApp) -> None:
    post(2)
    testing.deliver()
    assert testing.advance(days=3) == {"built": 1}
    assert shown(testing) == 2


def test_a_process_whose_clock_is_wrong_neither_loses_a_change_nor_writes_too_often(testing: MemoryApp) -> None:
    for seconds in (-3600, 3600):
        clock = testing.surroundings.clock
        skewed = testing.surroundings._replace(clock=lambda clock=clock, by=seconds: clock() + by * 10**9)  # type: ignore[misc]
        post(2)
        for each in testing.take():
            report = each.function.handle(each.change, testing.database, skewed)
            assert report.outcomes == {"postponed": 1}
    testing.advance(seconds=11)
    assert_views_equal_rebuild(testing)


def test_a_failure_in_the_period_is_a_debt_that_is_paid_with_the_postponed_change(testing: MemoryApp) -> None:
    testing.write("posts/p", {**(testing.fields("posts/p") or {}), "views": "many"})
    assert "dead letter" in outcomes(testing)
    post(5)
    testing.deliver()
    testing.advance(seconds=61)
    assert shown(testing) == 5
    assert ledger(testing)["owed"] is None
    assert_views_equal_rebuild(testing)


def test_a_get_shows_the_copy_until_the_end_of_the_period_and_the_last_state_from_then_on(testing: MemoryApp) -> None:
    client = http_client(testing)
    post(2)
    testing.deliver()
    assert answered(client.get("/posts/p")) in (1, 2)
    testing.surroundings.sleep(11)
    assert answered(client.get("/posts/p")) == 2


@pytest.mark.parametrize("seed", range(20))
def test_whatever_goes_wrong_the_last_state_is_written(testing: MemoryApp, seed: int) -> None:
    chance = Random(seed)

    def act() -> None:
        testing.surroundings.sleep(chance.choice([0.01, 1, 6]))
        match chance.randrange(6):
            case 0:
                testing.write("posts/p", None)
            case 1:
                testing.write(f"likes/l{chance.randrange(4)}", None)
            case 2 | 3:
                Like.new(doc_id=f"l{chance.randrange(4)}", post="p").save()
            case _:
                post(chance.randrange(9), tuple(chance.sample(["ada", "eve"], chance.randrange(3))))

    testing.deliver(shuffle=seed, at_once=4, crashes=0.05, duplicates=1, drops=0.1, meanwhile=[act] * 30)
    testing.advance(seconds=11)
    testing.advance(seconds=11)
    assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("value", [timedelta(0), timedelta(seconds=-1), 5, "5s"])
def test_what_is_not_a_period_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match="at_most_every must be a positive timedelta"):
        Boiler("other").query(at_most_every=value)(PostView)


def test_without_upkeep_nobody_would_write_the_last_state() -> None:
    with pytest.raises(InvalidOption, match="PostView needs upkeep"):
        Boiler("other", upkeep=False).query(at_most_every=PERIOD)(PostView)


def test_readers_whom_a_function_admits_are_refused_since_their_right_would_outlast_a_change() -> None:
    class Guarded(ViewModel[PostStore]):
        class Meta:
            path = "guarded/{post.doc_id}"
            read = staticmethod(lambda caller, view: True)

        @attrs.computed
        def views(self) -> int:
            return self.store.post.views

    with pytest.raises(InvalidOption, match="has a function"):
        Boiler("other").query(at_most_every=PERIOD)(Guarded)
