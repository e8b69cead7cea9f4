"""Kept totals: numbers that commits keep up to date, so that a change costs the same at any number of documents."""

from collections import Counter
from collections.abc import Callable
from random import Random, SystemRandom
from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    DomainModel,
    Store,
    ViewModel,
    access,
    attrs,
    children,
    matching,
    reference,
    referrers,
)
from boiler_functions.database import Delete, Put, Query
from boiler_functions.database.faults import Faults
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import Conflict, InvalidReference, UnknownOutcome
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.query.costs import cost_of
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.plan.advice import advice_on
from boiler_functions.plan.indexes import Indexes
from boiler_functions.plan.security_rules import documents, firestore_rules
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from boiler_functions.views.fetching import Assumed
from boiler_functions.views.keeping import CONTRIBUTIONS, HEADS, SHARDS, amounts_of
from boiler_functions.views.totals import kept_totals
from boiler_functions.views.view_model import View
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked, raises


class Post(DomainModel):
    class Meta:
        collection_name = "posts"

    title = attrs.string()


class Like(DomainModel):
    class Meta:
        collection_name = "likes"

    post = attrs.relation(Post)
    stars = attrs.integer()
    weight = attrs.float()
    seen_at = attrs.integer()


class LikeStore(Store):
    post = reference(Post)
    likes = referrers(Like.post).count(kept=True)
    stars = referrers(Like.post).sum(Like.stars, kept=True, shards=2)
    mean = referrers(Like.post).average(Like.stars, kept=True, shards=3)
    perfect = matching(Like.stars >= 5).count(kept=True, shards=1)


class LikeView(ViewModel[LikeStore]):
    class Meta:
        path = "likeViews/{post.doc_id}"

    @attrs.computed
    def numbers(self) -> list[float | None]:
        return [self.store.likes, self.store.stars, self.store.mean, self.store.perfect]


def liked() -> Boiler:
    app = Boiler("likes")
    app.query(LikeView)
    return app


def like(testing: MemoryApp, number: int | str, post: str = "a", **values: Any) -> None:
    put(testing, f"likes/l{number}", post=Reference(f"posts/{post}"), **values)


def shown(testing: MemoryApp, post: str = "a") -> list[float | None]:
    found: list[float | None] = (testing.fields(f"likeViews/{post}") or {})["numbers"]
    return found


def kept(testing: MemoryApp) -> Counter[str]:
    """Returns what all shards add up to, by total and field."""
    sums: Counter[str] = Counter()
    for shard in testing.database.query(Query(SHARDS)).documents:
        total = (shard.fields or {})["total"]
        sums.update({f"{total} {name}": number for name, number in amounts_of(shard).items()})
    return sums


def build_by_hand(testing: MemoryApp, through: Any = None, view: View = LikeView, app: str = "likes") -> None:
    surroundings = testing.surroundings._replace(release=testing.release)
    for _ in RebuildAll(app, view, through or testing.database, surroundings).run():
        pass


def forget(testing: MemoryApp) -> None:
    """Lets the totals be as before a first fill."""
    heads = testing.database.query(Query(HEADS)).documents
    testing.database.commit([Delete(each.path) for each in heads])


def test_a_view_shows_kept_numbers_over_documents_that_come_change_move_and_go() -> None:
    with memory_app(liked()) as testing:
        put(testing, "posts/a")
        put(testing, "posts/b")
        testing.deliver()
        assert shown(testing) == [0, 0, None, 0]
        like(testing, 1, stars=5)
        like(testing, 2, stars=2)
        like(testing, 3)
        testing.deliver()
        assert shown(testing) == [3, 7, 3.5, 1]
        like(testing, 2, stars=4)
        like(testing, 1, "b", stars=5)
        testing.deliver()
        assert (shown(testing), shown(testing, "b")) == ([2, 4, 4.0, 1], [1, 5, 5.0, 1])
        testing.database.commit([Delete("likes/l1")])
        testing.deliver()
        assert (shown(testing), shown(testing, "b")) == ([2, 4, 4.0, 0], [0, 0, None, 0])
        assert_views_equal_rebuild(testing)


class CountStore(Store):
    post = reference(Post)
    likes = referrers(Like.post).count(kept=True)


class CountView(ViewModel[CountStore]):
    class Meta:
        path = "countViews/{post.doc_id}"

    @attrs.computed
    def likes(self) -> int:
        return self.store.likes


def counted() -> Boiler:
    app = Boiler("counts")
    app.query(CountView)
    return app


@pytest.mark.parametrize("likes", [1, 100, 1_100])
def test_a_like_costs_the_same_however_many_there_are(likes: int) -> None:
    with memory_app(counted()) as testing:
        put(testing, "posts/a")
        for number in range(likes - 1):
            like(testing, number)
        testing.deliver()
        like(testing, "last")
        (delivery,) = testing.take()
        planned = cost_of(CountView, "likes/{doc_id}", Assumed(many=likes), 0)
        assert testing.handle(delivery).usage == planned == Usage(rpcs=5, reads=15, writes=4)
        assert (testing.fields("countViews/a") or {})["likes"] == likes


def test_what_changes_no_number_costs_nothing() -> None:
    with memory_app(liked()) as testing:
        put(testing, "posts/a")
        like(testing, 1, stars=5)
        testing.deliver()
        like(testing, 1, stars=5, seen_at=1)
        (delivery,) = testing.take()
        assert testing.handle(delivery).usage == Usage()


def test_a_burst_is_built_once_as_its_numbers_tell_which_changes_they_have() -> None:
    with memory_app(counted()) as testing:
        put(testing, "posts/a")
        testing.deliver()
        for number in range(20):
            like(testing, number)
        deliveries = testing.take()
        rest: list[Any] = []
        hooked = Hooked(testing.database).before("query", 1, lambda: rest.extend(map(testing.handle, deliveries[1:])))
        testing.handle(deliveries[0], hooked)
        outcomes = sum((Counter(each.outcomes) for each in rest), Counter())
        assert (testing.fields("countViews/a") or {})["likes"] == 20
        again = [testing.handle(each).outcomes for each in deliveries]
        assert again == [{"covered": 1}] * 20
        assert outcomes["built"] == 19


def test_an_event_that_comes_again_after_a_crash_builds_what_was_kept_before() -> None:
    with memory_app(counted()) as testing:
        put(testing, "posts/a")
        testing.deliver()
        like(testing, 1)
        (delivery,) = testing.take()

        def crash() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            testing.handle(delivery, Hooked(testing.database).before("query", 1, crash))
        assert (testing.fields("countViews/a") or {})["likes"] == 0
        assert testing.handle(delivery).outcomes == {"built": 1}
        assert (testing.fields("countViews/a") or {})["likes"] == 1


WORST = Faults(before=0.05, after=0.05, delay=0.05, torn=0.2)


def changes(testing: MemoryApp, random: Random) -> list[Callable[[], object]]:
    """Likes that come, change, move and go, and a post that goes and comes back."""

    def change() -> None:
        number = random.randrange(4)
        match random.randrange(7):
            case 0 | 1:
                testing.database.commit([Delete(f"likes/l{number}")])
            case 2:
                testing.database.commit([Delete("posts/a")])
            case 3:
                put(testing, "posts/a", title="again")
            case _:
                like(testing, number, random.choice("ab"), stars=random.choice((1, 5, None)))

    return [change] * 12


def deliver_amid_faults(testing: MemoryApp, seed: int, *more: Callable[[], object]) -> None:
    testing.deliver(
        duplicates=1,
        shuffle=seed,
        at_once=4,
        crashes=0.05,
        drops=0.05,
        faults=WORST,
        meanwhile=[*changes(testing, Random(seed)), *more],
    )


def assert_exact(testing: MemoryApp, store: type[Store] = LikeStore) -> None:
    """Fails unless the shards add up to what their documents add."""
    expected: Counter[str] = Counter()
    for document in testing.documents().values():
        for total, keeping in kept_totals([store]):
            if total.model.pattern().match(document.path):
                contribution = total.contribution_of(document)
                for group in contribution.groups:
                    amounts = contribution.amounts(group)
                    expected.update({f"{keeping.total} {name}": number for name, number in amounts.items()})
    assert +kept(testing) == +expected


@pytest.mark.parametrize("is_filled", [True, False])
def test_whatever_goes_wrong_kept_numbers_are_exact_and_equal_a_rebuild_in_the_end(is_filled: bool) -> None:
    first = SystemRandom().randrange(2**32)
    for seed in range(first, first + 25):
        print(f"seed {seed}")
        clock = VirtualClock()
        with memory_app(liked(), Surroundings(clock.now, clock.sleep, Random(seed))) as testing:
            put(testing, "posts/a")
            put(testing, "posts/b")
            for number in range(3):
                like(testing, number, stars=number)
            if not is_filled:
                forget(testing)
                testing.take()  # Those before the total was declared: nothing followed them.
            deliver_amid_faults(testing, seed, *([] if is_filled else [lambda t=testing: build_by_hand(t)]))
            assert_views_equal_rebuild(testing)
            assert_exact(testing)


def test_numbers_are_asked_for_until_a_build_has_filled_the_totals() -> None:
    with memory_app(liked()) as testing:
        forget(testing)
        put(testing, "posts/a")
        testing.deliver()
        for number in range(3):
            like(testing, number, stars=5)
        testing.take()
        like(testing, 3, stars=1)
        testing.deliver()
        assert shown(testing) == [4, 16, 4.0, 3]
        assert kept(testing).total() < 16
        build_by_hand(testing)
        assert_exact(testing)
        like(testing, 4, stars=1)
        deliveries = testing.take()
        (built,) = [testing.handle(each) for each in deliveries]
        assert (built.outcomes, shown(testing)) == ({"built": 1}, [5, 17, 3.4, 3])


def test_a_build_puts_right_what_was_left_from_a_former_time_or_edited_by_hand() -> None:
    with memory_app(liked()) as testing:
        put(testing, "posts/a")
        like(testing, 1, stars=5)
        like(testing, 2, stars=5)
        testing.deliver()
        like(testing, 3, stars=5)
        testing.database.commit([Delete("likes/l1")])
        testing.take()
        edited = testing.database.query(Query(SHARDS)).documents[0].path
        testing.database.commit([Put(edited, {}, mask=(), adds=(("count", 7), ("sum", -3)))])
        build_by_hand(testing)
        assert_exact(testing)
        assert shown(testing) == [2, 10, 5.0, 2]


def test_of_two_builds_at_once_one_puts_right_what_both_have_found() -> None:
    with memory_app(liked()) as testing:
        put(testing, "posts/a")
        like(testing, 1, stars=5)
        testing.deliver()
        edited = testing.database.query(Query(SHARDS)).documents[0].path
        testing.database.commit([Put(edited, {}, mask=(), adds=(("count", 7),))])

        class Disturbed(Hooked):
            is_done = False

            def commit(self, writes: Any, **options: Any) -> Any:
                if not self.is_done and any(each.path.startswith(HEADS) for each in writes):
                    self.is_done = True
                    build_by_hand(testing)
                return super().commit(writes, **options)

        build_by_hand(testing, Disturbed(testing.database))
        assert_exact(testing)


@pytest.mark.parametrize("error", [Conflict, UnknownOutcome])
def test_a_commit_that_fails_or_has_no_answer_adds_once(error: type[Exception]) -> None:
    with memory_app(counted()) as testing:
        put(testing, "posts/a")
        testing.deliver()
        like(testing, 1)
        (delivery,) = testing.take()

        hooked = Hooked(testing.database)
        # Of an unknown outcome, all was done.
        fail = hooked.after if error is UnknownOutcome else hooked.before
        assert testing.handle(delivery, fail("commit", 1, raises(error("Injected.")))).outcomes == {"built": 1}
        assert (testing.fields("countViews/a") or {})["likes"] == 1


def test_a_document_that_is_gone_leaves_a_tombstone_that_expires() -> None:
    with memory_app(counted()) as testing:
        put(testing, "posts/a")
        like(testing, 1)
        (first, *_) = [each for each in testing.take() if each.change.path == "likes/l1"]

        def delete() -> None:
            testing.database.commit([Delete("likes/l1")])
            (gone,) = testing.take()
            testing.handle(gone)

        testing.handle(first, Hooked(testing.database).before("commit", 1, delete))
        (tombstone,) = testing.database.query(Query(CONTRIBUTIONS)).documents
        assert (tombstone.fields or {})["groups"] == []
        assert "expire_at" in (tombstone.fields or {})
        assert kept(testing).total() == 0


def test_a_handler_that_saw_a_document_in_between_and_is_slow_adds_nothing() -> None:
    with memory_app(counted()) as testing:
        put(testing, "posts/a")
        put(testing, "posts/b")
        like(testing, 1)
        testing.deliver()
        like(testing, 1, "b")
        (moved,) = testing.take()

        def move_back() -> None:
            like(testing, 1)
            (back,) = testing.take()
            testing.handle(back)

        slow = Hooked(testing.database).before("commit", 1, move_back)
        testing.handle(moved, slow)
        testing.deliver()
        assert [(testing.fields(f"countViews/{each}") or {})["likes"] for each in "ab"] == [1, 0]


def test_a_torn_read_of_a_document_that_went_and_came_back_takes_nothing_away() -> None:
    clock = VirtualClock()
    with memory_app(counted(), Surroundings(clock.now, clock.sleep, Random(0))) as testing:
        put(testing, "posts/a")
        like(testing, 1)
        testing.deliver()
        clock.sleep(1)
        testing.database.commit([Delete("likes/l1")])
        (gone,) = testing.take()
        between = clock.now()
        clock.sleep(1)
        like(testing, 1)
        (back,) = testing.take()
        testing.handle(back)
        testing.handle(gone, Hooked(testing.database).tear("likes/l1", between))
        assert (testing.fields("countViews/a") or {})["likes"] == 1


class Poll(DomainModel):
    class Meta:
        collection_name = "polls"


class Vote(DomainModel):
    class Meta:
        collection_name = "polls/{poll_id}/votes"


class PollStore(Store):
    poll = reference(Poll)
    votes = children(Vote).count(kept=True, shards=1)


class PollCard(ViewModel[PollStore]):
    class Meta:
        path = "pollCards/{poll.doc_id}"

    @attrs.computed
    def votes(self) -> int:
        return self.store.votes


def test_children_are_kept_apart_by_the_document_above_them() -> None:
    app = Boiler("polls")
    app.query(PollCard)
    with memory_app(app) as testing:
        put(testing, "polls/p")
        put(testing, "polls/q")
        for path in ("polls/p/votes/1", "polls/p/votes/2", "polls/q/votes/1"):
            put(testing, path)
        testing.deliver()
        assert [(testing.fields(f"pollCards/{each}") or {})["votes"] for each in "pq"] == [2, 1]


def test_a_kept_total_that_cannot_be_exact_is_refused_by_name() -> None:
    with pytest.raises(InvalidReference, match=r"Like.weight is declared with `attrs.float\(\)`"):
        referrers(Like.post).sum(Like.weight, kept=True)  # type: ignore[arg-type]
    with pytest.raises(InvalidReference, match=r"count\(shards=0\): a total is kept in 1 to 100 shards"):
        referrers(Like.post).count(kept=True, shards=0)
    with pytest.raises(InvalidReference, match=r"count\(shards=3\) is not kept, and so has no shards"):
        referrers(Like.post).count(shards=3)
    with pytest.raises(InvalidReference, match=r"TopStore.top is a kept count of a selection in an order"):
        type("TopStore", (Store,), {"top": matching(Like.all().limit(10)).count(kept=True)})


def test_equal_declarations_share_what_is_kept() -> None:
    (one,) = kept_totals([CountStore])
    found = {keeping.total: each for each, keeping in kept_totals([CountStore, LikeStore])}
    assert one[1].total in found
    assert len(found) == 4


class AskedStore(Store):
    post = reference(Post)
    likes = referrers(Like.post).count()
    weight = referrers(Like.post).sum(Like.weight)
    by_stars = referrers(Like.post).count(by=Like.stars)


class AskedView(ViewModel[AskedStore]):
    class Meta:
        path = "askedViews/{post.doc_id}"


def test_the_plan_says_from_how_many_documents_on_keeping_pays() -> None:
    app = Boiler("asking")
    app.query(AskedView)

    def advised(many: int) -> list[str]:
        indexes = Indexes.of(app.compiled.declarations).to_wire()
        found = advice_on(app.compiled, indexes, Assumed(many=many))
        return [each.about for each in found if each.name == "kept-pays"]

    assert advised(10_000) == []
    assert advised(100_000) == ["AskedView.store.likes", "AskedView.store.by_stars"]


class Tallied(ViewModel[CountStore]):
    class Meta:
        read = access.public
        write = access.public

    def propagate_change(self) -> None: ...


@pytest.mark.parametrize("mode", ["task", "rest", "websocket"])
def test_a_kept_total_outside_of_stored_views_is_refused_by_name(mode: str) -> None:
    app = Boiler("tallies")
    match mode:
        case "task":
            app.task("posts/{doc_id}/orders/{order_id}", writes=[Post])(Tallied)
        case "rest":
            app.rest("/posts")(Tallied)
        case _:
            app.websocket("/posts")(Tallied)
    with pytest.raises(InvalidReference, match=rf"CountStore.likes is kept, and @app.{mode} of Tallied"):
        assert app.compiled


def test_clients_can_neither_read_nor_write_what_is_kept() -> None:
    rules = firestore_rules(documents(counted().compiled.declarations))
    for collection in (HEADS, SHARDS, CONTRIBUTIONS):
        assert f"match /{collection}/{{id}} {{ allow read, write: if false; }}" in rules
